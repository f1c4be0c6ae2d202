// Whole trees: whoever looks at the target sees the old tree or the whole new one, whatever happens to either end.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <vector>

#include "base/log.h"
#include "seeds.h"
#include "transfer_world.h"

namespace longhaul::sim {
namespace {

constexpr const char* tree_name = "snap";

/// What readers can have seen of the tree, each state once.
class Reader {
 public:
  explicit Reader(TransferWorld& world) : world_(world) {}
  void look() {
    const auto there = world_.target_file_system().look(world_.landing());
    const std::uint64_t inode = there == nullptr ? 0 : there->number;
    if (inode == last_ && !states_.empty()) return;  // nothing is made in it, or renamed to it: the laws see to that
    look_at_all();
  }
  /// After a crash also what is where it was may have become something else.
  void look_at_all() {
    const auto there = world_.target_file_system().look(world_.landing());
    last_ = there == nullptr ? 0 : there->number;
    Tree tree = world_.target_file_system().tree(world_.landing());
    if (std::ranges::find(states_, tree) == states_.end()) states_.push_back(std::move(tree));
  }
  [[nodiscard]] std::size_t states() const { return states_.size(); }

 private:
  TransferWorld& world_;
  std::vector<Tree> states_;
  std::uint64_t last_ = 0;
};

WorldPlan plan_of(TreeShape tree) {
  WorldPlan plan;
  plan.paths.assign(2, {.delay = 5 * millisecond, .bytes_per_s = 50'000'000});
  plan.tree = tree;
  plan.publish_as = tree_name;
  return plan;
}

void start_both(TransferWorld& world) {
  EXPECT_TRUE(world.start_receiver()) << world.start_problem;
  EXPECT_TRUE(world.start_sender()) << world.start_problem;
}

/// What somebody does to the source between two transfers.
void change_source(TransferWorld& world) {
  const std::vector<std::string> files = world.source_files();
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (i % 4 == 1) world.rewrite_source(files[i], false);
    if (i % 7 == 1) world.remove_source_file(files[i]);
  }
  for (int i = 0; i < 5; ++i) world.add_source_file("d1/new " + std::to_string(i), 3000 + world.draw(300'000));
  world.add_source_file("another/new", 77);
}

void new_commands(TransferWorld& world) {
  world.world.kill("sender");
  world.world.kill("receiver");
  world.new_commands();
  start_both(world);
}

TEST(Publish, ATreeAppearsAtOnceAndIsReplacedAtOnce) {
  for_seeds(2, [](std::uint64_t seed) {
    TransferWorld world(seed, plan_of({.small_files = 40, .large_chunks = 3}));
    Reader reader(world);
    reader.look_at_all();
    start_both(world);
    world.world.run_until(
        [&] {
          reader.look();
          return world.done();
        },
        60 * second);
    ASSERT_TRUE(world.run_to_end(60 * second));
    world.check_complete();
    reader.look_at_all();
    EXPECT_EQ(reader.states(), 2U) << "nothing, the whole tree";
    const std::uint64_t first = world.witness.content_bytes();
    EXPECT_EQ(first, world.tree_bytes());
    change_source(world);
    new_commands(world);
    world.world.run_until(
        [&] {
          reader.look();
          return world.done();
        },
        world.world.clock().now() + 60 * second);
    ASSERT_TRUE(world.run_to_end(60 * second));
    world.check_complete();
    reader.look_at_all();
    EXPECT_EQ(reader.states(), 3U) << "nothing, the whole tree, the whole new one";
    EXPECT_LT(world.witness.content_bytes() - first, world.tree_bytes() * 3 / 4) << "what was there was sent again";
    EXPECT_GT(world.sent->report.skipped_files, 0U);
  });
}

/// Somebody writes all of the source anew, and little of it differs.
void touch_source(TransferWorld& world) {
  for (const std::string& path : world.source_files()) world.touch_source(path);
}

TEST(Publish, WithChecksumWhatIsInTheOldTreeIsNotSentWhateverItsTime) {
  for_seeds(4, [](std::uint64_t seed) {
    WorldPlan plan = plan_of({.small_files = 40, .chunk_files = 4, .large_chunks = 3, .holes = seed % 2 == 0});
    const Delta by = seed % 2 == 0 ? Delta::sha256 : Delta::xxh3;
    plan.sender_options = [by](Options& options) { options.checksum = by; };
    TransferWorld world(seed, plan);
    start_both(world);
    ASSERT_TRUE(world.run_to_end(60 * second));
    world.check_complete();
    Reader reader(world);
    reader.look_at_all();
    const std::string first = world.source_files().front();
    for (const std::string& path : world.source_files()) {
      if (path == first)
        world.rewrite_source(path, true);  // of the same size and time
      else
        world.touch_source(path);
    }
    const std::uint64_t differs = world.source_file_system().content("src/" + first)->size() + 4000;
    world.add_source_file("another/new", 4000);
    const std::uint64_t before = world.witness.content_bytes();
    new_commands(world);
    ASSERT_TRUE(world.run_to_end(60 * second));
    world.check_complete();
    reader.look_at_all();
    EXPECT_EQ(reader.states(), 2U);
    // The large one is a delta in which everything matches: its frames cross without a byte of content.
    EXPECT_GT(world.sent->report.matched_bytes, 0U);
    EXPECT_EQ(world.witness.content_bytes() - before, differs + world.sent->report.matched_bytes);
    EXPECT_GT(world.sent->report.same_files, 40U);
    // And again, when nothing has changed.
    const std::uint64_t second_run = world.witness.content_bytes();
    new_commands(world);
    ASSERT_TRUE(world.run_to_end(60 * second));
    world.check_complete();
    EXPECT_EQ(world.witness.content_bytes(), second_run);
    EXPECT_EQ(world.sent->report.same_files, world.sent->report.compared_files);
  });
}

/// All that decides what of the old tree may stand in the new one, by turns.
WorldPlan any_plan_of(std::uint64_t seed) {
  WorldPlan plan = plan_of({.small_files = 30, .chunk_files = seed % 2 == 0 ? 2U : 0U, .large_chunks = 3});
  plan.sender_options = [seed](Options& options) {
    if (seed % 3 == 1) options.checksum = Delta::sha256;
    if (seed % 3 == 2) options.delta = Delta::sha256;
  };
  return plan;
}

TEST(Publish, BothEndsMayDieAgainAndAgain) {
  for_seeds(9, [](std::uint64_t seed) {
    TransferWorld world(seed, any_plan_of(seed));
    Reader reader(world);
    reader.look_at_all();
    const auto wreck = [&] {
      for (std::uint64_t round = 0; round < 5 && !world.done(); ++round) {
        world.run_to_bytes(world.witness.content_bytes() + world.draw(world.tree_bytes() / 4));
        // A moment of the end, one time in two: what is left takes a few milliseconds.
        if (world.draw(2) == 0)
          world.world.run_until([&] { return world.done(); },
                                world.world.clock().now() + static_cast<Time>(world.draw(1500)) * millisecond);
        const bool receiver = world.draw(3) != 0;
        if (receiver) {
          world.draw(3) != 0 ? world.crash_receiver() : world.kill_receiver();
          reader.look_at_all();
          world.start_receiver();
        } else {
          world.draw(2) == 0 ? world.crash_sender() : world.kill_sender();
          world.start_sender();
        }
      }
      ASSERT_TRUE(world.run_to_end());
      reader.look_at_all();
    };
    start_both(world);
    wreck();
    new_commands(world);  // whatever has become of that
    ASSERT_TRUE(world.run_to_end());
    world.check_complete();
    EXPECT_LE(reader.states(), 2U) << "something else than nothing and the whole tree";
    if (seed % 3 != 0) touch_source(world);
    change_source(world);
    new_commands(world);
    wreck();
    new_commands(world);
    ASSERT_TRUE(world.run_to_end());
    world.check_complete();
    reader.look_at_all();
    EXPECT_EQ(reader.states(), 3U) << "something else than nothing, the old tree and the new one";
  });
}

TEST(Publish, WhatFailsKeepsTheOldTree) {
  for_seeds(2, [](std::uint64_t seed) {
    TransferWorld world(seed, plan_of({.small_files = 30, .large_chunks = 0}));
    start_both(world);
    ASSERT_TRUE(world.run_to_end(60 * second));
    world.check_complete();
    Reader reader(world);
    reader.look_at_all();
    change_source(world);
    world.source_file_system().fault = [&](const FaultPoint& point) {
      return point.operation == "read" && point.path.ends_with("another/new") ? EIO : 0;
    };
    new_commands(world);
    ASSERT_TRUE(world.run_to_end(600 * second));
    ASSERT_TRUE(world.sent);
    EXPECT_TRUE(world.sent->ok) << world.sent->error.text;
    EXPECT_GE(world.sent->report.failed_files, 2U);  // the file, and the tree
    reader.look_at_all();
    EXPECT_EQ(reader.states(), 1U) << "the old tree was touched";
    world.check_laws();
    // What has landed is kept for a run that can read everything.
    world.source_file_system().fault = nullptr;
    const std::uint64_t before = world.witness.content_bytes();
    new_commands(world);
    ASSERT_TRUE(world.run_to_end(60 * second));
    world.check_complete();
    EXPECT_LE(world.witness.content_bytes() - before, 77U);
    reader.look_at_all();
    EXPECT_EQ(reader.states(), 2U);
  });
}

/// From operation `number` of the second transfer on, nothing that the receiver does reaches its disk; then the power
/// goes. False: it had no such operation.
bool replace_until(std::uint64_t number, int error) {
  TransferWorld world(1, plan_of({.small_files = 3, .chunk_files = 1, .large_chunks = 2}));
  start_both(world);
  EXPECT_TRUE(world.run_to_end(60 * second));
  Reader reader(world);
  reader.look_at_all();
  world.rewrite_source(world.source_files().front(), false);
  world.remove_source_file(world.source_files()[1]);
  world.add_source_file("d1/new", 9000);
  std::uint64_t left = number;
  bool struck = false;
  world.target_file_system().fault = [&](const FaultPoint&) {
    if (left > 0) --left;
    struck = struck || left == 0;
    return struck ? error : 0;
  };
  world.world.kill("sender");
  world.world.kill("receiver");
  world.new_commands();
  if (world.start_receiver() && world.start_sender())
    world.world.run_until([&] { return struck || world.done(); }, world.world.clock().now() + 600 * second);
  world.run_for(20 * millisecond);
  world.crash_receiver();
  reader.look_at_all();
  world.target_file_system().fault = nullptr;
  new_commands(world);
  EXPECT_TRUE(world.run_to_end(3600 * second));
  world.check_complete();
  reader.look_at_all();
  EXPECT_EQ(reader.states(), 2U) << "something else than the old tree and the new one";
  return struck;
}

TEST(Publish, ThePowerMayGoAtEachOperation) {
  log::set_level(log::Level::quiet);
  const char* step_text = std::getenv("LONGHAUL_SWEEP_STEP");
  const std::uint64_t step = step_text != nullptr ? std::strtoull(step_text, nullptr, 10) : 1;
  if (const char* one = std::getenv("LONGHAUL_OPERATION"); one != nullptr) {
    replace_until(std::strtoull(one, nullptr, 10), EIO);
    return;
  }
  std::uint64_t number = 1;
  for (; replace_until(number, EIO); number += step)
    ASSERT_FALSE(testing::Test::HasFailure())
        << "replay: LONGHAUL_OPERATION=" << number
        << " build/tests/sim/test_publish --gtest_filter=Publish.ThePowerMayGoAtEachOperation";
  std::cout << "      " << number - 1 << " operations\n";
  EXPECT_GT(number, 50U) << "hardly an operation was met: this swept nothing";
}

}  // namespace
}  // namespace longhaul::sim
