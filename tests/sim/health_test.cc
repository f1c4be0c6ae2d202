// Paths that get worse, or flap: the real engine, both ends, in simulation.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "seeds.h"
#include "transfer_world.h"

namespace longhaul::sim {
namespace {

std::vector<std::string> paths_of(const std::vector<Event>& told, Event::Type type) {
  std::vector<std::string> paths;
  for (const Event& each : told)
    if (each.type == type) paths.push_back(each.path);
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

/// A transfer of so many chunks that has started, and what its sender tells of its paths.
struct Watched {
  Watched(std::uint64_t seed, std::uint64_t chunks) : world(seed, long_plan(chunks)) {
    world.on_event = [this](const std::string& who, const Event& event) {
      if (who == "sender" && !event.path.empty()) told.push_back(event);
    };
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
  }
  std::vector<Event> told;
  TransferWorld world;
};

void set_rate(TransferWorld& world, std::size_t path, std::uint64_t bytes_per_s) {
  Path changed = world.plan().paths[path];
  changed.bytes_per_s = bytes_per_s;
  world.world.network().set_path(TransferWorld::sender_host(path), TransferWorld::receiver_host(path), changed);
}

TEST(PathHealth, APathThatGetsWorseIsToldOfAndSoIsItsRecovery) {
  for_seeds(2, [](std::uint64_t seed) {
    Watched watched(seed, 25);
    auto& [told, world] = watched;
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
    Watched watched(seed, 20);
    auto& [told, world] = watched;
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

/// Cuts path `path` and heals it at once, again and again; returns how long it was down each time, in seconds.
std::vector<double> flap(TransferWorld& world, const std::vector<Event>& told, std::size_t path, unsigned times) {
  auto& network = world.world.network();
  const std::string a = TransferWorld::sender_host(path);
  const std::string b = TransferWorld::receiver_host(path);
  const std::string name(1, static_cast<char>('a' + path));
  std::vector<double> down_s;
  for (unsigned time = 0; time < times && !world.done(); ++time) {
    const std::size_t before = told.size();
    const Time cut_at = world.world.clock().now();
    network.cut(a, b);
    world.run_for(100 * millisecond);
    network.heal(a, b);
    const auto is_up = [&] {
      for (std::size_t i = before; i < told.size(); ++i)
        if (told[i].type == Event::Type::path_up && told[i].path == name) return true;
      return world.done();
    };
    EXPECT_EQ(world.world.run_until(is_up, cut_at + 100 * second), RunEnd::reached);
    down_s.push_back(static_cast<double>(world.world.clock().now() - cut_at) / static_cast<double>(second));
    world.run_for(300 * millisecond);
  }
  return down_s;
}

TEST(PathFlap, APathThatFlapsIsTriedEverMoreRarely) {
  for_seeds(2, [](std::uint64_t seed) {
    Watched watched(seed, 12);
    auto& [told, world] = watched;
    world.run_for(3 * second);  // until the other one is known to carry
    const std::vector<double> down_s = flap(world, told, 1, 5);
    ASSERT_FALSE(world.done());
    ASSERT_EQ(down_s.size(), 5U);
    double wait_s = 0.5;
    for (const double s : down_s) {
      EXPECT_GE(s, wait_s);
      EXPECT_LE(s, wait_s + 1.5);  // and the greeting
      wait_s *= 2;
    }
    unsigned downs = 0;
    for (const Event& each : told) {
      if (each.type != Event::Type::path_down) continue;
      EXPECT_EQ(each.text.find("flaps: next try in ") != std::string::npos, ++downs >= 3) << each.text;
    }
    EXPECT_EQ(downs, 5U);
    ASSERT_TRUE(world.run_to_end(100 * second));
    world.check_complete();
  });
}

TEST(PathFlap, TheOnlyPathThatIsLeftIsTriedAsOftenAsEver) {
  for_seeds(2, [](std::uint64_t seed) {
    Watched watched(seed, 6);
    auto& [told, world] = watched;
    world.run_for(3 * second);
    world.world.network().cut(TransferWorld::sender_host(0), TransferWorld::receiver_host(0));
    world.run_for(3 * second);  // until it is known to carry nothing
    const std::vector<double> down_s = flap(world, told, 1, 8);
    ASSERT_FALSE(world.done());
    for (const double s : down_s) EXPECT_LE(s, 5);
    ASSERT_TRUE(world.run_to_end(100 * second));
    world.check_complete();
    for (const Event& each : told) EXPECT_EQ(each.text.find("flaps"), std::string::npos) << each.text;
  });
}

TEST(StreamsAuto, MoreStreamsWhileTheyCarryMore) {
  for_seeds(1, [](std::uint64_t seed) {
    WorldPlan plan = long_plan(40, 0);
    plan.sender_options = [](Options& options) { options.try_streams = true; };
    plan.paths.assign(2, {.delay = 100 * millisecond, .bytes_per_s = 8'000'000});
    TransferWorld world(seed, plan);
    world.world.network().buffer_bytes = 256 * 1024;  // about 1 MB/s a stream
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end(300 * second));
    world.check_complete();
    for (const PathReport& path : world.sent->report.paths) {
      EXPECT_GE(path.streams, 4U) << path.streams_why;
      EXPECT_LE(path.streams, 16U);
    }
  });
}

TEST(StreamsAuto, NoMoreWhereOneFillsThePath) {
  for_seeds(1, [](std::uint64_t seed) {
    WorldPlan plan = long_plan(14, 0);
    plan.sender_options = [](Options& options) { options.try_streams = true; };
    TransferWorld world(seed, plan);
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end(300 * second));
    world.check_complete();
    for (const PathReport& path : world.sent->report.paths)
      EXPECT_TRUE(path.streams_why.starts_with("2: 4 brought no more")) << path.streams_why;
  });
}

}  // namespace
}  // namespace longhaul::sim
