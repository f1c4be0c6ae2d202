#include "base/slots.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace longhaul {
namespace {

TEST(SlotPool, PayloadsSuitDirectIoAndLieInTheArena) {
  SlotPool pool(3);
  const auto arena = pool.arena();
  ASSERT_EQ(arena.size(), 3 * slot_bytes);
  std::vector<Slot> all;
  for (unsigned i = 0; i < 3; ++i) all.push_back(pool.take());
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT_EQ(all[i].index(), i);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(all[i].payload()) % 4096, 0U);
    EXPECT_EQ(all[i].payload(), arena.data() + i * slot_bytes + slot_lead_bytes);
    EXPECT_EQ(all[i].before_payload(160), all[i].payload() - 160);
    // All of it is there to write; neighbours do not overlap.
    std::memset(all[i].before_payload(slot_lead_bytes), static_cast<int>(i + 1), slot_bytes);
  }
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT_EQ(arena[i * slot_bytes], std::byte(i + 1));
    EXPECT_EQ(arena[(i + 1) * slot_bytes - 1], std::byte(i + 1));
  }
}

TEST(SlotPool, GivesTheHottestSlotFirst) {
  SlotPool pool(3);
  Slot a = pool.take();
  Slot b = pool.take();
  const unsigned index_a = a.index();
  const unsigned index_b = b.index();
  b = Slot();
  a = Slot();
  EXPECT_EQ(pool.free_count(), 3U);
  const Slot first = pool.take();
  const Slot next = pool.take();
  EXPECT_EQ(first.index(), index_a);
  EXPECT_EQ(next.index(), index_b);
}

TEST(SlotPool, SmallerSlotsLieBackToBackAsWell) {
  constexpr std::size_t payload_bytes = 256 * 1024;
  constexpr std::size_t each = slot_lead_bytes + payload_bytes + slot_tail_bytes;
  SlotPool pool({.count = 3, .payload_bytes = payload_bytes});
  EXPECT_EQ(pool.bytes_each(), each);
  ASSERT_EQ(pool.arena().size(), 3 * each);
  std::array<Slot, 3> all{pool.take(), pool.take(), pool.take()};
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].payload_bytes(), payload_bytes);
    ASSERT_EQ(all[i].payload(), pool.arena().data() + i * each + slot_lead_bytes);
    std::memset(all[i].before_payload(slot_lead_bytes), static_cast<int>(i + 1), each);
  }
  for (std::size_t i = 0; i < all.size(); ++i)
    EXPECT_EQ(static_cast<std::size_t>(*(all[i].payload() + payload_bytes + slot_tail_bytes - 1)), i + 1);
}

TEST(SlotPool, SaysSoWhenItIsEmpty) {
  SlotPool pool(1);
  {
    const Slot only = pool.take();
    EXPECT_TRUE(only);
    EXPECT_EQ(pool.free_count(), 0U);
    EXPECT_FALSE(pool.take());
  }
  EXPECT_EQ(pool.free_count(), 1U);
  EXPECT_TRUE(pool.take());
}

TEST(SlotPool, MovingKeepsTheLoanSingle) {
  SlotPool pool(2);
  Slot a = pool.take();
  std::byte* const payload = a.payload();
  Slot b = std::move(a);
  EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): that is the question
  EXPECT_EQ(b.payload(), payload);
  EXPECT_EQ(pool.free_count(), 1U);
  Slot c = pool.take();
  c = std::move(b);  // gives its own back first
  EXPECT_EQ(pool.free_count(), 1U);
  EXPECT_EQ(c.payload(), payload);
  Slot& same = c;
  c = std::move(same);
  EXPECT_EQ(c.payload(), payload);
  EXPECT_EQ(pool.free_count(), 1U);
}

TEST(SlotPoolDeathTest, ASlotMustNotOutliveItsPool) {
  EXPECT_DEATH(
      {
        Slot slot;
        {
          SlotPool pool(1);
          slot = pool.take();
        }
      },
      "a slot outlives its pool");
}

}  // namespace
}  // namespace longhaul
