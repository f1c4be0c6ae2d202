// The real engine, both ends, on simulated disks, wires and clock: whole transfers through crashes, cuts and bad disks.
#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "base/log.h"
#include "seeds.h"
#include "transfer_world.h"

namespace longhaul::sim {
namespace {

TEST(Transfer, ATreeCrossesTwoPaths) {
  for_seeds(2, [](std::uint64_t seed) {
    TransferWorld world(seed);
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end(60 * second));
    world.check_complete();
    EXPECT_EQ(world.sent->report.bytes, world.tree_bytes());
    EXPECT_EQ(world.witness.content_bytes(), world.tree_bytes());
    EXPECT_GT(world.world.network().bytes_between("10.0.0.1", "10.0.0.2"), 0U);
    EXPECT_GT(world.world.network().bytes_between("10.1.0.1", "10.1.0.2"), 0U);
  });
}

TEST(Transfer, TheSameSeedGivesTheSameTrace) {
  const auto hash_of_run = [](std::uint64_t seed) {
    TransferWorld world(seed, {.small_files = 20, .large_chunks = 2});
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    world.run_to_bytes(world.draw(world.tree_bytes()));
    world.crash_receiver();
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.run_to_end());
    return world.world.hash();
  };
  for_seeds(1, [&](std::uint64_t seed) { EXPECT_EQ(hash_of_run(seed), hash_of_run(seed)); });
}

TEST(Transfer, AReceiverThatLosesPowerGoesOn) {
  for_seeds(3, [](std::uint64_t seed) {
    TransferWorld world(seed);
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    world.run_to_bytes(world.draw(world.tree_bytes() * 21 / 20));
    world.crash_receiver();
    world.run_for(static_cast<Time>(world.draw(40)) * second);
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end());
    world.check_complete();
    EXPECT_LE(world.witness.content_bytes(), world.tree_bytes() + world.resent_bytes_max());
  });
}

TEST(Transfer, ASenderThatIsRunAgainContinues) {
  for_seeds(3, [](std::uint64_t seed) {
    TransferWorld world(seed);
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    world.run_to_bytes(world.draw(world.tree_bytes() * 21 / 20));
    world.draw(2) == 0 ? world.crash_sender() : world.kill_sender();
    world.run_for(static_cast<Time>(world.draw(40)) * second);
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end());
    world.check_complete();
    EXPECT_LE(world.witness.content_bytes(), world.tree_bytes() + world.resent_bytes_max());
  });
}

TEST(Transfer, BothEndsMayDieAgainAndAgain) {
  for_seeds(3, [](std::uint64_t seed) {
    TransferWorld world(seed);
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    const std::uint64_t rounds = 2 + world.draw(4);
    for (std::uint64_t round = 0; round < rounds && !world.done(); ++round) {
      world.run_to_bytes(world.witness.content_bytes() + world.draw(world.tree_bytes() / rounds));
      const bool receiver = world.draw(2) == 0;
      const bool both = world.draw(3) == 0;
      if (receiver || both) world.draw(2) == 0 ? world.crash_receiver() : world.kill_receiver();
      if (!receiver || both) world.draw(2) == 0 ? world.crash_sender() : world.kill_sender();
      world.run_for(static_cast<Time>(world.draw(3000)) * millisecond);
      if (receiver || both) world.start_receiver();
      if (!receiver || both) world.start_sender();
    }
    ASSERT_TRUE(world.run_to_end());
    world.check_complete();
    EXPECT_LE(world.witness.content_bytes(), world.tree_bytes() + world.resent_bytes_max());
  });
}

TEST(Transfer, APathMayBeCutAndComeBack) {
  for_seeds(2, [](std::uint64_t seed) {
    TransferWorld world(seed);
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    auto& network = world.world.network();
    for (int round = 0; round < 3 && !world.done(); ++round) {
      world.run_to_bytes(world.witness.content_bytes() + world.draw(world.tree_bytes() / 3));
      const std::string net = world.draw(2) == 0 ? "10.0.0." : "10.1.0.";
      const bool silent = world.draw(2) == 0;
      silent ? network.silence(net + "1", net + "2") : network.cut(net + "1", net + "2");
      world.run_for(static_cast<Time>(world.draw(50'000)) * millisecond);
      network.heal(net + "1", net + "2");
    }
    ASSERT_TRUE(world.run_to_end(300 * second));
    world.check_complete();
    EXPECT_TRUE(world.sent->ok);
  });
}

TEST(Transfer, FlippedBitsNeverLand) {
  for_seeds(2, [](std::uint64_t seed) {
    TransferWorld world(seed);
    unsigned flips = 0;
    SimRandom random(seed);
    world.damage = [&](std::span<std::byte> bytes) {
      // Only within data: a damaged greeting is refused for good, as it must be. Three times in one chunk would be
      // the end of its file.
      if (bytes.size() < 8192 || flips == 2 || !random.one_in(10)) return;
      ++flips;
      bytes[random.below(bytes.size())] ^= std::byte{1};
    };
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end(300 * second));
    world.check_complete();
    EXPECT_TRUE(world.sent->ok);
    EXPECT_EQ(flips, 2U);
  });
}

TEST(Transfer, ASyncThatFailsOnceIsNeverTrusted) {
  for_seeds(3, [](std::uint64_t seed) {
    TransferWorld world(seed);
    auto& files = world.world.file_system("receiver");
    std::uint64_t left = 1 + world.draw(12);
    bool failed = false;
    std::set<std::string> with_records;
    files.fault = [&](const FaultPoint& point) {
      const std::string path(point.path);
      const bool journal = path.ends_with(".journal");
      // Where a file's journal begins, a failure refuses the file in words; its records are what this is about.
      if (journal && point.operation == "write" && point.offset >= 4096) with_records.insert(path);
      const bool landing = path.ends_with(".part") || (path.ends_with(".new") && path != "tickets.new") ||
                           (journal && with_records.contains(path));
      if (point.operation != "sync" || !landing || left == 0 || --left > 0) return 0;
      failed = true;
      return EIO;
    };
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    world.run_to_bytes(world.tree_bytes() / 2 + world.draw(world.tree_bytes()));
    const bool again = !world.done() && world.draw(2) == 0;
    if (again) {
      world.crash_receiver();
      EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    }
    ASSERT_TRUE(world.run_to_end());
    world.check_complete();
    EXPECT_TRUE(failed || again);
  });
}

TEST(Transfer, AFullTargetIsSaidAtBothEnds) {
  for_seeds(2, [](std::uint64_t seed) {
    TransferWorld world(seed);
    auto& files = world.world.file_system("receiver");
    files.capacity_bytes = files.used_bytes() + 4096 + world.draw(world.tree_bytes() * 9 / 10);
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end(300 * second));
    EXPECT_FALSE(world.sent->ok);
    EXPECT_EQ(world.sent->error.code, Code::no_space) << world.sent->error.text;
    ASSERT_TRUE(world.received);
    EXPECT_FALSE(world.received->ok);
    EXPECT_EQ(world.received->error.code, Code::no_space) << world.received->error.text;
    world.check_laws();
    // Once there is room, the same commands again complete it.
    files.capacity_bytes = 0;
    world.world.kill("sender");
    world.world.kill("receiver");
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end());
    world.check_complete();
  });
}

}  // namespace
}  // namespace longhaul::sim
