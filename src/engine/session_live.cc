// What is changed about a session while it runs: paths, pauses, rates. Paths are the dialling side's, sending is the
// sender's; a change that is the peer's to make is asked of it (Adjust), and what holds is told to it (Standing).
#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "engine/session_core.h"
#include "longhaul/units.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

constexpr Time answer_time = 8 * second;

bool is_about_paths(Adjustment::Kind kind) {
  return kind <= Adjustment::Kind::remove_path;
}

protocol::Message to_wire(const Adjustment& adjustment, std::uint32_t request) {
  protocol::Message message;
  auto& adjust = *message.mutable_adjust();
  adjust.set_request(request);
  adjust.set_kind(static_cast<protocol::Adjust::Kind>(static_cast<int>(adjustment.kind) + 1));
  adjust.set_name(adjustment.path.name);
  adjust.set_cap_bits_per_s(adjustment.cap_bits_per_s);
  if (adjustment.kind != Adjustment::Kind::add_path) return message;
  const PathOptions& given = adjustment.path;
  adjust.set_cap_bits_per_s(given.cap_bits_per_s);
  auto& path = *adjust.mutable_path();
  path.set_local(given.local);
  path.set_device(given.device);
  path.set_remote(given.remote);
  path.set_streams(given.streams);
  path.set_weight(given.weight);
  path.set_cost_per_gb(given.cost_per_gb);
  for (const auto& tag : given.tags) path.add_tags(tag);
  path.set_dscp_and_1(static_cast<std::uint32_t>(given.dscp + 1));
  path.set_congestion(given.congestion);
  path.set_transport(given.transport);
  path.set_slots(given.slots);
  return message;
}

/// What a peer sends is not trusted to make sense.
Result<Adjustment> from_wire(const protocol::Adjust& adjust) {
  constexpr unsigned streams_max = 64;
  constexpr unsigned dscp_max = 63;
  const auto nonsense = [] { return fail(Code::protocol, "the peer asked for a change that makes no sense"); };
  if (adjust.kind() < protocol::Adjust::ADD_PATH || adjust.kind() > protocol::Adjust::RATE)
    return fail(Code::unsupported, "this change is not known at the other side, whose version may be older");
  Adjustment out;
  out.kind = static_cast<Adjustment::Kind>(adjust.kind() - 1);
  out.path.name = adjust.name();
  out.cap_bits_per_s = out.path.cap_bits_per_s = adjust.cap_bits_per_s();
  const auto& path = adjust.path();
  if (adjust.name().size() > path_name_bytes_max || path.streams() > streams_max || path.dscp_and_1() > dscp_max + 1)
    return nonsense();
  if (adjust.has_path() && !(path.weight() >= 0 && path.weight() < 1e9 && path.cost_per_gb() >= 0)) return nonsense();
  if (!adjust.has_path()) return out;
  out.path.local = path.local();
  out.path.device = path.device();
  out.path.remote = path.remote();
  out.path.streams = path.streams();
  out.path.weight = path.weight();
  out.path.cost_per_gb = path.cost_per_gb();
  out.path.tags.assign(path.tags().begin(), path.tags().end());
  out.path.dscp = static_cast<int>(path.dscp_and_1()) - 1;
  out.path.congestion = path.congestion();
  out.path.transport = path.transport();
  out.path.slots = path.slots();
  return out;
}

std::string rate_words(std::uint64_t bits_per_s) {
  return bits_per_s == 0 ? "without a limit" : "at most " + format_rate(static_cast<double>(bits_per_s) / 8);
}

/// "'a'", of a name that may have come from a peer.
std::string quoted(const std::string& name) {
  return "'" + printable(name) + "'";
}

}  // namespace

std::string SessionCore::id() const {
  return to_hex(ticket_id_);
}

// --- whose change it is
// -----------------------------------------------------------------------------------------------

void SessionCore::adjust(Adjustment adjustment, std::function<void(Result<std::string>)> done) {
  post([adjustment = std::move(adjustment), done = std::move(done)](SessionCore& self) {
    const bool only_receives = self.outgoing_.empty() && !(self.incoming_.empty() && self.waiting_receives_.empty());
    const bool is_ours = is_about_paths(adjustment.kind) ? self.dialler_ : !only_receives;
    if (is_ours) return done(self.adjust_here(adjustment, false));
    self.ask_peer(adjustment, done);
  });
}

