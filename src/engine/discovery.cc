#include "engine/discovery.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace longhaul::engine {
namespace {

// The kernel sends a second packet after 1 s. A satellite answers in 0.6 s.
constexpr Time late_after = 900 * millisecond;

}  // namespace

Discovery::Discovery(wire::Wire& wire, std::vector<paths::Probe> probes, Time now) : begun_(now) {
  for (paths::Probe& probe : probes) {
    wire::DialOptions options;
    options.local = probe.local;
    options.device = probe.device;  // else the routing table may take it to the interface of another path
    options.remote = probe.remote;
    auto dialled = wire.dial(options);
    if (dialled) tries_.push_back({std::move(probe), std::move(*dialled)});  // else: no route leads there
  }
}

bool Discovery::step(Time now) {
  std::erase_if(tries_, [&](Try& each) {
    if (now - begun_ >= late_after) return true;
    if (each.connection->connected()) {
      const auto rtt = static_cast<Time>(each.connection->health().rtt_us) * 1000;
      each.probe.rtt = std::max<Time>(rtt > 0 ? rtt : now - begun_, 1);
      answered_.push_back(std::move(each.probe));
      return true;
    }
    std::array<std::byte, 1> nothing{};
    return each.connection->read_some(nothing).state != wire::Transfer::State::blocked;
  });
  return tries_.empty();
}

}  // namespace longhaul::engine
