// Paths that get worse, flap, or want another number of streams: the real engine, both ends, in simulation.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "seeds.h"
#include "transfer_world.h"

namespace longhaul::sim {
namespace {

struct Told {
  Time at = 0;
  Event event;
};

/// What the sender tells of its paths.
std::vector<Told>& listen(TransferWorld& world, std::vector<Told>& told) {
  world.on_event = [&](const std::string& who, const Event& event) {
    if (who == "sender" && !event.path.empty()) told.push_back({world.world.clock().now(), event});
  };
  return told;
}

std::vector<std::string> paths_of(const std::vector<Told>& told, Event::Type type) {
  std::vector<std::string> paths;
  for (const Told& each : told)
    if (each.event.type == type) paths.push_back(each.event.path);
  return paths;
}

/// Two paths of 2 MB/s.
WorldPlan long_plan(std::uint64_t chunks, unsigned streams = 2) {
  WorldPlan plan;
  plan.paths.assign(2, {.delay = 20 * millisecond, .bytes_per_s = 2'000'000});
  plan.streams = streams;
  plan.tree = {.small_files = 3, .large_chunks = chunks};
  return plan;
}

void set_rate(TransferWorld& world, std::size_t path, std::uint64_t bytes_per_s) {
  Path changed = world.plan().paths[path];
  changed.bytes_per_s = bytes_per_s;
  world.world.network().set_path(TransferWorld::sender_host(path), TransferWorld::receiver_host(path), changed);
}

TEST(PathHealth, APathThatGetsWorseIsToldOfAndSoIsItsRecovery) {
  for_seeds(2, [](std::uint64_t seed) {
    std::vector<Told> told;
    TransferWorld world(seed, long_plan(25));
    listen(world, told);
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    world.run_for(20 * second);
    EXPECT_TRUE(paths_of(told, Event::Type::path_degraded).empty());
    set_rate(world, 1, 600'000);
    world.run_for(10 * second);
    ASSERT_FALSE(world.done());
    EXPECT_EQ(paths_of(told, Event::Type::path_degraded), std::vector<std::string>{"b"});
    EXPECT_TRUE(paths_of(told, Event::Type::path_recovered).empty());
    set_rate(world, 1, 2'000'000);
    ASSERT_TRUE(world.run_to_end(100 * second));
    EXPECT_EQ(paths_of(told, Event::Type::path_recovered), std::vector<std::string>{"b"});
    EXPECT_EQ(paths_of(told, Event::Type::path_degraded), std::vector<std::string>{"b"});
    world.check_complete();
    const auto& paths = world.sent->report.paths;
    EXPECT_EQ(paths.at(0).times_degraded, 0U);
    EXPECT_EQ(paths.at(1).times_degraded, 1U);
    EXPECT_FALSE(paths.at(1).degraded);
    EXPECT_NE(paths.at(1).evidence.find("rate "), std::string::npos) << paths.at(1).evidence;
  });
}

TEST(PathHealth, APauseIsNoFaultOfThePath) {
  for_seeds(1, [](std::uint64_t seed) {
    std::vector<Told> told;
    TransferWorld world(seed, long_plan(20));
    listen(world, told);
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    Adjustment pause;
    pause.kind = Adjustment::Kind::pause;
    Adjustment resume;
    resume.kind = Adjustment::Kind::resume;
    world.run_for(18 * second);
    for (const Time time : {second / 2, 3 * second, 20 * second}) {
      ASSERT_FALSE(world.done());
      world.adjust("sender", pause);
      world.run_for(time);
      world.adjust("sender", resume);
      world.run_for(5 * second);
    }
    ASSERT_TRUE(world.run_to_end(100 * second));
    world.check_complete();
    EXPECT_TRUE(paths_of(told, Event::Type::path_degraded).empty());
  });
}

}  // namespace
}  // namespace longhaul::sim