void SessionCore::ask_peer(const Adjustment& adjustment, std::function<void(Result<std::string>)> done) {
  if (!control_.up())
    return done(
        fail(Code::connection, std::string("the peer is not there now, and this is for it to change: ") +
                                   (is_about_paths(adjustment.kind) ? "paths belong to the side that dials"
                                                                    : "sending belongs to the side that sends")));
  control_.send(to_wire(adjustment, next_request_));
  asked_[next_request_++] = {std::move(done), now_ + answer_time};
}

void SessionCore::take_adjust(const protocol::Adjust& adjust) {
  auto adjustment = from_wire(adjust);
  Result<std::string> done = adjustment ? adjust_here(*adjustment, true) : std::unexpected(adjustment.error());
  protocol::Message message;
  auto& adjusted = *message.mutable_adjusted();
  adjusted.set_request(adjust.request());
  adjusted.set_ok(done.has_value());
  if (!done) adjusted.set_code(static_cast<std::uint32_t>(done.error().code));
  adjusted.set_text((done ? *done : done.error().text).substr(0, protocol::text_bytes_max));
  control_.send(message);
}

void SessionCore::take_adjusted(const protocol::Adjusted& adjusted) {
  const auto at = asked_.find(adjusted.request());
  if (at == asked_.end()) return;  // too late
  const auto done = std::move(at->second.done);
  asked_.erase(at);
  const std::string text = printable(adjusted.text().substr(0, protocol::text_bytes_max));
  if (adjusted.ok()) return done(text);
  const bool known = adjusted.code() <= static_cast<std::uint32_t>(Code::internal);
  done(fail(known ? static_cast<Code>(adjusted.code()) : Code::protocol, text));
}

void SessionCore::fail_asked(const Error& error) {
  for (auto& [request, asked] : std::exchange(asked_, {})) asked.done(std::unexpected(error));
}

Result<std::string> SessionCore::adjust_here(const Adjustment& adjustment, bool by_peer) {
  if (is_about_paths(adjustment.kind) && !dialler_)
    return fail(Code::refused, "the side that dials owns the paths, and this is the one that listens");
  Result<std::string> done;
  switch (adjustment.kind) {
    case Adjustment::Kind::add_path:
      done = add_path(adjustment.path, by_peer);
      break;
    case Adjustment::Kind::drain_path:
    case Adjustment::Kind::cap_path:
    case Adjustment::Kind::disable_path:
    case Adjustment::Kind::enable_path:
    case Adjustment::Kind::remove_path:
      done = adjust_path(adjustment);
      break;
    case Adjustment::Kind::pause:
    case Adjustment::Kind::resume:
      done = pause(adjustment.kind == Adjustment::Kind::pause, by_peer);
      break;
    case Adjustment::Kind::rate:
      done = set_rate(adjustment.cap_bits_per_s, by_peer);
      break;
  }
  if (!done) return done;
  share_caps();
  tell_standing();
  note(Event::Type::note, *done + (by_peer ? ", as the peer asked" : ""));
  return done;
}

// --- paths
// ------------------------------------------------------------------------------------------------------------

std::string SessionCore::path_names() const {
  std::string names;
  for (const Path& path : paths_)
    if (path.use != Use::removed) names += (names.empty() ? "" : ", ") + printable(path.options.name);
  return names.empty() ? "there is none" : "there are: " + names;
}

bool SessionCore::any_path_in_use() const {
  return !dialler_ || std::any_of(paths_.begin(), paths_.end(), [](const Path& path) {
    return path.may_carry() && !(path.found && path.streams_most == 0);  // which may lead anywhere
  });
}

std::string SessionCore::waits_if_none() const {
  if (any_path_in_use()) return {};
  return "; no path is in use now: nothing moves until one is enabled or added, and the transfer gives up after " +
         std::to_string(static_cast<long>(setup_.options.stall_after_s)) + " s without progress";
}

