// What limits a transfer, as both ends say it: the real engine, in simulation, with one thing that is slow.
#include <gtest/gtest.h>

#include <string>

#include "seeds.h"
#include "transfer_world.h"

namespace longhaul::sim {
namespace {

/// Two paths that are fast enough not to matter.
WorldPlan fast_plan(std::uint64_t chunks) {
  WorldPlan plan;
  plan.paths.assign(2, {.delay = millisecond, .bytes_per_s = 50'000'000});
  plan.tree = {.small_files = 3, .large_chunks = chunks};
  return plan;
}

/// Expects both ends to say that this was the limit, and for most of the time.
void expect_limit(const TransferWorld& world, const std::string& what) {
  ASSERT_TRUE(world.sent && world.received);
  const Report& sent = world.sent->report;
  ASSERT_FALSE(sent.limits.empty());
  std::string all;
  for (const LimitReport& each : sent.limits) all += each.what + " " + std::to_string(each.share) + "; ";
  EXPECT_EQ(sent.limits[0].what, what) << all;
  EXPECT_GT(sent.limits[0].share, 0.5) << all;
  EXPECT_EQ(sent.verdict.find(what + ", "), 0U) << sent.verdict;
  EXPECT_EQ(world.received->report.verdict, sent.verdict) << "the sender judges, and tells";
}

bool run(TransferWorld& world) {
  EXPECT_TRUE(world.start_receiver()) << world.start_problem;
  EXPECT_TRUE(world.start_sender()) << world.start_problem;
  return world.run_to_end(1000 * second);
}

TEST(Verdicts, ASourceThatReadsSlowly) {
  for_seeds(2, [](std::uint64_t seed) {
    TransferWorld world(seed, fast_plan(6));
    world.source_file_system().delay_max = 400 * millisecond;
    ASSERT_TRUE(run(world));
    expect_limit(world, "source read");
  });
}

TEST(Verdicts, ATargetThatSyncsSlowly) {
  for_seeds(2, [](std::uint64_t seed) {
    WorldPlan plan = fast_plan(2);
    plan.tree.small_files = 2;
    TransferWorld world(seed, plan);
    world.target_file_system().sync_delay = 900 * millisecond;  // longer ones keep its session from hearing the end
    ASSERT_TRUE(run(world));
    expect_limit(world, "target sync");
  });
}

/// More streams would wait for the same disk.
TEST(Verdicts, AStreamIsNotAddedForADiskThatIsSlow) {
  for_seeds(2, [](std::uint64_t seed) {
    WorldPlan plan = fast_plan(24);
    plan.streams = 0;
    plan.sender_options = [](Options& options) { options.try_streams = true; };
    TransferWorld world(seed, plan);
    world.target_file_system().delay_max = 2 * second;
    std::string why;
    world.on_event = [&](const std::string& who, const Event& event) {
      if (who == "sender" && event.type == Event::Type::progress) why = event.report->paths.at(0).streams_why;
    };
    ASSERT_TRUE(run(world));
    EXPECT_EQ(why, "2: the receiver takes no more");
  });
}

TEST(Verdicts, ThePathThatIsSlow) {
  for_seeds(2, [](std::uint64_t seed) {
    WorldPlan plan = fast_plan(12);
    for (Path& path : plan.paths) path = {.delay = 20 * millisecond, .bytes_per_s = 2'000'000};
    TransferWorld world(seed, plan);
    ASSERT_TRUE(run(world));
    const Report& report = world.sent->report;
    double on_paths = 0;
    for (const LimitReport& each : report.limits)
      if (each.what.starts_with("path ")) on_paths += each.share;
    EXPECT_GT(on_paths, 0.7) << report.verdict;
    EXPECT_EQ(world.received->report.verdict, report.verdict);
  });
}

/// The one that may carry less is the limit although the other one is as busy: its share of the waiting says so.
TEST(Verdicts, ACapIsNamedWithItsPath) {
  for_seeds(2, [](std::uint64_t seed) {
    WorldPlan plan = fast_plan(8);
    plan.sender_options = [](Options& options) {
      for (PathOptions& path : options.paths) path.cap_bits_per_s = 10'000'000;
    };
    TransferWorld world(seed, plan);
    ASSERT_TRUE(run(world));
    const std::string& verdict = world.sent->report.verdict;
    EXPECT_NE(verdict.find("(cap 10 Mb/s)"), std::string::npos) << verdict;
    EXPECT_EQ(verdict.find("path "), 0U) << verdict;
  });
}

TEST(Verdicts, ProgressSaysItWhileItRuns) {
  TransferWorld world(7, fast_plan(12));
  std::vector<std::string> said;
  world.on_event = [&](const std::string& who, const Event& event) {
    if (event.type == Event::Type::progress && who == "receiver") said.push_back(event.report->verdict);
  };
  world.source_file_system().delay_max = 400 * millisecond;
  ASSERT_TRUE(run(world));
  ASSERT_GT(said.size(), 4U);
  EXPECT_EQ(said.front(), "network or sender") << "nothing was told yet";
  EXPECT_EQ(said.back().find("source read, "), 0U) << said.back();
}

/// The same seed spends the same time in the same stages.
TEST(Verdicts, AreTheSameForTheSameSeed) {
  std::vector<StageReport> first;
  for (int round = 0; round < 2; ++round) {
    TransferWorld world(11, fast_plan(3));
    ASSERT_TRUE(run(world));
    const auto& stages = world.sent->report.stages;
    if (round == 0) first = stages;
    ASSERT_EQ(stages.size(), first.size());
    for (std::size_t i = 0; i < stages.size(); ++i) {
      EXPECT_EQ(stages[i].name, first[i].name);
      EXPECT_EQ(stages[i].sender_s, first[i].sender_s) << stages[i].name;
      EXPECT_EQ(stages[i].receiver_s, first[i].receiver_s) << stages[i].name;
    }
  }
}

}  // namespace
}  // namespace longhaul::sim
