// Paths that nobody named, with the real engine, both ends, in simulation.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "seeds.h"
#include "transfer_world.h"

namespace longhaul::sim {
namespace {

/// Both ends have three interfaces in three private networks, of which the sender knows the first.
struct Lookout {
  explicit Lookout(std::uint64_t seed) : world(seed, plan_of(*this)) {
    auto& interfaces = world.world.network().interfaces;
    for (std::size_t i = 0; i < 3; ++i) {
      const std::string device = "eth" + std::to_string(i);
      interfaces["sender"].push_back({device, TransferWorld::sender_host(i), 24});
      interfaces["receiver"].push_back({device, TransferWorld::receiver_host(i), 24});
    }
    interfaces["receiver"].push_back({"lo", "127.0.0.1", 8});
    world.on_event = [this](const std::string& who, const Event& event) {
      if (who == "sender" && event.type == Event::Type::note) notes += event.text + "\n";
    };
  }
  static WorldPlan plan_of(Lookout& self) {
    WorldPlan plan;
    plan.paths.assign(3, {.delay = 10 * millisecond, .bytes_per_s = 2'000'000});
    plan.streams = 2;
    plan.tree = {.small_files = 3, .large_chunks = 6};
    plan.sender_options = [&self](Options& options) {
      options.paths.resize(1);
      options.paths[0].cost_per_gb = self.price;
      if (!self.sender_requires.empty() || !self.receiver_requires.empty()) options.paths[0].tags = {"us"};
      options.discover = self.sender_list;
      options.require = self.sender_requires;
    };
    plan.receiver_options = [&self](Options& options) {
      options.discover = self.receiver_list;
      options.require = self.receiver_requires;
    };
    return plan;
  }
  void run() {
    ASSERT_TRUE(world.start_receiver()) << world.start_problem;
    ASSERT_TRUE(world.start_sender()) << world.start_problem;
    ASSERT_TRUE(world.run_to_end(600 * second));
    world.check_complete();
  }
  [[nodiscard]] const std::vector<PathReport>& paths() const { return world.sent->report.paths; }

  double price = 0;
  std::string sender_list = "10.0.0.0/8";
  std::string receiver_list = "10.0.0.0/8";
  std::vector<std::string> sender_requires;
  std::vector<std::string> receiver_requires;
  std::string notes;
  TransferWorld world;
};

TEST(Discovery, PathsThatBothPermitAreFoundAndCarryTheirShare) {
  for_seeds(2, [](std::uint64_t seed) {
    Lookout both(seed);
    both.run();
    ASSERT_EQ(both.paths().size(), 3U) << both.notes;
    for (const PathReport& path : both.paths()) EXPECT_GT(path.bytes, both.world.tree_bytes() / 8) << path.name;
    EXPECT_EQ(both.paths()[1].name, "found1");
    EXPECT_TRUE(both.paths()[1].tags.empty());
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j) {
        if (i == j) continue;
        EXPECT_LT(both.world.bytes_between(i, j), 1000U) << "a pair that brings nothing new is no path";
      }
    }
  });
}

TEST(Discovery, WhatTheReceiverDoesNotPermitIsNotTried) {
  for_seeds(1, [](std::uint64_t seed) {
    Lookout shy(seed);
    shy.receiver_list = {};  // then only what is in use, and global addresses
    shy.run();
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(shy.world.dials_between(i, 1), 0U);
      EXPECT_EQ(shy.world.dials_between(i, 2), 0U);
    }
    ASSERT_EQ(shy.paths().size(), 3U) << "from its other interfaces to the address that both know. " << shy.notes;
  });
}

TEST(Discovery, WhatTheSenderDoesNotPermitIsNotTried) {
  for_seeds(1, [](std::uint64_t seed) {
    Lookout narrow(seed);
    narrow.sender_list = "eth1,10.1.0.0/16";
    narrow.run();
    ASSERT_EQ(narrow.paths().size(), 2U) << narrow.notes;
    EXPECT_GT(narrow.world.bytes_between(1, 1), 0U);
    EXPECT_EQ(narrow.world.dials_between(2, 2), 0U);
  });
}

TEST(Discovery, NobodyLooksUnlessHeIsTold) {
  for_seeds(1, [](std::uint64_t seed) {
    Lookout none(seed);
    none.sender_list = {};
    none.run();
    EXPECT_EQ(none.paths().size(), 1U);
    Lookout alone(seed);
    alone.sender_list = alone.receiver_list = "eth0";
    alone.run();
    EXPECT_EQ(alone.paths().size(), 1U);
    EXPECT_NE(alone.notes.find("no further paths were found"), std::string::npos) << alone.notes;
  });
}

TEST(Discovery, AFoundPathHasNoTagsSoAnyRequirementExcludesItsProbesToo) {
  for_seeds(1, [](std::uint64_t seed) {
    Lookout strict(seed);
    strict.sender_requires = {"us"};
    strict.run();
    EXPECT_EQ(strict.paths().size(), 1U);
    EXPECT_EQ(strict.world.dials_between(1, 1), 0U);
    EXPECT_NE(strict.notes.find("policy requires some"), std::string::npos) << strict.notes;
    Lookout told(seed);
    told.receiver_requires = {"us"};
    told.run();
    EXPECT_EQ(told.paths().size(), 1U);
    EXPECT_EQ(told.world.dials_between(1, 1), 0U);
  });
}

/// The second address of a receiver must not make a way of it on which the price does not count.
TEST(Discovery, NoPathIsFoundOnAnInterfaceThatHasTerms) {
  for_seeds(1, [](std::uint64_t seed) {
    Lookout dear(seed);
    dear.price = 10;
    dear.run();
    ASSERT_EQ(dear.paths().size(), 3U) << dear.notes;
    EXPECT_EQ(dear.world.dials_between(0, 1), 0U);
    EXPECT_EQ(dear.world.dials_between(0, 2), 0U);
  });
}

TEST(Discovery, APathThatIsCutWhenItIsFoundIsForgotten) {
  for_seeds(1, [](std::uint64_t seed) {
    Lookout cut(seed);
    cut.world.on_event = [&cut](const std::string& who, const Event& event) {
      if (who != "sender" || event.path != "found1") return;
      cut.notes += event.text + "\n";
      for (std::size_t i = 1; i < 3; ++i)
        cut.world.world.network().cut(TransferWorld::sender_host(i), TransferWorld::receiver_host(i));
    };
    cut.run();
    EXPECT_NE(cut.notes.find("was found, and does not lead to the peer"), std::string::npos) << cut.notes;
    EXPECT_TRUE(std::ranges::all_of(
        cut.paths(), [](const PathReport& path) { return path.name == "a" || path.state == "removed"; }));
  });
}

}  // namespace
}  // namespace longhaul::sim
