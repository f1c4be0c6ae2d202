// Two endpoints prove to each other who they are, on every connection: TLS, then a Hello of each. On control the
// listener is known by its key, the dialler by its ticket's secret and its own key; a stream's dialler and listener by
// the key of the session that they already have.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "longhaul/options.h"
#include "protocol/message.h"
#include "security/seal.h"
#include "security/ticket.h"
#include "wire/channel.h"
#include "wire/fabric/fabric_channel.h"
#include "wire/secure.h"

namespace longhaul::engine {

/// What both sides' wishes come to. Errors (Code::refused) say what to change.
[[nodiscard]] Result<Cipher> agree_on_cipher(Cipher own, Cipher peer);
[[nodiscard]] protocol::Hello::Cipher to_wire(Cipher cipher);
/// What a peer must know of to be of use to a side with these options.
[[nodiscard]] std::uint64_t features_needed(const Options& options);

/// How a listener decides on diallers.
class Admission {
 public:
  virtual ~Admission() = default;
  struct Answer {
    protocol::Hello hello;  ///< without versions, which the handshake fills in
    /// Control: what the dialler must prove to have; none: who it is, suffices (`admit`).
    std::optional<security::TicketKey> key;
  };
  /// First of all: why this side's policy excludes the path that a dialler with a known ticket names; empty: it does
  /// not. Told to the peer, as a refusal of this path only.
  virtual std::string why_excluded(const protocol::Hello& /*dialler*/,
                                   const std::optional<security::Fingerprint>& /*key*/) {
    return {};
  }
  /// Before the proof: is this ticket known and good, does the session exist? Errors are told to the peer.
  virtual Result<Answer> answer(const protocol::Hello& dialler) = 0;
  /// Control, after the proof: may the holder of this key come in? Errors are told to the peer.
  virtual Result<> admit(const protocol::Hello& dialler, const security::Fingerprint& key) = 0;
};

/// A connection until both sides are proven. Never waits; used on the control thread.
class Handshake {
 public:
  /// Dials out: `hello` gets versions and proof here. `key`: of the ticket, for control, if there is one; a stream's
  /// proof is that its TLS joins the session.
  Handshake(std::unique_ptr<wire::SecureConnection> connection, protocol::Hello hello,
            std::optional<security::TicketKey> key, Time deadline);
  /// Somebody dialled in.
  Handshake(std::unique_ptr<wire::SecureConnection> connection, Admission& admission, Time deadline);

  /// The connection itself must stand by then.
  void set_connect_by(Time time) { connect_by_ = time; }

  enum class State : std::uint8_t { busy, proven, failed };
  State step(Time now);
  void watch(Poller& poller) { channel_->watch(poller); }

  /// The other side has begun to greet: somebody who only connects never does.
  [[nodiscard]] bool begun() const { return secure_->begun(); }
  [[nodiscard]] const Error& error() const { return error_; }
  /// Failed because the policy of the side that was dialled excludes this path; others may be dialled.
  [[nodiscard]] bool path_excluded() const { return path_excluded_; }
  // Meaningful when proven.
  [[nodiscard]] const protocol::Hello& peer() const { return peer_; }  ///< the other side's
  [[nodiscard]] const protocol::Hello& own() const { return own_; }
  /// Control: the key that the other side holds.
  [[nodiscard]] std::optional<security::Fingerprint> peer_key() const { return secure_->peer(); }
  /// Control: what the streams of this session are sealed with.
  [[nodiscard]] Cipher cipher() const { return cipher_; }
  /// Control: what the keys of a new session are made of.
  [[nodiscard]] security::Secret session_secret() const { return secure_->exported("longhaul session"); }
  [[nodiscard]] wire::Channel& channel() { return *channel_; }
  /// Control goes on in TLS.
  [[nodiscard]] std::unique_ptr<wire::Channel> take_control() { return std::move(channel_); }
  /// A stream goes on below it, under a seal of its own; in clear when `cipher` is none. `fabric`: its frames go by
  /// rail, where nothing else is said from the address that the stream has here.
  [[nodiscard]] std::unique_ptr<wire::Channel> take_stream(Cipher cipher, const security::Secret& session_secret,
                                                           std::optional<wire::fabric::FabricSetup> fabric = {});

 private:
  [[nodiscard]] bool dialled() const { return admission_ == nullptr; }
  void take(wire::Incoming in);
  void take_hello(const protocol::Hello& hello);
  Result<> check_versions(const protocol::Hello& peer) const;
  [[nodiscard]] bool has_joined(const protocol::Hello& dialler) const;
  Result<> check_dialler(const protocol::Hello& dialler, const std::optional<security::TicketKey>& key);
  Result<> check_cipher();
  void send_hello();
  void refuse(Error error);
  void fail(Error error);

  wire::SecureConnection* secure_;  // owned by channel_
  std::unique_ptr<wire::Channel> channel_;
  Admission* admission_ = nullptr;  // listener
  Time deadline_;
  Time connect_by_ = time_never;
  State state_ = State::busy;
  bool said_hello_ = false;
  bool heard_hello_ = false;
  bool path_excluded_ = false;
  bool refusing_ = false;  // failed, but the words are still on their way out
  Error error_;
  std::optional<security::TicketKey> key_;
  protocol::Hello own_;
  protocol::Hello peer_;
  Cipher cipher_ = Cipher::automatic;
};

}  // namespace longhaul::engine
