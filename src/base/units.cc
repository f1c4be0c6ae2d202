#include "longhaul/units.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "base/bytes.h"

namespace longhaul {
namespace {

constexpr std::uint64_t value_max = std::numeric_limits<std::uint64_t>::max();
constexpr std::string_view prefixes = "KMGTPE";
constexpr double year_s = 365 * 24 * 3600.0;

/// "12.50": 12 + 50 / 100. Kept in integers, so that "0.1GB" is 100,000,000 and nothing near it.
struct Decimal {
  std::uint64_t whole = 0;
  std::uint64_t part = 0;
  std::uint64_t part_of = 1;  ///< 10^digits behind the point
};

struct Written {
  Decimal number;
  std::string_view unit;
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::unexpected<Error> refuse(std::string_view text, std::string_view why) {
  return fail(Code::usage, fmt::format("\"{}\" {}", printable(text), why));
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

/// Takes the digits at the start of `rest`; nothing when there are none or too many.
std::optional<std::uint64_t> take_digits(std::string_view& rest) {
  if (rest.empty() || !is_digit(rest.front())) return std::nullopt;
  std::uint64_t value = 0;
  while (!rest.empty() && is_digit(rest.front())) {
    const auto digit = static_cast<std::uint64_t>(rest.front() - '0');
    if (value > (value_max - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
    rest.remove_prefix(1);
  }
  return value;
}

Result<Written> split(std::string_view text, std::string_view kind) {
  std::string_view rest = trimmed(text);
  Written written;
  if (rest.empty() || !is_digit(rest.front())) return refuse(text, fmt::format("is not a {}", kind));
  const auto whole = take_digits(rest);
  if (!whole) return refuse(text, "is too large");
  written.number.whole = *whole;
  if (!rest.empty() && rest.front() == '.') {
    rest.remove_prefix(1);
    const std::size_t before = rest.size();
    const auto part = take_digits(rest);
    const std::size_t digits = before - rest.size();
    if (!part || digits > 18) return refuse(text, "needs 1 to 18 digits behind the point");
    written.number.part = *part;
    for (std::size_t i = 0; i < digits; ++i) written.number.part_of *= 10;
  }
  written.unit = trimmed(rest);
  return written;
}

/// number x unit, rounded down; nothing when it does not fit.
std::optional<std::uint64_t> multiply(const Decimal& number, std::uint64_t unit) {
  using Wide = unsigned __int128;  // whole x unit + part x unit / part_of is below 2^128
  const Wide value = Wide{number.whole} * unit + Wide{number.part} * unit / number.part_of;
  if (value > value_max) return std::nullopt;
  return static_cast<std::uint64_t>(value);
}

std::uint64_t power(std::uint64_t base, std::size_t exponent) {
  std::uint64_t value = 1;
  for (std::size_t i = 0; i < exponent; ++i) value *= base;
  return value;
}

/// Takes a K, M, G, T, P, E (either case) from the start of `unit`: 1 for K, 2 for M, ...; 0 when there is none.
std::size_t take_prefix(std::string_view& unit) {
  if (unit.empty()) return 0;
  const char upper = unit.front() >= 'a' && unit.front() <= 'z' ? static_cast<char>(unit.front() - 32) : unit.front();
  const std::size_t at = prefixes.find(upper);
  if (at == std::string_view::npos) return 0;
  unit.remove_prefix(1);
  return at + 1;
}

std::string format_scaled(double value, double step, std::span<const std::string_view> units) {
  std::size_t unit = 0;
  // 999.995 would print as 1000.00: it belongs to the next unit already.
  while (unit + 1 < units.size() && value >= (unit == 0 ? step : step - 0.005)) {
    value /= step;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} {}", value, units[0]) : fmt::format("{:.2f} {}", value, units[unit]);
}

}  // namespace

Result<std::uint64_t> parse_bytes(std::string_view text) {
  const auto written = split(text, "size");
  if (!written) return std::unexpected(written.error());
  std::string_view unit = written->unit;
  const std::size_t exponent = take_prefix(unit);
  if (exponent == 0 && written->number.part_of != 1) return refuse(text, "is not a whole number of bytes");
  std::uint64_t base = 0;
  if (unit == "B") {
    base = 1000;
  } else if (exponent == 0 ? unit.empty() : unit.empty() || unit == "iB") {
    base = 1024;
  } else if (unit == "b") {
    return refuse(text, "means bits; sizes are in bytes, such as 8MiB or 8MB");
  } else {
    return refuse(text, "has a unit that is not known; write a size such as 64, 8MiB (binary) or 8MB (decimal)");
  }
  const auto bytes = multiply(written->number, power(base, exponent));
  if (!bytes) return refuse(text, "is too large");
  return *bytes;
}

Result<std::uint64_t> parse_rate(std::string_view text) {
  const auto written = split(text, "rate");
  if (!written) return std::unexpected(written.error());
  std::string_view unit = written->unit;
  if (unit.empty()) return refuse(text, "lacks a unit; write a rate such as 2Gbps or 250MB/s");
  const std::size_t exponent = take_prefix(unit);
  std::uint64_t base = 1000;
  if (exponent > 0 && unit.starts_with('i')) {
    base = 1024;
    unit.remove_prefix(1);
  }
  std::uint64_t bits = 0;
  if (unit == "bps" || unit == "b/s" || unit == "bit/s") {
    bits = 1;
  } else if (unit == "Bps" || unit == "B/s") {
    bits = 8;
  } else {
    return refuse(text, "has a unit that is not known; write a rate such as 2Gbps (bits) or 250MB/s (bytes)");
  }
  std::uint64_t scale = 0;
  if (__builtin_mul_overflow(power(base, exponent), bits, &scale)) return refuse(text, "is too large");
  const auto rate = multiply(written->number, scale);
  if (!rate) return refuse(text, "is too large");
  return *rate;
}

Result<double> parse_seconds(std::string_view text) {
  const auto written = split(text, "duration");
  if (!written) return std::unexpected(written.error());
  const std::string_view unit = written->unit;
  double unit_s = 0;
  if (unit.empty() || unit == "s") {
    unit_s = 1;
  } else if (unit == "m" || unit == "min") {
    unit_s = 60;
  } else if (unit == "h") {
    unit_s = 3600;
  } else if (unit == "d") {
    unit_s = 24 * 3600;
  } else {
    return refuse(text, "has a unit that is not known; write a duration such as 30s, 5min, 2h or 1d");
  }
  const Decimal& number = written->number;
  const double seconds =
      (static_cast<double>(number.whole) + static_cast<double>(number.part) / static_cast<double>(number.part_of)) *
      unit_s;
  // In nanoseconds it must fit a Time, with room for the present.
  if (seconds > 100 * year_s) return refuse(text, "is too long; at most 100 years");
  return seconds;
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 7> units = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  return format_scaled(static_cast<double>(bytes), 1024, units);
}

std::string format_rate(double bytes_per_s) {
  constexpr std::array<std::string_view, 7> units = {"B/s", "kB/s", "MB/s", "GB/s", "TB/s", "PB/s", "EB/s"};
  // Below a byte per second, and for what is no number at all, there is nothing worth digits.
  if (!(bytes_per_s >= 0) || std::isinf(bytes_per_s)) bytes_per_s = 0;
  return format_scaled(std::round(bytes_per_s), 1000, units);
}

std::string format_duration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e15) return "--:--";
  const auto total = static_cast<std::uint64_t>(std::llround(seconds));
  const std::uint64_t hours = total / 3600;
  if (hours == 0) return fmt::format("{}:{:02}", total / 60, total % 60);
  return fmt::format("{}:{:02}:{:02}", hours, total / 60 % 60, total % 60);
}

}  // namespace longhaul