/// A peer may not have us knock at doors of third hosts.
Result<> SessionCore::may_add(const PathOptions& given, bool by_peer) const {
  const auto usage = [](std::string text) { return fail(Code::usage, std::move(text)); };
  const auto live = std::count_if(paths_.begin(), paths_.end(), [](const Path& it) { return it.use != Use::removed; });
  const auto named =
      std::find_if(paths_.begin(), paths_.end(), [&](const Path& it) { return it.options.name == given.name; });
  if (named != paths_.end() && named->use != Use::removed)
    return usage("a path called " + quoted(given.name) + " exists already; " + path_names());
  if (live >= static_cast<std::ptrdiff_t>(protocol::paths_max) ||
      (named == paths_.end() && paths_.size() >= protocol::paths_max))
    return usage("this session has had " + std::to_string(protocol::paths_max) + " paths, which is the most");
  if (const std::string why = excluded_here(given); !why.empty())
    return fail(Code::refused, "policy excludes path " + quoted(given.name) + ": " + why);
  if (!by_peer || given.remote.empty()) return {};
  const auto remote = wire::parse_host_port(given.remote);
  if (!remote) return std::unexpected(remote.error());
  const auto is_its = [&](const std::string& address) {
    const auto known = wire::parse_host_port(address);
    return known && known->host == remote->host;
  };
  const auto& addresses = setup_.ticket->addresses;
  if (std::any_of(addresses.begin(), addresses.end(), is_its) ||
      std::any_of(paths_.begin(), paths_.end(),
                  [&](const Path& it) { return it.use != Use::removed && is_its(it.options.remote); }))
    return {};
  return fail(Code::refused, "the side that dials knows " + printable(given.remote) +
                                 " neither from the ticket nor from a path: add the path there");
}

Result<std::string> SessionCore::add_path(const PathOptions& given, bool by_peer) {
  PathOptions named = given;
  for (std::size_t number = paths_.size() + 1; named.name.empty(); ++number) {
    const std::string name = "path" + std::to_string(number);
    if (std::none_of(paths_.begin(), paths_.end(), [&](const Path& it) { return it.options.name == name; }))
      named.name = name;
  }
  if (auto may = may_add(named, by_peer); !may) return std::unexpected(may.error());
  auto made = make_path(named, paths_.size());
  if (!made) return std::unexpected(made.error());
  const auto before =
      std::find_if(paths_.begin(), paths_.end(), [&](const Path& it) { return it.options.name == made->options.name; });
  std::string words = "path " + printable(made->options.name) + " is added: dialling " + made->options.remote;
  if (before == paths_.end()) {
    paths_.push_back(std::move(*made));
    return words;
  }
  // Of that name before: its figures go on. Streams of then may still be closing; they find no slot any more.
  before->given = std::move(made->given);
  before->options = std::move(made->options);
  before->slots.clear();
  before->found = false;
  before->flap = {};
  before->last_error.clear();
  before->excluded = std::move(made->excluded);
  before->excluded_by_peer = false;  // it looks at the terms of now
  before->use = Use::in_use;
  return words;
}

Result<std::string> SessionCore::adjust_path(const Adjustment& adjustment) {
  const std::string& name = adjustment.path.name;
  const auto at = std::find_if(paths_.begin(), paths_.end(),
                               [&](const Path& path) { return path.options.name == name && path.use != Use::removed; });
  if (at == paths_.end()) return fail(Code::not_found, "no path is called " + quoted(name) + "; " + path_names());
  const auto path = static_cast<std::size_t>(at - paths_.begin());
  std::string words = "path " + printable(name);  // first what is done, then what that means
  switch (adjustment.kind) {
    case Adjustment::Kind::drain_path:
      words += drain_path(path);
      return words + waits_if_none();
    case Adjustment::Kind::disable_path:
      words += close_path(path, Use::disabled);
      return words + waits_if_none();
    case Adjustment::Kind::remove_path:
      words += close_path(path, Use::removed);
      return words + waits_if_none();
    case Adjustment::Kind::enable_path:
      return words + enable_path(path);
    case Adjustment::Kind::cap_path:
      at->options.cap_bits_per_s = at->given.cap_bits_per_s = adjustment.cap_bits_per_s;
      return words + " carries " + rate_words(adjustment.cap_bits_per_s);
    case Adjustment::Kind::add_path:
    case Adjustment::Kind::pause:
    case Adjustment::Kind::resume:
    case Adjustment::Kind::rate:
      break;
  }
  return fail(Code::internal, "not a change of a path");
}

