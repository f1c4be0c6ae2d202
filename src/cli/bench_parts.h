// What the texts of all benches have in common.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "cli/json_text.h"
#include "cli/printable.h"
#include "longhaul/bench.h"

namespace longhaul::cli {

inline std::string hint_lines(const std::vector<std::string>& hints) {
  std::string out;
  for (const std::string& hint : hints) out += fmt::format("hint: {}\n", printable(hint));
  return out;
}

inline std::string cores(unsigned number) {
  return counted(number, "core", "cores");
}

/// Seconds for a GiB.
inline std::string cpu(const BenchRate& rate) {
  return fmt::format("{:.3f}", rate.cpu_s_per_gib());
}

inline Json json_of_rate(const BenchRate& rate) {
  return {{"bytes", rate.bytes},
          {"seconds", rate.seconds},
          {"cpu_seconds", rate.cpu_seconds},
          {"bytes_per_s", rate.bytes_per_s()},
          {"cpu_s_per_gib", rate.cpu_s_per_gib()}};
}

inline Json json_of_rate(const std::optional<BenchRate>& rate) {
  return rate ? json_of_rate(*rate) : Json(nullptr);
}

inline Json head_of(const char* bench, double time_s) {
  Json object = head("bench", time_s);
  object["bench"] = bench;
  return object;
}

inline Json json_of_hints(const std::vector<std::string>& hints) {
  Json list = Json::array();
  for (const std::string& hint : hints) list.push_back(words(hint));
  return list;
}

}  // namespace longhaul::cli
