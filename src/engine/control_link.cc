#include "engine/control_link.h"

#include <algorithm>
#include <utility>

namespace longhaul::engine {
namespace {

constexpr Time ping_every = 250 * millisecond;  // also what shows that a path is cut
constexpr Time look_every = 50 * millisecond;
constexpr Time silence_min = 200 * millisecond;
// No message for so long, although each side pings: dead, or a damaged length has swallowed what came. Shorter than a
// receiver waits for its sender's last word.
constexpr Time silence_max = 5 * second;

}  // namespace

void ControlLink::send(const protocol::Message& message) {
  Kept kept{next_++, {}};
  kept.bytes = protocol::encode_message(message, kept.sequence);
  if (channel_) channel_->queue_encoded(kept.bytes);
  unacknowledged_.push_back(std::move(kept));
}

void ControlLink::attach(std::unique_ptr<wire::Channel> channel, std::uint32_t peer_has, Time now) {
  channel_ = std::move(channel);
  heard_at_ = pinged_at_ = now;
  looked_at_ = quiet_since_ = 0;
  silent_ = false;
  acknowledged(peer_has);
  for (const Kept& kept : unacknowledged_) channel_->queue_encoded(kept.bytes);
}

void ControlLink::reset() {
  channel_.reset();
  unacknowledged_.clear();
  next_ = 1;
  last_seen_ = last_told_ = 0;
}

void ControlLink::acknowledged(std::uint32_t sequence) {
  while (!unacknowledged_.empty() && unacknowledged_.front().sequence <= sequence) unacknowledged_.pop_front();
}

void ControlLink::look_at_health(Time now) {
  if (looked_at_ != 0 && now - looked_at_ < look_every) return;
  looked_at_ = now;
  const wire::Health health = channel_->connection().health();
  const std::uint64_t acked = health.bytes_acked + health.acks;
  if (health.bytes_in_flight == 0)
    quiet_since_ = 0;
  else if (quiet_since_ == 0 || acked != acked_)
    quiet_since_ = now;
  acked_ = acked;
  const Time rtt = static_cast<Time>(health.rtt_us) * 1000;
  silent_ = quiet_since_ != 0 && now - quiet_since_ >= std::max(silence_min, 4 * rtt);
}

std::optional<Error> ControlLink::lose(Error error) {
  channel_.reset();
  return error;
}

ControlLink::Received ControlLink::receive(Time now) {
  while (channel_) {
    wire::Incoming in = channel_->receive(nullptr);
    switch (in.kind) {
      case wire::Incoming::Kind::nothing:
      case wire::Incoming::Kind::no_slot:
        return {};
      case wire::Incoming::Kind::closed:
        return {std::nullopt, lose({Code::connection, "the peer closed the control connection", 0})};
      case wire::Incoming::Kind::failed:
        return {std::nullopt, lose(std::move(in.error))};
      case wire::Incoming::Kind::frame:
        return {std::nullopt, lose({Code::protocol, "the peer sent data on the control connection", 0})};
      case wire::Incoming::Kind::message:
        break;
    }
    heard_at_ = now;
    if (in.message.has_ping()) {
      protocol::Message pong;
      pong.mutable_pong()->set_token(in.message.ping().token());
      channel_->queue(pong);
      continue;
    }
    if (in.message.has_pong()) continue;
    if (in.message.has_control_ack()) {
      acknowledged(in.message.control_ack().sequence());
      continue;
    }
    if (in.sequence <= last_seen_) continue;  // sent again after a re-dial
    if (in.sequence != last_seen_ + 1) return {std::nullopt, lose({Code::protocol, "a control message is missing", 0})};
    last_seen_ = in.sequence;
    return {std::move(in.message), std::nullopt};
  }
  return {};
}

std::optional<Error> ControlLink::step(Time now) {
  if (!channel_) return std::nullopt;
  if (last_told_ != last_seen_) {
    protocol::Message ack;
    ack.mutable_control_ack()->set_sequence(last_seen_);
    channel_->queue(ack);
    last_told_ = last_seen_;
  }
  if (now - pinged_at_ >= ping_every) {
    protocol::Message ping;
    ping.mutable_ping()->set_token(static_cast<std::uint64_t>(now));
    channel_->queue(ping);
    pinged_at_ = now;
  }
  if (auto flushed = channel_->flush(); !flushed) return lose(std::move(flushed.error()));
  look_at_health(now);
  if (now - heard_at_ > silence_max)
    return lose(
        {Code::connection, "nothing was heard from the peer for " + std::to_string(silence_max / second) + " s", 0});
  return std::nullopt;
}

void ControlLink::watch(Poller& poller) {
  if (channel_) channel_->watch(poller);
}

void ControlLink::unwatch(Poller& poller) {
  if (channel_) channel_->unwatch(poller);
}

}  // namespace longhaul::engine
