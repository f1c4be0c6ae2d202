#include "wire/fabric/receive_rail.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"

namespace longhaul::wire::fabric {
namespace {

constexpr std::uint32_t generation_mask = (1U << generation_bits) - 1;

}  // namespace

ReceiveRail::ReceiveRail(std::unique_ptr<Endpoint> endpoint, const RailWish& wish, Bytes slots)
    : endpoint_(std::move(endpoint)), memory_(slots), slot_bytes_(wish.slot_bytes), slots_(wish.slots) {
  for (std::uint32_t slot = wish.slots; slot-- > 0;) free_.push_back(slot);
}

Result<std::unique_ptr<ReceiveRail>> ReceiveRail::open(Fabric& fabric, Random& random, const RailWish& wish,
                                                       Bytes slots) {
  LH_CHECK(wish.slots > 0 && wish.slots <= rail_slots_max && wish.slot_bytes > 0,
           "a rail has slots, and 12 bits name them");
  LH_CHECK(slots.size() == wish.slots * wish.slot_bytes, "slots lie back to back");
  auto endpoint = open_endpoint(fabric, wish.fabric, wish.slot_bytes);
  if (!endpoint) return std::unexpected(endpoint.error());
  std::unique_ptr<ReceiveRail> rail(new ReceiveRail(*std::move(endpoint), wish, slots));
  const auto registered = register_with(*rail->endpoint_, slots, true, random);
  if (!registered) return std::unexpected(registered.error());
  rail->key_ = registered->key;
  // Not from 0: what a provider repeats of an earlier rail at the same address (udp) must not be taken for this one's.
  for (Slot& slot : rail->slots_) slot.generation = static_cast<std::uint32_t>(random.next()) & generation_mask;
  return rail;
}

ReceiveRail::~ReceiveRail() {
  (void)close();
}

RailOffer ReceiveRail::offer() const {
  const bool by_address = endpoint_->place().memory.virtual_addresses;
  return {.provider = endpoint_->place().provider,
          .address = endpoint_->address(),
          .slots = {.key = key_,
                    .base = by_address ? reinterpret_cast<std::uint64_t>(memory_.data()) : 0,
                    .slot_bytes = static_cast<std::uint32_t>(slot_bytes_),
                    .count = static_cast<std::uint32_t>(slots_.size())}};
}

Result<> ReceiveRail::meet(const RailOffer& peer) {
  if (Result<> same = check_same_provider(*endpoint_, peer); !same) return same;
  return endpoint_->meet(peer.address);
}

std::vector<Grant> ReceiveRail::grant_all() {
  std::vector<Grant> grants;
  grants.reserve(free_.size());
  for (; !free_.empty(); free_.pop_back()) {
    Slot& slot = slots_[free_.back()];
    slot.state = State::granted;
    slot.generation = (slot.generation + 1) & generation_mask;
    order_.push_back(free_.back());
    grants.push_back({.slot = free_.back(), .generation = slot.generation});
    ++granted_;
  }
  return grants;
}

Result<> ReceiveRail::step(std::vector<Arrival>& arrivals) {
  const Result<> result = take_events(*endpoint_, moved_, [this](const Event& event) {
    return event.kind == Event::Kind::arrived ? arrive(unpack(event.data)) : Result<>();
  });
  hand_out(arrivals);
  return result;
}

Result<> ReceiveRail::written(const Grant& grant, std::vector<Arrival>& arrivals) {
  if (carries_grants()) return fail(Code::protocol, "the peer tells of a write that speaks for itself");
  const Result<> arrived = arrive(grant);
  hand_out(arrivals);
  return arrived;
}

Result<> ReceiveRail::arrive(const Grant& grant) {
  const bool known = grant.slot < slots_.size() && slots_[grant.slot].state == State::granted &&
                     slots_[grant.slot].generation == grant.generation;
  if (!known)
    return fail(Code::protocol, fmt::format("the peer wrote into slot {}, generation {}, which it was not granted",
                                            grant.slot, grant.generation));
  slots_[grant.slot].state = State::arrived;
  --granted_;
  return {};
}

/// What came before its turn lies where it is.
void ReceiveRail::hand_out(std::vector<Arrival>& arrivals) {
  for (; !order_.empty() && slots_[order_.front()].state == State::arrived; order_.pop_front()) {
    slots_[order_.front()].state = State::in_use;
    arrivals.push_back({.slot = order_.front(), .memory = memory_of(order_.front())});
  }
}

void ReceiveRail::release(std::uint32_t slot) {
  LH_CHECK(slot < slots_.size() && slots_[slot].state == State::in_use, "a slot that has arrived is released");
  slots_[slot].state = State::free;
  free_.push_back(slot);
}

Time ReceiveRail::watch(Poller& poller, Time now) {
  return wait_.until(*endpoint_, poller, now, std::exchange(moved_, false), false);
}

Bytes ReceiveRail::memory_of(std::uint32_t slot) const {
  return memory_.subspan(slot * slot_bytes_, slot_bytes_);
}

}  // namespace longhaul::wire::fabric
