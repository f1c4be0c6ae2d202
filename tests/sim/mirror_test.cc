// A target that becomes a mirror, through crashes of both ends and a disk that will not delete.
#include <gtest/gtest.h>

#include <cerrno>
#include <utility>

#include "base/bytes.h"
#include "seeds.h"
#include "transfer_world.h"

namespace longhaul::sim {
namespace {

constexpr unsigned strays = 12;

WorldPlan mirroring(std::uint64_t seed) {
  WorldPlan plan = TransferWorld(seed).plan();
  plan.sender_options = [](Options& options) { options.mirror.wanted = true; };
  return plan;
}

std::string stray(unsigned number) {
  return (number % 2 == 0 ? "stray " : "stray directory/deep/") + std::to_string(number);
}

/// What the target has and the source has not: files, and a directory of them.
void put_strays(TransferWorld& world) {
  // A transfer of before has brought it: that is not looked at.
  FileWatcher* const watcher = std::exchange(world.target_file_system().watcher, nullptr);
  for (unsigned i = 0; i < strays; ++i) {
    const std::string name = stray(i);
    const std::string text = "of no use any more " + name;
    world.target_file_system().put_file(std::string(TransferWorld::target) + "/" + name, bytes_of(text), 0644, 7);
    world.laws.source_version(name, bytes_of(text), 0644, 7);
  }
  world.target_file_system().watcher = watcher;
}

struct Found {
  std::size_t strays = 0;
  std::size_t missing = 0;
};

Found look(TransferWorld& world) {
  Found found;
  for (unsigned i = 0; i < strays; ++i) {
    if (world.target_file_system().look(std::string(TransferWorld::target) + "/" + stray(i))) ++found.strays;
  }
  for (const std::string& file : world.source_files())
    if (!world.target_file_system().look(std::string(TransferWorld::target) + "/" + file)) ++found.missing;
  return found;
}

/// Nothing is deleted while something is missing, whenever an end goes; the rerun finishes it.
TEST(MirrorInSimulation, NothingGoesBeforeAllHasArrived) {
  for_seeds(6, [](std::uint64_t seed) {
    TransferWorld world(seed, mirroring(seed));
    put_strays(world);
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    for (int breaks = 0; breaks < 3 && !world.done(); ++breaks) {
      world.run_to_bytes(world.witness.content_bytes() + world.draw(world.tree_bytes()));
      if (world.done()) break;
      const bool sender = world.draw(2) == 0;
      const bool power = world.draw(2) == 0;
      if (sender)
        power ? world.crash_sender() : world.kill_sender();
      else
        power ? world.crash_receiver() : world.kill_receiver();
      const Found found = look(world);
      EXPECT_TRUE(found.missing == 0 || found.strays == strays)
          << found.missing << " files are missing, and only " << found.strays << " strays are left";
      EXPECT_TRUE(sender ? world.start_sender() : world.start_receiver()) << world.start_problem;
    }
    ASSERT_TRUE(world.run_to_end());
    world.check_complete();  // the target equals the source
    EXPECT_EQ(look(world).strays, 0U);
  });
}

/// Names that a bad disk would not delete are told; what was deleted is so for good, and a new command ends it.
TEST(MirrorInSimulation, ADiskThatWillNotDeleteIsToldAndTheRerunFinishes) {
  for_seeds(4, [](std::uint64_t seed) {
    TransferWorld world(seed, mirroring(seed));
    put_strays(world);
    std::uint64_t left = world.draw(strays);
    world.target_file_system().fault = [&](const FaultPoint& point) {
      const bool deep = !point.path.empty() && point.path.find_first_not_of("0123456789") == std::string_view::npos;
      if (point.operation != "unlink" || !(deep || point.path.starts_with("stray "))) return 0;
      if (left == 0) return EIO;
      --left;
      return 0;
    };
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end());
    ASSERT_TRUE(world.sent && world.sent->ok) << world.sent->error.text;
    EXPECT_GT(world.sent->report.failed_files, 0U);
    const Found before = look(world);
    EXPECT_GT(before.strays, 0U);
    EXPECT_EQ(world.sent->report.deleted_files, strays - before.strays);
    world.crash_receiver();
    const Found after = look(world);
    EXPECT_GE(after.strays, before.strays) << "beside what could not be deleted some may have come back";
    world.target_file_system().fault = nullptr;
    world.world.kill("sender");
    world.new_commands();
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end());
    world.check_complete();
    EXPECT_EQ(world.sent->report.deleted_files, after.strays);
  });
}

}  // namespace
}  // namespace longhaul::sim
