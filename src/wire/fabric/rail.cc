#include "wire/fabric/rail.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace longhaul::wire::fabric {
namespace {

constexpr Time spin = 100'000;  // after something moved: the next one is about a frame's copy away
constexpr Time nap_min = 50'000;
constexpr Time nap_max = millisecond;
// Also with a descriptor: rxd repeats what was lost, and rxm dials, only while its queue is read.
constexpr Time look_out = 5 * millisecond;
constexpr Time look_idle = 100 * millisecond;

}  // namespace

Result<std::unique_ptr<Endpoint>> open_endpoint(Fabric& fabric, const FabricWish& wish, std::size_t bytes) {
  auto endpoint = fabric.open(wish);
  if (!endpoint) return endpoint;
  const std::uint64_t most = (*endpoint)->place().write_bytes_max;
  if (most >= bytes) return endpoint;
  return fail(Code::unsupported, fmt::format("fabric {} writes no more than {} bytes at once, and a frame has {}",
                                             (*endpoint)->place().provider, most, bytes));
}

Result<Registration> register_with(Endpoint& endpoint, Bytes memory, bool remote, Random& random) {
  auto registered = endpoint.register_memory(memory, remote, random.next());
  if (!registered || !endpoint.place().memory.endpoint) return registered;
  return endpoint.enable_memory(registered->id);
}

Time RailWait::until(Endpoint& endpoint, Poller& poller, Time now, bool moved, bool out) {
  if (const int fd = endpoint.wait_fd(); fd >= 0) {
    if (!endpoint.may_wait()) return now;
    poller.watch(fd, true, false);
    return now + (out ? look_out : look_idle);
  }
  if (moved) {
    nap_ = 0;
    spins_until_ = now + spin;
  }
  if (now < spins_until_) return now;
  nap_ = nap_ == 0 ? nap_min : std::min(2 * nap_, nap_max);
  return now + nap_;
}

void RailWait::forget(Endpoint& endpoint, Poller& poller) {
  if (const int fd = endpoint.wait_fd(); fd >= 0) poller.forget(fd);
}

}  // namespace longhaul::wire::fabric
