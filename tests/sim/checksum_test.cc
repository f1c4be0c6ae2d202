// --checksum in a simulated world: a target that has some of it already, in any state, through deaths and bad disks.
#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <string>
#include <utility>

#include "seeds.h"
#include "transfer_world.h"

namespace longhaul::sim {
namespace {

/// A world whose target has most of the source: as it is, with another time or mode, or with other content under the
/// same size and time.
class ComparedWorld : public TransferWorld {
 public:
  ComparedWorld(std::uint64_t seed, const WorldPlan& plan) : TransferWorld(seed, plan) {
    for (const std::string& path : source_files()) put_older(path);
  }

  [[nodiscard]] std::uint64_t bytes_to_send() const { return bytes_to_send_; }
  [[nodiscard]] const std::map<std::string, std::vector<std::byte>>& rotten() const { return rotten_; }

  /// Also where size and time say nothing.
  void check_content() {
    for (const std::string& path : source_files()) {
      const auto want = source_file_system().content(std::string(source) + "/" + path);
      const auto landed = target_file_system().content(std::string(target) + "/" + path);
      ASSERT_TRUE(landed) << path;
      EXPECT_TRUE(same_bytes(*want, *landed)) << path << " has other content";
    }
  }

 private:
  void put_older(const std::string& path) {
    const auto now = source_file_system().look(std::string(source) + "/" + path);
    std::vector<std::byte> content = now->bytes;
    std::uint32_t mode = now->cached.mode;
    std::int64_t mtime_ns = now->cached.mtime_ns;
    const std::uint64_t kind = draw(5);
    if (kind == 0) {  // it is not there
      bytes_to_send_ += content.size();
      return;
    }
    if (kind == 1 && !content.empty()) {
      content[draw(content.size())] ^= std::byte{1};
      bytes_to_send_ += content.size();
      rotten_[path] = content;
    }
    if (kind == 2) mtime_ns = 1 + static_cast<std::int64_t>(draw(1'000'000));
    if (kind == 3) mode = 0600;
    // Power may go between what is set of a file that stays.
    for (const std::uint32_t its_mode : {mode, now->cached.mode})
      for (const std::int64_t its_time : {mtime_ns, now->cached.mtime_ns})
        laws.source_version(path, content, its_mode, its_time);
    FileWatcher* const watcher = std::exchange(target_file_system().watcher, nullptr);  // of what Longhaul does
    target_file_system().put_file(std::string(target) + "/" + path, content, mode, mtime_ns);
    target_file_system().watcher = watcher;
  }

  std::uint64_t bytes_to_send_ = 0;
  std::map<std::string, std::vector<std::byte>> rotten_;
};

WorldPlan plan_of(std::uint64_t seed, bool delta = false) {
  WorldPlan plan;
  plan.paths = {{.delay = 5 * millisecond, .bytes_per_s = 20'000'000}, {.bytes_per_s = 20'000'000}};
  plan.workers = static_cast<unsigned>(1 + seed % 3);
  plan.tree = {.small_files = 40, .chunk_files = 6, .large_chunks = 3, .holes = seed % 4 == 0};
  const Delta by = seed % 2 == 0 ? Delta::sha256 : Delta::xxh3;
  plan.sender_options = [by, delta](Options& options) {
    options.checksum = by;
    if (delta) options.delta = by;
  };
  return plan;
}

TEST(Checksum, WhatDiffersCrossesAndNothingElse) {
  for_seeds(6, [](std::uint64_t seed) {
    ComparedWorld world(seed, plan_of(seed));
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end(60 * second));
    world.check_complete();
    world.check_content();
    const Report& sent = world.sent->report;
    EXPECT_EQ(sent.bytes, world.bytes_to_send());
    EXPECT_EQ(world.witness.content_bytes(), world.bytes_to_send());
    EXPECT_EQ(sent.compared_files - sent.same_files, world.rotten().size());
    EXPECT_EQ(sent.same_files, sent.skipped_files);
    EXPECT_EQ(world.received->report.compared_files, sent.compared_files);
    EXPECT_EQ(world.received->report.same_files, sent.same_files);
  });
}

TEST(Checksum, WithoutItNobodyNotices) {
  for_seeds(2, [](std::uint64_t seed) {
    WorldPlan plan = plan_of(seed);
    plan.sender_options = {};
    ComparedWorld world(seed, plan);
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end(60 * second));
    ASSERT_FALSE(world.rotten().empty());
    for (const auto& [path, content] : world.rotten())
      EXPECT_TRUE(same_bytes(*world.target_file_system().content("target/" + path), content)) << path;
  });
}

