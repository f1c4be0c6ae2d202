#include "paths/budget.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <numeric>
#include <vector>

#include "noise.h"

namespace longhaul::paths {
namespace {

constexpr double gbps = 1e9 / 8;
constexpr double tb = 1e12;
constexpr double hour = 3600;

/// Cheap 10 Gb/s, dear 10 Gb/s, dearest 20 Gb/s.
const std::vector<Offer> three = {{10 * gbps, 0.01, true}, {10 * gbps, 0.02, true}, {20 * gbps, 0.08, true}};

TEST(Plan, NothingLeft) {
  const Plan plan = make_plan(three, {.bytes = 0, .deadline_s = 10});
  EXPECT_EQ(plan.end_s, 0);
  EXPECT_EQ(plan.cost, 0);
}

TEST(Plan, WithoutBoundsAsFastAsPossible) {
  const Plan plan = make_plan(three, {.bytes = 40 * gbps * hour});
  EXPECT_EQ(plan.rates, (std::vector<double>{10 * gbps, 10 * gbps, 20 * gbps}));
  EXPECT_DOUBLE_EQ(*plan.end_s, hour);
  EXPECT_NEAR(plan.cost, 0.125 * 3600 * (0.1 + 0.2 + 1.6), 1e-6);
}

TEST(Plan, TheCheapestThatMeetsTheDeadline) {
  // Two hours for what the cheap one does in one: it alone, and it runs.
  Plan plan = make_plan(three, {.bytes = 10 * gbps * hour, .deadline_s = 2 * hour});
  EXPECT_EQ(plan.rates, (std::vector<double>{10 * gbps, 0, 0}));
  EXPECT_DOUBLE_EQ(*plan.end_s, hour);
  // One hour and a half of it: the second carries the half.
  plan = make_plan(three, {.bytes = 15 * gbps * hour, .deadline_s = hour});
  EXPECT_NEAR(plan.rates[1], 5 * gbps, 1);
  EXPECT_EQ(plan.rates[2], 0);
  EXPECT_NEAR(*plan.end_s, hour, 1e-3);
  plan = make_plan(three, {.bytes = 25 * gbps * hour, .deadline_s = hour});
  EXPECT_EQ(plan.rates[1], 10 * gbps);
  EXPECT_NEAR(plan.rates[2], 5 * gbps, 1);
}

TEST(Plan, WhatCannotBeMet) {
  const Plan plan = make_plan(three, {.bytes = 50 * gbps * hour, .deadline_s = hour});
  EXPECT_NEAR(plan.lacks, 10 * gbps, 1);
  EXPECT_DOUBLE_EQ(*plan.end_s, 1.25 * hour);
  EXPECT_NEAR(make_plan(three, {.bytes = 50 * gbps * hour, .deadline_s = -5}).lacks, 40 * gbps, 1);
}

TEST(Plan, MoneyBinds) {
  const double bytes = 40 * gbps * hour;  // 18 TB; 180 on the cheap one
  Plan plan = make_plan(three, {.bytes = bytes, .money = 180});
  EXPECT_EQ(plan.rates, (std::vector<double>{10 * gbps, 0, 0}));
  EXPECT_EQ(plan.payable_bytes, bytes);
  plan = make_plan(three, {.bytes = bytes, .money = 300});
  EXPECT_NEAR(plan.cost, 300, 0.01);
  EXPECT_EQ(plan.rates[1], 10 * gbps);
  plan = make_plan(three, {.bytes = bytes, .money = 100});
  EXPECT_NEAR(plan.payable_bytes, 10 * tb, 1);
  EXPECT_EQ(plan.rates, (std::vector<double>{10 * gbps, 0, 0}));
  plan = make_plan(three, {.bytes = bytes, .money = 0});
  EXPECT_EQ(plan.end_s, std::nullopt);
  // The deadline could be met for 855, which is not allowed.
  plan = make_plan(three, {.bytes = bytes, .deadline_s = hour, .money = 300});
  EXPECT_TRUE(plan.dear);
  EXPECT_NEAR(plan.cost_of_deadline, 855, 0.01);
  EXPECT_NEAR(plan.cost, 300, 0.01);
  EXPECT_EQ(plan.lacks, 0);
}

TEST(Plan, PolicyAndCap) {
  std::vector<Offer> offers = three;
  offers[0].permitted = false;
  Plan plan = make_plan(offers, {.bytes = 5 * gbps * hour, .deadline_s = hour});
  EXPECT_EQ(plan.rates[0], 0);
  EXPECT_EQ(plan.rates[1], 10 * gbps);
  plan = make_plan(three, {.bytes = 15 * gbps * hour, .deadline_s = hour, .cap = 12 * gbps});
  EXPECT_NEAR(plan.lacks, 3 * gbps, 1);
  EXPECT_DOUBLE_EQ(*plan.end_s, 1.25 * hour);
  EXPECT_EQ(make_plan({}, {.bytes = 1}).end_s, std::nullopt);
}

/// Against a search through all mixtures, on random tasks: nothing cheaper meets the deadline.
TEST(Plan, NothingCheaperMeetsTheDeadline) {
  Noise noise(1);
  for (int round = 0; round < 2000; ++round) {
    std::vector<Offer> offers;
    for (std::uint64_t i = 1 + noise.next() % 4; i > 0; --i)
      offers.push_back({noise.uniform(1, 10) * gbps, std::round(noise.uniform(0, 5)) / 100, noise.chance(0.8)});
    const double bytes = noise.uniform(0.1, 40) * gbps * hour;
    const Plan plan = make_plan(offers, {.bytes = bytes, .deadline_s = hour});
    for (int tries = 0; tries < 50; ++tries) {
      double moved = 0;
      double cost = 0;
      for (const Offer& offer : offers) {
        const double most = offer.permitted ? offer.rate * hour : 0;
        const double part = std::min(bytes - moved, most * std::min(1.0, noise.uniform(0, 1.5)));
        moved += part;
        cost += part / 1e9 * offer.cost_per_gb;
      }
      if (moved < bytes * (1 - 1e-9)) continue;
      EXPECT_LE(plan.cost, cost * (1 + 1e-9) + 1e-6);
      EXPECT_LE(*plan.end_s, hour * (1 + 1e-9));
    }
  }
}

/// One path as it really is: a mean rate, and swings that last for a minute.
struct Line {
  double mean = 0;
  double cost_per_gb = 0;
  std::vector<double> rates;  ///< of each second
};

struct World {
  World(std::uint64_t seed, double swing, bool steps) {
    Noise noise(seed);
    for (std::uint64_t i = 2 + noise.next() % 3; i > 0; --i) {
      Line line;
      line.mean = noise.uniform(1, 10) * gbps;
      line.cost_per_gb = std::round(noise.uniform(0, 10)) / 100;
      double level = 1;
      const auto step_at = static_cast<std::size_t>(noise.uniform(0.05, 0.6) * 2 * duration);
      double state = noise.gauss();
      for (std::size_t s = 0; s < 4 * duration; ++s) {
        if (steps && s == step_at) level = noise.uniform(0.5, 1.2);
        state = state * (59.0 / 60) + std::sqrt(1 - (59.0 / 60) * (59.0 / 60)) * noise.gauss();
        line.rates.push_back(std::max(0.02, 1 + swing * state) * line.mean * level);
      }
      lines.push_back(std::move(line));
    }
    double all = 0;
    for (const Line& line : lines) all += line.mean;
    deadline_s = static_cast<double>(duration);
    bytes = all * deadline_s * noise.uniform(0.1, 0.95);
  }

