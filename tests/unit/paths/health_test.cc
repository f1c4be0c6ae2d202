#include "paths/health.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "noise.h"

namespace longhaul::paths {
namespace {

constexpr double tick_s = 0.1;
constexpr Time tick = 100 * millisecond;

/// What a path of this kind shows at time `t_s`; `sent_bytes` and `resent_bytes` are made from `rate` and `loss`.
struct Seen {
  double rtt_s = 0.025;
  double rate = 1e8;
  double loss = 0;
  double ack_s = 0.1;
  bool busy = true;
};
using Kind = std::function<Seen(double t_s, Noise& noise)>;

Seen steady(double, Noise& noise) {
  return {0.025 * std::exp(0.05 * noise.gauss()), 1e8 * std::exp(0.1 * noise.gauss()), 0,
          0.1 * std::exp(0.3 * noise.gauss())};
}

/// A queue that fills and drains every 8 s, with a burst of repeats when it is full.
Seen sawtooth(double t_s, Noise& noise) {
  const double phase = std::fmod(t_s, 8.0) / 8;
  Seen seen = steady(t_s, noise);
  seen.rtt_s *= 1 + phase;
  seen.ack_s *= 1 + phase;
  seen.rate *= 0.85 + 0.15 * std::min(1.0, 2 * phase);
  if (phase < 0.04) seen.loss = 0.02;
  return seen;
}

/// Gain cycles, and every 10 s next to nothing for 200 ms.
Seen bbr(double t_s, Noise& noise) {
  Seen seen = steady(t_s, noise);
  const double cycle = std::fmod(t_s, 1.6) / 1.6;
  if (cycle < 0.125) seen.rtt_s *= 1.25;
  if (std::fmod(t_s, 10.0) < 0.2) seen.rate *= 0.05;
  return seen;
}

/// Another satellite every 15 s, a short gap then, weather, half a percent of loss.
Seen leo(double t_s, Noise& noise) {
  const auto slot = static_cast<std::uint64_t>(t_s / 15);
  Noise of_slot(slot);
  Seen seen;
  seen.rtt_s = of_slot.uniform(0.03, 0.06) * std::exp(0.2 * noise.gauss());
  seen.ack_s = seen.rtt_s + 0.1 * std::exp(0.4 * noise.gauss());
  Noise weather(static_cast<std::uint64_t>(t_s / 3) + 77);
  seen.rate = 2.5e7 * std::exp(0.15 * weather.gauss() + 0.15 * noise.gauss());
  if (t_s - static_cast<double>(slot) * 15 < 0.15) seen.rate *= 0.1;
  seen.loss = std::max(0.0, 0.005 + 0.004 * noise.gauss());
  return seen;
}

/// 10 Mb/s with one packet in a thousand lost: few packets a block.
Seen thin(double t_s, Noise& noise) {
  Seen seen = steady(t_s, noise);
  seen.rate = 1.25e6 * std::exp(0.15 * noise.gauss());
  seen.loss = noise.chance(0.08) ? 1.0 / 86 : 0;
  return seen;
}

/// Work comes and goes; each beginning is a slow start that overshoots.
Seen pausing(double t_s, Noise& noise) {
  Seen seen = sawtooth(t_s, noise);
  Noise of_cycle(static_cast<std::uint64_t>(t_s / 40));
  const double on_s = of_cycle.uniform(1, 38);
  const double at_s = std::fmod(t_s, 40.0);
  if (at_s > on_s) return {0.025 * std::exp(0.05 * noise.gauss()), 1e5, 0, 0, false};
  if (at_s < 1) seen.rate *= at_s;
  if (at_s > 1 && at_s < 1.4) seen.loss = 0.1;
  return seen;
}

struct Named {
  const char* name;
  Kind kind;
};
const std::vector<Named> all_kinds = {{"steady", steady}, {"sawtooth", sawtooth}, {"bbr", bbr},
                                      {"leo", leo},       {"thin", thin},         {"pausing", pausing}};

struct Rig {
  explicit Rig(Kind kind_of_path, std::uint64_t seed = 1) : kind(std::move(kind_of_path)), noise(seed) {}
  Health::Change step(const std::function<void(Seen&)>& harm = {}) {
    t_s += tick_s;
    now += tick;
    Seen seen = kind(t_s, noise);
    if (harm) harm(seen);
    const auto sent = static_cast<std::uint64_t>(seen.rate * tick_s);
    return health.feed({.now = now,
                        .rtt_s = seen.rtt_s,
                        .rate = seen.rate,
                        .busy = seen.busy,
                        .sent_bytes = sent,
                        .resent_bytes = static_cast<std::uint64_t>(static_cast<double>(sent) * seen.loss),
                        .ack_s = seen.ack_s});
  }
  /// Seconds until it says `change`; `most_s` when it does not.
  double until(Health::Change change, double most_s, const std::function<void(Seen&)>& harm = {}) {
    const auto ticks = std::lround(most_s / tick_s);
    for (long i = 1; i < ticks; ++i)
      if (step(harm) == change) return static_cast<double>(i) * tick_s;
    return most_s;
  }
  void run(double s, const std::function<void(Seen&)>& harm = {}) {
    for (long i = std::lround(s / tick_s); i > 0; --i) step(harm);
  }