std::string SessionCore::drain_path(std::size_t path) {
  Path& it = paths_[path];
  if (it.use != Use::in_use) return " is " + std::string(words_of(it.use)) + " already";
  set_use(path, Use::draining);
  return it.streams_up == 0 ? " is drained" : " drains: its streams close when what they carry has arrived";
}

std::string SessionCore::close_path(std::size_t path, Use use) {
  Path& it = paths_[path];
  if (it.use == use) return " is " + std::string(words_of(use)) + " already";
  set_use(path, use);
  return " is " + std::string(words_of(use));
}

std::string SessionCore::enable_path(std::size_t path) {
  Path& it = paths_[path];
  if (it.use == Use::in_use) return " is in use already";
  set_use(path, Use::in_use);
  for (StreamSlot& slot : it.slots) slot.next_try = slot.backoff = 0;
  it.flap = {};
  it.last_error.clear();
  return " is in use again";
}

/// Either side: what a change means for the streams.
void SessionCore::set_use(std::size_t path, Use use) {
  if (paths_[path].use == use) return;
  paths_[path].use = use;
  if (use != Use::in_use) drop_greetings(path);
  offer_or_retire(path);
  budget_due_ = now_;
  for (auto& [id, stream] : streams_) {
    if (stream.path != path) continue;
    if ((use != Use::disabled && use != Use::removed) || std::exchange(stream.closing, true)) continue;
    post_to_stream(id, [number = id](Worker& worker) { worker.close_stream(number); });
  }
  move_control(now_);
}

/// Whether the streams of this path get chunks follows its use and its duty.
void SessionCore::offer_or_retire(std::size_t path) {
  for (const auto& [id, stream] : streams_) {
    if (stream.path != path || !stream.sends) continue;
    for (auto& [transfer, outgoing] : outgoing_) {
      if (!outgoing.planner) continue;
      if (paths_[path].works() && !stream.closing && !stream.released)
        offer_stream(*outgoing.planner, id, path);
      else
        outgoing.planner->retire_stream(id);
    }
  }
}

/// Dials under way on a path that is not to be used. A stream's slot is free again.
void SessionCore::drop_greetings(std::size_t path) {
  for (auto at = greetings_.begin(); at != greetings_.end();) {
    if (!at->dialled || at->path != path || (at->control && !any_path_in_use())) {
      ++at;
      continue;
    }
    at->handshake->channel().unwatch(*kit_.poller);
    if (!at->control) paths_[path].slots[at->slot].dialling = false;
    at = greetings_.erase(at);
  }
}

/// While no path is in use at all, control may stand where it likes, for somebody must hear of the next one.
bool SessionCore::may_dial_control(std::size_t path) const {
  const Path& it = paths_[path];
  if (it.found && it.streams_most == 0) return false;
  return it.excluded.empty() && (any_path_in_use() ? it.use == Use::in_use : it.use != Use::removed);
}

/// Control leaves a path that is not in use, once it is drained; what was said on it is said again on the next.
void SessionCore::move_control(Time now) {
  if (!dialler_ || !control_.up() || !any_path_in_use()) return;
  if (const Use use = paths_[control_on_].use; use == Use::in_use || use == Use::draining) return;
  control_.unwatch(*kit_.poller);
  control_.detach();
  control_lost({Code::interrupted, "the path of the control connection is not in use any more", 0}, now);
}

/// Once in every step.
void SessionCore::step_live(Time now) {
  if (outgoing_.empty() && incoming_.empty() && waiting_receives_.empty())
    fail_asked({Code::interrupted, "the transfer has ended", 0});  // nobody waits for what changes nothing
  for (std::size_t path = 0; path < paths_.size(); ++path) {
    if (paths_[path].use != Use::draining) continue;
    bool closed = true;
    for (auto& [id, stream] : streams_) {
      if (stream.path != path) continue;
      closed = false;
      const bool carries = std::any_of(outgoing_.begin(), outgoing_.end(), [number = id](const auto& each) {
        return each.second.planner && each.second.planner->carries(number);
      });
      if (!stream.sends || carries || std::exchange(stream.closing, true)) continue;
      post_to_stream(id, [number = id](Worker& worker) { worker.close_stream(number); });
    }
    if (!closed) continue;
    set_use(path, Use::drained);
    note(Event::Type::note, "path " + printable(paths_[path].options.name) + " is drained");
    tell_standing();
  }
  for (auto at = asked_.begin(); at != asked_.end();) {
    if (now < at->second.by) {
      ++at;
      continue;
    }
    const auto done = std::move(at->second.done);
    at = asked_.erase(at);
    done(fail(Code::stalled, "the peer did not answer for " + std::to_string(answer_time / second) +
                                 " s; it may still do what was asked of it"));
  }
}

