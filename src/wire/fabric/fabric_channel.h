// A channel whose frames go by rail: its connection, the companion, carries messages only, and what both ends of the
// rail tell each other.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "protocol/bounds.h"
#include "wire/channel.h"
#include "wire/fabric/receive_rail.h"
#include "wire/fabric/send_rail.h"

namespace longhaul::wire::fabric {

/// What a channel needs beside its connection. The references outlive it.
struct FabricSetup {
  Fabric& fabric;
  Random& random;
  Clock& clock;
  FabricWish wish;
  bool sends = false;           ///< this side sends frames, the other one receives them
  unsigned slots = rail_slots;  ///< 1..rail_slots_max, of this side
  /// The largest frame that goes or comes, without header and tag: frame_bytes_min to frame_bytes_max, in leaves.
  std::uint32_t frame_bytes = protocol::frame_bytes_usual;
  bool peer_elsewhere = false;  ///< its fabric may have another IP address than its companion
};

/// As Channel; one thread makes everything of the fabric, at the first `flush`, and must be the one that destroys it. A
/// rail is not mended: when it fails, the channel has failed, and so has the peer's.
class FabricChannel final : public Channel {
 public:
  /// `rail`: what frames are sealed with, each in a slot of its own; none where `seals` are none.
  FabricChannel(std::unique_ptr<Connection> companion, std::vector<std::byte> ahead, security::Seals seals,
                security::Seals rail, FabricSetup setup);
  ~FabricChannel() override;

  /// Sending: frames must lie in these, which the fabric knows.
  [[nodiscard]] SlotPool* send_slots() override { return slots_.get(); }
  void begin_frame(std::span<std::byte> bytes, Slot slot) override;
  /// Also before the rail is up, and while no slot is granted or the pace is kept.
  [[nodiscard]] bool sending() const override;
  Result<> flush() override;
  /// Frames in clear lie in slots of the rail, which are granted again once they are let go of; sealed ones have been
  /// opened in one of `pool`.
  Incoming receive(SlotPool* pool) override;
  void watch(Poller& poller, bool paused) override;
  [[nodiscard]] Time next_look(Poller& poller, Time now) override;
  void unwatch(Poller& poller) override;
  /// Acknowledged is what the peer has seen arrive, whatever the provider calls complete.
  [[nodiscard]] Health health() override;
  void set_pace(std::uint64_t bytes_per_s) override;

 private:
  Result<> open();
  Result<> open_ends(const RailWish& wish);
  void step_rail();
  void step_sending();
  void step_receiving();
  void note_waiting();
  [[nodiscard]] std::size_t frame_bytes_most() const;
  [[nodiscard]] Result<protocol::Prefix> prefix_of(std::span<const std::byte, protocol::prefix_bytes> bytes) const;
  [[nodiscard]] bool way_is_free() const;
  bool is_silent(Time now);
  bool take_rail_message(const protocol::Message& message);
  Result<> meet(const protocol::RailOpen& open);
  Result<> take_grants(const protocol::RailGrant& told);
  Result<> take_written(const protocol::RailWritten& told);
  [[nodiscard]] bool owes_grants() const;
  [[nodiscard]] bool was_let_go_of() const;
  void hear();
  Incoming receive_frame(SlotPool* pool);
  Result<protocol::FrameHeader> take_sealed(const ReceiveRail::Arrival& arrival, const protocol::Prefix& prefix,
                                            Slot& into);
  void fail_rail(Error error);

  FabricSetup setup_;
  security::Seals seals_;            // of the rail; none: in clear
  std::unique_ptr<SlotPool> slots_;  // all of them registered
  std::vector<Slot> held_;           // sending: what is being written from; receiving: what is the peer's; by index
  std::unique_ptr<SendRail> out_;
  std::unique_ptr<ReceiveRail> in_;
  bool opened_ = false;
  bool met_ = false;
  Time heard_at_ = 0;    // when the peer last said what it owed, or owed nothing
  Time stepped_at_ = 0;  // last
  bool paused_ = false;
  std::optional<Incoming> ahead_;  // what came on the companion behind what is the rail's, for who asks next
  // Since the last flush:
  bool heard_ = false;   // the companion was read to its end
  bool looked_ = false;  // the queue was, behind that, and nothing was begun since
  std::optional<Error> failure_;
  // sending
  struct Underway {
    std::size_t bytes = 0;
    Time begun_at = 0;
  };
  std::deque<Underway> unconfirmed_;  // frames that the peer has not seen arrive, in order
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t bytes_confirmed_ = 0;
  std::uint64_t frames_confirmed_ = 0;
  bool granted_ = false;    // a slot, ever
  std::uint64_t pace_ = 0;  // bytes per second; 0: none
  Time next_frame_at_ = 0;  // to keep it
  /// For a grant.
  enum class Wait : std::uint8_t {
    none,
    peer,   // nothing is under way: it keeps all slots
    slots,  // all are under way, and take no longer than an empty way does
  };
  Wait waits_ = Wait::none;
  Time waits_since_ = 0;
  Time held_by_peer_ = 0;
  Time held_by_slots_ = 0;
  double way_ = 0;                // ns that frames took of late, from their begin to the word that they have arrived
  std::uint64_t rtt_us_min_ = 0;  // of the companion
  // receiving
  std::deque<ReceiveRail::Arrival> arrivals_;
  std::uint64_t arrived_ = 0;
  std::uint64_t arrived_told_ = 0;
};

}  // namespace longhaul::wire::fabric
