// Deadline and money with the real engine, both ends, in simulation: the report says what each path carried.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "protocol/bounds.h"
#include "seeds.h"
#include "transfer_world.h"

namespace longhaul::sim {
namespace {

constexpr std::uint64_t rate = 2'000'000;  // bytes/s of each path
constexpr double price = 1000;             // of 10^9 bytes
constexpr std::uint64_t chunks = 20;       // 168 MB: 84 s on one path

/// "a" costs nothing, "b" does. `in_s` is given by the simulated wall clock.
struct Budgeted {
  Budgeted(std::uint64_t seed, double in_s, double money) : world(seed, plan_of(*this)) {
    world.on_event = [this](const std::string& who, const Event& event) {
      if (who == "sender" && event.type == Event::Type::note) notes += event.text + "\n";
    };
    adjust = [this, in_s, money](Options& options) {
      options.paths.at(0).cost_per_gb = price_of_a;
      options.paths.at(1).cost_per_gb = price;
      options.max_cost = money;
      if (in_s > 0)
        options.deadline_unix_s =
            static_cast<double>(world.world.clock().wall_ns()) / static_cast<double>(second) + in_s;
    };
    EXPECT_TRUE(world.start_receiver()) << world.start_problem;
  }
  static WorldPlan plan_of(Budgeted& self) {
    WorldPlan plan;
    plan.paths.assign(2, {.delay = 20 * millisecond, .bytes_per_s = rate});
    plan.streams = 2;
    plan.tree = {.small_files = 3, .large_chunks = chunks};
    plan.sender_options = [&self](Options& options) { self.adjust(options); };
    return plan;
  }
  void start() { EXPECT_TRUE(world.start_sender()) << world.start_problem; }
  void cut(std::size_t path) {
    world.world.network().cut(TransferWorld::sender_host(path), TransferWorld::receiver_host(path));
  }
  void set_rate(std::size_t path, std::uint64_t bytes_per_s) {
    Path changed = world.plan().paths[path];
    changed.bytes_per_s = bytes_per_s;
    world.world.network().set_path(TransferWorld::sender_host(path), TransferWorld::receiver_host(path), changed);
  }
  [[nodiscard]] std::uint64_t carried(std::size_t path) const { return world.sent->report.paths.at(path).bytes; }
  [[nodiscard]] const std::string& forecast() const { return world.sent->report.forecast; }

