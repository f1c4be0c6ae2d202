// The dialling side of a session: keeps control and the streams of every path up.
#include <algorithm>
#include <utility>

#include "engine/session_core.h"

namespace longhaul::engine {
namespace {

constexpr Time greeting_time = 30 * second;  // a listener syncs its tickets before it answers, on a slow disk
constexpr Time backoff_first = 100 * millisecond;
constexpr Time backoff_max = 5 * second;
constexpr unsigned streams_auto = 2;  // per path, until the paths issue finds the number by measuring

}  // namespace

Time SessionCore::next_backoff(Time backoff) {
  return backoff == 0 ? backoff_first : std::min(backoff * 2, backoff_max);
}

unsigned SessionCore::streams_of(const Path& path) const {
  if (path.options.streams != 0) return path.options.streams;
  return setup_.options.streams != 0 ? setup_.options.streams : streams_auto;
}

void SessionCore::dial(Time now) {
  if (!dialler_ || stopped_ || shutting_down_) return;
  if (!control_.up())
    dial_control(now);
  else
    dial_streams(now);
}

void SessionCore::dial_control(Time now) {
  if (now < control_next_try_) return;
  for (const Greeting& greeting : greetings_)
    if (greeting.control) return;
  const std::size_t path = control_path_++ % paths_.size();
  if (!start_dial(path, 0, true, now)) {
    control_backoff_ = next_backoff(control_backoff_);
    control_next_try_ = now + control_backoff_;
  }
}

void SessionCore::dial_streams(Time now) {
  const bool send = !outgoing_.empty();
  const bool receive = std::any_of(incoming_.begin(), incoming_.end(),
                                   [](const auto& each) { return each.second.phase == Phase::running; });
  for (std::size_t p = 0; p < paths_.size(); ++p) {
    Path& path = paths_[p];
    for (const bool sends : {true, false}) {
      if (!(sends ? send : receive)) continue;
      const auto has =
          std::count_if(path.slots.begin(), path.slots.end(), [&](const auto& slot) { return slot.sends == sends; });
      for (auto count = static_cast<unsigned>(has); count < streams_of(path); ++count)
        path.slots.push_back({sends, 0, false, 0, 0});
    }
    for (std::size_t s = 0; s < path.slots.size(); ++s) {
      StreamSlot& slot = path.slots[s];
      if (slot.stream != 0 || slot.dialling || now < slot.next_try || !(slot.sends ? send : receive)) continue;
      slot.dialling = start_dial(p, s, false, now);
    }
  }
}

bool SessionCore::start_dial(std::size_t p, std::size_t s, bool control, Time now) {
  const Path& path = paths_[p];
  const auto& given = p < setup_.options.paths.size() ? setup_.options.paths[p] : PathOptions{};
  wire::DialOptions options;
  options.local = given.local;
  options.remote = path.options.remote;
  options.congestion = given.congestion;
  if (!control && given.cap_bits_per_s != 0)
    options.pace_bytes_per_s = std::max<std::uint64_t>(given.cap_bits_per_s / 8 / streams_of(path), 1);
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
  protocol::Hello hello;
  hello.set_ticket(ticket_id_.data(), ticket_id_.size());
  const auto identity = security::local_identity(ticket_id_);
  hello.set_identity(identity.data(), identity.size());
  hello.set_allow_clear(setup_.options.cipher == Cipher::none);
  hello.set_session(session_);
  hello.set_kind(control ? protocol::Hello::KIND_CONTROL : protocol::Hello::KIND_STREAM);
  hello.set_path(path.options.name);
  if (control) {
    hello.set_last_sequence(control_.last_seen());
  } else {
    hello.set_stream(next_stream_++);
    hello.set_dialler_sends(path.slots[s].sends);
  }
  Greeting greeting;
  greeting.dialled = true;
  greeting.control = control;
  greeting.path = p;
  greeting.slot = s;
  greeting.handshake = std::make_unique<Handshake>(std::make_unique<wire::Channel>(std::move(*connection)),
                                                   std::move(hello), ticket_key_, world_.random, now + greeting_time);
  greetings_.push_back(std::move(greeting));
  return true;
}

}  // namespace longhaul::engine
