// The receiving end of a rail: slots that the peer writes frames into.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "wire/fabric/rail.h"

namespace longhaul::wire::fabric {

/// A slot that is granted belongs to the peer until its write has arrived or the rail is closed: until it is told as an
/// arrival nobody may touch it. Used by one thread. After an error it stays so: close it.
class ReceiveRail {
 public:
  /// `slots`: wish.slots of wish.slot_bytes each, back to back; touched, and there until `close`. Errors: see
  /// Fabric::open; the memory cannot be registered.
  static Result<std::unique_ptr<ReceiveRail>> open(Fabric& fabric, Random& random, const RailWish& wish, Bytes slots);
  ~ReceiveRail();  ///< closes
  ReceiveRail(const ReceiveRail&) = delete;
  ReceiveRail& operator=(const ReceiveRail&) = delete;

  /// For the peer.
  [[nodiscard]] RailOffer offer() const;
  /// Once. Errors (protocol, unsupported): what the peer tells is no peer for this rail.
  Result<> meet(const RailOffer& peer);
  [[nodiscard]] const Endpoint& endpoint() const { return *endpoint_; }

  /// Grants all slots that are free, in new generations: to be told to the peer. Those used last come first.
  [[nodiscard]] std::vector<Grant> grant_all();

  /// A slot that was written into. Its bytes are the peer's: nobody has verified anything, its length neither.
  struct Arrival {
    std::uint32_t slot = 0;
    Bytes memory;  ///< the whole slot; stays until `release`
  };
  /// Drives the endpoint, and adds what has arrived to `arrivals`: in the order of grants, which is that of the frames,
  /// whatever the fabric does. Errors (connection: the fabric failed;
  /// protocol: the peer wrote where it was not granted).
  Result<> step(std::vector<Arrival>& arrivals);
  /// Where writes do not carry their grant (`!carries_grants()`): the peer tells that this one is there. Errors
  /// (protocol).
  Result<> written(const Grant& grant, std::vector<Arrival>& arrivals);
  /// Its user is done with it: it may be granted again.
  void release(std::uint32_t slot);

  [[nodiscard]] bool carries_grants() const { return fabric::carries_grants(endpoint_->place()); }
  [[nodiscard]] unsigned granted() const { return granted_; }
  /// Released, and not granted again yet.
  [[nodiscard]] unsigned free() const { return static_cast<unsigned>(free_.size()); }
  [[nodiscard]] const FabricPlace& place() const { return endpoint_->place(); }
  /// When it wants to be stepped again, `now`: at once. Call it last before sleeping.
  [[nodiscard]] Time watch(Poller& poller, Time now);
  /// The fence: no peer writes into the slots any more. False: the provider did not let go, and they must be kept for
  /// ever. Everything else is of no more use then.
  [[nodiscard]] bool close() { return endpoint_->close(); }
  /// Before the poller is used no more, or by another thread.
  void unwatch(Poller& poller) { RailWait::forget(*endpoint_, poller); }

 private:
  enum class State : std::uint8_t { free, granted, arrived, in_use };
  struct Slot {
    State state = State::free;
    std::uint32_t generation = 0;
  };

  ReceiveRail(std::unique_ptr<Endpoint> endpoint, const RailWish& wish, Bytes slots);
  Result<> arrive(const Grant& grant);
  void hand_out(std::vector<Arrival>& arrivals);
  [[nodiscard]] Bytes memory_of(std::uint32_t slot) const;

  std::unique_ptr<Endpoint> endpoint_;
  Bytes memory_;
  std::size_t slot_bytes_;
  std::uint64_t key_ = 0;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;  // the last one was used last
  std::deque<std::uint32_t> order_;  // granted or arrived, as they were granted
  unsigned granted_ = 0;
  bool moved_ = false;  // since `watch`
  RailWait wait_;
};

}  // namespace longhaul::wire::fabric
