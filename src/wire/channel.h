// Messages and frames on a connection. FabricChannel (fabric/) has another way for the frames.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/slots.h"
#include "longhaul/status.h"
#include "protocol/frame.h"
#include "protocol/message.h"
#include "security/seal.h"
#include "wire/wire.h"

namespace longhaul::wire {

/// What `receive` has found.
struct Incoming {
  enum class Kind : std::uint8_t {
    nothing,  ///< blocked: watch and come back
    no_slot,  ///< a frame waits, but the pool is empty: come back when a slot is free
    message,
    frame,
    closed,  ///< the peer closed in order, between messages
    failed,  ///< broken, or what came is not ours to understand: `error`
  };
  Kind kind = Kind::nothing;
  protocol::Message message;     ///< kind message
  std::uint32_t sequence = 0;    ///< of that message's prefix
  protocol::FrameHeader header;  ///< kind frame; its payload (wire_bytes) is in the slot. NOT yet verified, but for
                                 ///< what comes of a channel that is `sealed()`: that is what the peer has sealed
  Slot slot;
  Error error;
};

/// One thread at a time, as its connection. After `closed` or `failed` it stays so: drop it.
class Channel {
 public:
  explicit Channel(std::unique_ptr<Connection> connection);
  /// Goes on behind a greeting: `ahead` has been read already. With `seals` every message and frame is sealed, both
  /// ways, and the channel ends at the first that is not the next of its peer's.
  Channel(std::unique_ptr<Connection> connection, std::vector<std::byte> ahead, security::Seals seals);
  virtual ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  [[nodiscard]] bool sealed() const { return seals_.in != nullptr; }

  // --- sending: small messages first, then frames, each whole --------------------------------------------------
  /// Queues a small message (copied). Sent by `flush`.
  void queue(const protocol::Message& message, std::uint32_t sequence = 0);
  void queue_encoded(std::vector<std::byte> message);
  /// The slots that frames must lie in; null: any will do.
  [[nodiscard]] virtual SlotPool* send_slots() { return nullptr; }
  /// Begins a frame: `bytes` = header and payload in one piece, with room for seal_tag_bytes behind them. They lie in
  /// `slot`, which is kept as long as they are needed; in none: they must stay put until `sending()` is false. Sealed
  /// in place: only the peer can read it afterwards. Only when !sending().
  virtual void begin_frame(std::span<std::byte> bytes, Slot slot = {});
  /// No further frame can begin yet: the one before it is not wholly handed to the kernel.
  [[nodiscard]] virtual bool sending() const { return !frame_.empty(); }
  [[nodiscard]] std::size_t frame_bytes_left() const { return frame_.size(); }  ///< of it, not yet handed over
  [[nodiscard]] std::size_t queued_bytes() const;                               ///< small messages not yet handed over
  /// Moves what can be moved. Errors: the connection is gone. An empty result says: fine, blocked or not.
  virtual Result<> flush();
  /// flush() would have something to do.
  [[nodiscard]] bool wants_to_write() const {
    return !frame_.empty() || queued_bytes() > 0 || !connection_->connected();
  }

  // --- receiving -------------------------------------------------------------------------------------------------
  /// The next message or frame; call it until `nothing` (or `no_slot`). `pool` null: frames are a protocol error
  /// (handshake, control).
  virtual Incoming receive(SlotPool* pool);
  /// Bodies over this are refused unread. Small before the peer has proven itself.
  void set_message_limit(std::size_t bytes) { message_limit_ = bytes; }

  /// Arms the poller for what this channel waits for: reading (for the whole rest of a frame, where it knows it) unless
  /// `paused` or without a slot, writing when there is something to write. Wakes at once when something was read ahead
  /// that `receive` has not looked at.
  virtual void watch(Poller& poller, bool paused = false);
  /// With `watch`, behind it: when there is something to do although nothing wakes the poller; `now`: at once.
  [[nodiscard]] virtual Time next_look(Poller& /*poller*/, Time /*now*/) { return time_never; }
  virtual void unwatch(Poller& poller) { connection_->unwatch(poller); }

  /// Of what carries the frames.
  [[nodiscard]] virtual Health health() { return connection_->health(); }
  /// Of frames, as Connection::set_pace.
  virtual void set_pace(std::uint64_t bytes_per_s) { connection_->set_pace(bytes_per_s); }

  [[nodiscard]] Connection& connection() { return *connection_; }
  [[nodiscard]] std::uint64_t bytes_sent() const { return bytes_sent_; }  ///< handed to the kernel, all kinds
  [[nodiscard]] std::uint64_t bytes_received() const { return bytes_received_; }

 protected:
  /// What `frame_` is sealed as, in place: with its tag where this channel is sealed.
  static std::span<std::byte> seal_frame(security::Seal* seal, std::span<std::byte> bytes);
  /// For good: what `receive` says from now on.
  Incoming fail_for_good(Error error);

 private:
  enum class Expect : std::uint8_t { prefix, body, frame_header, slot, payload };
  enum class Progress : std::uint8_t { done, again, stopped };  ///< stopped: `result` says what to tell the caller
  Progress step(SlotPool* pool, Incoming& result);
  Progress read_prefix(Incoming& result);
  Progress read_body(Incoming& result);
  Progress read_frame_header(Incoming& result);
  Progress take_slot(SlotPool* pool, Incoming& result);
  Progress read_payload(Incoming& result);
  Progress read_ahead(Incoming& result);
  Progress fill(Bytes into, std::size_t& done, Incoming& result);
  Progress judge(const Transfer& transfer, Incoming& result);
  Progress fail_with(Error error, Incoming& result);
  bool take(Bytes into);
  [[nodiscard]] std::size_t buffered() const { return in_end_ - in_begin_; }
  [[nodiscard]] std::size_t wanted_bytes() const;
  void queue_sealed(std::vector<std::byte> message);
  void queue_held();
  void append(ConstBytes message);
  Result<protocol::FrameHeader> open_frame();
  [[nodiscard]] bool between_messages() const { return expect_ == Expect::prefix && buffered() == 0; }
  Result<bool> write(std::span<const std::byte> from, std::size_t& done);
  [[nodiscard]] Error connection_error(int system_errno);

  std::unique_ptr<Connection> connection_;
  security::Seals seals_;  // both or none
  // out
  std::vector<std::byte> out_;  // small messages, back to back
  std::size_t out_done_ = 0;
  std::span<const std::byte> frame_;          // what is left of the frame being sent
  Slot frame_slot_;                           // that it lies in
  bool frame_begun_ = false;                  // some of its bytes are out: nothing may come between
  std::vector<std::vector<std::byte>> held_;  // messages to be sealed behind the frame that is going out
  std::size_t held_bytes_ = 0;
  std::uint64_t bytes_sent_ = 0;
  // in
  Expect expect_ = Expect::prefix;
  std::vector<std::byte> in_;  // read ahead of what was asked for: headers and small messages
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
  std::vector<std::byte> body_;
  std::size_t body_done_ = 0;
  protocol::Prefix prefix_;
  std::array<std::byte, protocol::frame_header_bytes> header_bytes_{};
  protocol::FrameHeader header_;
  Slot slot_;
  std::size_t payload_done_ = 0;
  std::size_t message_limit_ = protocol::message_bytes_max;
  bool starved_ = true;           // the last receive() took all that was there
  std::optional<Error> failure_;  // for good
  std::uint64_t bytes_received_ = 0;
};

}  // namespace longhaul::wire
