#include "cli/option_values.h"

#include <fmt/format.h>

#include <charconv>
#include <system_error>

#include "cli/printable.h"
#include "cli/text_values.h"
#include "longhaul/units.h"

namespace longhaul::cli {
namespace {

constexpr std::uint64_t mib = 1024 * 1024;
constexpr std::uint64_t chunk_bytes_step = 8 * mib;
constexpr std::uint64_t chunk_bytes_max = 512 * mib;

std::unexpected<Error> bad(std::string text) {
  return fail(Code::usage, std::move(text));
}

}  // namespace

Result<unsigned> parse_streams(std::string_view what, std::string_view text) {
  unsigned number = 0;
  if (text == "auto") return 0;
  if (parse_number(text, 1, streams_max, number)) return number;
  return bad(fmt::format("{}: '{}' is not a number from 1 to {}, or auto", what, printable(text), streams_max));
}

Result<unsigned> parse_workers(std::string_view text) {
  unsigned number = 0;
  if (text == "auto") return 0;
  if (parse_number(text, 1, workers_max, number)) return number;
  return bad(fmt::format("--workers: '{}' is not a number from 1 to {}, or auto", printable(text), workers_max));
}

Result<std::uint64_t> parse_count(std::string_view what, std::string_view text) {
  std::uint64_t number = 0;
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && stopped == text.data() + text.size()) return number;
  return bad(fmt::format("{}: '{}' is not a whole number", what, printable(text)));
}

Result<std::uint64_t> parse_chunk(std::string_view text) {
  const Result<std::uint64_t> bytes = parse_bytes(text);
  if (!bytes) return bad("--chunk: " + bytes.error().text);
  if (*bytes != 0 && *bytes % chunk_bytes_step == 0 && *bytes <= chunk_bytes_max) return *bytes;
  return bad(
      fmt::format("--chunk: '{}' is not a multiple of 8 MiB up to 512 MiB (such as 8MiB, 64MiB)", printable(text)));
}

Result<Cipher> parse_cipher_option(std::string_view text) {
  Result<Cipher> cipher = parse_cipher(text);
  if (!cipher) return bad("--cipher: " + cipher.error().text);
  return cipher;
}

Result<Compression> parse_compression_option(std::string_view text) {
  Result<Compression> compression = parse_compression(text);
  if (!compression) return bad("--compress: " + compression.error().text);
  return compression;
}

Result<std::uint64_t> parse_cap(std::string_view what, std::string_view text) {
  const Result<std::uint64_t> rate = parse_rate(text);
  if (!rate) return bad(fmt::format("{}: {}", what, rate.error().text));
  if (*rate > 0) return *rate;
  return bad(fmt::format("{}: a cap of zero would let nothing through; leave it out", what));
}

Result<std::vector<std::string>> parse_tags(std::string_view what, std::string_view text, std::string_view separators) {
  std::vector<std::string> tags;
  for (const std::string_view tag : split(text, separators)) {
    if (const Result<> fine = check_tag(tag); !fine) return bad(fmt::format("{}: {}", what, fine.error().text));
    tags.emplace_back(tag);
  }
  return tags;
}

Result<double> parse_duration(std::string_view what, std::string_view text) {
  const Result<double> seconds = parse_seconds(text);
  if (!seconds) return bad(fmt::format("{}: {}", what, seconds.error().text));
  if (*seconds > 0) return *seconds;
  return bad(fmt::format("{}: '{}' must be above zero (such as 30s, 5m, 2h)", what, printable(text)));
}

Result<double> parse_money(std::string_view text) {
  double money = 0;
  if (parse_decimal(text, 1e15, money)) return money;
  return bad(
      fmt::format("--max-cost: '{}' is not an amount such as 400 or 12.50, without a currency", printable(text)));
}

Result<std::string> parse_listen(std::string_view text) {
  if (is_host_and_port(text, 0)) return std::string(text);
  return bad(fmt::format("--listen: '{}' is not ADDR or ADDR:PORT, such as 10.0.0.2, 10.0.0.2:4711 or [fd00::2]:4711",
                         printable(text)));
}

Result<std::string> parse_stream_name(std::string_view text) {
  if (text.empty() || text == "." || text == ".." || text.size() > 255 || text.find('/') != std::string_view::npos) {
    return bad(
        fmt::format("--name: '{}' is not a file name: 1 to 255 bytes, no '/', not '.' or '..'", printable(text)));
  }
  return std::string(text);
}

}  // namespace longhaul::cli
