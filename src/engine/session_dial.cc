// The dialling side of a session: keeps control and the streams of every path up.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/room.h"
#include "engine/session_core.h"
#include "protocol/bounds.h"
#include "protocol/path_terms.h"

namespace longhaul::engine {
namespace {

constexpr Time patience = 30 * second;     // a listener syncs its tickets before it answers, on a slow disk
constexpr Time connect_time = 3 * second;  // the kernel would try for minutes, ever more rarely
constexpr Time backoff_first = 100 * millisecond;
constexpr Time backoff_max = 5 * second;

}  // namespace

Time SessionCore::next_backoff(Time backoff) {
  return backoff == 0 ? backoff_first : std::min(backoff * 2, backoff_max);
}

void SessionCore::dial(Time now) {
  if (!dialler_ || stopped_ || shutting_down_) return;
  // A peer that has left when all was done is not asked back.
  if (ever_up_ && outgoing_.empty() && incoming_.empty() && waiting_receives_.empty()) return;
  tell_excluded();
  // One that has gone silent is dialled beside, on another path: the first that works is taken.
  if (!control_.up() || (control_.silent() && paths_in_use() > 1)) dial_control(now);
  if (control_.up()) dial_streams(now);
}

std::size_t SessionCore::paths_in_use() const {
  return static_cast<std::size_t>(
      std::count_if(paths_.begin(), paths_.end(), [](const Path& path) { return path.may_carry(); }));
}

void SessionCore::dial_control(Time now) {
  if (now < control_next_try_) return;
  for (const Greeting& greeting : greetings_)
    if (greeting.control) return;
  const auto permitted = [](const Path& path) { return path.excluded.empty(); };
  if (std::none_of(paths_.begin(), paths_.end(), permitted)) return fail_all(no_path_left(), false, now);
  const bool elsewhere = control_.up();
  const auto is_good = [&](std::size_t path) { return may_dial_control(path) && !(elsewhere && path == control_on_); };
  for (std::size_t tried = 0; tried < paths_.size() && !is_good(control_path_ % paths_.size()); ++tried)
    ++control_path_;
  const std::size_t path = control_path_++ % paths_.size();
  if (!is_good(path)) return;
  if (!start_dial(path, 0, true, now)) {
    control_backoff_ = next_backoff(control_backoff_);
    control_next_try_ = now + control_backoff_;
  }
}

/// Some other path carries, now: it can wait.
bool SessionCore::carried_beside(std::size_t path) const {
  for (std::size_t other = 0; other < paths_.size(); ++other) {
    const Path& it = paths_[other];
    // That it is up says little: it may have fallen silent, and nobody knows yet.
    if (other != path && it.may_carry() && it.streams_up > 0 && it.bytes_per_s > 0) return true;
  }
  return false;
}

/// Where nothing else carries, nobody waits for a path that flaps longer than for any other.
bool SessionCore::may_dial(std::size_t path, const StreamSlot& slot, Time now) const {
  return now >= slot.next_try && (paths_[path].flap.may_try(now) || !carried_beside(path));
}

void SessionCore::tell_path_down(std::size_t path, Error error, Time now) {
  const Path& it = paths_[path];
  constexpr unsigned flaps_from = 3;
  if (dialler_ && it.flap.failures(now) >= flaps_from && carried_beside(path))
    error.text += "; flaps: next try in " + std::to_string((it.flap.retry_at() - now + second - 1) / second) + " s";
  note(Event::Type::path_down, "path " + it.options.name + " is down: " + error.text, it.options.name, error);
}

/// As many slots as there shall be streams.
void SessionCore::fill_slots(Path& path, bool sends) const {
  const auto has = std::count_if(path.slots.begin(), path.slots.end(),
                                 [&](const auto& slot) { return slot.sends == sends && slot.wanted; });
  auto missing = streams_of(path, sends) - std::min(streams_of(path, sends), static_cast<unsigned>(has));
  for (StreamSlot& slot : path.slots)
    if (missing > 0 && slot.sends == sends && !slot.wanted && !slot.dialling) {
      slot.wanted = true;
      --missing;
    }
  for (; missing > 0; --missing) path.slots.push_back({.sends = sends});
}

void SessionCore::dial_streams(Time now) {
  const bool send = !outgoing_.empty();
  const bool receive = std::any_of(incoming_.begin(), incoming_.end(),
                                   [](const auto& each) { return each.second.phase == Phase::running; });
  for (std::size_t p = 0; p < paths_.size(); ++p) {
    Path& path = paths_[p];
    if (!path.may_carry()) continue;
    for (const bool sends : {true, false}) {
      if (!(sends ? send : receive)) continue;
      fill_slots(path, sends);
    }
    for (std::size_t s = 0; s < path.slots.size() && path.may_carry(); ++s) {  // a found one may be gone meanwhile
      StreamSlot& slot = path.slots[s];
      if (!slot.wanted || slot.stream != 0 || slot.dialling || !may_dial(p, slot, now) ||
          !(slot.sends ? send : receive))
        continue;
      slot.dialling = start_dial(p, s, false, now);
    }
  }
}

/// What a connection on `path` says first; `slot`: for a stream, which gets its number here; null: for control.
protocol::Hello SessionCore::hello_of(const Path& path, const StreamSlot* slot) {
  protocol::Hello hello;
  hello.set_ticket(ticket_id_.data(), ticket_id_.size());
  hello.set_by_key(!ticket_key_);
  hello.set_cipher(to_wire(setup_.options.cipher));
  hello.set_features_required(features_needed(setup_.options));
  hello.set_session(session_);
  hello.set_kind(slot == nullptr ? protocol::Hello::KIND_CONTROL : protocol::Hello::KIND_STREAM);
  protocol::put_path(path.options, hello);
  if (slot == nullptr) {
    hello.set_last_sequence(control_.last_seen());
  } else {
    if (goes_by_fabric(path.options)) hello.set_features_required(hello.features_required() | protocol::feature_fabric);
    hello.set_stream(next_stream_++);
    hello.set_dialler_sends(slot->sends);
  }
  return hello;
}

bool SessionCore::start_dial(std::size_t p, std::size_t s, bool control, Time now) {
  const Path& path = paths_[p];
  LH_CHECK(path.excluded.empty(), "policy holds for every connection");
  wire::DialOptions options;
  options.local = path.given.local;
  options.device = path.options.device;
  options.remote = path.options.remote;
  options.congestion = path.options.congestion;
  options.dscp = path.options.dscp;
  auto connection = world_.wire.dial(options);
  if (!connection) {
    if (!control)
      stream_refused(p, s, connection.error(), now);
    else if (last_control_error_ != connection.error().text) {
      last_control_error_ = connection.error().text;
      note(Event::Type::note, last_control_error_ + "; trying for " +
                                  std::to_string(static_cast<long>(setup_.options.retry_for_s)) + " s");
    }
    return false;
  }
  Greeting greeting;
  greeting.dialled = true;
  greeting.control = control;
  greeting.path = p;
  greeting.slot = s;
  std::optional<security::SessionKey> join;
  std::optional<security::TicketKey> key;
  if (control)
    key = ticket_key_;
  else
    join = security::SessionKey{session_, joining_key()};
  auto secure = guard_->dialled(std::move(*connection), setup_.ticket->listener, std::move(join));
  greeting.handshake = std::make_unique<Handshake>(
      std::move(secure), hello_of(path, control ? nullptr : &path.slots[s]), key, now + patience);
  greeting.handshake->set_connect_by(now + connect_time);
  greetings_.push_back(std::move(greeting));
  return true;
}

}  // namespace longhaul::engine
