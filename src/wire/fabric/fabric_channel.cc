#include "wire/fabric/fabric_channel.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/log.h"
#include "base/stages.h"
#include "protocol/message.h"

namespace longhaul::wire::fabric {
namespace {

constexpr Time silent_most = 30 * second;  // as TCP's, whose kernel would have given up
constexpr Time look_while_opening = 500 * millisecond;
constexpr double way_weight = 0.125;
constexpr double way_free_most = 1.5;    // round trips: frames that leave together arrive one behind the other
constexpr unsigned grants_each = 4;      // part of the slots that is granted at once
constexpr Time burst = 2 * millisecond;  // what a thread may come late by, and the pace is kept nevertheless
// Where a frame begins in a slot, so that its payload lies where the engine's payloads lie.
constexpr std::size_t frame_at = slot_lead_bytes - protocol::frame_header_bytes;
static_assert(slot_tail_bytes >= protocol::seal_tag_bytes);

/// Memory that a provider does not let go of may be written into for ever: it is nobody's any more.
struct Kept {
  std::unique_ptr<SlotPool> slots;
  std::unique_ptr<SendRail> out;  // has what the provider writes its completions into
  std::unique_ptr<ReceiveRail> in;
};

void keep_for_ever(Kept it, const std::string& provider) {
  log::warn(fmt::format("fabric {} did not let go of {} KiB: they stay taken until this process ends", provider,
                        it.slots->arena().size() >> 10));
  static std::mutex mutex;
  static auto* const kept = new std::vector<Kept>();
  const std::lock_guard lock(mutex);
  kept->push_back(std::move(it));
}

std::unexpected<Error> too_long(std::size_t bytes, std::size_t most) {
  return fail(Code::protocol,
              fmt::format("the peer sent a frame of {} bytes by rail, where {} are the most", bytes, most));
}

RailOffer offer_of(const protocol::RailOpen& told) {
  RailOffer offer;
  offer.provider = told.provider();
  const ConstBytes address = bytes_of(told.address());
  offer.address.assign(address.begin(), address.end());
  offer.slots = {.key = told.key(), .base = told.base(), .slot_bytes = told.slot_bytes(), .count = told.slots()};
  return offer;
}

void put(const RailOffer& offer, protocol::RailOpen& told) {
  told.set_provider(offer.provider);
  told.set_address(offer.address.data(), offer.address.size());
  told.set_key(offer.slots.key);
  told.set_base(offer.slots.base);
  told.set_slot_bytes(offer.slots.slot_bytes);
  told.set_slots(offer.slots.count);
}

}  // namespace

FabricChannel::FabricChannel(std::unique_ptr<Connection> companion, std::vector<std::byte> ahead, security::Seals seals,
                             security::Seals rail, FabricSetup setup)
    : Channel(std::move(companion), std::move(ahead), std::move(seals)),
      setup_(std::move(setup)),
      seals_(std::move(rail)),
      slots_(std::make_unique<SlotPool>(SlotPoolSize{.count = setup_.slots, .payload_bytes = setup_.frame_bytes})),
      held_(setup_.slots) {}

/// A frame is charged when it begins, by the pace of then: what is left of its time goes by the new one.
void FabricChannel::set_pace(std::uint64_t bytes_per_s) {
  const Time now = setup_.clock.now();
  if (bytes_per_s == 0) {
    next_frame_at_ = 0;
  } else if (pace_ != 0 && next_frame_at_ > now) {
    const double left = static_cast<double>(next_frame_at_ - now);
    next_frame_at_ = now + static_cast<Time>(left * static_cast<double>(pace_) / static_cast<double>(bytes_per_s));
  }
  pace_ = bytes_per_s;
}

FabricChannel::~FabricChannel() {
  // The fence.
  const bool sent = !out_ || out_->close();
  const bool received = !in_ || in_->close();
  if (!sent || !received) keep_for_ever({std::move(slots_), std::move(out_), std::move(in_)}, setup_.wish.provider);
}

// --- the rail --------------------------------------------------------------------------------------------------------

Result<> FabricChannel::open() {
  opened_ = true;
  heard_at_ = stepped_at_ = setup_.clock.now();
  if (Result<> opened = open_ends({.fabric = setup_.wish, .slots = setup_.slots, .slot_bytes = slots_->bytes_each()});
      !opened)
    return opened;
  RailOffer offer = setup_.sends ? out_->offer() : in_->offer();
  if (!setup_.sends) offer.slots.base += frame_at;
  protocol::Message message;
  put(offer, *message.mutable_rail_open());
  queue(message);
  return {};
}

Result<> FabricChannel::open_ends(const RailWish& wish) {
  const Bytes arena = slots_->arena();
  if (setup_.sends) {
    auto made = SendRail::open(setup_.fabric, setup_.random, wish, arena);
    if (!made) return std::unexpected(made.error());
    out_ = *std::move(made);
    return {};
  }
  auto made = ReceiveRail::open(setup_.fabric, setup_.random, wish, arena);
  if (!made) return std::unexpected(made.error());
  in_ = *std::move(made);
  // All of them are the rail's, until one is lent to the engine with what has arrived in it.
  while (Slot slot = slots_->take()) held_[slot.index()] = std::move(slot);
  return {};
}

/// The peer hears why, if it can.
void FabricChannel::fail_rail(Error error) {
  if (failure_) return;
  protocol::Message message;
  message.mutable_refusal()->set_code(static_cast<std::uint32_t>(error.code));
  message.mutable_refusal()->set_text(error.text.substr(0, protocol::text_bytes_max));
  queue(message);
  (void)Channel::flush();
  failure_ = std::move(error);
}

Result<> FabricChannel::meet(const protocol::RailOpen& open) {
  if (met_ || !opened_) return fail(Code::protocol, "the peer opens its end of a rail twice, or before this one");
  const RailOffer offer = offer_of(open);
  if (setup_.sends && offer.slots.slot_bytes < frame_bytes_most())
    return fail(Code::protocol, fmt::format("the peer's slots have {} bytes, and a frame needs {}",
                                            offer.slots.slot_bytes, frame_bytes_most()));
  const Endpoint& ours = setup_.sends ? out_->endpoint() : in_->endpoint();
  if (Result<> same = check_same_provider(ours, offer); !same) return same;
  if (!setup_.peer_elsewhere)
    if (Result<> same = check_same_host(ours, offer, connection().remote_address()); !same) return same;
  if (Result<> met = setup_.sends ? out_->meet(offer) : in_->meet(offer); !met) return met;
  met_ = true;
  heard_at_ = setup_.clock.now();
  return {};
}

Result<> FabricChannel::take_grants(const protocol::RailGrant& told) {
  if (!met_ || !setup_.sends) return fail(Code::protocol, "the peer grants slots where none are wanted");
  if (told.grant_size() == 0 && told.arrived() == frames_confirmed_)
    return fail(Code::protocol, "the peer tells of slots and frames, and says nothing of either");
  for (const std::uint32_t grant : told.grant())
    if (Result<> added = out_->add(unpack(grant)); !added) return added;
  granted_ = granted_ || told.grant_size() > 0;
  if (told.arrived() < frames_confirmed_ || told.arrived() - frames_confirmed_ > unconfirmed_.size())
    return fail(Code::protocol, "the peer has seen frames that were not sent");
  heard_at_ = setup_.clock.now();
  for (; frames_confirmed_ < told.arrived(); ++frames_confirmed_, unconfirmed_.pop_front()) {
    bytes_confirmed_ += unconfirmed_.front().bytes;
    const auto took = static_cast<double>(heard_at_ - unconfirmed_.front().begun_at);
    way_ += (took - way_) * (way_ == 0 ? 1 : way_weight);
  }
  // Else what is under way here would grow without end, and so would what we take for being on its way.
  if (out_->grants() + unconfirmed_.size() > out_->slots())
    return fail(Code::protocol, "the peer grants slots again before it says that what was in them has arrived");
  return {};
}

Result<> FabricChannel::take_written(const protocol::RailWritten& told) {
  if (!met_ || setup_.sends) return fail(Code::protocol, "the peer tells of writes where it has no slots");
  if (told.grant_size() == 0) return fail(Code::protocol, "the peer tells of writes, and of none");
  std::vector<ReceiveRail::Arrival> arrived;
  Result<> fine;
  for (const std::uint32_t grant : told.grant())
    if (fine) fine = in_->written(unpack(grant), arrived);
  arrivals_.insert(arrivals_.end(), arrived.begin(), arrived.end());
  arrived_ += arrived.size();
  return fine;
}

/// False: it is for others.
bool FabricChannel::take_rail_message(const protocol::Message& message) {
  Result<> fine;
  if (message.has_rail_open())
    fine = meet(message.rail_open());
  else if (message.has_rail_grant())
    fine = take_grants(message.rail_grant());
  else if (message.has_rail_written())
    fine = take_written(message.rail_written());
  else if (message.has_refusal())
    fine = fail(Code::connection, "the peer gave the rail up: " +
                                      printable(message.refusal().text().substr(0, protocol::text_bytes_max)));
  else
    return false;
  if (!fine && message.has_refusal())
    failure_ = fine.error();
  else if (!fine)
    fail_rail(fine.error());
  return true;
}

void FabricChannel::step_rail() {
  if (failure_) return;
  if (!opened_) {
    if (Result<> opened = open(); !opened) return fail_rail(opened.error());
  }
  if (is_silent(setup_.clock.now())) {
    const char* what = granted_ || !setup_.sends ? "nothing that was sent has arrived" : "the peer has granted no slot";
    if (!met_) what = "the peer has not opened its end";
    if (met_ && granted_ && unconfirmed_.empty()) what = "writes that have arrived are not complete here";
    return fail_rail(
        {Code::connection,
         fmt::format("fabric {}: {} for {} s, though the TCP connection beside it works. Is there a firewall between "
                     "the two addresses, or does the peer hang, in a dead disk perhaps? The fabric has ports of its "
                     "own; transport=tcp does without",
                     setup_.wish.provider, what, silent_most / second),
         0});
  }
  if (setup_.sends)
    step_sending();
  else
    step_receiving();
}

void FabricChannel::step_sending() {
  if (!met_) return;
  const StageScope scope(Stage::send);
  std::vector<SendRail::Sent> sent;
  const Result<> stepped = out_->step(sent);
  if (!sent.empty()) heard_at_ = setup_.clock.now();
  protocol::Message told;
  for (const SendRail::Sent& one : sent) {
    held_[one.cookie] = {};
    if (!out_->carries_grants()) told.mutable_rail_written()->add_grant(pack(one.grant));
  }
  if (told.has_rail_written()) queue(told);
  note_waiting();
  if (!stepped) fail_rail(stepped.error());
}

/// The peer owes us a word, and has said none for long: its end hangs in a driver, or a provider has lost a write and
/// says nothing, behind which all others wait for their turn.
bool FabricChannel::is_silent(Time now) {
  // Our own sleep (a stopped process, a hung read) is not the peer's: what is out is driven by us. And what lies ahead
  // unasked for is in the way of what the peer says.
  if (now - std::exchange(stepped_at_, now) > second || ahead_) heard_at_ = now;
  const bool owes = !met_ || (setup_.sends && (!granted_ || !unconfirmed_.empty() || out_->bytes_out() > 0));
  return owes && now - heard_at_ > silent_most;
}

void FabricChannel::note_waiting() {
  Wait waits = Wait::none;
  if (!out_->can_send()) {
    if (unconfirmed_.empty())
      waits = Wait::peer;
    else if (way_is_free())
      waits = Wait::slots;
  }
  if (waits == Wait::none && waits_ == Wait::none) return;
  const Time now = setup_.clock.now();
  if (waits_ == Wait::peer) held_by_peer_ += now - waits_since_;
  if (waits_ == Wait::slots) held_by_slots_ += now - waits_since_;
  waits_ = waits;
  waits_since_ = now;
}

/// Frames do not queue, neither on the way nor at the peer, or they would take longer than the companion's bytes do on
/// an empty one. With W slots, and a time s that the narrowest place has for each of them, they take the round trip
/// and s while W * s is less than that, which is when more slots would carry more; else W * s.
bool FabricChannel::way_is_free() const {
  const double free = way_free_most + (slot_trips(out_->place()) - 1);
  return way_ > 0 && way_ <= free * 1000 * static_cast<double>(rtt_us_min_);
}

/// With header and tag.
std::size_t FabricChannel::frame_bytes_most() const {
  return protocol::frame_header_bytes + setup_.frame_bytes + protocol::seal_tag_bytes;
}

void FabricChannel::step_receiving() {
  if (!met_) return;
  const StageScope scope(Stage::receive);
  std::vector<ReceiveRail::Arrival> arrived;
  const Result<> stepped = in_->step(arrived);
  arrivals_.insert(arrivals_.end(), arrived.begin(), arrived.end());
  arrived_ += arrived.size();
  // What the engine has let go of has come back into the pool.
  while (Slot slot = slots_->take()) {
    const unsigned index = slot.index();
    held_[index] = std::move(slot);
    in_->release(index);
  }
  const auto grants = in_->grant_all();
  if (!grants.empty() || arrived_ > arrived_told_) {
    protocol::Message message;
    for (const Grant& grant : grants) message.mutable_rail_grant()->add_grant(pack(grant));
    message.mutable_rail_grant()->set_arrived(arrived_);
    arrived_told_ = arrived_;
    queue(message);
    if (!failure_) (void)Channel::flush();  // the peer waits for it; what fails is heard of by the next flush
  }
  if (!stepped) fail_rail(stepped.error());
}

// --- sending ---------------------------------------------------------------------------------------------------------

bool FabricChannel::sending() const {
  if (!met_ || failure_ || !out_ || !out_->can_send()) return true;
  return pace_ != 0 && setup_.clock.now() < next_frame_at_;
}

void FabricChannel::begin_frame(std::span<std::byte> bytes, Slot slot) {
  LH_CHECK(!sending(), "a frame begins where a slot is granted");
  LH_CHECK(slot, "a frame lies in a slot of the rail");
  LH_CHECK(bytes.size() <= protocol::frame_header_bytes + setup_.frame_bytes, "a frame fits into a slot");
  const ConstBytes all = seal_frame(seals_.out.get(), bytes);
  const unsigned index = slot.index();
  held_[index] = std::move(slot);
  if (unconfirmed_.empty()) heard_at_ = setup_.clock.now();
  unconfirmed_.push_back({.bytes = all.size(), .begun_at = setup_.clock.now()});
  bytes_sent_ += all.size();
  if (pace_ != 0) {
    const auto takes = static_cast<Time>(static_cast<double>(all.size()) * 1e9 / static_cast<double>(pace_));
    next_frame_at_ = std::max(next_frame_at_, setup_.clock.now() - burst) + takes;
  }
  looked_ = false;
  const StageScope scope(Stage::send);
  if (Result<> posted = out_->send(all, index); !posted) fail_rail(posted.error());
}

/// One that receives also hears the peer, if nobody has since the last flush: a receiver that waits for its disk asks
/// for nothing, and what has come by rail is told, and slots are granted, all the same. A slow disk is no fault of the
/// path.
Result<> FabricChannel::flush() {
  const bool heard = std::exchange(heard_, false);
  const bool looked = std::exchange(looked_, false);
  if (connection().connected()) {
    if (!heard && !setup_.sends) hear();
    if (!looked || was_let_go_of()) step_rail();
  }
  if (!failure_) return Channel::flush();
  (void)Channel::flush();  // the peer is to hear why
  return std::unexpected(*failure_);
}

// --- receiving -------------------------------------------------------------------------------------------------------

/// Takes what the peer says of the rail, up to what it says to others.
void FabricChannel::hear() {
  if (!opened_) step_rail();  // before the peer's end is heard of
  while (!ahead_ && !failure_) {
    Incoming in = Channel::receive(nullptr);
    if (in.kind == Incoming::Kind::nothing) return;
    if (in.kind == Incoming::Kind::message && take_rail_message(in.message)) continue;
    ahead_ = std::move(in);
  }
}

Incoming FabricChannel::receive(SlotPool* pool) {
  hear();
  heard_ = !ahead_;
  if (failure_) return fail_for_good(*failure_);
  if (ahead_) return *std::exchange(ahead_, std::nullopt);
  if (arrivals_.empty() || owes_grants()) {
    step_rail();
    looked_ = true;
  }
  if (failure_) return fail_for_good(*failure_);
  return receive_frame(pool);
}

/// Slots are granted while others are still full: were they all granted at once, both ends would wait for each other in
/// turn.
bool FabricChannel::owes_grants() const {
  return in_ && in_->free() + slots_->free_count() >= std::max(1U, slots_->count() / grants_each);
}

/// By the engine, and not granted again yet.
bool FabricChannel::was_let_go_of() const {
  return in_ && in_->free() + slots_->free_count() > 0;
}

Incoming FabricChannel::receive_frame(SlotPool* pool) {
  Incoming result;
  if (arrivals_.empty()) return result;
  const ReceiveRail::Arrival arrival = arrivals_.front();
  // A copy: the slot is the peer's memory as well.
  std::array<std::byte, protocol::frame_header_bytes> bytes{};
  std::ranges::copy(arrival.memory.subspan(frame_at, bytes.size()), bytes.begin());
  const std::span<const std::byte, protocol::frame_header_bytes> header(bytes);
  const auto prefix = prefix_of(header.first<protocol::prefix_bytes>());
  Result<protocol::FrameHeader> decoded;
  if (!prefix) {
    decoded = std::unexpected(prefix.error());
  } else if (prefix->type != protocol::Type::frame || prefix->sealed() != (seals_.in != nullptr)) {
    decoded = fail(Code::protocol, "what the peer wrote into a slot is no frame of this stream");
  } else if (seals_.in) {
    result.slot = pool->take();
    if (!result.slot) {
      result.kind = Incoming::Kind::no_slot;
      return result;
    }
    decoded = take_sealed(arrival, *prefix, result.slot);
  } else {
    decoded = protocol::decode_frame_header(header);
    result.slot = std::move(held_[arrival.slot]);
  }
  arrivals_.pop_front();
  // Packed, or of what is here already: more than the slot has room for.
  if (decoded && !decoded->hole() && decoded->raw_bytes > setup_.frame_bytes)
    decoded = too_long(decoded->raw_bytes, setup_.frame_bytes);
  if (!decoded) {
    fail_rail(decoded.error());
    return fail_for_good(*failure_);
  }
  result.kind = Incoming::Kind::frame;
  result.header = *decoded;
  return result;
}

/// Of what lies in a slot. That a frame is no longer than the protocol's largest does not mean that it fits in here.
Result<protocol::Prefix> FabricChannel::prefix_of(std::span<const std::byte, protocol::prefix_bytes> bytes) const {
  auto prefix = protocol::decode_prefix(bytes, 0);
  if (!prefix || prefix->type != protocol::Type::frame) return prefix;
  const std::size_t all = protocol::frame_header_bytes + prefix->behind_header();
  if (all <= frame_bytes_most()) return prefix;
  return too_long(all, frame_bytes_most());
}

/// Copied first, and opened there: a cipher may read its input twice, and a peer may write twice.
Result<protocol::FrameHeader> FabricChannel::take_sealed(const ReceiveRail::Arrival& arrival,
                                                         const protocol::Prefix& prefix, Slot& into) {
  const StageScope scope(Stage::unseal);
  const std::size_t all = protocol::frame_header_bytes + prefix.behind_header();
  std::byte* begin = into.before_payload(protocol::frame_header_bytes);
  std::ranges::copy(arrival.memory.subspan(frame_at, all), begin);
  in_->release(arrival.slot);
  const Bytes frame(begin, all);
  // What was looked at above was another copy: this one is what counts.
  const auto again = prefix_of(frame.first<protocol::prefix_bytes>());
  const bool same = again && again->type == prefix.type && again->body_bytes == prefix.body_bytes;
  const Bytes sealed = frame.subspan(protocol::prefix_bytes, all - protocol::prefix_bytes - protocol::seal_tag_bytes);
  if (!same ||
      !seals_.in->open(frame.first(protocol::prefix_bytes), sealed, {}, frame.last<protocol::seal_tag_bytes>()))
    return fail(Code::protocol,
                "what came by rail is not what the peer sealed next: damaged on its way, or tampered with");
  return protocol::decode_opened_header(frame.first<protocol::frame_header_bytes>());
}

// --- waiting ---------------------------------------------------------------------------------------------------------

void FabricChannel::watch(Poller& poller, bool paused) {
  paused_ = paused;
  Channel::watch(poller, paused);
}

Time FabricChannel::next_look(Poller& poller, Time now) {
  if (failure_ || !opened_) return now;
  if (!met_) return now + look_while_opening;
  if (paused_) return time_never;                // the engine comes back by itself
  if (!arrivals_.empty() || ahead_) return now;  // came with the last flush: what would tell of it is empty
  if (!setup_.sends) return in_->watch(poller, now);
  const Time look = out_->watch(poller, now);
  return pace_ != 0 && next_frame_at_ > now ? std::min(look, next_frame_at_) : look;
}

void FabricChannel::unwatch(Poller& poller) {
  if (out_) out_->unwatch(poller);
  if (in_) in_->unwatch(poller);
  Channel::unwatch(poller);
}

Health FabricChannel::health() {
  Health health;
  const Health companion = connection().health();
  health.rtt_us = companion.rtt_us;
  if (companion.rtt_us_min > 0) rtt_us_min_ = companion.rtt_us_min;
  health.rtt_us_min = rtt_us_min_;
  health.slots = out_ && met_ ? std::min({out_->slots(), slots_->count(), out_->depth()}) : 0;
  if (out_) health.slot_trips = slot_trips(out_->place());
  health.slots_held_us = static_cast<std::uint64_t>(held_by_slots_ / 1000);
  health.bytes_acked = bytes_confirmed_;
  health.acks = frames_confirmed_;
  health.bytes_in_flight = bytes_sent_ - bytes_confirmed_;
  health.bytes_sent = bytes_sent_;
  health.held_us = static_cast<std::uint64_t>(held_by_peer_ / 1000);
  return health;
}

}  // namespace longhaul::wire::fabric
