// Paths whose frames go by RDMA: which providers this side has, and what their streams are made of.
#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "engine/session_core.h"

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
    if (std::ranges::find(fabrics_, wish.provider) == fabrics_.end()) fabrics_.push_back(wish.provider);
  }
  return {};
}

/// Said to the peer as well.
Result<> SessionCore::may_use_fabric(const PathOptions& path) const {
  const auto transport = parse_transport(path.transport);
  if (!transport) return std::unexpected(transport.error());
  if (transport->provider.empty() || std::ranges::find(fabrics_, transport->provider) != fabrics_.end()) return {};
  return fail(Code::refused, "path " + printable(path.name) + " goes by fabric " + printable(transport->provider) +
                                 ", which was not asked for here: --fabric " + printable(transport->provider) +
                                 " when it is started");
}

/// What a stream of this path needs; none: TCP carries it.
std::optional<wire::fabric::FabricSetup> SessionCore::fabric_of(const PathOptions& path, bool sends) const {
  auto transport = parse_transport(path.transport);
  if (!transport || transport->provider.empty()) return std::nullopt;
  return wire::fabric::FabricSetup{
      .fabric = *setup_.fabric,
      .random = world_.random,
      .clock = world_.clock,
      .wish = {.provider = std::move(transport->provider), .where = dialler_ ? std::move(transport->device) : ""},
      .sends = sends};
}

}  // namespace longhaul::engine
