// One option's text to its value. Errors are Code::usage; they name the option and what it takes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "longhaul/options.h"
#include "longhaul/status.h"

namespace longhaul::cli {

constexpr unsigned streams_max = 64;  ///< per path
constexpr unsigned workers_max = 64;
constexpr unsigned paths_max = 32;

/// "name=a,local=10.0.0.1,remote=10.0.0.2:4711,cap=2Gbps,streams=2,cc=cubic"; every key is optional, each stands once.
[[nodiscard]] Result<PathOptions> parse_path(std::string_view text);
/// All --path values; their names must differ.
[[nodiscard]] Result<std::vector<PathOptions>> parse_paths(const std::vector<std::string>& texts);

/// "4", or "auto" (0).
[[nodiscard]] Result<unsigned> parse_streams(std::string_view what, std::string_view text);
[[nodiscard]] Result<unsigned> parse_workers(std::string_view text);
/// A multiple of 8 MiB up to 512 MiB.
[[nodiscard]] Result<std::uint64_t> parse_chunk(std::string_view text);
[[nodiscard]] Result<Cipher> parse_cipher(std::string_view text);
/// A duration above zero, for the option `what`.
[[nodiscard]] Result<double> parse_duration(std::string_view what, std::string_view text);
/// Checks ADDR[:PORT] ("127.0.0.1", "[::1]:4711", "host:0") and returns it.
[[nodiscard]] Result<std::string> parse_listen(std::string_view text);
/// The name under which stdin lands: a relative path without "." and "..".
[[nodiscard]] Result<std::string> parse_stream_name(std::string_view text);

}  // namespace longhaul::cli
