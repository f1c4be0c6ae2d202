// One seed of the swarm: its own tree, paths and workers, and its own mix of everything that can go wrong; then what
// went wrong is over, and the transfer must come to its end by itself or when it is run again.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <string_view>
#include <vector>

#include "transfer_world.h"

namespace longhaul::sim {

enum class Fault : std::uint8_t {
  receiver_crash,  ///< loss of power
  receiver_kill,   ///< kill -9
  sender_crash,
  sender_kill,
  path_cut,          ///< reset, and no dialling for a while
  path_silence,      ///< nothing arrives, nobody is told
  path_crawl,        ///< a hundredth of its rate for a while
  connection_reset,  ///< one connection of a path
  jitter,            ///< what two connections carry arrives in any order
  frame_twice,       ///< a frame is delivered twice
  flipped_bit,       ///< in what the receiver reads, anywhere
  stranger,          ///< somebody else dials: garbage, half a greeting, nothing
  sync_fails,        ///< once; what it should have written is lost
  write_fails,       ///< EIO at the target
  read_fails,        ///< EIO at the source
  name_fails,        ///< EIO of open, rename, stat, ... at either end
  no_space,          ///< for a while
  hiccups,           ///< EINTR, EAGAIN, short reads and writes
  slow_disk,
  slow_sync,       ///< up to 5 s each
  source_rewrite,  ///< of equal size, with a new mtime
  secret_rewrite,  ///< of equal size, with the mtime set back
  rail_breaks,     ///< one end of a rail hears that an operation has failed
  rail_silence,    ///< what one end of a rail writes, nobody hears of any more
};
constexpr std::size_t fault_kinds = 24;
[[nodiscard]] std::string_view name_of(Fault fault);

/// What a seed has drawn.
struct SwarmPlan {
  struct Event {
    Fault fault;
    std::uint64_t at_bytes = 0;  ///< when so many file bytes have come
    std::size_t path = 0;
    Time lasts = 0;
    unsigned times = 1;  ///< how often in a row (failing operations)
  };
  WorldPlan world;
  std::vector<Event> events;  ///< in the order of at_bytes
  [[nodiscard]] bool has(Fault fault) const;
  /// Nothing in it may keep the first run from ending well.
  [[nodiscard]] bool harmless() const;
};
[[nodiscard]] SwarmPlan draw_swarm_plan(std::uint64_t seed);

/// What happened in one seed.
struct SwarmTally {
  std::array<std::uint64_t, fault_kinds> struck{};
  std::uint64_t files = 0;
  std::uint64_t chunks = 0;  ///< of files that are not bundled
  std::uint64_t frames_again = 0;
  std::uint64_t published = 0;
  std::uint64_t by_rail = 0;  ///< frames
  std::uint64_t runs = 1;     ///< 2: it had to be run again
  double virtual_seconds = 0;
  std::uint64_t hash = 0;
  [[nodiscard]] std::uint64_t crashes_and_path_faults() const;
};

/// Runs one seed. What contradicts the laws becomes a failure of the running test.
SwarmTally run_swarm_seed(std::uint64_t seed);

}  // namespace longhaul::sim
