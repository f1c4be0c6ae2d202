// Each moment counts for exactly one stage.
#include "base/stages.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>

namespace longhaul {
namespace {

class HandClock final : public Clock {
 public:
  Time now() override { return time; }
  std::int64_t wall_ns() override { return time; }
  Time time = 1000;
};

TEST(Stages, ScopesTakeTheirTimeFromWhatIsAroundThem) {
  HandClock clock;
  StageClock stages;
  {
    const StageClock::Step step(stages, clock, clock.time);
    clock.time += 1;
    {
      const StageScope receive(Stage::receive);
      clock.time += 10;
      {
        const StageScope unseal(Stage::unseal);
        clock.time += 100;
      }
      clock.time += 20;
    }
    clock.time += 2;
    stages.waits_for(Stage::wait_read);
  }
  clock.time += 5000;
  EXPECT_EQ(stages.times(clock.time)[Stage::wait_read], 5000) << "still under way";
  {
    const StageClock::Step step(stages, clock, clock.time);
  }
  clock.time += 7;
  const StageTimes times = stages.times(clock.time);
  EXPECT_EQ(times[Stage::other], 3);
  EXPECT_EQ(times[Stage::receive], 30);
  EXPECT_EQ(times[Stage::unseal], 100);
  EXPECT_EQ(times[Stage::wait_read], 5000);
  EXPECT_EQ(times[Stage::idle], 7) << "the last step did not say what it waits for";
  EXPECT_EQ(times.sum(), clock.time - 1000) << "all there was";
}

TEST(Stages, WithoutAStepNothingIsCounted) {
  HandClock clock;
  StageClock stages;
  {
    const StageScope scope(Stage::digest);
    clock.time += 100;
  }
  EXPECT_EQ(stages.times(clock.time).sum(), 0);
  {
    const StageClock::Step step(stages, clock, clock.time);
  }
  const StageScope outside(Stage::digest);
  clock.time += 50;
  EXPECT_EQ(stages.times(clock.time)[Stage::digest], 0);
}

TEST(Stages, AThreadThatHasEndedSpendsNoMore) {
  HandClock clock;
  StageClock stages;
  {
    const StageClock::Step step(stages, clock, clock.time);
  }
  clock.time += 30;
  stages.end(clock.time);
  clock.time += 1000;
  EXPECT_EQ(stages.times(clock.time).sum(), 30);
}

TEST(Stages, ADifferenceIsNeverNegative) {
  StageTimes earlier;
  StageTimes later;
  earlier[Stage::read] = 10;
  later[Stage::read] = 15;
  earlier[Stage::write] = 10;
  later[Stage::write] = 4;
  const StageTimes grown = later.since(earlier);
  EXPECT_EQ(grown[Stage::read], 5);
  EXPECT_EQ(grown[Stage::write], 0);
}

TEST(Stages, EachHasANameOfItsOwn) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < stage_count; ++i) names.emplace(name_of(static_cast<Stage>(i)));
  EXPECT_EQ(names.size(), stage_count);
  EXPECT_FALSE(names.contains(""));
}

/// Whatever moment a reader hits, it sees all the time there was: none twice, none not at all.
TEST(Stages, ReadersOnOtherThreadsSeeWholeChanges) {
  StageClock stages;
  std::atomic<bool> stop{false};
  const Time began = system_clock().now();
  {
    const StageClock::Step step(stages, system_clock(), began);
  }
  std::thread owner([&] {
    while (!stop) {
      const StageClock::Step step(stages, system_clock(), system_clock().now());
      const StageScope scope(Stage::send);
      const StageScope inner(Stage::seal);
    }
  });
  for (int i = 0; i < 20'000; ++i) {
    const Time before = system_clock().now();
    const Time sum = stages.times(before).sum();
    const Time after = system_clock().now();
    ASSERT_GE(sum, before - began);
    ASSERT_LE(sum, after - began);
  }
  stop = true;
  owner.join();
}

}  // namespace
}  // namespace longhaul