// --- sending
// ----------------------------------------------------------------------------------------------------------

Result<std::string> SessionCore::pause(bool paused, bool by_peer) {
  if (by_peer && outgoing_.empty()) return fail(Code::refused, "nothing is sent from the other side either");
  const bool was_held = is_held();
  if (paused_ == paused && (paused || !was_held))
    return paused ? "the transfer is paused already" : "the transfer is not paused";
  paused_ = paused;
  if (!paused && is_held()) live_rate_ = setup_.options.cap_bits_per_s;  // a timetable's pause: ended by hand
  hold_or_go_on();
  return paused ? "the transfer is paused" : "the transfer goes on";
}

Result<std::string> SessionCore::set_rate(std::uint64_t cap_bits_per_s, bool by_peer) {
  if (by_peer && outgoing_.empty()) return fail(Code::refused, "nothing is sent from the other side either");
  live_rate_ = cap_bits_per_s;
  hold_or_go_on();
  return "all paths together carry " + rate_words(cap_bits_per_s) +
         (rule_.words.empty() && peer_rule_.words.empty() ? "" : " until the timetable changes");
}

// --- what the peer should know
// ----------------------------------------------------------------------------------------

/// What a new peer takes for granted.
bool SessionCore::as_usual() const {
  const auto plain = [](const Path& path) { return path.use == Use::in_use && path.options.cap_bits_per_s == 0; };
  const bool paths = !dialler_ || std::all_of(paths_.begin(), paths_.end(), plain);
  return paths && !is_held() && cap_of_all() == 0 && rule_ == Rule{};
}

void SessionCore::tell_standing() {
  if (session_.empty()) return;
  protocol::Message message;
  auto& standing = *message.mutable_standing();
  standing.set_paused(is_held());
  standing.set_cap_bits_per_s(cap_of_all());
  auto& rule = *standing.mutable_rule();
  rule.set_cap_bits_per_s(rule_.cap_bits_per_s);
  rule.set_holds(rule_.holds);
  rule.set_words(rule_.words);
  for (const Path& path : paths_) {
    if (!dialler_) break;
    auto& its = *standing.add_paths();
    its.set_name(path.options.name);
    its.set_use(static_cast<protocol::PathStanding::Use>(path.use));
    its.set_cap_bits_per_s(path.options.cap_bits_per_s);
  }
  control_.send(message);
}

void SessionCore::take_standing(const protocol::Standing& standing) {
  const bool was_paused = peer_standing_.paused();
  peer_standing_ = standing;
  if (was_paused != standing.paused() && outgoing_.empty())
    note(Event::Type::note, standing.paused() ? "the transfer is paused" : "the transfer goes on");
  take_rule(standing.rule());
  if (dialler_) return;
  for (const auto& its : standing.paths()) {
    const auto use = static_cast<Use>(its.use());
    if (its.name().size() > path_name_bytes_max || its.use() < 0 || use > Use::removed) continue;
    auto at = std::find_if(paths_.begin(), paths_.end(), [&](const Path& it) { return it.options.name == its.name(); });
    if (at == paths_.end()) {
      if (use == Use::removed || paths_.size() >= protocol::paths_max) continue;
      at = paths_.emplace(at);
      at->options.name = its.name();
    }
    at->options.cap_bits_per_s = its.cap_bits_per_s();
    // A path that has drained here is so before the dialler knows it.
    if (!(at->use == Use::drained && use == Use::draining)) set_use(static_cast<std::size_t>(at - paths_.begin()), use);
  }
  share_caps();
}

}  // namespace longhaul::engine
