#include "engine/frame_packing.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace longhaul::engine {
namespace {

constexpr int automatic_level = 1;
// What packing takes is paid by time in which nothing could be sent: eight times as much of it, as it is used up by
// packing itself. A worker that is always busy gets no credit, and packs nothing.
constexpr Time credit_factor = 8;
constexpr Time credit_max = 50 * millisecond;
// A frame must shrink by so much to be sent packed: it has to be unpacked, and digested once more.
constexpr std::size_t gain_automatic = 10;  // a tenth
constexpr std::size_t gain_always = 32;

bool is_automatic(const Compression& wish) {
  return wish.mode == Compression::Mode::automatic;
}

}  // namespace

bool PackTrials::due() {
  const unsigned left = skip_.load(std::memory_order_relaxed);
  if (left == 0) return true;
  skip_.store(left - 1, std::memory_order_relaxed);
  return false;
}

void PackTrials::shrank() {
  failures_.store(0, std::memory_order_relaxed);
  skip_.store(0, std::memory_order_relaxed);
}

void PackTrials::did_not() {
  const unsigned failures = std::min(failures_.load(std::memory_order_relaxed) + 1, doublings_max_);
  failures_.store(failures, std::memory_order_relaxed);
  skip_.store((1U << failures) - 1, std::memory_order_relaxed);
}

FramePacking::FramePacking(const Compression& wish, Clock& clock)
    : wish_(wish), clock_(clock), packer_(is_automatic(wish) ? automatic_level : wish.level) {}

Bytes FramePacking::beside() {
  if (!beside_) beside_ = std::make_unique_for_overwrite<std::byte[]>(slot_payload_bytes);
  return {beside_.get(), slot_payload_bytes};
}

void FramePacking::idled(Time span) {
  credit_ = std::min(credit_max, credit_ + credit_factor * std::min(span, credit_max));
}

bool FramePacking::wanted(bool wire_limits) const {
  switch (wish_.mode) {
    case Compression::Mode::none:
      return false;
    case Compression::Mode::automatic:
      return wire_limits && credit_ > 0;
    case Compression::Mode::always:
      break;
  }
  return true;
}

std::size_t FramePacking::pack(const Slot& slot, std::size_t raw_bytes) {
  const std::size_t most = raw_bytes - raw_bytes / (is_automatic(wish_) ? gain_automatic : gain_always);
  if (most == raw_bytes) return 0;  // some bytes
  const Time began = clock_.now();
  const std::size_t packed = packer_.pack({slot.payload(), raw_bytes}, beside().first(most));
  std::memcpy(slot.payload(), beside_.get(), packed);
  const Time took = clock_.now() - began;
  credit_ -= took;
  spent_ += took;
  return packed;
}

bool FramePacking::unpack(const Slot& slot, std::size_t packed_bytes, std::size_t raw_bytes) {
  LH_CHECK(packed_bytes <= slot.payload_bytes() && raw_bytes <= slot.payload_bytes(), "a frame fits a slot");
  std::memcpy(beside().data(), slot.payload(), packed_bytes);
  return unpacker_.unpack({beside_.get(), packed_bytes}, {slot.payload(), raw_bytes});
}

}  // namespace longhaul::engine
