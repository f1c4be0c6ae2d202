#include "base/interval_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace longhaul {
namespace {

TEST(IntervalSet, RunsGrowAtBothEndsAndJoin) {
  IntervalSet set;
  EXPECT_TRUE(set.add(5));
  EXPECT_TRUE(set.add(6));
  EXPECT_TRUE(set.add(4));
  EXPECT_EQ(set.runs(), 1U);
  EXPECT_TRUE(set.add(8));
  EXPECT_EQ(set.runs(), 2U);
  EXPECT_TRUE(set.add(7));
  EXPECT_EQ(set.runs(), 1U);
  EXPECT_FALSE(set.add(4));
  EXPECT_FALSE(set.add(8));
  EXPECT_FALSE(set.contains(3));
  EXPECT_TRUE(set.contains(4));
  EXPECT_TRUE(set.contains(8));
  EXPECT_FALSE(set.contains(9));
}

TEST(IntervalSet, IsASetInAnyOrder) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 50; ++round) {
    IntervalSet set;
    std::set<std::uint64_t> model;
    for (int i = 0; i < 300; ++i) {
      const std::uint64_t number = random() % 200;
      EXPECT_EQ(set.add(number), model.insert(number).second);
    }
    std::size_t runs = 0;
    for (std::uint64_t number = 0; number < 201; ++number) {
      ASSERT_EQ(set.contains(number), model.contains(number));
      runs += model.contains(number) && (number == 0 || !model.contains(number - 1)) ? 1 : 0;
    }
    EXPECT_EQ(set.runs(), runs);
    std::uint64_t first_missing = 0;
    while (model.contains(first_missing)) ++first_missing;
    for (std::uint64_t end = 0; end < 210; ++end) ASSERT_EQ(set.contains_all_before(end), end <= first_missing) << end;
  }
}

TEST(IntervalSet, TakesTheGreatestNumbers) {
  IntervalSet set;
  EXPECT_TRUE(set.add(~std::uint64_t{0} - 2));
  EXPECT_TRUE(set.add(~std::uint64_t{0} - 1));
  EXPECT_TRUE(set.contains(~std::uint64_t{0} - 2));
  EXPECT_FALSE(set.contains(0));
}

}  // namespace
}  // namespace longhaul
