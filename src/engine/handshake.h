// Two endpoints prove to each other that they hold the same ticket, on every connection: Hello, Hello, Proof, Proof.
#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "protocol/message.h"
#include "security/ticket.h"
#include "wire/channel.h"

namespace longhaul::engine {

/// How a listener decides on diallers.
class Admission {
 public:
  virtual ~Admission() = default;
  struct Answer {
    protocol::Hello hello;  ///< without nonce and versions, which the handshake fills in
    security::TicketKey key{};
  };
  /// First of all: why this side's policy excludes the path that a dialler with a known ticket names; empty: it does
  /// not. Told to the peer, as a refusal of this path only.
  virtual std::string why_excluded(const protocol::Hello& /*dialler*/) { return {}; }
  /// Before the proof: is this ticket known and good, does the session exist? Errors are told to the peer.
  virtual Result<Answer> answer(const protocol::Hello& dialler) = 0;
  /// After the proof: bound to this identity? Errors are told to the peer.
  virtual Result<> admit(const protocol::Hello& dialler) = 0;
};

/// A connection until both sides are proven. Never waits; used on the control thread.
class Handshake {
 public:
  /// Dials out: `hello` gets nonce and versions here.
  Handshake(std::unique_ptr<wire::Channel> channel, protocol::Hello hello, const security::TicketKey& key,
            Random& random, Time deadline);
  /// Somebody dialled in.
  Handshake(std::unique_ptr<wire::Channel> channel, Admission& admission, Random& random, Time deadline);

  /// The connection itself must stand by then.
  void set_connect_by(Time time) { connect_by_ = time; }

  enum class State : std::uint8_t { busy, proven, failed };
  State step(Time now);
  void watch(Poller& poller) { channel_->watch(poller); }

  [[nodiscard]] const Error& error() const { return error_; }
  /// Failed because the policy of the side that was dialled excludes this path; others may be dialled.
  [[nodiscard]] bool path_excluded() const { return path_excluded_; }
  /// The other side's Hello; meaningful when proven.
  [[nodiscard]] const protocol::Hello& peer() const { return peer_; }
  [[nodiscard]] const protocol::Hello& own() const { return own_; }
  [[nodiscard]] wire::Channel& channel() { return *channel_; }
  [[nodiscard]] std::unique_ptr<wire::Channel> take_channel() { return std::move(channel_); }

 private:
  enum class Wait : std::uint8_t { hello, proof };
  void take(wire::Incoming in);
  void take_hello(const wire::Incoming& in);
  void take_proof(const protocol::Proof& proof);
  Result<> check_versions(const protocol::Hello& peer) const;
  void send_hello();
  void send_proof();
  void refuse(Error error);
  void fail(Error error);

  std::unique_ptr<wire::Channel> channel_;
  Admission* admission_ = nullptr;  // listener
  Random& random_;
  Time deadline_;
  Time connect_by_ = time_never;
  Wait wait_ = Wait::hello;
  State state_ = State::busy;
  bool path_excluded_ = false;
  bool refusing_ = false;  // failed, but the words are still on their way out
  Error error_;
  security::TicketKey key_{};
  protocol::Hello own_;
  protocol::Hello peer_;
  std::vector<std::byte> own_bytes_;
  std::vector<std::byte> peer_bytes_;
};

}  // namespace longhaul::engine
