// How transfers end badly: what the peer is told and told us, and that nobody who waits is left behind.
#include <string>
#include <utility>

#include "base/bytes.h"
#include "engine/session_core.h"

namespace longhaul::engine {

void SessionCore::tell_stop(std::uint32_t transfer, const Error& error) {
  protocol::Message message;
  auto& stop = *message.mutable_stop();
  stop.set_transfer(transfer);
  stop.set_code(static_cast<std::uint32_t>(error.code));
  stop.set_text(error.text.substr(0, protocol::text_bytes_max));
  control_.send(message);
}

void SessionCore::fail_incoming(std::uint32_t transfer, Error error) {
  const auto at = incoming_.find(transfer);
  if (at == incoming_.end() || at->second.error) return;
  tell_stop(transfer, error);
  at->second.error = std::move(error);
  at->second.again = false;
  if (at->second.phase == Phase::running) close_incoming(transfer);
}

/// A stopped peer may come back; one that failed will not.
void SessionCore::peer_stopped(const protocol::Stop& stop, Time now) {
  std::erase_if(waiting_opens_, [&](const auto& open) { return open.transfer() == stop.transfer(); });
  const Error error{static_cast<Code>(stop.code()), "the peer: " + printable(stop.text()), 0};
  if (error.code == Code::interrupted) {
    note(Event::Type::note, "the peer was stopped; waiting " +
                                std::to_string(static_cast<long>(setup_.options.retry_for_s)) +
                                " s for it to come back");
    if (const auto at = incoming_.find(stop.transfer()); at != incoming_.end() && at->second.phase == Phase::running) {
      at->second.again = true;
      close_incoming(stop.transfer());
    }
    return;
  }
  if (outgoing_.contains(stop.transfer())) return finish_outgoing(stop.transfer(), error, nullptr, now);
  const auto at = incoming_.find(stop.transfer());
  if (at == incoming_.end() || at->second.error) return;
  at->second.error = error;
  if (at->second.phase == Phase::running) close_incoming(stop.transfer());
}

void SessionCore::fail_all(const Error& error, bool tell_peer, Time now) {
  while (!outgoing_.empty()) {
    const std::uint32_t transfer = outgoing_.begin()->first;
    if (tell_peer) tell_stop(transfer, error);
    finish_outgoing(transfer, error, nullptr, now);
  }
  for (auto& [transfer, incoming] : incoming_) {
    if (incoming.error || (incoming.phase == Phase::ending && !incoming.again)) continue;
    if (tell_peer) tell_stop(transfer, error);
    incoming.error = error;
    incoming.again = false;
    if (incoming.phase == Phase::running) close_incoming(transfer);
  }
  while (!waiting_receives_.empty()) {
    Incoming waiting = std::move(waiting_receives_.front());
    waiting_receives_.pop_front();
    Outcome outcome;
    outcome.error = error;
    outcome.report = report_of(waiting, now);
    waiting.done(std::move(outcome));
  }
}

/// The session closes and does not wait any longer (a sync may take its time): nobody who waits for an outcome is left
/// behind.
void SessionCore::end_what_is_left(Time now) {
  for (auto& [transfer, incoming] : incoming_) {
    Outcome outcome;
    outcome.report = report_of(incoming, now);
    outcome.ok = !incoming.error && incoming.goodbye;
    if (!outcome.ok) outcome.error = incoming.error.value_or(Error{Code::interrupted, "the session was closed", 0});
    incoming.done(std::move(outcome));
  }
  incoming_.clear();
}

}  // namespace longhaul::engine
