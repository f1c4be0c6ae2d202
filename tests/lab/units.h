// What the lab is written in: nanoseconds, words, numbers with units, random numbers.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace longhaul::lab {

/// On CLOCK_MONOTONIC, or a length of time.
using Nanoseconds = std::int64_t;
inline constexpr Nanoseconds one_ms = 1'000'000;
inline constexpr Nanoseconds one_s = 1'000'000'000;

/// In words for whoever drives the lab. The lab is a test's tool: it throws, says what is wrong, and goes on or ends.
struct LabError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws "WHAT: the words for errno".
[[noreturn]] void throw_errno(const std::string& what);

[[nodiscard]] Nanoseconds now();

/// The words between blanks; '#' starts a comment.
[[nodiscard]] std::vector<std::string> words_of(std::string_view line);

// Each throws LabError with the bad text.
/// 10ms, 250us, 1.5s, 3ns. At most an hour.
[[nodiscard]] Nanoseconds parse_time(std::string_view text);
/// Bits a second: 1gbit, 200mbit, 64kbit. `max`: 0, which is no limit.
[[nodiscard]] double parse_rate(std::string_view text);
/// Bytes: 64k, 4m (powers of 1024), or a bare number.
[[nodiscard]] std::uint64_t parse_bytes(std::string_view text);
/// 0.1% or a fraction such as 0.001.
[[nodiscard]] double parse_probability(std::string_view text);

/// xoshiro256**: fast, and the same from the same seed.
class Random {
 public:
  explicit Random(std::uint64_t seed);
  std::uint64_t next();
  /// In [0, 1).
  double uniform();
  /// Trials before the first success of probability `p`; 0: the very next one.
  std::uint64_t geometric(double p);

 private:
  std::uint64_t state_[4] = {};
};

/// Stands for "never" where trials are counted down.
inline constexpr std::uint64_t never = UINT64_MAX / 4;

}  // namespace longhaul::lab
