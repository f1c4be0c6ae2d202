// Control messages arrive once and in order for as long as both processes live, whatever happens to the connection
// under them: they are numbered, kept until acknowledged, and sent again on the next connection.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "protocol/message.h"
#include "wire/channel.h"

namespace longhaul::engine {

class ControlLink {
 public:
  void send(const protocol::Message& message);
  /// A proven connection; the peer has seen everything up to `peer_has`.
  void attach(std::unique_ptr<wire::Channel> channel, std::uint32_t peer_has, Time now);
  /// Forgets numbers, unacknowledged messages and connection: a new session.
  void reset();
  void detach() { channel_.reset(); }

  /// The next message, once. `nothing`: none now. Errors: the connection is gone (then `up()` is false).
  struct Received {
    std::optional<protocol::Message> message;
    std::optional<Error> lost;
  };
  Received receive(Time now);
  /// Pings, acknowledgements, flushing. Returns the loss of the connection, if it is lost.
  std::optional<Error> step(Time now);
  void watch(Poller& poller);
  void unwatch(Poller& poller);

  [[nodiscard]] bool up() const { return channel_ != nullptr; }
  /// Empty while it is not up.
  [[nodiscard]] std::string local_address() const {
    return up() ? channel_->connection().local_address() : std::string();
  }
  /// Bytes are on the wire, and for silence_min, or 4 RTT if that is longer, nothing was acknowledged: the path may be
  /// cut without a word.
  [[nodiscard]] bool silent() const { return silent_; }
  [[nodiscard]] std::uint32_t last_seen() const { return last_seen_; }
  /// Nothing sent waits for the peer's acknowledgement or the kernel.
  [[nodiscard]] bool drained() const { return unacknowledged_.empty() && (!channel_ || !channel_->wants_to_write()); }

 private:
  struct Kept {
    std::uint32_t sequence;
    std::vector<std::byte> bytes;
  };
  std::optional<Error> lose(Error error);
  void acknowledged(std::uint32_t sequence);

  std::unique_ptr<wire::Channel> channel_;
  std::deque<Kept> unacknowledged_;
  std::uint32_t next_ = 1;
  std::uint32_t last_seen_ = 0;
  std::uint32_t last_told_ = 0;
  void look_at_health(Time now);
  Time heard_at_ = 0;
  Time pinged_at_ = 0;
  std::uint64_t acked_ = 0;  ///< by the peer's kernel, when it was last looked at
  Time quiet_since_ = 0;     ///< something waits for an acknowledgement, and none came since; 0: not so
  Time looked_at_ = 0;
  bool silent_ = false;
};

}  // namespace longhaul::engine
