// What a listener keeps for one session at most: streams, and slots of fabric streams. What each costs is not for the
// peer to choose without end. No I/O.
#pragma once

#include <cstddef>

#include "longhaul/options.h"
#include "longhaul/status.h"

namespace longhaul::engine {

/// What there is already.
struct Held {
  std::size_t streams = 0;
  std::size_t streams_of_path = 0;  ///< of that which is asked about
  std::size_t slots = 0;            ///< of all fabric streams
};

/// Its frames go by a fabric.
[[nodiscard]] bool goes_by_fabric(const PathOptions& path);

/// Slots that are left for one more fabric stream.
[[nodiscard]] unsigned slots_left(std::size_t held);

/// Whether one more stream of `path` may be. Errors (refused), in words for the peer.
[[nodiscard]] Result<> has_room(const Held& held, const PathOptions& path);

}  // namespace longhaul::engine
