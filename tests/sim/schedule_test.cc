// Timetables with the real engine, both ends, in simulation: what the other side's says begins and ends by itself.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "engine/local_time.h"
#include "seeds.h"
#include "transfer_world.h"

namespace longhaul::sim {
namespace {

constexpr std::uint64_t rate = 2'000'000;  // bytes/s of each of two paths

/// "HH:MM-HH:MM=WHAT", from this minute on for `minutes` of the simulated clock; the first of them has begun.
std::string entry(std::int64_t wall_ns, unsigned minutes, const std::string& what) {
  const unsigned now = engine::local_time(wall_ns).second_of_day / 60;
  const unsigned end = (now + minutes) % (24 * 60);
  return fmt::format("{:02}:{:02}-{:02}:{:02}={}", now / 60, now % 60, end / 60, end % 60, what);
}

/// A transfer of 50 MB: 13 s at full speed. The receiver has a timetable.
struct Scheduled {
  Scheduled(std::uint64_t seed, const std::string& what) : world(seed, plan_of(*this)) {
    schedule = entry(world.world.clock().wall_ns(), 2, what);
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
  }
  static WorldPlan plan_of(Scheduled& self) {
    WorldPlan plan;
    plan.paths.assign(2, {.delay = 20 * millisecond, .bytes_per_s = rate});
    plan.tree = {.small_files = 3, .large_chunks = 6};
    plan.receiver_options = [&self](Options& options) { options.schedule = self.schedule; };
    return plan;
  }
  [[nodiscard]] std::uint64_t carried() { return world.bytes_between(0, 0) + world.bytes_between(1, 1); }
  std::string schedule;
  TransferWorld world;
};

TEST(Schedules, APauseOfTheReceiversTimetableEndsByItself) {
  for_seeds(1, [](std::uint64_t seed) {
    Scheduled transfer(seed, "pause");
    transfer.world.run_for(50 * second);
    EXPECT_LT(transfer.carried(), 200'000U) << "control, and what says that streams are there";
    ASSERT_TRUE(transfer.world.run_to_end(120 * second));
    transfer.world.check_complete();
  });
}

TEST(Schedules, ACapOfTheReceiversTimetableEndsByItself) {
  for_seeds(1, [](std::uint64_t seed) {
    Scheduled transfer(seed, "1.6Mbps");  // 0.2 MB/s: 50 MB would take 250 s
    transfer.world.run_for(50 * second);
    EXPECT_LT(transfer.carried(), 15'000'000U);
    EXPECT_GT(transfer.carried(), 5'000'000U);
    ASSERT_TRUE(transfer.world.run_to_end(110 * second)) << "120 s at most of the cap, and the rest at full speed";
    transfer.world.check_complete();
  });
}

}  // namespace
}  // namespace longhaul::sim
