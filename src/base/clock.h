// Time and randomness come through these two seams only, so that a simulator can own both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace longhaul {

/// Nanoseconds on a clock that never goes back. Only differences mean anything.
using Time = std::int64_t;
constexpr Time time_never = std::numeric_limits<Time>::max();
constexpr Time millisecond = 1'000'000;
constexpr Time second = 1'000'000'000;

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Time now() = 0;              ///< steady
  [[nodiscard]] virtual std::int64_t wall_ns() = 0;  ///< since the epoch; may jump
};

class Random {
 public:
  virtual ~Random() = default;
  /// Fills `out` with bytes nobody can guess (real: getrandom; simulated: from the seed).
  virtual void fill(std::span<std::byte> out) = 0;
  [[nodiscard]] std::uint64_t next();
};

/// The machine's own clock and randomness. Thread-safe; live for ever.
Clock& system_clock();
Random& system_random();

}  // namespace longhaul
