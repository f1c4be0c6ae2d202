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

/// "4", or "auto" (0).
[[nodiscard]] Result<unsigned> parse_streams(std::string_view what, std::string_view text);
[[nodiscard]] Result<unsigned> parse_workers(std::string_view text);
/// A whole number, 0 too, for the option `what`.
[[nodiscard]] Result<std::uint64_t> parse_count(std::string_view what, std::string_view text);
/// A multiple of 8 MiB up to 512 MiB.
[[nodiscard]] Result<std::uint64_t> parse_chunk(std::string_view text);
[[nodiscard]] Result<Cipher> parse_cipher_option(std::string_view text);
[[nodiscard]] Result<Compression> parse_compression_option(std::string_view text);
/// A rate above zero, in bits per second.
[[nodiscard]] Result<std::uint64_t> parse_cap(std::string_view what, std::string_view text);
/// Tags between any of `separators` ("us+fiber").
[[nodiscard]] Result<std::vector<std::string>> parse_tags(std::string_view what, std::string_view text,
                                                          std::string_view separators);
/// A duration above zero, for the option `what`.
[[nodiscard]] Result<double> parse_duration(std::string_view what, std::string_view text);
/// An amount of money, without a currency: 0 or more.
[[nodiscard]] Result<double> parse_money(std::string_view text);
/// Checks ADDR[:PORT] ("127.0.0.1", "[::1]:4711", "host:0") and returns it.
[[nodiscard]] Result<std::string> parse_listen(std::string_view text);
/// The name under which stdin lands: a relative path without "." and "..".
[[nodiscard]] Result<std::string> parse_stream_name(std::string_view text);

}  // namespace longhaul::cli
