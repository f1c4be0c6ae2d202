// What a bench has found, for people and for programs.
#pragma once

#include <string>

#include "longhaul/bench.h"

namespace longhaul::cli {

// For people: a table, and below it what to change. Lines.
[[nodiscard]] std::string words_of(const HashBench& bench);
[[nodiscard]] std::string words_of(const DiskBench& bench);
[[nodiscard]] std::string words_of(const WireBench& bench);
[[nodiscard]] std::string words_of(const PathBench& bench);
[[nodiscard]] std::string words_of(const PathServed& served);

// One JSON object, a line.
[[nodiscard]] std::string json_of(const HashBench& bench, double time_s);
[[nodiscard]] std::string json_of(const DiskBench& bench, double time_s);
[[nodiscard]] std::string json_of(const WireBench& bench, double time_s);
[[nodiscard]] std::string json_of(const PathBench& bench, double time_s);
[[nodiscard]] std::string json_of(const PathServed& served, double time_s);

}  // namespace longhaul::cli