  Kind kind;
  Noise noise;
  Health health;
  double t_s = 0;
  Time now = 0;
};

TEST(Health, DaysOfNoiseAreNoAlarm) {
  constexpr double days = 2;
  for (const auto& [name, kind] : all_kinds) {
    Rig rig(kind);
    int alarms = 0;
    double least = 1;
    std::string words;
    for (long i = std::lround(days * 86400 / tick_s); i > 0; --i) {
      if (rig.step() == Health::Change::degraded) {
        ++alarms;
        words = rig.health.words();
      }
      least = std::min(least, rig.health.factor());
    }
    std::cout << "[ FIGURE   ] health: " << name << ": " << alarms << " false alarms in " << days << " days " << words
              << "\n";
    EXPECT_LE(alarms, 1) << name << ": " << words;
  }
}

struct Harm {
  const char* name;
  std::function<void(Seen&)> harm;
  double within_s;  ///< on every kind of path that shows it
};
const std::vector<Harm> all_harms = {
    {"rate x 0.5", [](Seen& seen) { seen.rate *= 0.5; }, 12},
    {"rate x 0.25", [](Seen& seen) { seen.rate *= 0.25; }, 5},
    {"rate x 0.05", [](Seen& seen) { seen.rate *= 0.05; }, 4},
    {"loss + 2 %", [](Seen& seen) { seen.loss += 0.02; }, 8},
    {"loss + 10 %, rate x 0.5", [](Seen& seen) { seen.loss += 0.1, seen.rate *= 0.5; }, 4},
    {"RTT and ack x 3, rate x 0.7", [](Seen& seen) { seen.rtt_s *= 3, seen.ack_s *= 3, seen.rate *= 0.7; }, 15},
    {"RTT x 8", [](Seen& seen) { seen.rtt_s *= 8; }, 15},
};

TEST(Health, HarmIsNoticed) {
  for (const auto& [what, harm, within_s] : all_harms) {
    std::string figures;
    for (const auto& [name, kind] : all_kinds) {
      if (std::string(name) == "pausing") continue;  // half of the time there is nothing to see
      double sum = 0;
      double worst = 0;
      double recovered = 0;
      constexpr int seeds = 20;
      for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        Rig rig(kind, 100 + seed);
        rig.run(120 + static_cast<double>(seed));
        ASSERT_FALSE(rig.health.degraded()) << name << ": " << rig.health.words();
        const double delay = rig.until(Health::Change::degraded, 60, harm);
        sum += delay / seeds;
        worst = std::max(worst, delay);
        EXPECT_FALSE(rig.health.words().empty());
        rig.run(5, harm);
        recovered = std::max(recovered, rig.until(Health::Change::recovered, 120));
        EXPECT_FALSE(rig.health.degraded());
      }
      EXPECT_LE(worst, within_s) << what << " on " << name;
      EXPECT_LE(recovered, 30) << what << " on " << name;
      figures += std::string(" ") + name + " " + std::to_string(sum).substr(0, 4) + " (" +
                 std::to_string(worst).substr(0, 4) + ")";
    }
    std::cout << "[ FIGURE   ] health: " << what << " noticed after s, mean (worst):" << figures << "\n";
  }
}

TEST(Health, AQueueThatFillsIsNoFault) {
  Rig rig(steady);
  rig.run(60);
  EXPECT_EQ(rig.until(Health::Change::degraded, 600, [](Seen& seen) { seen.rtt_s *= 3, seen.ack_s *= 1.5; }), 600);
}

TEST(Health, TheEvidenceInWords) {
  Rig rig([](double, Noise&) { return Seen{.rate = 940e6 / 8}; });
  rig.run(60);
  EXPECT_EQ(rig.health.factor(), 1);
  const auto harm = [](Seen& seen) { seen.rate *= 0.3, seen.loss = 0.023; };
  EXPECT_LT(rig.until(Health::Change::degraded, 10, harm), 3);
  EXPECT_NE(rig.health.words().find("rate 9"), std::string::npos) << rig.health.words();
  EXPECT_NE(rig.health.words().find("retransmits 0 % -> "), std::string::npos) << rig.health.words();
  EXPECT_NE(rig.health.words().find(", within "), std::string::npos) << rig.health.words();
  EXPECT_LE(rig.health.factor(), 0.7);
  EXPECT_GE(rig.health.factor(), 0.1);
  EXPECT_LT(rig.until(Health::Change::recovered, 60), 20);
  EXPECT_TRUE(rig.health.words().starts_with("as before after ")) << rig.health.words();
  rig.run(60);
  EXPECT_GT(rig.health.factor(), 0.99);
}

/// A line that is half as fast from now on: trust returns, and it is the usual thing after two minutes.
TEST(Health, ANewLevelSettles) {
  Rig rig(steady);
  rig.run(120);
  const auto harm = [](Seen& seen) { seen.rate *= 0.4; };
  EXPECT_LT(rig.until(Health::Change::degraded, 60, harm), 10);
  rig.run(60, harm);
  EXPECT_TRUE(rig.health.degraded());
  EXPECT_GT(rig.health.factor(), 0.9);
  EXPECT_LT(rig.until(Health::Change::recovered, 600, harm), 120);
  EXPECT_TRUE(rig.health.words().starts_with("settled for ")) << rig.health.words();
  EXPECT_EQ(rig.until(Health::Change::degraded, 600, harm), 600);
  EXPECT_LT(rig.until(Health::Change::degraded, 60, [](Seen& seen) { seen.rate *= 0.15; }), 10);
}

/// It gets slower and slower: said before a tenth is left.
TEST(Health, ASlowDeathIsSeenComing) {
  Rig rig(sawtooth);
  rig.run(120);
  double left = 1;
  const double s = rig.until(Health::Change::degraded, 600, [&](Seen& seen) { seen.rate *= (left *= 0.995); });
  std::cout << "[ FIGURE   ] health: 5 % slower each second: noticed after " << s << " s with " << left * 100
            << " % left\n";
  EXPECT_GT(left, 0.3);
}

TEST(Health, OtherRatesThatAreNoFault) {
  Rig rig(steady);
  rig.run(60);
  rig.health.expect_new_rate();  // a cap
  EXPECT_EQ(rig.until(Health::Change::degraded, 120, [](Seen& seen) { seen.rate *= 0.2; }), 120);
  const auto no_work = [](Seen& seen) { seen.rate *= 0.01, seen.busy = false, seen.ack_s = 0; };
  EXPECT_EQ(rig.until(Health::Change::degraded, 120, no_work), 120);
  rig.now += 3600 * second;  // nobody measured
  EXPECT_EQ(rig.until(Health::Change::degraded, 120, no_work), 120);
}

/// Nothing can be measured while it is degraded: it is not distrusted for ever.
TEST(Health, WithoutMeasuresTrustReturns) {
  Rig rig(steady);
  rig.run(60);
  rig.until(Health::Change::degraded, 60, [](Seen& seen) { seen.rate *= 0.1; });
  EXPECT_LT(rig.health.factor(), 0.8);
  rig.run(60, [](Seen& seen) { seen = {.rtt_s = 0, .rate = 0, .ack_s = 0, .busy = false}; });
  EXPECT_GT(rig.health.factor(), 0.99);
}

TEST(Health, CostOfASample) {
  Rig rig(leo);
  const auto begin = std::chrono::steady_clock::now();
  constexpr int calls = 1'000'000;
  int alarms = 0;
  for (int i = 0; i < calls; ++i) {
    const auto change = rig.health.feed(
        {.now = i * tick, .rtt_s = 0.05, .rate = 1e8, .busy = true, .sent_bytes = 10'000'000, .ack_s = 0.1});
    if (change != Health::Change::none) ++alarms;
  }
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
  std::cout << "[ FIGURE   ] health: " << took.count() / calls << " ns per sample\n";
  EXPECT_EQ(alarms, 0);
}

}  // namespace
}  // namespace longhaul::paths
