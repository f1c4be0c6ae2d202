// The real engine, both ends, on simulated disks, wires and clock: whole transfers through crashes, cuts and bad disks.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <map>
#include <set>

#include "base/bytes.h"
#include "base/digest.h"
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

/// What a file system was asked to read or write of its files, and whether any of it lies in a hole.
class HoleWatch {
 public:
  HoleWatch(SimFileSystem& files, std::string_view operation, std::uint64_t block_bytes) : files_(files) {
    files.fault = [this, operation, block_bytes](const FaultPoint& point) {
      if (point.operation == operation && in_hole(point, block_bytes)) found += std::string(point.path) + "; ";
      return 0;
    };
  }
  ~HoleWatch() { files_.fault = {}; }
  HoleWatch(const HoleWatch&) = delete;
  HoleWatch& operator=(const HoleWatch&) = delete;
  /// By path: the pages of a file that are to be holes.
  std::map<std::string, std::set<std::uint64_t>, std::less<>> holes;
  std::string found;
  unsigned looked_at = 0;  ///< operations on these files

 private:
  /// A whole block of it, counted from the beginning of the file.
  bool in_hole(const FaultPoint& point, std::uint64_t block_bytes) {
    // The scratch names of small files end in what is the same in every run.
    const bool scratch = point.path.starts_with("scratch.");
    const auto at = holes.find(scratch ? point.path.substr(point.path.rfind('.') + 1) : point.path);
    if (at == holes.end()) return false;
    ++looked_at;
    constexpr std::uint64_t page_bytes = SimFileSystem::page_bytes;
    for (std::uint64_t block = point.offset / block_bytes * block_bytes; block < point.offset + point.bytes;
         block += block_bytes) {
      const std::uint64_t end = std::min(block + block_bytes, point.offset + point.bytes);
      bool hole = true;
      for (std::uint64_t page = block / page_bytes; page * page_bytes < end; ++page)
        hole = hole && at->second.contains(page);
      if (hole) return true;
    }
    return false;
  }
  SimFileSystem& files_;
};

TEST(Transfer, HolesAreNeitherReadNorWrittenAndStayHoles) {
  for_seeds(4, [](std::uint64_t seed) {
    TransferWorld world(seed, {.small_files = 20, .large_chunks = 4, .holes = true});
    HoleWatch at_source(world.source_file_system(), "read", protocol::frame_bytes_direct);
    HoleWatch at_target(world.target_file_system(), "write", SimFileSystem::page_bytes);
    std::uint64_t holes = 0;
    world.source_file_system().for_each(TransferWorld::source, "", [&](const std::string& path, const Inode& inode) {
      const bool bundled = inode.bytes.size() <= protocol::bundled_bytes_max;
      if (!bundled) at_source.holes[path] = inode.holes;
      const std::string hash = digest_of(bytes_of(path)).hex();
      at_target.holes[hash + (inode.bytes.size() > protocol::whole_bytes_max ? ".part" : "")] = inode.holes;
      holes += inode.holes.size();
    });
    ASSERT_GT(holes, 0U);
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    if (seed % 2 == 0) {  // and when it is continued
      world.run_to_bytes(world.draw(world.tree_bytes()));
      world.kill_receiver();
      world.kill_sender();
      EXPECT_TRUE(world.start_receiver()) << world.start_problem;
      EXPECT_TRUE(world.start_sender()) << world.start_problem;
    }
    ASSERT_TRUE(world.run_to_end());
    world.check_complete();
    EXPECT_GT(at_source.looked_at, 10U);
    EXPECT_GT(at_target.looked_at, 10U);
    EXPECT_EQ(at_source.found, "") << "was read in a hole";
    EXPECT_EQ(at_target.found, "") << "was written in a hole";
    world.source_file_system().for_each(TransferWorld::source, "", [&](const std::string& path, const Inode& inode) {
      if (inode.type != disk::FileType::file) return;
      const auto landed = world.target_file_system().look(std::string(TransferWorld::target) + "/" + path);
      ASSERT_NE(landed, nullptr) << path;
      EXPECT_EQ(landed->holes, inode.holes) << path;
    });
    EXPECT_EQ(world.sent->report.sparse_files, 0U);
  });
}

