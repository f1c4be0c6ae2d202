// The sending end of a rail: writes frames into slots that the peer has granted.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "wire/fabric/rail.h"

namespace longhaul::wire::fabric {

/// Used by one thread. After an error it stays so: close it.
class SendRail {
 public:
  /// `arena`: where all frames will be sent from; outlives the rail. Errors: see Fabric::open; the memory cannot be
  /// registered.
  static Result<std::unique_ptr<SendRail>> open(Fabric& fabric, Random& random, const RailWish& wish, Bytes arena);
  /// Frees the arena, see `close`.
  ~SendRail();
  SendRail(const SendRail&) = delete;
  SendRail& operator=(const SendRail&) = delete;

  /// For the peer.
  [[nodiscard]] RailOffer offer() const;
  /// Once. Errors (protocol, unsupported): what the peer tells is no peer for this rail.
  Result<> meet(const RailOffer& peer);
  [[nodiscard]] const Endpoint& endpoint() const { return *endpoint_; }
  /// The peer has granted this one: to be told in its order. Errors (protocol): it has no such slot, or it had granted
  /// it already.
  Result<> add(const Grant& grant);

  /// There is a grant, and room for a write.
  [[nodiscard]] bool can_send() const { return !grants_.empty() && !tokens_.empty(); }
  /// Only when can_send(). `frame` lies in the arena and is no longer than `slot_bytes()`; it stays untouched until it
  /// is told as sent, or the rail is closed. Errors: the fabric failed.
  Result<> send(ConstBytes frame, std::uint64_t cookie);

  struct Sent {
    std::uint64_t cookie = 0;
    Grant grant;  ///< where `!carries_grants()`: to be told to the peer (ReceiveRail::written)
  };
  /// Drives the endpoint, and adds what need not be kept any more to `sent`, in any order. Errors (connection).
  Result<> step(std::vector<Sent>& sent);

  /// A fence: nothing is read from the arena any more. False: the provider did not let go, and the arena must be kept
  /// for ever. Everything else is of no more use then.
  [[nodiscard]] bool close() { return endpoint_->close(); }

  [[nodiscard]] bool carries_grants() const { return fabric::carries_grants(endpoint_->place()); }
  [[nodiscard]] std::size_t slot_bytes() const { return slots_.slot_bytes; }
  [[nodiscard]] std::size_t grants() const { return grants_.size(); }
  [[nodiscard]] std::uint32_t slots() const { return slots_.count; }         ///< of the peer
  [[nodiscard]] unsigned depth() const { return endpoint_->place().depth; }  ///< writes that may be out at once
  [[nodiscard]] std::uint64_t bytes_out() const { return bytes_out_; }       ///< handed in and not complete
  [[nodiscard]] std::uint64_t bytes_done() const { return bytes_done_; }     ///< complete, in all
  [[nodiscard]] const FabricPlace& place() const { return endpoint_->place(); }
  /// When it wants to be stepped again, `now`: at once. Call it last before sleeping.
  [[nodiscard]] Time watch(Poller& poller, Time now);
  /// Before the poller is used no more, or by another thread.
  void unwatch(Poller& poller) { RailWait::forget(*endpoint_, poller); }

 private:
  struct Write {
    ConstBytes frame;
    std::uint64_t cookie = 0;
    Grant grant;
    bool out = false;
  };

  SendRail(std::unique_ptr<Endpoint> endpoint, Bytes arena);
  Result<> post_kept();
  Result<> complete(std::uint32_t token, std::vector<Sent>& sent);

  std::unique_ptr<Endpoint> endpoint_;
  Bytes arena_;
  std::optional<unsigned> registration_;
  RemoteSlots slots_;
  std::deque<Grant> grants_;           // the first one is used first: by that the peer knows the order of frames
  std::vector<bool> granted_;          // by slot: in grants_, or being written
  std::vector<Write> writes_;          // by token
  std::vector<std::uint32_t> tokens_;  // those that are free
  std::deque<std::uint32_t> kept_;     // tokens of writes that the provider had no room for, the oldest first
  std::uint64_t bytes_out_ = 0;
  std::uint64_t bytes_done_ = 0;
  bool moved_ = false;  // since `watch`
  RailWait wait_;
};

}  // namespace longhaul::wire::fabric
