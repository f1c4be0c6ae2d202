// The rule of one-sided writes, for the fabric wire to come: what a peer was granted, it may write until its completion
// has come or the rail is fenced - also long after the path was given up. Memory that is used for something else before
// that is written into behind its user's back.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "sim_base.h"

namespace longhaul::sim {

class SimRail {
 public:
  struct Completion {
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;  ///< as granted: tells a late completion from a new one's
  };

  SimRail(SimClock& clock, std::uint64_t seed) : clock_(clock), random_(seed) {}

  /// The peer may write into `memory`, which stays where it is until the completion or the fence.
  void grant(std::uint32_t slot, std::uint32_t generation, std::span<std::byte> memory);
  /// The peer writes what it was granted; it lands within `late_max` from now, whatever happens to the path.
  void write(std::uint32_t slot, std::span<const std::byte> bytes, Time late_max);
  /// What has landed by now and has not been told; each once.
  [[nodiscard]] std::vector<Completion> poll();
  /// Endpoint and registration are closed: nothing lands any more, every grant is void.
  void fence();
  [[nodiscard]] std::size_t granted() const { return grants_.size(); }

 private:
  struct Grant {
    Completion name;
    std::span<std::byte> memory;
  };
  struct Write {
    Completion name;
    std::span<std::byte> memory;
    std::vector<std::byte> bytes;
    Time lands = 0;
  };

  SimClock& clock_;
  SimRandom random_;
  std::vector<Grant> grants_;
  std::vector<Write> under_way_;
};

}  // namespace longhaul::sim