TEST(Transfer, HolesAreFilledWhenTheyAreNotWanted) {
  for_seeds(1, [](std::uint64_t seed) {
    WorldPlan plan;
    plan.paths = {{.delay = 5 * millisecond, .bytes_per_s = 100'000'000}, {.bytes_per_s = 100'000'000}};
    plan.tree = {.small_files = 20, .large_chunks = 3, .holes = true};
    plan.sender_options = [](Options& options) { options.sparse = false; };
    TransferWorld world(seed, plan);
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end(60 * second));
    world.check_complete();
    EXPECT_GT(world.sent->report.sparse_files, 0U);
    world.target_file_system().for_each(
        TransferWorld::target, ".longhaul",
        [](const std::string& path, const Inode& inode) { EXPECT_TRUE(inode.holes.empty()) << path; });
  });
}

WorldPlan packing_plan(Compression::Mode mode, bool shrinks) {
  WorldPlan plan;
  plan.paths.assign(2, {.delay = 20 * millisecond, .bytes_per_s = 5'000'000});
  plan.streams = 2;
  plan.target_alignment = 512;
  plan.source_alignment = 4096;
  plan.tree = {.small_files = 300, .chunk_files = 10, .large_chunks = 5, .shrinks = shrinks};
  plan.sender_options = [mode](Options& options) { options.compression = {mode, 1}; };
  return plan;
}

std::uint64_t bytes_on_the_wire(TransferWorld& world) {
  auto& network = world.world.network();
  return network.bytes_between("10.0.0.1", "10.0.0.2") + network.bytes_between("10.1.0.1", "10.1.0.2");
}

TEST(Transfer, WhatShrinksCrossesPackedThroughCrashesOfBothEnds) {
  for (const auto mode : {Compression::Mode::always, Compression::Mode::automatic}) {
    for_seeds(1, [mode](std::uint64_t seed) {
      TransferWorld world(seed, packing_plan(mode, true));
      EXPECT_TRUE(world.start_receiver()) << world.start_problem;
      EXPECT_TRUE(world.start_sender()) << world.start_problem;
      for (int round = 0; round < 2; ++round) {
        world.run_to_bytes(world.witness.content_bytes() + world.draw(world.tree_bytes() / 2));
        round == 0 ? world.crash_receiver() : world.crash_sender();
        world.run_for(second);
        EXPECT_TRUE(round == 0 ? world.start_receiver() : world.start_sender()) << world.start_problem;
      }
      ASSERT_TRUE(world.run_to_end());
      world.check_complete();
      EXPECT_GT(world.witness.packed_frames(), 20U);
    });
  }
}

/// 75 MB over paths that carry 10 MB/s together: many chunks for each of two streams, of which one takes 1.7 s, for how
/// evenly they end is chance.
TEST(Transfer, PackingSavesTimeOnSlowPathsAndNothingElse) {
  for_seeds(1, [](std::uint64_t seed) {
    const auto run = [seed](Compression::Mode mode, bool shrinks) {
      WorldPlan plan = packing_plan(mode, shrinks);
      plan.streams = 1;
      plan.tree.large_chunks = 8;
      TransferWorld world(seed, plan);
      EXPECT_TRUE(world.start_receiver()) << world.start_problem;
      EXPECT_TRUE(world.start_sender()) << world.start_problem;
      EXPECT_TRUE(world.run_to_end());
      world.check_complete();
      const Report& report = world.sent->report;
      EXPECT_EQ(report.packed_frames > 0, mode != Compression::Mode::none && shrinks);
      EXPECT_EQ(report.packed_frames, world.witness.packed_frames());
      EXPECT_GE(bytes_on_the_wire(world), report.wire_bytes) << "headers and messages come on top";
      EXPECT_LE(bytes_on_the_wire(world), report.wire_bytes * 21 / 20);
      // Three quarters of it by half.
      EXPECT_EQ(report.wire_bytes < world.tree_bytes() * 8 / 10, report.packed_frames > 0);
      return report.seconds;
    };
    const double plain = run(Compression::Mode::none, true);
    EXPECT_LT(run(Compression::Mode::always, true), plain * 0.85);
    EXPECT_LT(run(Compression::Mode::automatic, true), plain * 0.85);
    const double noise = run(Compression::Mode::none, false);
    EXPECT_LT(run(Compression::Mode::automatic, false), noise * 1.1);
  });
}

