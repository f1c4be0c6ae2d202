// The scheduler alone: what a decision costs, and how much of the paths it fills where they are long.
#include "paths/scheduler.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <vector>

#include "made_up.h"

namespace longhaul::sim {
namespace {

struct Cost {
  double ns = 0;
  std::uint64_t decisions = 0;
};

/// Decisions in a steady state: every answered chunk makes room for one more. One decision is choose, assigned,
/// answered.
Cost cost_of_a_decision(std::uint32_t streams, std::uint64_t decisions) {
  constexpr std::uint64_t chunk = 64 * mib;
  constexpr std::uint64_t endless = ~std::uint64_t{0} / 4;
  paths::Scheduler scheduler;
  struct Flying {
    std::uint32_t stream;
    paths::Load load;
  };
  std::vector<Flying> in_flight;  // the next that is answered
  Time now = second;
  for (std::uint32_t stream = 1; stream <= streams; ++stream) scheduler.add(stream, stream % 8, now);
  const Time step = 10 * millisecond / std::max(streams, 1U);
  const auto assign_all = [&] {
    while (const auto stream = scheduler.choose(chunk, endless)) {
      in_flight.push_back({*stream, {1, in_flight.size(), 0, chunk}});
      scheduler.assigned(*stream, in_flight.back().load, now);
    }
  };
  assign_all();
  for (std::uint64_t i = 0; i < std::uint64_t{streams} * 256; ++i) {  // until rates are known
    now += step;
    scheduler.answered(in_flight[i].stream, in_flight[i].load, now);
    assign_all();
  }
  std::size_t first = std::size_t{streams} * 256;
  in_flight.reserve(in_flight.size() + decisions);
  Cost cost{.ns = 0, .decisions = 0};
  const double begun = cpu_seconds();
  while (cost.decisions < decisions && first < in_flight.size()) {
    now += step;
    scheduler.answered(in_flight[first].stream, in_flight[first].load, now);
    ++first;
    while (const auto stream = scheduler.choose(chunk, endless)) {
      in_flight.push_back({*stream, {1, in_flight.size(), 0, chunk}});
      scheduler.assigned(*stream, in_flight.back().load, now);
      ++cost.decisions;
    }
  }
  cost.ns = (cpu_seconds() - begun) * 1e9 / static_cast<double>(cost.decisions);
  return cost;
}

/// Its figures are for people: the machine may be busy. That it looks at each stream a few times and no more is
/// checked.
TEST(SchedulerAtScale, ADecisionIsCheap) {
  constexpr double linear = 4 * 2.5;  // 4 times as many streams, and noise
  std::map<std::uint32_t, double> ns;
  for (const std::uint32_t streams : {1U, 8U, 64U, 256U}) {
    const Cost cost = cost_of_a_decision(streams, scale_full ? 500'000 : 100'000);
    std::cout << fmt::format("{:>4} streams: {:.0f} ns a decision, {:.0f} decisions a second\n", streams, cost.ns,
                             1e9 / cost.ns);
    EXPECT_GE(cost.decisions, 100'000U);
    ns[streams] = cost.ns;
  }
  EXPECT_LE(ns[256], linear * ns[64]);
}

/// 8 equal paths of that RTT: figures for whoever works on the scheduler. What must hold is in sender_test.cc.
TEST(SchedulerAtScale, LongPathsInFigures) {
  std::cout << "share of what 8 x 400 Gb/s could carry, 4 TB in all:\n  RTT ms  streams  8 MiB  64 MiB  512 MiB\n";
  const std::vector<Time> rtts =
      scale_full ? std::vector<Time>{1, 20, 50, 80, 100, 150, 200, 240, 300, 600} : std::vector<Time>{1, 100, 300};
  for (const Time rtt : rtts) {
    for (const unsigned streams : {4U, 8U}) {
      std::string row = fmt::format("  {:>6}  {:>7}", rtt, streams);
      for (const std::uint64_t chunk : {8 * mib, 64 * mib, 512 * mib}) {
        if (!scale_full && chunk == 8 * mib) {
          row += "      -";
          continue;
        }
        const std::vector<PathModel> paths(8, {.bytes_per_s = 50e9, .rtt = rtt * millisecond, .streams = streams});
        const Outcome outcome = MadeUpTransfer({.name = "long paths",
                                                .files = 4,
                                                .file_bytes = 1'000'000'000'000,
                                                .chunk_bytes = chunk,
                                                .paths = paths,
                                                .faults = {}})
                                    .run();
        row += fmt::format("  {:>5.1f}", 100 * outcome.efficiency);
      }
      std::cout << row << '\n' << std::flush;
    }
  }
}

}  // namespace
}  // namespace longhaul::sim
