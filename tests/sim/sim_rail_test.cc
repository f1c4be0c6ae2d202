#include "sim_rail.h"

#include <gtest/gtest.h>

#include <array>

namespace longhaul::sim {
namespace {

constexpr std::array frame{std::byte{'n'}, std::byte{'e'}, std::byte{'w'}};

TEST(SimRail, AWriteMayLandLongAfterItsPathIsGone) {
  SimClock clock;
  bool behind_the_back = false;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SimRail rail(clock, seed);
    std::array<std::byte, 3> slot{};
    rail.grant(7, 1, slot);
    rail.write(7, frame, 10 * second);
    // The path is given up here; whoever takes the slot for another frame now is wrong.
    slot.fill(std::byte{'x'});
    EXPECT_TRUE(rail.poll().empty() || slot == frame);
    clock.advance(11 * second);
    const auto done = rail.poll();
    behind_the_back = behind_the_back || (done.size() == 1 && slot == frame);
  }
  EXPECT_TRUE(behind_the_back);
}

TEST(SimRail, AFenceIsTheEndOfIt) {
  SimClock clock;
  SimRail rail(clock, 1);
  std::array<std::byte, 3> slot{};
  rail.grant(7, 1, slot);
  rail.write(7, frame, second);
  rail.fence();
  slot.fill(std::byte{'x'});
  clock.advance(2 * second);
  EXPECT_TRUE(rail.poll().empty());
  EXPECT_EQ(slot[0], std::byte{'x'});
  EXPECT_EQ(rail.granted(), 0U);
  rail.write(7, frame, 0);  // of no effect: nothing is granted
  EXPECT_TRUE(rail.poll().empty());
  rail.grant(7, 2, slot);
  rail.write(7, frame, 0);
  const auto done = rail.poll();
  ASSERT_EQ(done.size(), 1U);
  EXPECT_EQ(done[0].generation, 2U);
  EXPECT_EQ(slot[0], std::byte{'n'});
}

TEST(SimRailDeathTest, ASlotIsNotGrantedTwice) {
  SimClock clock;
  SimRail rail(clock, 1);
  std::array<std::byte, 3> slot{};
  rail.grant(7, 1, slot);
  EXPECT_DEATH(rail.grant(7, 2, slot), "granted again");
}

}  // namespace
}  // namespace longhaul::sim
