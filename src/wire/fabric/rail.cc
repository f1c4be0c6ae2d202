#include "wire/fabric/rail.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "longhaul/options.h"
#include "protocol/bounds.h"
#include "wire/ip.h"
#include "wire/socket_address.h"

namespace longhaul::wire::fabric {
namespace {

constexpr std::size_t provider_bytes_shown = 64;
constexpr Time spin = 100'000;  // after something moved: the next one is about a frame's copy away
constexpr Time nap_min = 50'000;
constexpr Time nap_max = millisecond;
// Also with a descriptor: rxd repeats what was lost, and rxm dials, only while its queue is read.
constexpr Time look_out = 5 * millisecond;
constexpr Time look_idle = 100 * millisecond;

/// The numeric host of an endpoint's address, if it is a socket's; empty: it is none.
std::string host_of(ConstBytes address) {
  sa_family_t family = AF_UNSPEC;
  SocketAddress socket;
  if (address.size() < sizeof family || address.size() > sizeof socket.storage) return {};
  std::memcpy(&family, address.data() + offsetof(sockaddr, sa_family), sizeof family);
  const std::size_t bytes = family == AF_INET ? sizeof(sockaddr_in) : family == AF_INET6 ? sizeof(sockaddr_in6) : 0;
  if (bytes == 0 || address.size() < bytes) return {};  // longer: a provider that tells all of a sockaddr_storage
  std::memcpy(&socket.storage, address.data(), bytes);
  socket.bytes = static_cast<socklen_t>(bytes);
  const auto text = parse_host_port(to_text(socket));
  return text ? text->host : std::string();
}

/// Without zone.
std::optional<Ip> ip_of(std::string_view host) {
  return parse_ip(undisguised(host.substr(0, host.find('%'))));
}

}  // namespace

unsigned slots_covering(std::uint64_t bytes_per_s, std::uint64_t rtt_us) {
  constexpr double frame_bytes = protocol::frame_bytes_usual;
  constexpr double beside_the_way = 2;  // one that is being read or sent, and one that has arrived and is granted anew
  constexpr std::uint64_t usual_bytes_per_s = 12'500'000'000;  // a port of today
  constexpr unsigned usual_slots_max = 64;                     // 16 MiB: what may turn out not to be needed
  constexpr unsigned slots_without_rtt = 8;
  if (rtt_us == 0) return slots_without_rtt;
  const bool known = bytes_per_s != 0;
  const auto rate = static_cast<double>(known ? bytes_per_s : usual_bytes_per_s);
  const double on_the_way = rate * static_cast<double>(rtt_us) / 1e6 / frame_bytes;
  const double wanted = std::ceil(on_the_way) + beside_the_way;
  return static_cast<unsigned>(std::clamp<double>(wanted, rail_slots, known ? path_slots_max : usual_slots_max));
}

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

Result<> check_same_provider(const Endpoint& endpoint, const RailOffer& peer) {
  const std::string& ours = endpoint.place().provider;
  if (peer.provider == ours) return {};
  return fail(
      Code::unsupported,
      fmt::format(
          "the peer's fabric is {}, ours {}: both ends need the same provider; where one name stands for "
          "several (longhaul path probe lists them), say it in full, or install the same libfabric at both ends",
          printable(peer.provider.substr(0, provider_bytes_shown)), ours));
}

Result<> check_same_host(const Endpoint& endpoint, const RailOffer& peer, const std::string& companion) {
  if (host_of(endpoint.address()).empty()) return {};
  const std::string its = host_of(peer.address);
  if (its.empty()) return fail(Code::protocol, "the peer's fabric address is no IP address, as ours is");
  const auto at = parse_host_port(companion);
  const auto wanted = at ? ip_of(at->host) : std::nullopt;
  if (wanted && ip_of(its) == wanted) return {};
  return fail(Code::refused,
              fmt::format("the peer's fabric is at {}, and its TCP connection at {}: what is sent would go to another "
                          "address than the one that was dialled. Dial the address of the fabric; where the side that "
                          "dials has it on a device of its own, name that: transport=fabric:PROVIDER@DEVICE",
                          its, printable(companion)));
}

Result<> take_events(Endpoint& endpoint, bool& moved, const std::function<Result<>(const Event&)>& take) {
  constexpr std::size_t batch = 32;
  constexpr unsigned batches_after_failure = 64;  // a peer may post what it was not asked for without end
  std::array<Event, batch> events;
  Result<> result;
  unsigned failed = 0;
  for (std::size_t count = batch; count == batch && failed < batches_after_failure; failed += result ? 0 : 1) {
    count = endpoint.poll(events);
    moved = moved || count > 0;
    for (std::size_t i = 0; i < count; ++i) {
      const Event& event = events[i];
      const Result<> taken =
          event.kind == Event::Kind::failed
              ? fail(Code::connection, fmt::format("fabric {}: {}", endpoint.place().provider, event.words))
              : take(event);
      if (!taken && result) result = taken;
    }
  }
  return result;
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
