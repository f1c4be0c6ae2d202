// What all simulated seams share: virtual time, one seed, one trace.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace longhaul::sim {

/// Virtual time. Moves only when the world, or a call that waits, moves it.
class SimClock final : public Clock {
 public:
  Time now() override { return now_; }
  [[nodiscard]] Time now() const { return now_; }
  std::int64_t wall_ns() override { return wall_at_start + now_; }
  void advance_to(Time time) { now_ = time > now_ ? time : now_; }
  void advance(Time by) { now_ += by; }

 private:
  static constexpr std::int64_t wall_at_start = 1'700'000'000 * second;
  Time now_ = second;
};

/// The same numbers for the same seed (splitmix64).
class SimRandom final : public Random {
 public:
  explicit SimRandom(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::byte> out) override;
  std::uint64_t draw();
  /// 0 .. bound-1; 0 for bound 0.
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : draw() % bound; }
  /// True once in `of` times.
  bool one_in(std::uint64_t of) { return below(of) == 0; }
  /// Another sequence of its own: what one seam draws does not move what another draws.
  SimRandom fork() { return SimRandom(draw()); }

 private:
  std::uint64_t state_;
};

/// A running hash of everything that happened. The same seed must give the same hash: if not, something is not
/// simulated.
class Trace {
 public:
  explicit Trace(SimClock& clock) : clock_(clock) {}
  /// `what` and two numbers of it (sizes, offsets, results).
  void note(std::string_view what, std::uint64_t first = 0, std::uint64_t second = 0);
  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] std::uint64_t events() const { return events_; }
  /// The last of them, in words: what led to a failure.
  [[nodiscard]] std::vector<std::string> last_events() const;
  /// Called with every event: for printing a failing seed's story.
  std::function<void(Time, std::string_view what, std::uint64_t, std::uint64_t)> listener;

 private:
  void mix(std::uint64_t value);
  struct Event {
    Time when = 0;
    std::array<char, 16> what{};
    std::uint64_t first = 0;
    std::uint64_t second = 0;
  };
  SimClock& clock_;
  std::array<Event, 64> recent_{};  // a ring
  std::uint64_t hash_ = 0x9e3779b97f4a7c15ULL;
  std::uint64_t events_ = 0;
};

}  // namespace longhaul::sim
