#include "paths/flap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

namespace longhaul::paths {
namespace {

TEST(Flap, NeverFailedMayBeTried) {
  const Flap flap;
  EXPECT_TRUE(flap.may_try(0));
  EXPECT_EQ(flap.failures(1000 * second), 0U);
}

TEST(Flap, EachFailureDoublesTheWait) {
  Flap flap;
  Time now = 100 * second;
  Time wait = Flap::wait_least;
  for (int i = 0; i < 12; ++i) {
    flap.failed(now);
    EXPECT_FALSE(flap.may_try(now));
    EXPECT_EQ(flap.retry_at() - now, std::min(wait, Flap::wait_most));
    now = flap.retry_at();
    EXPECT_TRUE(flap.may_try(now));
    wait *= 2;
  }
  EXPECT_EQ(flap.retry_at(), now);
}

TEST(Flap, StreamsOfOneCutAreOneFailure) {
  Flap flap;
  for (int i = 0; i < 16; ++i) flap.failed(second + i * 20 * millisecond);
  EXPECT_EQ(flap.failures(2 * second), 1U);
  EXPECT_EQ(flap.retry_at(), second + Flap::wait_least);
}

TEST(Flap, GoodTimeIsForgiving) {
  Flap flap;
  Time now = second;
  for (int i = 0; i < 5; ++i) {
    flap.failed(now);
    now = flap.retry_at();
  }
  flap.works(now);
  EXPECT_EQ(flap.failures(now), 5U);
  flap.works(now + Flap::forgives_after);  // said again: good time goes on
  EXPECT_EQ(flap.failures(now + 2 * Flap::forgives_after), 3U);
  now += 2 * Flap::forgives_after;
  flap.failed(now);
  EXPECT_EQ(flap.failures(now), 4U);
  EXPECT_EQ(flap.retry_at() - now, Flap::wait_least * 8);
  now = flap.retry_at();
  flap.works(now);
  EXPECT_EQ(flap.failures(now + 10 * Flap::forgives_after), 0U);
  flap.failed(now + 10 * Flap::forgives_after);
  EXPECT_EQ(flap.retry_at(), now + 10 * Flap::forgives_after + Flap::wait_least);
}

/// Failing again at once after working for a moment is not the same failure.
TEST(Flap, ShortWorkDoesNotHideAFailure) {
  Flap flap;
  flap.failed(second);
  flap.works(second + 100 * millisecond);
  flap.failed(second + 200 * millisecond);
  EXPECT_EQ(flap.failures(second + 200 * millisecond), 2U);
}

/// Up for 2 s, whenever it is taken back, for a day: how often is it tried, and how soon is a cured one trusted?
TEST(Flap, ADayOfFlapping) {
  Flap flap;
  Time now = 0;
  int tries = 0;
  while (now < 86400 * second) {
    flap.failed(now);
    now = flap.retry_at();
    ++tries;
    flap.works(now);
    now += 2 * second;
  }
  std::cout << "[ FIGURE   ] flap: a path that works for 2 s at a time is tried " << tries << " times a day\n";
  EXPECT_LT(tries, 1450);
  EXPECT_GT(tries, 1300);
  flap.works(now);
  EXPECT_EQ(flap.failures(now + 8 * Flap::forgives_after), 0U);
}

}  // namespace
}  // namespace longhaul::paths