  double price_of_a = 0;
  std::function<void(Options&)> adjust;
  std::string notes;
  TransferWorld world;
};

TEST(Budgets, ADeadlineThatTheFreePathMeetsCostsNothing) {
  for_seeds(1, [](std::uint64_t seed) {
    Budgeted transfer(seed, 400, -1);
    transfer.start();
    ASSERT_TRUE(transfer.world.run_to_end(600 * second));
    transfer.world.check_complete();
    // Until the first measurement a little may go out on both.
    EXPECT_LT(transfer.carried(1), rate) << transfer.notes;
    EXPECT_NE(transfer.forecast().find("deadline met"), std::string::npos) << transfer.forecast();
  });
}

TEST(Budgets, TheDearPathCarriesOnlyWhatTheDeadlineAsksFor) {
  for_seeds(1, [](std::uint64_t seed) {
    Budgeted transfer(seed, 75, -1);
    transfer.start();
    ASSERT_TRUE(transfer.world.run_to_end(600 * second));
    transfer.world.check_complete();
    EXPECT_NE(transfer.forecast().find("deadline met"), std::string::npos) << transfer.forecast() << transfer.notes;
    const std::uint64_t needed = transfer.world.tree_bytes() - 75 * rate;
    EXPECT_GT(transfer.carried(1), needed / 2);
    EXPECT_LT(transfer.carried(1), transfer.world.tree_bytes() * 2 / 5)
        << "half of it would be as if there were no price";
  });
}

/// What was durable in the session before is there already in this one, and is not counted twice.
TEST(Budgets, ANewSessionForgetsNothingThatIsLeft) {
  for_seeds(1, [](std::uint64_t seed) {
    Budgeted transfer(seed, 80, -1);
    transfer.start();
    transfer.world.run_to_bytes(90'000'000);
    ASSERT_FALSE(transfer.world.done());
    transfer.world.kill_receiver();
    ASSERT_TRUE(transfer.world.start_receiver()) << transfer.world.start_problem;
    ASSERT_TRUE(transfer.world.run_to_end(600 * second));
    transfer.world.check_complete();
    EXPECT_NE(transfer.forecast().find("deadline met"), std::string::npos) << transfer.forecast() << transfer.notes;
  });
}

TEST(Budgets, WhenTheFreePathIsCutTheDearOneTakesOver) {
  for_seeds(1, [](std::uint64_t seed) {
    Budgeted transfer(seed, 400, -1);
    transfer.start();
    transfer.world.run_for(20 * second);
    ASSERT_FALSE(transfer.world.done());
    transfer.cut(0);
    ASSERT_TRUE(transfer.world.run_to_end(140 * second)) << "70 s on one path";
    transfer.world.check_complete();
    EXPECT_GT(transfer.carried(1), transfer.world.tree_bytes() / 2);
  });
}

/// Nothing stalls, and nothing is left to give out: what is on its way is late all the same.
TEST(Budgets, WhenTheFreePathCollapsesAtTheEndTheDearOneIsCalledIn) {
  for_seeds(1, [](std::uint64_t seed) {
    Budgeted transfer(seed, 300, -1);
    transfer.start();
    transfer.world.run_to_bytes(142'000'000);
    ASSERT_FALSE(transfer.world.done());
    transfer.set_rate(0, rate / 100);
    ASSERT_TRUE(transfer.world.run_to_end(2000 * second));
    transfer.world.check_complete();
    EXPECT_NE(transfer.forecast().find("deadline met"), std::string::npos) << transfer.forecast() << transfer.notes;
    EXPECT_GT(transfer.carried(1), 8'000'000U);
  });
}

TEST(Budgets, MoneyIsNotOverspent) {
  for_seeds(1, [](std::uint64_t seed) {
    Budgeted transfer(seed, 0, 30);  // 30 MB of 168
    transfer.start();
    ASSERT_TRUE(transfer.world.run_to_end(600 * second));
    transfer.world.check_complete();
    EXPECT_GT(transfer.carried(1), 20'000'000U);
    EXPECT_LT(transfer.carried(1), 30'000'000U + 2 * protocol::node_bytes) << "the chunk that was begun on each stream";
  });
}

/// A spare path carries while no other can, for want of money, too.
TEST(Budgets, WhenTheMoneyIsSpentASpareThatCostsNothingGoesOn) {
  for_seeds(1, [](std::uint64_t seed) {
    Budgeted transfer(seed, 0, 30);  // 30 MB of 168
    transfer.adjust = [given = transfer.adjust](Options& options) {
      given(options);
      options.paths.at(0).weight = 0;
    };
    transfer.start();
    ASSERT_TRUE(transfer.world.run_to_end(600 * second));
    transfer.world.check_complete();
    EXPECT_GT(transfer.carried(0), 100'000'000U) << transfer.notes;
    EXPECT_LT(transfer.carried(1), 30'000'000U + 2 * protocol::node_bytes) << transfer.notes;
  });
}

TEST(Budgets, SpentMoneyEndsATransferThatHasNoOtherPath) {
  for_seeds(1, [](std::uint64_t seed) {
    Budgeted transfer(seed, 0, 50);
    transfer.price_of_a = price;
    transfer.start();
    ASSERT_TRUE(transfer.world.run_to_end(120 * second)) << "it does not wait for its deadline for progress";
    ASSERT_FALSE(transfer.world.sent->ok);
    EXPECT_EQ(transfer.world.sent->error.code, Code::stalled);
    EXPECT_NE(transfer.world.sent->error.text.find("the money is spent"), std::string::npos)
        << transfer.world.sent->error.text;
    const double cost = transfer.world.sent->report.cost;
    EXPECT_GT(cost, 45);
    EXPECT_LT(cost, 50 + 8 * price * 8.4e6 / 1e9) << "and what was on its way: two chunks on each of four streams";
  });
}

}  // namespace
}  // namespace longhaul::sim
