// When frames are packed, and that what is packed in a slot unpacks there.
#include "engine/frame_packing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "golden/content.h"
#include "sim_base.h"

namespace longhaul::engine {
namespace {

using Mode = Compression::Mode;

constexpr std::size_t frame_bytes = 300'000;

/// Each look at it takes so long: what is between two of them costs that much.
class CostlyClock final : public Clock {
 public:
  explicit CostlyClock(Time cost) : cost_(cost) {}
  Time now() override { return now_ += cost_; }
  std::int64_t wall_ns() override { return 0; }

 private:
  Time cost_;
  Time now_ = second;
};

void fill_with_text(const Slot& slot, std::size_t bytes) {
  static constexpr char words[] = "all that repeats shrinks; ";
  for (std::size_t i = 0; i < bytes; ++i)
    slot.payload()[i] = static_cast<std::byte>(words[(i + i / 1000) % (sizeof words - 1)]);
}

TEST(PackTrials, WhatDoesNotShrinkIsTriedEverMoreRarely) {
  PackTrials trials{4};
  std::string tried;
  for (int frame = 0; frame < 64; ++frame) {
    const bool due = trials.due();
    tried += due ? 'x' : '.';
    if (due) trials.did_not();
  }
  EXPECT_EQ(tried.substr(0, 31), "x.x...x.......x...............x");
  EXPECT_EQ(tried.substr(31), "...............x...............x.");
}

TEST(PackTrials, WhatShrinksAgainIsTriedAgain) {
  PackTrials trials{6};
  for (int frame = 0; frame < 300; ++frame)
    if (trials.due()) trials.did_not();
  while (!trials.due()) {
  }
  trials.shrank();
  for (int frame = 0; frame < 10; ++frame) EXPECT_TRUE(trials.due());
  trials.did_not();
  EXPECT_FALSE(trials.due());
  EXPECT_TRUE(trials.due()) << "and one that does not is left alone for as short as at first";
}

TEST(FramePacking, IsWantedAsAsked) {
  sim::SimClock clock;
  FramePacking none({}, clock);
  FramePacking always({Mode::always, 1}, clock);
  none.idled(second);
  EXPECT_FALSE(none.wanted(true));
  EXPECT_TRUE(always.wanted(false));
  EXPECT_TRUE(always.wanted(true));
}

TEST(FramePacking, AutomaticWantsAWireThatLimitsAndTimeToSpare) {
  sim::SimClock clock;
  FramePacking packing({.mode = Mode::automatic}, clock);
  EXPECT_FALSE(packing.wanted(true)) << "nobody has waited yet: the processor is busy";
  packing.idled(millisecond);
  EXPECT_TRUE(packing.wanted(true));
  EXPECT_FALSE(packing.wanted(false));
}

/// A millisecond of waiting pays for eight of packing, and what was waited for long ago is not saved up.
TEST(FramePacking, AutomaticSpendsNoMoreThanWasIdle) {
  CostlyClock clock(2 * millisecond);
  FramePacking packing({.mode = Mode::automatic}, clock);
  SlotPool pool(1);
  const Slot slot = pool.take();
  const auto frames_until_spent = [&] {
    unsigned frames = 0;
    for (; packing.wanted(true) && frames < 1000; ++frames) {
      fill_with_text(slot, frame_bytes);
      EXPECT_GT(packing.pack(slot, frame_bytes), 0U);
    }
    return frames;
  };
  packing.idled(millisecond);
  EXPECT_EQ(frames_until_spent(), 4U);
  packing.idled(3600 * second);
  EXPECT_EQ(frames_until_spent(), 25U);
  for (int i = 0; i < 1000; ++i) packing.idled(10 * second);
  EXPECT_EQ(frames_until_spent(), 25U);
}

TEST(FramePacking, WhatIsPackedInASlotUnpacksThere) {
  sim::SimClock clock;
  for (const Compression wish : {Compression{Mode::automatic}, Compression{Mode::always, 5}}) {
    FramePacking packing(wish, clock);
    SlotPool pool(1);
    const Slot slot = pool.take();
    for (const std::size_t bytes : {std::size_t{200}, frame_bytes, slot_payload_bytes}) {
      fill_with_text(slot, bytes);
      const std::vector<std::byte> before(slot.payload(), slot.payload() + bytes);
      const std::size_t packed = packing.pack(slot, bytes);
      ASSERT_GT(packed, 0U);
      ASSERT_LT(packed, bytes / 2);
      ASSERT_TRUE(packing.unpack(slot, packed, bytes));
      EXPECT_TRUE(std::equal(before.begin(), before.end(), slot.payload())) << bytes;
      EXPECT_FALSE(packing.unpack(slot, packed, bytes)) << "it is unpacked already";
    }
  }
}

TEST(FramePacking, WhatDoesNotShrinkStandsAsItWas) {
  sim::SimClock clock;
  FramePacking packing({Mode::always, 1}, clock);
  SlotPool pool(1);
  const Slot slot = pool.take();
  const auto random = test::content(frame_bytes);
  std::memcpy(slot.payload(), random.data(), random.size());
  for (const std::size_t bytes : {frame_bytes, std::size_t{31}, std::size_t{1}})
    EXPECT_EQ(packing.pack(slot, bytes), 0U) << bytes;
  EXPECT_TRUE(std::equal(random.begin(), random.end(), slot.payload()));
}

/// A tenth is little where it takes time of both sides, and much for who has asked for it.
TEST(FramePacking, AutomaticWantsATenth) {
  sim::SimClock clock;
  SlotPool pool(1);
  const Slot slot = pool.take();
  for (const auto& [wish, worth] :
       {std::pair(Compression{Mode::automatic}, false), std::pair(Compression{Mode::always, 1}, true)}) {
    FramePacking packing(wish, clock);
    auto some = test::content(frame_bytes);
    std::fill(some.begin(), some.begin() + frame_bytes / 16, std::byte{0});
    std::memcpy(slot.payload(), some.data(), some.size());
    EXPECT_EQ(packing.pack(slot, frame_bytes) > 0, worth);
  }
}

}  // namespace
}  // namespace longhaul::engine
