// Policy on paths holds whatever breaks: paths are cut, fall silent and heal, either end is killed and comes back, and
// the network says how many bytes each path was handed. LONGHAUL_SEEDS=1000 for the whole claim.
#include "paths/policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <set>

#include "seeds.h"
#include "transfer_world.h"

namespace longhaul::sim {
namespace {

/// What one refused connection takes: a Hello and a Refusal, each with its prefix.
constexpr std::uint64_t refusal_bytes_max = 2 * 1024;

bool permits(const WorldPlan::Policy& policy, const std::vector<std::string>& tags) {
  return paths::permits(policy.require, policy.forbid, tags);
}

std::vector<std::string> draw_some(SimRandom& random, std::uint64_t one_in) {
  std::vector<std::string> some;
  for (const char* tag : {"us", "fiber", "metered", "guest"})
    if (random.one_in(one_in)) some.emplace_back(tag);
  return some;
}

/// Three to five paths, policies on both sides, and at least one path that both permit.
WorldPlan draw_plan(SimRandom& random) {
  WorldPlan plan;
  plan.workers = static_cast<unsigned>(1 + random.below(2));
  plan.streams = static_cast<unsigned>(1 + random.below(3));
  plan.tree = {.small_files = 60, .chunk_files = 20, .large_chunks = random.below(2)};
  for (std::size_t count = 3 + random.below(3); plan.paths.size() < count;)
    plan.paths.push_back({.delay = static_cast<Time>(1 + random.below(60)) * millisecond,
                          .bytes_per_s = 2'000'000 + random.below(50'000'000)});
  for (bool possible = false; !possible;) {
    plan.tags.clear();
    for (std::size_t i = 0; i < plan.paths.size(); ++i) plan.tags.push_back(draw_some(random, 2));
    plan.sender = {draw_some(random, 8), draw_some(random, 6)};
    plan.receiver = {draw_some(random, 8), draw_some(random, 6)};
    possible = std::ranges::any_of(
        plan.tags, [&](const auto& tags) { return permits(plan.sender, tags) && permits(plan.receiver, tags); });
  }
  return plan;
}

class Schedule {
 public:
  Schedule(TransferWorld& world, SimRandom& random) : world_(world), random_(random) {}

  void run() {
    EXPECT_TRUE(world_.start_receiver()) << world_.start_problem;
    EXPECT_TRUE(world_.start_sender()) << world_.start_problem;
    for (std::uint64_t strikes = 1 + random_.below(5); strikes > 0; --strikes) {
      world_.run_to_bytes(random_.below(world_.tree_bytes()));
      if (world_.done()) break;
      strike(random_.below(world_.plan().paths.size()));
    }
    for (std::size_t path = 0; path < world_.plan().paths.size(); ++path)
      network().heal(TransferWorld::sender_host(path), TransferWorld::receiver_host(path));
    ASSERT_TRUE(world_.run_to_end());
    world_.check_complete();
  }
  [[nodiscard]] std::uint64_t lives() const { return lives_; }

 private:
  SimNetwork& network() { return world_.world.network(); }

  void strike(std::size_t path) {
    const std::string a = TransferWorld::sender_host(path);
    const std::string b = TransferWorld::receiver_host(path);
    const auto while_it_lasts = [&] { world_.run_for(static_cast<Time>(random_.below(5000)) * millisecond); };
    switch (random_.below(5)) {
      case 0:
        network().cut(a, b);
        while_it_lasts();
        return heal_perhaps(path);
      case 1:
        network().silence(a, b);
        while_it_lasts();
        return heal_perhaps(path);
      case 2:
        network().break_one(a, b);
        return;
      case 3:
        ++lives_;
        world_.kill_receiver();
        while_it_lasts();
        EXPECT_TRUE(world_.start_receiver()) << world_.start_problem;
        return;
      default:
        ++lives_;
        world_.kill_sender();
        while_it_lasts();
        EXPECT_TRUE(world_.start_sender()) << world_.start_problem;
    }
  }

  /// It may stay broken to the end when both sides permit another one that is whole.
  void heal_perhaps(std::size_t path) {
    const WorldPlan& plan = world_.plan();
    broken_.insert(path);
    bool other = false;
    for (std::size_t i = 0; i < plan.paths.size(); ++i)
      other =
          other || (!broken_.contains(i) && permits(plan.sender, plan.tags[i]) && permits(plan.receiver, plan.tags[i]));
    if (other && random_.one_in(2)) return;
    network().heal(TransferWorld::sender_host(path), TransferWorld::receiver_host(path));
    broken_.erase(path);
  }

  TransferWorld& world_;
  SimRandom& random_;
  std::set<std::size_t> broken_;
  std::uint64_t lives_ = 2;
};

TEST(Policy, NoByteOnAnExcludedPathWhateverBreaks) {
  std::uint64_t excluded = 0;
  std::uint64_t carried = 0;
  for_seeds(60, [&](std::uint64_t seed) {
    SimRandom random(seed ^ 0x706f6c696379);
    const WorldPlan plan = draw_plan(random);
    TransferWorld world(seed, plan);
    Schedule schedule(world, random);
    schedule.run();
    if (testing::Test::HasFatalFailure()) return;
    for (std::size_t path = 0; path < plan.paths.size(); ++path) {
      const std::uint64_t bytes = world.bytes_between(path, path);
      const bool by_sender = !permits(plan.sender, plan.tags[path]);
      const bool by_receiver = !permits(plan.receiver, plan.tags[path]);
      if (!by_sender && !by_receiver) {
        carried += bytes;
        continue;
      }
      ++excluded;
      // The side that dials does not know the other's policy before it is refused: once in each of its sessions.
      EXPECT_LE(bytes, by_sender ? 0 : refusal_bytes_max * schedule.lives()) << "path " << path;
      const std::string name(1, static_cast<char>('a' + path));
      for (const auto& outcome : {world.sent, world.received}) {
        if (!outcome) continue;
        for (const PathReport& report : outcome->report.paths) {
          if (report.name != name) continue;
          EXPECT_EQ(report.bytes, 0U) << "path " << name << " in the audit";
        }
      }
    }
  });
  std::cout << excluded << " excluded paths, " << carried << " bytes on the others\n";
  EXPECT_GT(carried, 0U);
}

}  // namespace
}  // namespace longhaul::sim
