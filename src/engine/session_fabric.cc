// Paths whose frames go by RDMA: which providers this side has, and what their streams are made of.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "base/bytes.h"
#include "engine/room.h"
#include "engine/session_core.h"
#include "paths/words.h"
#include "protocol/bounds.h"

namespace longhaul::engine {

/// Before anything moves: whoever names a provider hears at once why it is not there. An endpoint of each is opened, as
/// that alone tells.
Result<> SessionCore::prepare_fabrics() {
  std::vector<FabricWish> wishes;
  for (const std::string& provider : setup_.options.fabrics) wishes.push_back({.provider = provider, .where = {}});
  for (const PathOptions& path : setup_.options.paths) {
    const auto transport = parse_transport(path.transport);
    if (!transport) return std::unexpected(transport.error());
    if (!transport->provider.empty()) {
      wishes.push_back(
          {.provider = transport->provider, .where = transport->device.empty() ? path.local : transport->device});
    }
  }
  for (const auto& wish : wishes) {
    const auto opened = setup_.fabric->open(wish);
    if (!opened) return std::unexpected(opened.error());
    fabrics_.try_emplace(wish.provider, (*opened)->place());
  }
  return {};
}

/// Said to the peer as well.
Result<> SessionCore::may_use_fabric(const PathOptions& path) const {
  const auto transport = parse_transport(path.transport);
  if (!transport) return std::unexpected(transport.error());
  if (transport->provider.empty() || fabrics_.contains(transport->provider)) return {};
  return fail(Code::refused, "path " + printable(path.name) + " goes by fabric " + printable(transport->provider) +
                                 ", which was not asked for here: --fabric " + printable(transport->provider) +
                                 " when it is started");
}

/// What a stream of this path needs; none: TCP carries it. `rtt_us`: of its way; 0: not known.
std::optional<wire::fabric::FabricSetup> SessionCore::fabric_of(const PathOptions& path, bool sends,
                                                                std::uint64_t rtt_us) const {
  if (!goes_by_fabric(path)) return std::nullopt;
  auto transport = parse_transport(path.transport);
  const auto known = fabrics_.find(transport->provider);
  FabricPlace place{.remote_data_bytes = wire::fabric::remote_data_bytes, .manual_progress = true};  // as most are
  if (known != fabrics_.end()) place = known->second;
  const unsigned covering =
      wire::fabric::slots_covering(path.cap_bits_per_s / 8, rtt_us * wire::fabric::slot_trips(place));
  const unsigned wanted = std::max(covering, wire::fabric::slots_least(place));
  const unsigned unasked = std::clamp(slots_left(slots_held()), wire::fabric::rail_slots, wanted);
  return wire::fabric::FabricSetup{
      .fabric = *setup_.fabric,
      .random = world_.random,
      .clock = world_.clock,
      .wish = {.provider = std::move(transport->provider), .where = dialler_ ? transport->device : ""},
      .sends = sends,
      .slots = path.slots != 0 ? path.slots : unasked,
      // Who names a device has its fabric there, wherever its connections come from, or go to (a relay, a forwarded
      // port).
      .peer_elsewhere = !transport->device.empty()};
}

std::size_t SessionCore::slots_held() const {
  return std::transform_reduce(streams_.begin(), streams_.end(), std::size_t{0}, std::plus<>(),
                               [](const auto& each) { return each.second.slots; });
}

/// Listener: whether the dialler may have one more stream of it.
Result<> SessionCore::has_room_for(const PathOptions& path) const {
  const auto at =
      std::ranges::find(paths_, path.name, [](const Path& each) -> const std::string& { return each.options.name; });
  const std::size_t of_path = at == paths_.end() ? 0 : at->streams_up;
  return has_room({.streams = streams_.size(), .streams_of_path = of_path, .slots = slots_held()}, path);
}

/// Of the side that sends; empty: it is no fabric path, or has no streams.
std::string SessionCore::slots_words(const Path& path) const {
  const PathTimes& its = path.times;
  if (its.slots == 0) return {};
  std::string words = fmt::format("{} of 256 KiB, {} for a stream", its.slots, its.slots_each);
  if (its.rtt_min == 0) return words;
  const double rtt_s = static_cast<double>(its.rtt_min) / static_cast<double>(second);
  const double bytes_per_s = its.slots * static_cast<double>(protocol::frame_bytes_usual) / (rtt_s * its.slot_trips);
  return words + fmt::format(": enough for {} over {:.1f} ms{}", paths::bits_per_s(bytes_per_s), 1000 * rtt_s,
                             its.slot_trips > 1 ? ", which each frame waits for twice" : "");
}

}  // namespace longhaul::engine
