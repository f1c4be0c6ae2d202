// What is durable of a large file when it fails: the next run goes on from there, unless its source is another version.
#include <gtest/gtest.h>

#include <cerrno>
#include <utility>

#include "seeds.h"
#include "transfer_world.h"

namespace longhaul::sim {
namespace {

constexpr const char* large = "large";

class KeptWorld : public TransferWorld {
 public:
  explicit KeptWorld(std::uint64_t seed) : TransferWorld(seed, {.small_files = 10, .large_chunks = 20}) {
    large_bytes = source_file_system().look(std::string(source) + "/" + large)->bytes.size();
  }
  /// A transfer by new commands, to its end. Returns how much content has come.
  std::uint64_t run() {
    for (const char* end : {"sender", "receiver"}) world.kill(end);
    new_commands();
    const std::uint64_t before = witness.content_bytes();
    EXPECT_TRUE(start_receiver()) << start_problem;
    EXPECT_TRUE(start_sender()) << start_problem;
    EXPECT_TRUE(run_to_end());
    check_laws();
    return witness.content_bytes() - before;
  }
  [[nodiscard]] bool is_read_of_large(const FaultPoint& point) const {
    return point.operation == "read" && point.path == large;
  }
  /// Its last MiB cannot be read.
  void break_the_end() {
    source_file_system().fault = [this](const FaultPoint& point) {
      return is_read_of_large(point) && point.offset + 1024 * 1024 >= large_bytes ? EIO : 0;
    };
  }
  void mend() { source_file_system().fault = target_file_system().fault = nullptr; }
  unsigned names_in_landing_directory() {
    unsigned names = 0;
    target_file_system().for_each(std::string(target) + "/.longhaul/landing", {},
                                  [&](const std::string&, const Inode&) { ++names; });
    return names;
  }
  void expect_failure(Code code) {
    ASSERT_TRUE(sent && sent->ok);
    ASSERT_EQ(sent->report.errors.size(), 1U);
    EXPECT_NE(sent->report.errors[0].path.find(large), std::string::npos) << sent->report.errors[0].path;
    EXPECT_EQ(sent->report.errors[0].error.code, code) << sent->report.errors[0].error.text;
  }

  std::uint64_t large_bytes = 0;
};

// What is on its way when the error comes is not kept, and of a file as small as this that may be all of it.
TEST(Kept, AfterAReadErrorNearTheEndTheRerunSendsTheRest) {
  unsigned kept = 0;
  for_seeds(4, [&kept](std::uint64_t seed) {
    KeptWorld world(seed);
    world.break_the_end();
    world.run();
    world.expect_failure(Code::io);
    if (world.names_in_landing_directory() == 0) return;  // nothing was durable yet
    ++kept;
    EXPECT_EQ(world.names_in_landing_directory(), 2U) << "its content and its journal";
    world.crash_receiver();
    world.run();  // as broken as before: nothing is lost by trying
    world.expect_failure(Code::io);
    EXPECT_EQ(world.names_in_landing_directory(), 2U) << "its content and its journal";
    world.mend();
    EXPECT_LT(world.run(), world.large_bytes * 3 / 4);
    world.check_complete();
  });
  EXPECT_GT(kept, 0U) << "of no seed anything was durable";
}

TEST(Kept, WhatCannotBePublishedNeedNotBeSentAgain) {
  for_seeds(2, [](std::uint64_t seed) {
    KeptWorld world(seed);
    world.target_file_system().fault = [](const FaultPoint& point) {
      return point.operation == "rename" && point.path.ends_with(".part") ? EIO : 0;
    };
    world.run();
    world.expect_failure(Code::io);
    const std::string& text = world.sent->report.errors[0].error.text;
    EXPECT_NE(text.find("is kept"), std::string::npos) << text;
    world.mend();
    EXPECT_EQ(world.run(), 0U);
    world.check_complete();
  });
}

TEST(Kept, OfASourceThatChangesNothing) {
  for_seeds(2, [](std::uint64_t seed) {
    KeptWorld world(seed);
    bool rewritten = false;
    world.source_file_system().fault = [&](const FaultPoint& point) {
      const bool near_its_end = world.is_read_of_large(point) && point.offset > world.large_bytes / 10 * 9;
      if (near_its_end && !std::exchange(rewritten, true)) world.rewrite_source(large, seed % 2 == 0);
      return 0;
    };
    world.run();
    world.expect_failure(Code::source_changed);
    EXPECT_EQ(world.names_in_landing_directory(), 0U);
    world.mend();
    EXPECT_GE(world.run(), world.large_bytes);
    world.check_complete();
  });
}

/// It may change after it failed as well as before.
TEST(Kept, OfASourceThatIsAnotherVersionAtTheRerunNothingIsUsed) {
  for_seeds(2, [](std::uint64_t seed) {
    KeptWorld world(seed);
    world.break_the_end();
    world.run();
    world.expect_failure(Code::io);
    world.mend();
    world.rewrite_source(large, seed % 2 == 0);
    EXPECT_GE(world.run(), world.large_bytes);
    world.check_complete();
  });
}

/// What was to be room for it is given back.
TEST(Kept, OfWhichNothingIsDurableNothing) {
  for_seeds(2, [](std::uint64_t seed) {
    KeptWorld world(seed);
    world.source_file_system().fault = [&](const FaultPoint& point) { return world.is_read_of_large(point) ? EIO : 0; };
    world.run();
    world.expect_failure(Code::io);
    EXPECT_EQ(world.names_in_landing_directory(), 0U);
    world.mend();
    world.run();
    world.check_complete();
  });
}

}  // namespace
}  // namespace longhaul::sim
