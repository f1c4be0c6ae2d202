#include "wire/fabric/send_rail.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"

namespace longhaul::wire::fabric {

SendRail::SendRail(std::unique_ptr<Endpoint> endpoint, Bytes arena)
    : endpoint_(std::move(endpoint)), arena_(arena), writes_(endpoint_->place().depth) {
  for (auto token = static_cast<std::uint32_t>(writes_.size()); token-- > 0;) tokens_.push_back(token);
}

Result<std::unique_ptr<SendRail>> SendRail::open(Fabric& fabric, Random& random, const RailWish& wish, Bytes arena) {
  auto endpoint = open_endpoint(fabric, wish.fabric, wish.slot_bytes);
  if (!endpoint) return std::unexpected(endpoint.error());
  std::unique_ptr<SendRail> rail(new SendRail(*std::move(endpoint), arena));
  if (!rail->place().memory.local) return rail;
  const auto registered = register_with(*rail->endpoint_, arena, false, random);
  if (!registered) return std::unexpected(registered.error());
  rail->registration_ = registered->id;
  return rail;
}

SendRail::~SendRail() {
  (void)close();
}

RailOffer SendRail::offer() const {
  return {.provider = place().provider, .address = endpoint_->address(), .slots = {}};
}

Result<> SendRail::meet(const RailOffer& peer) {
  if (Result<> same = check_same_provider(*endpoint_, peer); !same) return same;
  const RemoteSlots& slots = peer.slots;
  const std::uint64_t bytes = std::uint64_t{slots.slot_bytes} * slots.count;
  if (slots.count == 0 || slots.count > rail_slots_max || slots.slot_bytes == 0 ||
      slots.base > std::numeric_limits<std::uint64_t>::max() - bytes)
    return fail(Code::protocol, fmt::format("the peer offers {} slots of {} bytes", slots.count, slots.slot_bytes));
  if (Result<> met = endpoint_->meet(peer.address); !met) return met;
  slots_ = slots;
  granted_.assign(slots.count, false);
  return {};
}

Result<> SendRail::add(const Grant& grant) {
  if (grant.slot >= granted_.size() || grant.generation >= (1U << generation_bits) || granted_[grant.slot])
    return fail(Code::protocol,
                fmt::format("the peer grants slot {}, generation {}: {}", grant.slot, grant.generation,
                            grant.slot < granted_.size() ? "it is granted already" : "it has no such slot"));
  granted_[grant.slot] = true;
  grants_.push_back(grant);
  return {};
}

Result<> SendRail::send(ConstBytes frame, std::uint64_t cookie) {
  LH_CHECK(can_send(), "a frame is sent when there is a grant and a token");
  LH_CHECK(!frame.empty() && frame.size() <= slots_.slot_bytes, "a frame fits into a slot");
  LH_CHECK(frame.data() >= arena_.data() && frame.data() + frame.size() <= arena_.data() + arena_.size(),
           "a frame lies in the arena");
  const std::uint32_t token = tokens_.back();
  tokens_.pop_back();
  writes_[token] = {.frame = frame, .cookie = cookie, .grant = grants_.front(), .out = false};
  grants_.pop_front();
  bytes_out_ += frame.size();
  kept_.push_back(token);
  return post_kept();
}

Result<> SendRail::post_kept() {
  for (; !kept_.empty(); kept_.pop_front()) {
    Write& write = writes_[kept_.front()];
    const std::uint64_t at = slots_.base + std::uint64_t{write.grant.slot} * slots_.slot_bytes;
    Error why;
    const auto posted = endpoint_->write({.from = write.frame,
                                          .registration = registration_,
                                          .address = at,
                                          .key = slots_.key,
                                          .token = kept_.front(),
                                          .data = carries_grants() ? std::optional(pack(write.grant)) : std::nullopt},
                                         why);
    if (posted == Endpoint::Posted::again) return {};
    if (posted == Endpoint::Posted::failed) return fail(Code::connection, why.text, why.system_errno);
    write.out = true;
    // The slot is the receiver's again as soon as the write has arrived there, which may be told here before its
    // completion.
    granted_[write.grant.slot] = false;
  }
  return {};
}

Result<> SendRail::step(std::vector<Sent>& sent) {
  const Result<> result = take_events(*endpoint_, moved_, [&](const Event& event) -> Result<> {
    if (event.kind == Event::Kind::written) return complete(event.token, sent);
    return fail(Code::protocol, "the peer writes on a rail that it receives from");
  });
  return result ? post_kept() : result;
}

Result<> SendRail::complete(std::uint32_t token, std::vector<Sent>& sent) {
  if (token >= writes_.size() || !writes_[token].out)
    return fail(Code::connection, fmt::format("fabric {} completes a write that was not out", place().provider));
  Write& write = writes_[token];
  bytes_out_ -= write.frame.size();
  bytes_done_ += write.frame.size();
  sent.push_back({.cookie = write.cookie, .grant = write.grant});
  write = {};
  tokens_.push_back(token);
  return {};
}

Time SendRail::watch(Poller& poller, Time now) {
  const Time look = wait_.until(*endpoint_, poller, now, std::exchange(moved_, false), bytes_out_ > 0);
  // Room comes with completions, or when the peer can be reached: no descriptor tells of that.
  return kept_.empty() ? look : std::min(look, now + 50'000);
}

}  // namespace longhaul::wire::fabric
