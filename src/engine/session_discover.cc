// Paths that nobody named: the side that listens tells which of its addresses may be tried, the side that dials tries
// them from its own. Only between two that have proven themselves, and only what the allow-lists of both permit.
#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "engine/session_core.h"
#include "protocol/bounds.h"
#include "wire/ip.h"

namespace longhaul::engine {
namespace {

constexpr unsigned asks_max = 8;  // answered in one session, and made in one run

/// Of "10.0.0.1:4711", "[::ffff:10.0.0.1]:4711", "10.0.0.1".
std::string host_of(const std::string& address) {
  const auto parsed = wire::parse_host_port(address);
  return parsed ? std::string(wire::undisguised(parsed->host)) : std::string();
}

/// What comes to `heard` ("0.0.0.0:4711") comes to it as well.
bool hears(const std::string& heard, const wire::OwnAddress& own) {
  const std::string host = host_of(heard);
  const bool is_v4 = own.address.find(':') == std::string::npos;
  return host == own.address || host == "::" || (host == "0.0.0.0" && is_v4);
}

}  // namespace

/// Where nothing is said: `auto`.
paths::AllowList SessionCore::allow_list() const {
  return paths::AllowList::parse(setup_.options.discover.empty() ? "auto" : setup_.options.discover)
      .value_or(paths::AllowList());
}

/// Of this machine, what the list permits.
std::vector<wire::OwnAddress> SessionCore::permitted_addresses() const {
  const auto own = world_.wire.own_addresses();
  std::vector<std::string> bound = {host_of(control_.local_address())};
  for (const Path& path : paths_)
    if (path.streams_up > 0) bound.push_back(host_of(path.options.local));
  std::vector<wire::OwnAddress> in_use;
  for (const wire::OwnAddress& each : own)
    if (std::ranges::find(bound, each.address) != bound.end()) in_use.push_back(each);
  const auto list = allow_list();
  std::vector<wire::OwnAddress> found;
  for (const wire::OwnAddress& each : own)
    if (list.permits(each, in_use) && !has_terms(each) && found.size() < paths::addresses_told_max)
      found.push_back(each);
  return found;
}

/// The user has said something of a path from there (a price, a cap, a tag, that it shall rest): one that is found
/// would carry bytes as if he had not.
bool SessionCore::has_terms(const wire::OwnAddress& own) const {
  if (!dialler_) return false;
  const auto same_way = [&](const Path& path) {
    return host_of(path.options.local) == own.address || (!own.device.empty() && path.options.device == own.device);
  };
  const auto plain = [](const Path& path) {
    const PathOptions& its = path.options;
    return path.may_carry() && its.cost_per_gb <= 0 && its.cap_bits_per_s == 0 && its.weight == 1 && its.tags.empty();
  };
  return std::ranges::any_of(paths_, [&](const Path& path) { return same_way(path) && !plain(path); });
}

// --- the side that listens

/// A path that is found has no tags: under a policy that requires some, nothing is told.
void SessionCore::tell_addresses() {
  if (dialler_ || ++addresses_asked_ > asks_max) return;
  protocol::Message message;
  auto& told = *message.mutable_addresses();
  if (setup_.options.require.empty())
    for (const wire::OwnAddress& own : permitted_addresses())
      if (const auto address = heard_at(own)) told.add_address(*address);
  control_.send(message);
}

/// ADDR:PORT of `own` that is listened on. Where the user has listed it, a listener is made.
std::optional<std::string> SessionCore::heard_at(const wire::OwnAddress& own) {
  std::uint16_t port = 0;
  for (const auto& listener : listeners_) {
    const auto at = wire::parse_host_port(listener->address());
    if (!at) continue;
    if (port == 0) port = at->port;
    if (hears(listener->address(), own)) return wire::join_host_port({own.address, at->port});
  }
  if (!allow_list().chosen()) return std::nullopt;
  auto listener = world_.wire.listen(wire::join_host_port({own.address, port}));
  if (!listener) listener = world_.wire.listen(wire::join_host_port({own.address, 0}));
  if (!listener) return std::nullopt;
  listeners_.push_back(std::move(*listener));
  return listeners_.back()->address();
}

// --- the side that dials

/// Once in each session, when the paths that are known have had time to come up.
void SessionCore::ask_addresses() {
  if (!std::exchange(addresses_to_ask_, false) || ++addresses_asks_ > asks_max) return;
  if (!setup_.options.require.empty())
    return note(Event::Type::note, "no paths are looked for: they would have no tags, and policy requires some");
  protocol::Message message;
  message.mutable_ask_addresses();
  control_.send(message);
  told_.reset();
  addresses_awaited_ = true;
}

/// What a peer says is probed only where our own list permits it, and is no path before its host has proven itself.
void SessionCore::take_addresses(const protocol::Addresses& addresses) {
  if (!std::exchange(addresses_awaited_, false)) return;
  told_.emplace();
  for (const std::string& address : addresses.address()) {
    if (told_->size() >= paths::addresses_told_max) break;
    const auto parsed = wire::parse_host_port(address);
    if (parsed && parsed->port != 0) told_->push_back(address);
  }
}

std::vector<paths::Probe> SessionCore::paths_by_address() const {
  const auto own = world_.wire.own_addresses();
  std::vector<paths::Probe> used;
  for (const Path& path : paths_) {
    if (path.found && path.streams_most == 0) continue;  // it was none
    const std::string local = host_of(path.options.local);
    const auto at = std::ranges::find(own, local, &wire::OwnAddress::address);
    used.push_back({.device = at == own.end() ? "" : at->device, .local = local, .remote = path.options.remote});
  }
  return used;
}

/// Once in every step.
void SessionCore::discover(Time now) {
  if (now >= discover_from_ && control_.up()) ask_addresses();
  if (told_ && control_.up()) {
    const auto own = permitted_addresses();
    const auto list = allow_list();
    std::erase_if(*told_, [&](const std::string& address) { return !list.permits_remote(host_of(address), own); });
    discovery_.emplace(world_.wire, paths::worth_probing(own, *told_, paths_by_address()), now);
    told_.reset();
  }
  if (!discovery_ || !discovery_->step(now)) return;
  const auto chosen = paths::worth_using(discovery_->answered(), paths_by_address());
  discovery_.reset();
  if (chosen.empty()) note(Event::Type::note, "no further paths were found");
  for (const paths::Probe& probe : chosen) use_found(probe);
}

void SessionCore::use_found(const paths::Probe& probe) {
  PathOptions options;
  options.local = probe.local;
  options.device = probe.device;
  options.remote = probe.remote;
  for (unsigned number = 1; options.name.empty(); ++number) {
    const std::string name = "found" + std::to_string(number);
    if (std::ranges::none_of(paths_, [&](const Path& path) { return path.options.name == name; })) options.name = name;
  }
  const auto added = add_path(options, false);
  if (!added) return note(Event::Type::note, "a path that was found is not used: " + added.error().text);
  paths_.back().found = true;
  share_caps();
  tell_standing();
  note(Event::Type::note, "found: " + *added + " from " + probe.local, options.name);
}

/// A found path whose host turns out to be another, or nobody: it is no path. True: it is gone.
bool SessionCore::drop_if_only_found(std::size_t path, const Error& error) {
  Path& it = paths_[path];
  if (!it.found || it.streams_most > 0) return false;
  if (it.use == Use::removed) return true;
  note(Event::Type::note, "path " + it.options.name + " was found, and does not lead to the peer: " + error.text,
       it.options.name);
  set_use(path, Use::removed);
  tell_standing();
  return true;
}

}  // namespace longhaul::engine