  struct Result {
    double end_s = 0;
    double cost = 0;
    unsigned switches = 0;
  };
  /// These paths, from beginning to end, as fast as they go.
  [[nodiscard]] Result play_static(unsigned subset) const {
    Result result;
    double left = bytes;
    for (std::size_t s = 0; s < 4 * duration; ++s) {
      double rate = 0;
      double cost = 0;
      for (std::size_t i = 0; i < lines.size(); ++i) {
        if ((subset >> i & 1U) == 0) continue;
        rate += lines[i].rates[s];
        cost += lines[i].rates[s] / 1e9 * lines[i].cost_per_gb;
      }
      const double part = std::min(1.0, left / rate);
      left -= rate * part;
      result.cost += cost * part;
      result.end_s += part;
      if (left <= 0) return result;
    }
    result.end_s = 1e9;
    return result;
  }
  /// The cost for one who knows all rates beforehand; nothing when nobody could meet the deadline.
  [[nodiscard]] double hindsight() const {
    std::vector<Offer> offers;
    for (const Line& line : lines) {
      const double all = std::accumulate(line.rates.begin(), line.rates.begin() + duration, 0.0);
      offers.push_back({all / deadline_s, line.cost_per_gb, true});
    }
    return make_plan(offers, {.bytes = bytes, .deadline_s = deadline_s}).cost;
  }
  [[nodiscard]] Result play_budget() const {
    Result result;
    Budget budget;
    double left = bytes;
    std::vector<Budget::Path> paths;
    for (std::uint32_t i = 0; i < lines.size(); ++i)
      paths.push_back({.id = i, .held = true, .estimate = lines[i].mean, .cost_per_gb = lines[i].cost_per_gb});
    std::vector<double> sent(lines.size(), 0);
    std::vector<bool> used(lines.size(), false);
    Budget::Answer answer;
    for (std::size_t s = 0; s < 4 * duration; ++s) {
      if (s % 2 == 0) {
        answer = budget.decide(paths, {.now = static_cast<Time>(s) * second,
                                       .bytes = static_cast<std::uint64_t>(left) + 1,
                                       .deadline_s = deadline_s - static_cast<double>(s)});
      }
      double rate = 0;
      for (std::size_t i = 0; i < lines.size(); ++i) {
        const auto& use = answer.paths[i];
        if (s > 0 && use.used != used[i]) ++result.switches;
        used[i] = use.used;
        const double able = lines[i].rates[s];
        paths[i].held = !use.used || (use.rate > 0 && use.rate < able);
        paths[i].measured = !use.used ? 0 : use.rate > 0 ? std::min(use.rate, able) : able;
        rate += paths[i].measured;
      }
      const double part = rate > 0 ? std::min(1.0, left / rate) : 1;
      for (std::size_t i = 0; i < lines.size(); ++i) {
        sent[i] += paths[i].measured * part;
        paths[i].sent_bytes = static_cast<std::uint64_t>(sent[i]);
        result.cost += paths[i].measured * part / 1e9 * lines[i].cost_per_gb;
      }
      left -= rate * part;
      result.end_s += part;
      if (left <= 0) return result;
    }
    result.end_s = 1e9;
    return result;
  }

