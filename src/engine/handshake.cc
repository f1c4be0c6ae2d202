#include "engine/handshake.h"

#include <utility>

#include "base/bytes.h"
#include "protocol/bounds.h"

namespace longhaul::engine {

Handshake::Handshake(std::unique_ptr<wire::Channel> channel, protocol::Hello hello, const security::TicketKey& key,
                     Random& random, Time deadline)
    : channel_(std::move(channel)), random_(random), deadline_(deadline), key_(key), own_(std::move(hello)) {
  channel_->set_message_limit(protocol::hello_bytes_max);
  channel_->keep_bodies(true);
  send_hello();
}

Handshake::Handshake(std::unique_ptr<wire::Channel> channel, Admission& admission, Random& random, Time deadline)
    : channel_(std::move(channel)), admission_(&admission), random_(random), deadline_(deadline) {
  channel_->set_message_limit(protocol::hello_bytes_max);
  channel_->keep_bodies(true);
}

Handshake::State Handshake::step(Time now) {
  while (state_ == State::busy && !refusing_) {
    wire::Incoming in = channel_->receive(nullptr);
    if (in.kind == wire::Incoming::Kind::nothing) break;
    take(std::move(in));
  }
  if (state_ != State::failed) {
    if (auto flushed = channel_->flush(); !flushed) fail(std::move(flushed.error()));
  }
  if (refusing_ && !channel_->wants_to_write()) state_ = State::failed;
  if (state_ == State::busy && (now >= deadline_ || (now >= connect_by_ && !channel_->connection().connected()))) {
    const std::string who = channel_->connection().remote_address();
    fail({Code::connection,
          channel_->connection().connected() ? who + " did not answer in time" : "no connection to " + who + " in time",
          0});
  }
  if (state_ == State::proven) {
    channel_->set_message_limit(protocol::message_bytes_max);
    channel_->keep_bodies(false);
  }
  return state_;
}

void Handshake::take(wire::Incoming in) {
  using Kind = wire::Incoming::Kind;
  if (in.kind == Kind::closed)
    return fail(
        {Code::connection, channel_->connection().remote_address() + " closed the connection during the greeting", 0});
  if (in.kind == Kind::failed) return fail(std::move(in.error));
  if (in.kind == Kind::message && in.message.has_refusal()) {
    path_excluded_ = in.message.refusal().path();
    return fail({Code::refused, "the peer refused: " + printable(in.message.refusal().text()), 0});
  }
  if (in.kind == Kind::message && wait_ == Wait::hello && in.message.has_hello()) return take_hello(in);
  if (in.kind == Kind::message && wait_ == Wait::proof && in.message.has_proof()) return take_proof(in.message.proof());
  fail({Code::protocol, channel_->connection().remote_address() + " spoke out of turn during the greeting", 0});
}

Result<> Handshake::check_versions(const protocol::Hello& peer) const {
  const auto range = [](std::uint32_t low, std::uint32_t high) {
    return std::to_string(low) + ".." + std::to_string(high);
  };
  if (peer.version_max() < protocol::version_min || peer.version_min() > protocol::version_max)
    return longhaul::fail(Code::refused, "the peer (" + printable(peer.software()) + ") speaks protocol version " +
                                             range(peer.version_min(), peer.version_max()) + ", this side " +
                                             range(protocol::version_min, protocol::version_max) +
                                             "; update the older one");
  if ((peer.features_required() & ~protocol::features_known) != 0)
    return longhaul::fail(Code::refused, "the peer (" + printable(peer.software()) +
                                             ") requires features that this side does not have; update this side");
  if (!peer.allow_clear())
    return longhaul::fail(Code::refused, "the peer does not allow data in clear; both sides must say --cipher none");
  if (peer.nonce().size() != 32) return longhaul::fail(Code::protocol, "the peer's greeting is damaged");
  return {};
}

void Handshake::take_hello(const wire::Incoming& in) {
  peer_ = in.message.hello();
  peer_bytes_ = in.body;
  if (auto fine = check_versions(peer_); !fine) return refuse(std::move(fine.error()));
  wait_ = Wait::proof;
  if (admission_ == nullptr) return send_proof();
  if (std::string why = admission_->why_excluded(peer_); !why.empty()) {
    path_excluded_ = true;
    return refuse({Code::refused, std::move(why), 0});
  }
  auto answer = admission_->answer(peer_);
  if (!answer) return refuse(std::move(answer.error()));
  own_ = std::move(answer->hello);
  key_ = answer->key;
  send_hello();
}

void Handshake::take_proof(const protocol::Proof& proof) {
  const bool dialled = admission_ == nullptr;
  const auto expected = dialled ? security::proof_of(key_, security::Side::listener, own_bytes_, peer_bytes_)
                                : security::proof_of(key_, security::Side::dialler, peer_bytes_, own_bytes_);
  if (!security::same_mac(expected, bytes_of(proof.mac())))
    return refuse({Code::refused, "the ticket's secret is wrong; check that the whole ticket was copied", 0});
  if (!dialled) {
    if (auto admitted = admission_->admit(peer_); !admitted) return refuse(std::move(admitted.error()));
    send_proof();
  }
  state_ = State::proven;
}

void Handshake::send_hello() {
  own_.set_version_min(protocol::version_min);
  own_.set_version_max(protocol::version_max);
  own_.set_features_required(protocol::features_required);
  own_.set_features_supported(protocol::features_known);
  own_.set_software("longhaul " LONGHAUL_VERSION);
  std::array<std::byte, 32> nonce{};
  random_.fill(nonce);
  own_.set_nonce(nonce.data(), nonce.size());
  protocol::Message message;
  *message.mutable_hello() = own_;
  auto encoded = protocol::encode_message(message);
  own_bytes_.assign(encoded.begin() + protocol::prefix_bytes, encoded.end());
  channel_->queue_encoded(std::move(encoded));
}

void Handshake::send_proof() {
  const bool dialled = admission_ == nullptr;
  const auto mac = dialled ? security::proof_of(key_, security::Side::dialler, own_bytes_, peer_bytes_)
                           : security::proof_of(key_, security::Side::listener, peer_bytes_, own_bytes_);
  protocol::Message message;
  message.mutable_proof()->set_mac(mac.data(), mac.size());
  channel_->queue(message);
}

/// Tells the peer why, and fails once that is out.
void Handshake::refuse(Error error) {
  protocol::Message message;
  message.mutable_refusal()->set_code(static_cast<std::uint32_t>(error.code));
  message.mutable_refusal()->set_text(error.text.substr(0, protocol::text_bytes_max));
  message.mutable_refusal()->set_path(path_excluded_);
  channel_->queue(message);
  error_ = std::move(error);
  refusing_ = true;
}

void Handshake::fail(Error error) {
  if (!refusing_) error_ = std::move(error);
  state_ = State::failed;
}

}  // namespace longhaul::engine