/// A large file stands at the target in another version: what is the same in both does not cross, whoever dies
/// meanwhile, and whatever of the older version changes while it is compared.
TEST(Transfer, OnlyWhatDiffersFromAnOlderVersionCrosses) {
  for_seeds(12, [](std::uint64_t seed) {
    WorldPlan plan;
    plan.paths = {{.delay = 5 * millisecond, .bytes_per_s = 20'000'000}, {.bytes_per_s = 20'000'000}};
    plan.tree = {.small_files = 10, .large_chunks = 6};
    const Delta by = seed % 2 == 0 ? Delta::sha256 : Delta::xxh3;
    plan.sender_options = [by](Options& options) { options.delta = by; };
    TransferWorld world(seed, plan);
    std::vector<std::byte> older = *world.source_file_system().content("src/large");
    const std::uint64_t whole = older.size();
    older.resize(whole - 5);  // the source was appended to
    constexpr std::uint64_t place = 17 * std::uint64_t{1024 * 1024};
    for (std::uint64_t at = place; at < place + 100; ++at) older[at] ^= std::byte{1};
    SimFileSystem& files = world.target_file_system();
    files.shares_blocks = seed / 2 % 2 == 0;
    world.laws.source_version("large", older, 0644, 77);
    FileWatcher* const laws = std::exchange(files.watcher, nullptr);  // which are about what Longhaul does
    files.put_file("target/large", older, 0644, 77);
    files.watcher = laws;
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    const bool changes = seed % 3 == 0;
    if (seed % 3 == 1) {
      for (int round = 0; round < 2; ++round) {
        world.run_for(static_cast<Time>(world.draw(2 * second)));
        round == 0 ? world.crash_receiver() : world.crash_sender();
        EXPECT_TRUE(round == 0 ? world.start_receiver() : world.start_sender()) << world.start_problem;
      }
    } else if (changes) {
      world.run_for(100 * millisecond + static_cast<Time>(world.draw(200 * millisecond)));
      if (!world.done()) {
        std::vector<std::byte> other(older.size(), std::byte{9});
        world.laws.source_version("large", other, 0644, 78);
        files.watcher = nullptr;
        files.rewrite("target/large", other, 78);
        files.watcher = laws;
      }
    }
    ASSERT_TRUE(world.run_to_end());
    world.check_complete();
    if (seed % 3 == 2) {
      const std::uint64_t matched = world.sent->report.matched_bytes;
      EXPECT_EQ(matched, world.received->report.matched_bytes);
      EXPECT_GE(matched + 3 * protocol::frame_bytes_max, whole);
      const std::uint64_t shared = world.received->report.shared_bytes;  // copies that were not needed are not
      EXPECT_LE(shared, files.shares_blocks ? matched : 0);
      EXPECT_GE(shared + world.sent->report.resent_bytes, files.shares_blocks ? matched : 0);
      EXPECT_LT(bytes_on_the_wire(world), world.tree_bytes() - matched + 2'000'000);
    }
  });
}