TEST(Checksum, EitherEndMayDieAtAnyTime) {
  for_seeds(16, [](std::uint64_t seed) {
    ComparedWorld world(seed, plan_of(seed, seed % 3 == 0));
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    for (int round = 0; round < 4; ++round) {
      world.run_for(static_cast<Time>(world.draw(500 * millisecond)));
      if (world.done()) break;
      switch (world.draw(4)) {
        case 0:
          world.crash_receiver();
          EXPECT_TRUE(world.start_receiver()) << world.start_problem;
          break;
        case 1:
          world.kill_receiver();
          EXPECT_TRUE(world.start_receiver()) << world.start_problem;
          break;
        case 2:
          world.crash_sender();
          EXPECT_TRUE(world.start_sender()) << world.start_problem;
          break;
        default:
          world.kill_sender();
          EXPECT_TRUE(world.start_sender()) << world.start_problem;
      }
    }
    ASSERT_TRUE(world.run_to_end());
    world.check_complete();
    world.check_content();
  });
}

/// What cannot be read at the target is sent; what cannot be read at the source is named.
TEST(Checksum, DisksThatCannotBeReadAreDealtWith) {
  for_seeds(6, [](std::uint64_t seed) {
    ComparedWorld world(seed, plan_of(seed));
    const bool at_source = seed % 2 == 0;
    unsigned struck = 0;
    auto& files = at_source ? world.source_file_system() : world.target_file_system();
    files.fault = [&struck](const FaultPoint& point) {
      const bool strikes = point.operation == "read" && point.path.find("file 7") != std::string_view::npos;
      struck += strikes ? 1 : 0;
      return strikes ? EIO : 0;
    };
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end(60 * second));
    world.check_laws();
    ASSERT_TRUE(world.sent);
    EXPECT_TRUE(world.sent->ok) << world.sent->error.text;
    if (!at_source || struck == 0) return world.check_content();
    ASSERT_EQ(world.sent->report.errors.size(), 1U);
    EXPECT_NE(world.sent->report.errors[0].path.find("file 7"), std::string::npos);
    EXPECT_EQ(world.sent->report.errors[0].error.code, Code::io) << world.sent->report.errors[0].error.text;
  });
}

/// Of a version that is rewritten under its own time nothing is said that was true of the one before it.
TEST(Checksum, WhatIsRewrittenMeanwhileIsNeverTakenForTheOther) {
  for_seeds(12, [](std::uint64_t seed) {
    ComparedWorld world(seed, plan_of(seed));
    const std::string path = world.source_files()[world.draw(world.source_files().size())];
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    world.run_for(static_cast<Time>(world.draw(300 * millisecond)));
    if (!world.done()) world.rewrite_source(path, seed % 2 == 0);
    ASSERT_TRUE(world.run_to_end(60 * second));
    world.check_laws();
    ASSERT_TRUE(world.sent);
    EXPECT_LE(world.sent->report.failed_files, 1U);
    for (const char* end : {"sender", "receiver"}) world.world.kill(end);
    world.new_commands();
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end(60 * second));
    world.check_complete();
    world.check_content();
  });
}

TEST(Checksum, ADryRunFindsTheSameAndWritesNothing) {
  for_seeds(4, [](std::uint64_t seed) {
    WorldPlan plan = plan_of(seed);
    plan.sender_options = [by = seed % 2 == 0 ? Delta::sha256 : Delta::xxh3](Options& options) {
      options.checksum = by;
      options.dry_run = true;
    };
    plan.receiver_options = [](Options& options) { options.dry_run = true; };
    ComparedWorld world(seed, plan);
    const Tree before = world.target_file_system().tree(TransferWorld::target, ".longhaul");
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end(60 * second));
    ASSERT_TRUE(world.sent && world.sent->ok);
    EXPECT_EQ(world.sent->report.would_send_bytes, world.bytes_to_send());
    EXPECT_EQ(world.sent->report.compared_files - world.sent->report.same_files, world.rotten().size());
    EXPECT_EQ(world.target_file_system().tree(TransferWorld::target, ".longhaul"), before);
  });
}

}  // namespace
}  // namespace longhaul::sim
