#include "engine/handshake.h"

#include <fmt/format.h>

#include <utility>

#include "base/bytes.h"
#include "engine/delta.h"
#include "protocol/bounds.h"
#include "wire/ip.h"

namespace longhaul::engine {
namespace {

Result<Cipher> from_wire(protocol::Hello::Cipher cipher) {
  switch (cipher) {
    case protocol::Hello::AUTOMATIC:
      return Cipher::automatic;
    case protocol::Hello::AES_256_GCM:
      return Cipher::aes_256_gcm;
    case protocol::Hello::AES_128_GCM:
      return Cipher::aes_128_gcm;
    case protocol::Hello::CHACHA20_POLY1305:
      return Cipher::chacha20_poly1305;
    case protocol::Hello::NONE:
      return Cipher::none;
    default:
      return longhaul::fail(Code::refused,
                            "the peer wishes for a cipher that this side does not know; update this side");
  }
}

}  // namespace

protocol::Hello::Cipher to_wire(Cipher cipher) {
  switch (cipher) {
    case Cipher::automatic:
      return protocol::Hello::AUTOMATIC;
    case Cipher::aes_256_gcm:
      return protocol::Hello::AES_256_GCM;
    case Cipher::aes_128_gcm:
      return protocol::Hello::AES_128_GCM;
    case Cipher::chacha20_poly1305:
      return protocol::Hello::CHACHA20_POLY1305;
    case Cipher::none:
      break;
  }
  return protocol::Hello::NONE;
}

std::uint64_t features_needed(const Options& options) {
  std::uint64_t needed = 0;
  if (options.leave_alone) needed |= protocol::feature_leave_alone;
  if (options.compression.mode != Compression::Mode::none) needed |= protocol::feature_compression;
  if (options.publish == Publish::tree) needed |= protocol::feature_publish_tree;
  if (options.mirror) needed |= protocol::feature_mirror;
  if (options.dry_run) needed |= protocol::feature_dry_run;
  if (delta_used(options) != Delta::none) needed |= protocol::feature_delta;
  if (options.checksum != Delta::none) needed |= protocol::feature_checksum;
  return needed;
}

Result<Cipher> agree_on_cipher(Cipher own, Cipher peer) {
  if (own == peer) return own == Cipher::automatic ? Cipher::aes_256_gcm : own;
  if (own == Cipher::none)
    return fail(Code::refused,
                "this side was told --cipher none, and the peer does not allow data in clear; both sides "
                "must say --cipher none, or neither");
  if (peer == Cipher::none)
    return fail(Code::refused,
                "the peer was told --cipher none, and this side does not allow data in clear; both sides "
                "must say --cipher none, or neither");
  if (own == Cipher::automatic) return peer;
  if (peer == Cipher::automatic) return own;
  return fail(Code::refused,
              fmt::format("this side was told --cipher {}, the peer --cipher {}; name the same on both, or on one only",
                          name_of(own), name_of(peer)));
}

Handshake::Handshake(std::unique_ptr<wire::SecureConnection> connection, protocol::Hello hello,
                     std::optional<security::TicketKey> key, Time deadline)
    : secure_(connection.get()),
      channel_(std::make_unique<wire::Channel>(std::move(connection))),
      deadline_(deadline),
      key_(key),
      own_(std::move(hello)) {
  channel_->set_message_limit(protocol::hello_bytes_max);
}

Handshake::Handshake(std::unique_ptr<wire::SecureConnection> connection, Admission& admission, Time deadline)
    : secure_(connection.get()),
      channel_(std::make_unique<wire::Channel>(std::move(connection))),
      admission_(&admission),
      deadline_(deadline) {
  channel_->set_message_limit(protocol::hello_bytes_max);
}

Handshake::State Handshake::step(Time now) {
  while (state_ == State::busy && !refusing_ && !heard_hello_) {
    wire::Incoming in = channel_->receive(nullptr);
    if (in.kind == wire::Incoming::Kind::nothing) break;
    take(std::move(in));
  }
  if (dialled() && !said_hello_ && state_ == State::busy && secure_->established()) send_hello();
  if (state_ != State::failed) {
    if (auto flushed = channel_->flush(); !flushed) fail(std::move(flushed.error()));
  }
  const bool all_out = said_hello_ && !channel_->wants_to_write();
  if (refusing_ && !channel_->wants_to_write()) state_ = State::failed;
  if (state_ == State::busy && !refusing_ && heard_hello_ && all_out) state_ = State::proven;
  if (state_ == State::busy && (now >= deadline_ || (now >= connect_by_ && !channel_->connection().connected()))) {
    const std::string who = channel_->connection().remote_address();
    fail({Code::connection,
          channel_->connection().connected() ? who + " did not answer in time" : "no connection to " + who + " in time",
          0});
  }
  if (state_ == State::proven) channel_->set_message_limit(protocol::message_bytes_max);
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
  if (in.kind == Kind::message && in.message.has_hello() && said_hello_ == dialled())
    return take_hello(in.message.hello());
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
  return {};
}

bool Handshake::has_joined(const protocol::Hello& dialler) const {
  return !secure_->session().empty() && secure_->session() == dialler.session();
}

/// Listener: a stream's TLS has joined the session that it names; a control's dialler has shown who it is, and knows
/// the ticket's secret where there is one.
Result<> Handshake::check_dialler(const protocol::Hello& dialler, const std::optional<security::TicketKey>& key) {
  if (dialler.kind() == protocol::Hello::KIND_STREAM)
    return has_joined(dialler) ? Result<>() : longhaul::fail(Code::refused, "that session has ended");
  if (!secure_->peer()) return longhaul::fail(Code::refused, "the peer has not shown who it is");
  const security::Secret connection = secure_->exported("longhaul ticket");
  if (key && !security::same_secret(security::proof_of(*key, connection), bytes_of(dialler.ticket_proof())))
    return longhaul::fail(Code::refused, "the ticket's secret is wrong; check that the whole ticket was copied");
  return admission_->admit(dialler, *secure_->peer());
}

/// Once both Hellos are known; streams have what control agreed on.
Result<> Handshake::check_cipher() {
  if (peer_.kind() == protocol::Hello::KIND_STREAM) return {};
  const auto own = from_wire(own_.cipher());
  const auto peer = from_wire(peer_.cipher());
  if (!peer) return std::unexpected(peer.error());
  const auto agreed = agree_on_cipher(*own, *peer);
  if (!agreed) return std::unexpected(agreed.error());
  cipher_ = *agreed;
  return {};
}

void Handshake::take_hello(const protocol::Hello& hello) {
  heard_hello_ = true;
  peer_ = hello;
  if (auto fine = check_versions(peer_); !fine) return refuse(std::move(fine.error()));
  if (dialled()) {
    if (auto fine = check_cipher(); !fine) refuse(std::move(fine.error()));
    return;
  }
  // Of a stream only who has joined the session by its key is told what excludes its path: its name is no secret.
  if (peer_.kind() != protocol::Hello::KIND_STREAM || has_joined(peer_)) {
    if (std::string why = admission_->why_excluded(peer_, secure_->peer()); !why.empty()) {
      path_excluded_ = true;
      return refuse({Code::refused, std::move(why), 0});
    }
  }
  auto answer = admission_->answer(peer_);
  if (!answer) return refuse(std::move(answer.error()));
  own_ = std::move(answer->hello);
  if (auto fine = check_cipher(); !fine) return refuse(std::move(fine.error()));
  if (auto fine = check_dialler(peer_, answer->key); !fine) return refuse(std::move(fine.error()));
  send_hello();
}

void Handshake::send_hello() {
  said_hello_ = true;
  own_.set_version_min(protocol::version_min);
  own_.set_version_max(protocol::version_max);
  own_.set_features_required(own_.features_required() | protocol::features_required);
  own_.set_features_supported(protocol::features_known);
  own_.set_software("longhaul " LONGHAUL_VERSION);
  if (dialled() && key_) {
    const auto proof = security::proof_of(*key_, secure_->exported("longhaul ticket"));
    own_.set_ticket_proof(proof.data(), proof.size());
  }
  protocol::Message message;
  *message.mutable_hello() = own_;
  channel_->queue(message);
}

std::unique_ptr<wire::Channel> Handshake::take_stream(Cipher cipher, const security::Secret& session_secret,
                                                      std::optional<wire::fabric::FabricSetup> fabric) {
  const std::uint32_t stream = dialled() ? own_.stream() : peer_.stream();
  std::string material(text_of(secure_->exported("longhaul stream")));
  material += std::to_string(stream);
  auto [connection, ahead] = secure_->release();
  channel_.reset();
  security::Seals seals;
  security::Seals rail;
  if (cipher != Cipher::none) {
    const security::Secret secret = security::extract(session_secret, bytes_of(material));
    seals = security::make_seals(cipher, secret, dialled());
    if (fabric) rail = security::make_seals(cipher, security::derive(secret, "longhaul rail"), dialled());
  }
  if (!fabric) return std::make_unique<wire::Channel>(std::move(connection), std::move(ahead), std::move(seals));
  if (const auto local = wire::parse_host_port(connection->local_address()); local && fabric->wish.where.empty())
    fabric->wish.where = wire::undisguised(local->host);
  return std::make_unique<wire::fabric::FabricChannel>(std::move(connection), std::move(ahead), std::move(seals),
                                                       std::move(rail), *std::move(fabric));
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