/// What was shared and turned out to be wrong stays in the landing file until it is written over; what is left
/// unwritten for being a hole would keep it.
TEST(Transfer, WhatWasSharedInVainLeavesNothingInHoles) {
  WorldPlan plan;
  plan.paths = {{.delay = 5 * millisecond, .bytes_per_s = 20'000'000}};
  plan.tree = {.large_chunks = 3};
  plan.sender_options = [](Options& options) { options.delta = Delta::sha256; };
  for (const bool holes : {true, false}) {
    TransferWorld world(1, plan);
    const auto seen = world.source_file_system().look("src/large");
    std::vector<std::byte> content = seen->bytes;
    constexpr std::size_t page = SimFileSystem::page_bytes;
    for (std::size_t at = 0; at + page <= content.size(); at += 2 * page)
      std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(at), page, std::byte{});
    world.source_file_system().rewrite("src/large", content, seen->cached.mtime_ns);
    if (holes) world.source_file_system().dig("src/large");
    world.laws.source_version("large", content, seen->cached.mode, seen->cached.mtime_ns);
    SimFileSystem& files = world.target_file_system();
    files.shares_blocks = true;
    const std::vector<std::byte> other(content.size(), std::byte{9});
    world.laws.source_version("large", content, 0644, 77);
    world.laws.source_version("large", other, 0644, 78);
    FileWatcher* const laws = std::exchange(files.watcher, nullptr);
    files.put_file("target/large", content, 0644, 77);
    files.watcher = laws;
    bool struck = false;
    files.fault = [&](const FaultPoint& point) {  // somebody writes it right before it is shared
      if (point.operation == "share" && point.offset > 0 && !std::exchange(struck, true)) {
        files.watcher = nullptr;
        files.rewrite("target/large", other, 78);
        files.watcher = laws;
      }
      return 0;
    };
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end());
    EXPECT_EQ(struck, !holes) << "a file with holes shares nothing";
    EXPECT_TRUE(same_bytes(*files.content("target/large"), content)) << holes;
  }
}

