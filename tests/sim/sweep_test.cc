// Fails operation 1, 2, 3, ... once and for ever, until a run meets no fault: no operation may be the one whose failure
// nobody has thought of. SQLite tests its I/O this way.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "base/log.h"
#include "transfer_world.h"

namespace longhaul::sim {
namespace {

enum class Side : std::uint8_t { target, source };

/// Two small files, one in a chunk of its own, one with a journal: every way to land, in few operations.
WorldPlan small_plan() {
  WorldPlan plan;
  plan.paths.assign(2, {.delay = millisecond, .bytes_per_s = 100'000'000});
  plan.tree = {.small_files = 2, .chunk_files = 1, .large_chunks = 2};
  return plan;
}

struct Sweep {
  Side side = Side::target;
  int error = EIO;
  bool for_ever = false;
};

bool start_both(TransferWorld& world) {
  return world.start_receiver() && world.start_sender();
}

/// False: the run had no such operation.
bool run_with_failure(const Sweep& sweep, std::uint64_t number) {
  TransferWorld world(1, small_plan());
  SimFileSystem& files = sweep.side == Side::target ? world.target_file_system() : world.source_file_system();
  std::uint64_t left = number;
  bool struck = false;
  files.fault = [&](const FaultPoint&) {
    if (left > 0) --left;
    const bool fails = left == 0 && (sweep.for_ever || !struck);
    struck = struck || fails;
    return fails ? sweep.error : 0;
  };
  const bool started = start_both(world);
  if (started) {
    EXPECT_TRUE(world.run_to_end(3600 * second)) << "neither an end nor a verdict within an hour";
    if (world.sent && !world.sent->ok) {
      EXPECT_FALSE(world.sent->error.text.empty()) << "it fails without a word";
    }
  } else {
    EXPECT_FALSE(world.start_problem.empty()) << "it does not start, without a word";
  }
  world.check_laws();
  // The same again with nothing in its way.
  files.fault = nullptr;
  world.world.kill("sender");
  world.world.kill("receiver");
  world.new_commands();
  EXPECT_TRUE(start_both(world)) << world.start_problem;
  EXPECT_TRUE(world.run_to_end(3600 * second)) << "the second run does not end";
  world.check_complete();
  return struck;
}

void sweep_all(const Sweep& sweep) {
  log::set_level(log::Level::quiet);
  // LONGHAUL_SWEEP_STEP=7 looks at every seventh operation only: for builds that are slow.
  const char* step_text = std::getenv("LONGHAUL_SWEEP_STEP");
  const std::uint64_t step = step_text != nullptr ? std::strtoull(step_text, nullptr, 10) : 1;
  const char* one = std::getenv("LONGHAUL_OPERATION");
  if (one != nullptr) {
    run_with_failure(sweep, std::strtoull(one, nullptr, 10));
    return;
  }
  std::uint64_t number = 1;
  for (; run_with_failure(sweep, number); number += step) {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    ASSERT_FALSE(testing::Test::HasFailure())
        << "replay: LONGHAUL_OPERATION=" << number
        << " build/tests/sim/test_sweep --gtest_filter=" << test->test_suite_name() << '.' << test->name();
  }
  ASSERT_FALSE(testing::Test::HasFailure()) << "in the run without a fault";
  std::cout << "      " << number - 1 << " operations\n";
  EXPECT_GT(number, 50U) << "hardly an operation was met: this swept nothing";
}

TEST(Sweep, EachOperationAtTheTargetFailsOnce) {
  sweep_all({.side = Side::target});
}
TEST(Sweep, EachOperationAtTheTargetFailsForEver) {
  sweep_all({.side = Side::target, .for_ever = true});
}
TEST(Sweep, TheTargetIsFullFromEachOperationOn) {
  sweep_all({.side = Side::target, .error = ENOSPC, .for_ever = true});
}
TEST(Sweep, EachOperationAtTheSourceFailsOnce) {
  sweep_all({.side = Side::source});
}
TEST(Sweep, EachOperationAtTheSourceFailsForEver) {
  sweep_all({.side = Side::source, .for_ever = true});
}

}  // namespace
}  // namespace longhaul::sim
