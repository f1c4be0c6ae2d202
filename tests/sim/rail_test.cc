// Paths whose frames go by rail (RDMA): the real engine, both ends, in simulation. Which memory the fabric wants
// registered how, and whether its writes carry data, is another from seed to seed.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "seeds.h"
#include "transfer_world.h"

namespace longhaul::sim {
namespace {

WorldPlan rails(TreeShape tree, unsigned workers = 2) {
  WorldPlan plan;
  plan.paths.assign(2, {.delay = 5 * millisecond, .bytes_per_s = 50'000'000});
  plan.workers = workers;
  plan.streams = 2;
  plan.tree = tree;
  plan.by_rail = {true, true};
  return plan;
}

/// A transfer that has started, and the paths of which its sender says that they went down.
struct ByRail {
  ByRail(std::uint64_t seed, const WorldPlan& plan) : world(seed, plan) {
    world.on_event = [this](const std::string& who, const Event& event) {
      if (who == "sender" && event.type == Event::Type::path_down) down.push_back(event.text);
    };
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
  }
  [[nodiscard]] std::uint64_t dials() { return world.dials_between(0, 0) + world.dials_between(1, 1); }
  void end_well() {
    ASSERT_TRUE(world.run_to_end());
    EXPECT_TRUE(world.sent->ok) << world.sent->error.text;
    world.check_complete();
  }
  std::vector<std::string> down;
  TransferWorld world;
};

TEST(Rails, ATreeGoesByThem) {
  for_seeds(16, [](std::uint64_t seed) {
    ByRail by_rail(seed, rails({.small_files = 100, .chunk_files = 20, .large_chunks = 3, .holes = seed % 2 == 0}));
    by_rail.end_well();
    const std::uint64_t frames = by_rail.world.world.fabric().landed();
    EXPECT_GE(frames * protocol::frame_bytes_usual, by_rail.world.tree_bytes() / 2);
    EXPECT_TRUE(by_rail.down.empty()) << by_rail.down.front();
  });
}

// Its commits take so long that the receiver asks for nothing more: also where the sender tells of each write, what has
// arrived is told meanwhile.
TEST(Rails, ASlowDiskIsNoFaultOfThem) {
  for_seeds(8, [](std::uint64_t seed) {
    ByRail by_rail(seed, rails({.small_files = 3000, .chunk_files = 40, .large_chunks = 0}, 1));
    by_rail.world.target_file_system().sync_delay = 5 * second;
    by_rail.end_well();
    EXPECT_TRUE(by_rail.down.empty()) << by_rail.down.front();
  });
}

TEST(Rails, OneThatBreaksIsMadeAnew) {
  for_seeds(8, [](std::uint64_t seed) {
    ByRail by_rail(seed, rails({.small_files = 40, .chunk_files = 40, .large_chunks = 10}));
    by_rail.world.run_to_bytes(by_rail.world.tree_bytes() / 10);
    const std::uint64_t dials = by_rail.dials();
    ASSERT_FALSE(by_rail.world.done());
    EXPECT_TRUE(by_rail.world.world.fabric().fail_one());
    by_rail.world.run_for(second);
    EXPECT_GT(by_rail.dials(), dials);
    by_rail.end_well();
  });
}

// Nothing of what one end writes is heard of any more, and its connection says nothing of that.
TEST(Rails, OneThatFallsSilentIsGivenUp) {
  for_seeds(8, [](std::uint64_t seed) {
    ByRail by_rail(seed, rails({.small_files = 40, .chunk_files = 40, .large_chunks = 8}));
    by_rail.world.run_to_bytes(by_rail.world.tree_bytes() / 4);
    ASSERT_FALSE(by_rail.world.done());
    const std::uint64_t dials = by_rail.dials();
    while (by_rail.world.world.fabric().silence_one()) {  // all of them: nothing goes elsewhere
    }
    by_rail.world.run_for(10 * second);
    EXPECT_GT(by_rail.dials(), dials);
    by_rail.end_well();
    EXPECT_LT(by_rail.world.sent->report.seconds, 20.0);
  });
}

}  // namespace
}  // namespace longhaul::sim