/// As in memory, but on a disk that remembers: killed receivers leave nothing behind, and nothing is seen half.
TEST(Transfer, SmallFilesMayLandWithoutAName) {
  for_seeds(4, [](std::uint64_t seed) {
    TransferWorld world(seed, {.small_files = 40});
    world.target_file_system().best_unnamed = true;
    unsigned named = 0;
    world.target_file_system().fault = [&named](const FaultPoint& point) {
      if (point.operation == "name_file") ++named;
      return 0;
    };
    for (unsigned deaths = 0; deaths < 3; ++deaths) {
      EXPECT_TRUE(world.start_receiver()) << world.start_problem;
      EXPECT_TRUE(world.start_sender()) << world.start_problem;
      if (deaths < 2) {
        world.run_to_bytes(world.draw(world.tree_bytes()));
        world.kill_receiver();
        world.kill_sender();
      }
    }
    ASSERT_TRUE(world.run_to_end());
    world.check_complete();
    EXPECT_GE(named, 40U);
    world.target_file_system().fault = {};
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

Adjustment change(Adjustment::Kind kind, const std::string& path = {}, std::uint64_t cap_bits_per_s = 0) {
  Adjustment adjustment;
  adjustment.kind = kind;
  adjustment.path.name = path;
  adjustment.cap_bits_per_s = adjustment.path.cap_bits_per_s = cap_bits_per_s;
  return adjustment;
}

Adjustment added(std::size_t path) {
  Adjustment adjustment = change(Adjustment::Kind::add_path, std::string(1, static_cast<char>('a' + path)));
  adjustment.path.local = TransferWorld::sender_host(path);
  adjustment.path.remote = TransferWorld::receiver_host(path);
  return adjustment;
}

TEST(Transfer, ChangesFromEitherEndAtAnyTimeLoseNothing) {
  using Kind = Adjustment::Kind;
  for_seeds(4, [](std::uint64_t seed) {
    TransferWorld world(seed, {.small_files = 40, .large_chunks = 5});
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    const auto end = [&] { return world.draw(2) == 0 ? "sender" : "receiver"; };
    for (int round = 0; round < 30 && !world.done(); ++round) {
      const std::string path = world.draw(2) == 0 ? "a" : "b";
      constexpr std::array kinds{Kind::drain_path,  Kind::cap_path, Kind::disable_path, Kind::enable_path,
                                 Kind::remove_path, Kind::pause,    Kind::resume,       Kind::rate};
      const Kind kind = kinds.at(world.draw(kinds.size()));
      world.adjust(end(), change(kind, path, world.draw(2) * 100'000'000));
      if (kind == Kind::remove_path && world.draw(2) == 0) world.adjust(end(), added(path == "a" ? 0 : 1));
      world.run_for(static_cast<Time>(world.draw(200)) * millisecond);
      if (world.draw(10) == 0 && !world.done()) {
        const bool receiver = world.draw(2) == 0;
        receiver ? world.crash_receiver() : world.kill_sender();
        world.run_for(static_cast<Time>(world.draw(3000)) * millisecond);
        receiver ? world.start_receiver() : world.start_sender();
      }
    }
    world.adjust("sender", change(Kind::resume));
    world.adjust("sender", change(Kind::enable_path, "a"));
    world.adjust("sender", added(0));  // where it was removed
    ASSERT_TRUE(world.run_to_end(600 * second));
    world.check_complete();
    EXPECT_TRUE(world.sent->ok) << world.sent->error.text;
    EXPECT_FALSE(world.answers.empty());
  });
}

/// A transfer that takes about 3 s.
WorldPlan slow_plan() {
  WorldPlan plan;
  plan.paths.assign(2, {.delay = 5 * millisecond, .bytes_per_s = 8'000'000});
  plan.tree = {.small_files = 10, .large_chunks = 6};
  return plan;
}

TEST(Transfer, APauseOutlastsTheStallDeadline) {
  using Kind = Adjustment::Kind;
  for_seeds(2, [](std::uint64_t seed) {
    TransferWorld world(seed, slow_plan());
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    world.run_for(second);
    world.adjust(seed % 2 == 0 ? "sender" : "receiver", change(Kind::pause));
    world.run_for(2 * second);
    const std::uint64_t bytes = world.witness.content_bytes();
    EXPECT_GT(bytes, 0U);
    EXPECT_LT(bytes, world.tree_bytes());
    world.run_for(1000 * second);
    EXPECT_EQ(world.witness.content_bytes(), bytes);
    ASSERT_FALSE(world.done());
    world.adjust("receiver", change(Kind::resume));
    ASSERT_TRUE(world.run_to_end(60 * second));
    world.check_complete();
    EXPECT_TRUE(world.sent->ok) << world.sent->error.text;
    ASSERT_EQ(world.answers.size(), 2U);
    for (const auto& answer : world.answers) EXPECT_TRUE(answer) << answer.error().text;
  });
}

TEST(Transfer, WithoutProgressThereIsAVerdict) {
  for_seeds(2, [](std::uint64_t seed) {
    WorldPlan plan = slow_plan();
    plan.sender_options = [](Options& options) { options.stall_after_s = 20; };
    TransferWorld world(seed, plan);
    // Control works, every connection works, and no frame arrives.
    world.edit = [](protocol::Type type, ConstBytes unit, std::vector<std::byte>& out) {
      if (type != protocol::Type::frame) out.insert(out.end(), unit.begin(), unit.end());
    };
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    world.world.run_until([&] { return world.sent.has_value(); }, world.world.clock().now() + 120 * second);
    ASSERT_TRUE(world.sent) << "no verdict";
    EXPECT_EQ(world.sent->error.code, Code::stalled) << world.sent->error.text;
  });
}

TEST(Transfer, APathOutOfUseCarriesNothing) {
  using Kind = Adjustment::Kind;
  for (const Kind kind : {Kind::disable_path, Kind::remove_path}) {
    for_seeds(2, [&](std::uint64_t seed) {
      TransferWorld world(seed, slow_plan());
      EXPECT_TRUE(world.start_receiver()) << world.start_problem;
      EXPECT_TRUE(world.start_sender()) << world.start_problem;
      world.run_for(second);
      const auto carried = [&] { return world.world.network().bytes_between("10.0.0.1", "10.0.0.2"); };
      world.adjust(seed % 2 == 0 ? "sender" : "receiver", change(kind, "a"));
      world.run_for(300 * millisecond);
      ASSERT_FALSE(world.done());
      const std::uint64_t before = carried();
      EXPECT_GT(before, 0U);
      ASSERT_TRUE(world.run_to_end(60 * second));
      EXPECT_EQ(carried(), before);  // control has left it too
      world.check_complete();
      EXPECT_TRUE(world.sent->ok) << world.sent->error.text;
      const PathReport& a = world.sent->report.paths.at(0);
      EXPECT_EQ(a.state, kind == Kind::disable_path ? "disabled" : "removed");
      EXPECT_GT(a.bytes, 0U);
    });
  }
}

/// Law 6. What is left takes the other path some 1.5 s; a connection that is only found dead by its silence, 5 s.
TEST(Transfer, ASilentPathIsLeftAtOnceByDataAndControl) {
  for_seeds(2, [&](std::uint64_t seed) {
    TransferWorld world(seed, slow_plan());
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    world.run_for(2300 * millisecond);
    ASSERT_FALSE(world.done());
    world.world.network().silence("10.0.0.1", "10.0.0.2");  // control was dialled there
    const Time limit = world.world.clock().now() + 4 * second;
    EXPECT_EQ(world.world.run_until([&] { return world.done(); }, limit), RunEnd::reached);
    ASSERT_TRUE(world.run_to_end(60 * second));
    world.check_complete();
    EXPECT_TRUE(world.sent->ok) << world.sent->error.text;
  });
}

TEST(Transfer, ADrainedPathLeavesNothingBehind) {
  for_seeds(2, [&](std::uint64_t seed) {
    TransferWorld world(seed, slow_plan());
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    world.run_for(second / 2);
    world.adjust(seed % 2 == 0 ? "sender" : "receiver", change(Adjustment::Kind::drain_path, "a"));
    ASSERT_TRUE(world.run_to_end(60 * second));
    world.check_complete();
    EXPECT_TRUE(world.sent->ok) << world.sent->error.text;
    EXPECT_EQ(world.sent->report.paths.at(0).state, "drained");
    EXPECT_GT(world.sent->report.paths.at(1).bytes, 0U);
    EXPECT_EQ(world.sent->report.resent_bytes, 0U);
    EXPECT_EQ(world.witness.content_bytes(), world.tree_bytes());
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
      const bool small = path.starts_with("scratch.") && std::ranges::count(path, '.') == 3;
      const bool landing = path.ends_with(".part") || small || (journal && with_records.contains(path));
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

TEST(Transfer, WhatIsRewrittenBetweenTheLookAndTheReadNeverLands) {
  for_seeds(4, [](std::uint64_t seed) {
    TransferWorld world(seed, {.small_files = 30, .chunk_files = 6, .large_chunks = 2});
    std::set<std::string> read;
    std::uint64_t rewritten = 0;
    world.world.file_system("sender").fault = [&](const FaultPoint& point) {
      if (point.operation != "read" || !read.insert(std::string(point.path)).second || world.draw(2) == 0) return 0;
      const auto is_it = [&](const std::string& file) {
        return file.substr(file.rfind('/') + 1) == point.path.substr(point.path.rfind('/') + 1);
      };
      const auto& files = world.source_files();
      if (const auto file = std::ranges::find_if(files, is_it); file != files.end()) {
        world.rewrite_source(*file, world.draw(2) == 0);
        ++rewritten;
      }
      return 0;
    };
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end(300 * second));
    EXPECT_GT(rewritten, 4U);
    EXPECT_EQ(world.sent->report.failed_files, rewritten);
    world.check_laws();
    // As they are now, they can be sent.
    world.world.file_system("sender").fault = nullptr;
    world.world.kill("sender");
    world.world.kill("receiver");
    world.new_commands();
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
    EXPECT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end());
    world.check_complete();
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
