// What a session holds its paths to: policy, on both sides and for every connection, and the terms that the dialler
// tells.
#include <utility>

#include "base/bytes.h"
#include "engine/session_core.h"
#include "paths/policy.h"
#include "protocol/path_terms.h"

namespace longhaul::engine {

std::string SessionCore::excluded_here(const PathOptions& path) const {
  return paths::why_excluded(setup_.options.require, setup_.options.forbid, path.tags);
}

/// Of this side, or the peer's: what stands in the way on each path.
Error SessionCore::no_path_left() const {
  std::string text = "policy excludes every path, so nothing can be carried:";
  for (const Path& path : paths_)
    text += (&path == paths_.data() ? " " : "; ") + printable(path.options.name) + ": " + path.excluded;
  return {Code::refused, text, 0};
}

/// The peer's policy would refuse every further connection there as well.
void SessionCore::path_excluded(Greeting& greeting, Time now) {
  Path& path = paths_[greeting.path];
  if (greeting.control)
    control_next_try_ = now;  // on another path
  else
    path.slots[greeting.slot].dialling = false;
  if (!path.excluded.empty()) return;
  path.excluded = greeting.handshake->error().text;
  path.excluded_by_peer = true;
  note(Event::Type::note, "path " + path.options.name + " is not used: " + path.excluded, path.options.name);
}

void SessionCore::tell_excluded() {
  if (std::exchange(excluded_told_, true)) return;
  for (const Path& path : paths_)
    if (!path.excluded.empty())
      note(Event::Type::note, "path " + path.options.name + " is not used: " + path.excluded, path.options.name);
}

// --- listener

bool SessionCore::is_stranger(const protocol::Hello& dialler, const std::optional<security::Fingerprint>& key) {
  if (!setup_.options.trusts) return tickets_.find(bytes_of(dialler.ticket())) == nullptr;
  if (dialler.kind() == protocol::Hello::KIND_STREAM) return !of_this_session(dialler);
  return !key || !setup_.options.trusts(security::format_fingerprint(*key));
}

/// Before anything is told to the dialler.
std::string SessionCore::why_excluded(const protocol::Hello& dialler, const std::optional<security::Fingerprint>& key) {
  if (is_stranger(dialler, key)) return {};  // whom answer() or admit() sends away
  const auto path = protocol::path_of(dialler);
  const std::string why = path ? excluded_here(*path) : std::string();
  if (!why.empty()) return "policy of the side that listens excludes path " + path->name + ": " + why;
  const Result<> fabric = path ? may_use_fabric(*path) : Result<>();
  return fabric ? "" : "the side that listens: " + fabric.error().text;
}

/// Without what the dialler asks for the packets of its path, they still arrive: that is told, and no failure.
void SessionCore::treat_as_asked(wire::Connection& connection, const protocol::Hello& dialler) {
  const auto path = protocol::path_of(dialler);
  if (!path) return;
  Result<> done;
  if (path->dscp >= 0) done = connection.set_dscp(path->dscp);
  if (done && !path->congestion.empty()) done = connection.set_congestion(path->congestion);
  if (done || treatment_problem_ == done.error().text) return;
  treatment_problem_ = done.error().text;
  note(Event::Type::note, "path " + path->name + ", as the peer asks for it: " + treatment_problem_);
}

}  // namespace longhaul::engine