  static constexpr std::size_t duration = 3600;
  std::vector<Line> lines;
  double bytes = 0;
  double deadline_s = 0;
};

struct Compared {
  int worlds = 0;  ///< in which some static choice meets the deadline
  int missed = 0;
  double late_s = 0;
  int dearer = 0;           ///< worlds in which it costs over 2 % more than the cheapest static choice that meets it
  double dearer_worst = 0;  ///< by how much at most, in parts of the cost of all bytes on the dearest line
  double cost = 0;
  double cost_static = 0;
  double cost_hindsight = 0;
  double switches = 0;
};
Compared compare(double swing, bool steps, int worlds) {
  Compared compared;
  for (int seed = 0; seed < worlds; ++seed) {
    const World world(static_cast<std::uint64_t>(seed) + 1, swing, steps);
    double best = -1;
    for (unsigned subset = 1; subset < 1U << world.lines.size(); ++subset) {
      const auto played = world.play_static(subset);
      if (played.end_s <= world.deadline_s && (best < 0 || played.cost < best)) best = played.cost;
    }
    if (best < 0) continue;
    ++compared.worlds;
    const auto played = world.play_budget();
    compared.switches += played.switches;
    if (played.end_s > world.deadline_s) {
      ++compared.missed;
      compared.late_s = std::max(compared.late_s, played.end_s - world.deadline_s);
      continue;
    }
    double dearest = 0.01;
    for (const Line& line : world.lines) dearest = std::max(dearest, line.cost_per_gb);
    if (played.cost > best * 1.02 + 0.001 * dearest * world.bytes / 1e9) ++compared.dearer;
    compared.dearer_worst = std::max(compared.dearer_worst, (played.cost - best) / (dearest * world.bytes / 1e9));
    compared.cost += played.cost;
    compared.cost_static += best;
    compared.cost_hindsight += world.hindsight();
  }
  compared.switches /= compared.worlds;
  std::cout << "[ FIGURE   ] budget: swings of " << swing * 100 << " %" << (steps ? " and steps" : "") << ": "
            << compared.missed << " of " << compared.worlds << " miss (by at most " << compared.late_s
            << " s of an hour), " << compared.dearer << " cost over 2 % more than the best static choice (at most "
            << compared.dearer_worst * 100 << " % of all bytes on the dearest line); all together "
            << (1 - compared.cost / compared.cost_static) * 100 << " % cheaper than static, "
            << (compared.cost / compared.cost_hindsight - 1) * 100 << " % above perfect foresight; "
            << compared.switches << " switches an hour\n";
  return compared;
}

TEST(Budget, MeetsTheDeadlineAtTheLeastCostOfAllStaticChoices) {
  for (const double swing : {0.0, 0.1, 0.25}) {
    const Compared compared = compare(swing, false, 50);
    EXPECT_GT(compared.worlds, 40);
    EXPECT_LE(compared.missed, compared.worlds / 25);  // of tasks that leave next to nothing to spare
    EXPECT_LE(compared.dearer, compared.worlds / 20);
    EXPECT_LT(compared.dearer_worst, 0.05);
    EXPECT_LT(compared.cost, compared.cost_static);
    EXPECT_LT(compared.switches, 12);
  }
}

TEST(Budget, AndWhenLinesChangeForGood) {
  const Compared compared = compare(0.1, true, 50);
  EXPECT_LE(compared.missed, compared.worlds / 12);
  EXPECT_LT(compared.cost, compared.cost_static);
}

Budget::Path path(std::uint32_t id, double estimate, double cost) {
  return {.id = id, .estimate = estimate, .cost_per_gb = cost};
}
constexpr LocalTime night{1, 2 * 3600};  // Tuesday, 02:00

/// Careful, and no more than that: what it is taken for does not jump with each second's figures.
TEST(Budget, APathOfWhichNothingIsKnownIsTakenForTheSlowestThatIs) {
  Budget budget;
  std::vector<Budget::Path> paths = {path(0, 0, 0), path(1, 0, 0), path(2, 0, 1)};
  paths[2].held = true;
  (void)budget.decide(paths, {.now = 0, .bytes = 1'000'000'000'000});
  EXPECT_EQ(budget.expected(2), 12.5e6) << "of none";
  paths[0].measured = 40e6;
  paths[1].measured = 20e6;
  (void)budget.decide(paths, {.now = second, .bytes = 1'000'000'000'000});
  (void)budget.decide(paths, {.now = 2 * second, .bytes = 1'000'000'000'000});
  EXPECT_EQ(budget.expected(2), 20e6);
  paths[1].measured = 0;  // acknowledgements come in lumps
  (void)budget.decide(paths, {.now = 3 * second, .bytes = 1'000'000'000'000});
  EXPECT_GT(budget.expected(2), 15e6);
  EXPECT_LE(budget.expected(2), 20e6);
  EXPECT_EQ(budget.expected(3), 0) << "is none of them";
}

TEST(Budget, Words) {
  const std::vector<Budget::Path> one = {path(1, 10 * gbps, 0.01)};
  const auto say = [&](double hours_of_work, std::optional<double> deadline_s, std::optional<double> money) {
    Budget budget;
    return budget
        .decide(one, {.bytes = static_cast<std::uint64_t>(hours_of_work * hour * 10 * gbps),
                      .deadline_s = deadline_s,
                      .money = money,
                      .local = night})
        .words;
  };
  EXPECT_EQ(say(1, {}, {}), "ends 03:00; cost 0.00 so far, 45.00 at the end");
  EXPECT_EQ(say(1, 2 * hour, {}), "ends 03:00; meets 04:00; cost 0.00 so far, 45.00 at the end");
  EXPECT_EQ(say(3.2, 2.5 * hour, {}),
            "ends 05:12; needs 2.8 Gb/s more to meet 04:30; cost 0.00 so far, 144.00 at the end");
  EXPECT_EQ(say(1, -5, {}), "ends 03:00; the deadline is over; cost 0.00 so far, 45.00 at the end");
  EXPECT_EQ(say(4, {}, 90),
            "ends 06:00; the money pays for 9.00 TB of the 18.00 TB that are left; cost 0.00 so far, 90.00 at the end");
  EXPECT_EQ(say(30, {}, {}), "ends Wed 08:00; cost 0.00 so far, 1350.00 at the end");
  EXPECT_EQ(say(4, {}, 0), "the money is spent: 18.00 TB are left; allow more, or a path that costs nothing");
  Budget budget;
  EXPECT_EQ(budget.decide({}, {.bytes = 5}).words, "no permitted path carries anything");
  const std::vector<Budget::Path> free_one = {path(1, 10 * gbps, 0)};
  EXPECT_EQ(budget.decide(free_one, {.bytes = static_cast<std::uint64_t>(10 * gbps * 600)}).words, "ends in 10 min");
}

TEST(Budget, ADearDeadlineInWords) {
  Budget budget;
  const std::vector<Budget::Path> two = {path(1, 10 * gbps, 0.01), path(2, 10 * gbps, 0.1)};
  const auto answer = budget.decide(
      two, {.bytes = static_cast<std::uint64_t>(15 * gbps * hour), .deadline_s = hour, .money = 100, .local = night});
  EXPECT_FALSE(answer.met);
  EXPECT_NE(answer.words.find("meeting 03:00 would cost 270.00, 100.00 is allowed"), std::string::npos) << answer.words;
  EXPECT_NEAR(answer.cost_forecast, 100, 1);
}

TEST(Budget, PolicyIsNeverBent) {
  Budget budget;
  std::vector<Budget::Path> two = {path(1, gbps, 0), path(2, 100 * gbps, 0)};
  two[1].permitted = false;
  const auto answer = budget.decide(two, {.bytes = static_cast<std::uint64_t>(100 * gbps * hour), .deadline_s = 60});
  EXPECT_FALSE(answer.paths[1].used);
  EXPECT_TRUE(answer.paths[0].used);
  EXPECT_FALSE(answer.met);
}

/// What is left is shared by those that cost; what has been spent is not there to be shared.
TEST(Budget, EachPathHearsWhatItMaySpend) {
  Budget budget;
  std::vector<Budget::Path> paths = {path(1, gbps, 0), path(2, gbps, 0.05), path(3, gbps, 0.1)};
  const auto bytes = static_cast<std::uint64_t>(1e13);
  auto answer = budget.decide(paths, {.now = 0, .bytes = bytes, .money = 10000});
  EXPECT_FALSE(answer.paths[0].payable_bytes);
  EXPECT_DOUBLE_EQ(answer.paths[1].payable_bytes.value(), 5000 / 0.05 * 1e9);
  EXPECT_DOUBLE_EQ(answer.paths[2].payable_bytes.value(), 5000 / 0.1 * 1e9);
  paths[2].sent_bytes = static_cast<std::uint64_t>(80000e9);
  answer = budget.decide(paths, {.now = second, .bytes = bytes, .money = 10000});
  EXPECT_DOUBLE_EQ(answer.paths[1].payable_bytes.value(), 1000 / 0.05 * 1e9);
  answer = budget.decide(paths, {.now = 2 * second, .bytes = bytes});
  EXPECT_FALSE(answer.paths[2].payable_bytes) << "nobody asked to save";
}

/// The money is never overspent by more than a second's worth, and what it can pay for is carried.
TEST(Budget, MoneyIsNotOverspent) {
  Noise noise(5);
  for (int round = 0; round < 100; ++round) {
    Budget budget;
    std::vector<Budget::Path> paths = {path(1, noise.uniform(1, 10) * gbps, 0.01),
                                       path(2, noise.uniform(1, 10) * gbps, 0.05)};
    double left = 20e12 / 20;
    const double money = noise.uniform(5, 60);
    double cost = 0;
    bool ended = false;
    for (Time s = 0; s < 20000 && left >= 1; ++s) {
      const auto answer =
          budget.decide(paths, {.now = s * second, .bytes = static_cast<std::uint64_t>(left), .money = money});
      if (!answer.end_s) {
        ended = true;
        break;
      }
      for (std::size_t i = 0; i < 2; ++i) {
        if (!answer.paths[i].used) continue;
        double moved = paths[i].estimate * noise.uniform(0.7, 1.2);
        if (answer.paths[i].rate > 0) moved = std::min(moved, answer.paths[i].rate);
        moved = std::min(moved, left);
        paths[i].measured = moved;
        paths[i].held = answer.paths[i].rate > 0;
        paths[i].sent_bytes += static_cast<std::uint64_t>(moved);
        left -= moved;
        cost += moved / 1e9 * paths[i].cost_per_gb;
      }
    }
    EXPECT_LT(cost, money + 0.02) << round;
    EXPECT_EQ(ended, money < 10 - 0.02) << money;
    if (!ended) {
      EXPECT_LT(left, 2);
    }
  }
}

TEST(Budget, CostOfADecision) {
  Budget budget;
  std::vector<Budget::Path> paths;
  for (std::uint32_t i = 0; i < 4; ++i) paths.push_back(path(i, (1 + i) * gbps, 0.01 * i));
  const auto begin = std::chrono::steady_clock::now();
  constexpr int calls = 20000;
  double sum = 0;
  for (int i = 0; i < calls; ++i) {
    const auto answer = budget.decide(paths, {.now = i * second,
                                              .bytes = static_cast<std::uint64_t>(5 * gbps * hour),
                                              .deadline_s = hour,
                                              .money = 1000,
                                              .local = night});
    sum += answer.cost_forecast;
  }
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
  std::cout << "[ FIGURE   ] budget: " << took.count() / calls << " ns per decision with 4 paths, words included\n";
  EXPECT_GT(sum, 0);
}

}  // namespace
}  // namespace longhaul::paths
