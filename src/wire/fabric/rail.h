// What both ends of a rail (a fabric endpoint that carries frames one way) have in common: what they tell each other,
// how memory is registered, how long a thread may sleep.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/role.h"
#include "wire/fabric/provider.h"

namespace longhaul::wire::fabric {

constexpr unsigned slot_bits = 12;
constexpr unsigned generation_bits = 20;
constexpr std::uint32_t rail_slots_max = 1U << slot_bits;
static_assert(slot_bits + generation_bits == 8 * remote_data_bytes);

/// A slot of the receiver that the sender may write into, once. The generation tells this time from those before.
struct Grant {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  bool operator==(const Grant&) const = default;
};

/// As the 4 bytes that a write carries into the receiver's queue.
[[nodiscard]] constexpr std::uint32_t pack(const Grant& grant) {
  return (grant.generation << slot_bits) | grant.slot;
}
[[nodiscard]] constexpr Grant unpack(std::uint32_t data) {
  return {.slot = data & (rail_slots_max - 1), .generation = data >> slot_bits};
}

/// Frames that a rail has in flight at most, at the least: 1 MiB, what stays in a core's cache. More, where the way
/// does not ask for them, only make both ends work on memory that has gone cold.
constexpr unsigned rail_slots = 4;
/// So many that a rail over a way of this round trip, in us, is not what keeps `bytes_per_s` from being carried;
/// `rail_slots` to `path_slots_max`, each with room for a transfer's frames at either end. Rate 0: not known, 100 Gb/s
/// is taken for it, in 64 slots at most. Round trip 0: not known, 8.
[[nodiscard]] unsigned slots_covering(std::uint64_t bytes_per_s, std::uint64_t rtt_us);
/// But so many there at the least: where the provider moves frames by threads of its own (sockets), each of them waits
/// for two of those as well.
[[nodiscard]] inline unsigned slots_least(const FabricPlace& place) {
  return place.manual_progress ? rail_slots : 4 * rail_slots;
}

/// The slots of a receiver, as its peer needs to know them: `count` of `slot_bytes` each, back to back from `base`.
struct RemoteSlots {
  std::uint64_t key = 0;
  std::uint64_t base = 0;
  std::uint32_t slot_bytes = 0;
  std::uint32_t count = 0;
};

/// What one end tells the other before anything moves.
struct RailOffer {
  std::string provider;  ///< as libfabric calls it; must be the same at both ends
  std::vector<std::byte> address;
  RemoteSlots slots;  ///< of the end that receives
};

/// What a rail is made of.
struct RailWish {
  FabricWish fabric;
  std::uint32_t slots = rail_slots;  ///< of the receiving end: 1..rail_slots_max
  std::size_t slot_bytes = 0;
};

/// Opens an endpoint that can carry writes of `bytes`. Errors (unsupported): there is none, or it cannot.
[[nodiscard]] Result<std::unique_ptr<Endpoint>> open_endpoint(Fabric& fabric, const FabricWish& wish,
                                                              std::size_t bytes);

/// Registers `memory`, whatever the provider asks for; `remote`: for the peer to write into.
[[nodiscard]] Result<Registration> register_with(Endpoint& endpoint, Bytes memory, bool remote, Random& random);

/// A peer of another provider can do nothing with it (unsupported).
[[nodiscard]] Result<> check_same_provider(const Endpoint& endpoint, const RailOffer& peer);

/// Where the addresses of this fabric are IP addresses, that of the peer must be the one at which its companion
/// connection ends; `companion`: ADDR:PORT. Errors (refused; protocol: it is none). What is written must not go to a
/// machine that nobody has proven to be the peer, nor by a way that policy has not seen.
[[nodiscard]] Result<> check_same_host(const Endpoint& endpoint, const RailOffer& peer, const std::string& companion);

/// Takes all events off the queue, also behind one that fails, but no more than 2048 there: what has happened has
/// happened, whatever failed beside it. `take` is given all but failures; the first error, of an event or of `take`, is
/// the result. True in `moved`: there were events.
Result<> take_events(Endpoint& endpoint, bool& moved, const std::function<Result<>(const Event&)>& take);

/// Whether writes there carry the grant by themselves; else the sender tells of each one (SendRail::Sent).
[[nodiscard]] inline bool carries_grants(const FabricPlace& place) {
  return place.remote_data_bytes >= remote_data_bytes;
}

/// Round trips for which a frame has its slot: where writes do not tell of themselves, one until the sender hears that
/// it is there, and one until what it says of that is answered by a grant.
[[nodiscard]] inline unsigned slot_trips(const FabricPlace& place) {
  return carries_grants(place) ? 1 : 2;
}

/// How long the thread of a rail may sleep: by the queue's descriptor where there is one, else by looking again, at
/// once after something moved and ever more rarely when nothing does.
class RailWait {
 public:
  /// After a step that has taken all events; `moved`: there were some. `out`: writes are on their way. Returns the time
  /// of the next look, `now` for at once, and has `poller` watch the descriptor.
  [[nodiscard]] Time until(Endpoint& endpoint, Poller& poller, Time now, bool moved, bool out);
  /// Before the endpoint is closed.
  static void forget(Endpoint& endpoint, Poller& poller);

 private:
  Time nap_ = 0;
  Time spins_until_ = 0;
};

}  // namespace longhaul::wire::fabric
