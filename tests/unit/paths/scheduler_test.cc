#include "paths/scheduler.h"

#include <gtest/gtest.h>

#include <deque>
#include <vector>

namespace longhaul::paths {
namespace {

constexpr std::uint64_t chunk = 8 * 1024 * 1024;
constexpr std::uint64_t much = 1ULL << 50;

TEST(Scheduler, NoStreamNoChoice) {
  Scheduler scheduler;
  EXPECT_FALSE(scheduler.choose(chunk, much));
  scheduler.add(1, 0);
  EXPECT_EQ(scheduler.choose(chunk, much), 1U);
  scheduler.remove(1);
  EXPECT_FALSE(scheduler.choose(chunk, much));
  scheduler.answered(1, chunk, 5);  // of a stream that is gone
  EXPECT_EQ(scheduler.bytes_in_flight(), 0U);
}

TEST(Scheduler, AnUnknownStreamGetsTwoChunks) {
  Scheduler scheduler;
  scheduler.add(1, 0);
  scheduler.assigned(1, chunk, 0);
  EXPECT_EQ(scheduler.choose(chunk, much), 1U);
  scheduler.assigned(1, chunk, 0);
  EXPECT_FALSE(scheduler.choose(chunk, much));
  EXPECT_EQ(scheduler.bytes_in_flight(), 2 * chunk);
  scheduler.answered(1, chunk, second);
  EXPECT_EQ(scheduler.choose(chunk, much), 1U);
  EXPECT_NEAR(scheduler.rate(1), static_cast<double>(chunk), 1.0);
}

TEST(Scheduler, NewStreamsAreTriedFirst) {
  Scheduler scheduler;
  scheduler.add(1, 0);
  scheduler.assigned(1, chunk, 0);
  scheduler.answered(1, chunk, 100 * millisecond);
  scheduler.add(2, 0);
  EXPECT_EQ(scheduler.choose(chunk, much), 2U);
}

/// Streams of given rates carry `chunks` chunks; returns how many each got and the time it took.
struct Played {
  std::vector<unsigned> chunks;
  Time took = 0;
};
Played play(const std::vector<double>& rates, unsigned count) {
  Scheduler scheduler;
  std::vector<std::deque<Time>> arrivals(rates.size());
  std::vector<Time> free_at(rates.size(), 0);
  Played played{std::vector<unsigned>(rates.size(), 0), 0};
  for (std::uint32_t id = 0; id < rates.size(); ++id) scheduler.add(id, 0);
  Time now = 0;
  unsigned left = count;
  for (unsigned arrived = 0; arrived < count;) {
    while (left > 0) {
      const auto id = scheduler.choose(chunk, left * chunk);
      if (!id) break;
      --left;
      ++played.chunks[*id];
      scheduler.assigned(*id, chunk, now);
      free_at[*id] = std::max(free_at[*id], now) +
                     static_cast<Time>(static_cast<double>(chunk) / rates[*id] * static_cast<double>(second));
      arrivals[*id].push_back(free_at[*id]);
    }
    std::size_t next = rates.size();
    for (std::size_t id = 0; id < rates.size(); ++id)
      if (!arrivals[id].empty() && (next == rates.size() || arrivals[id].front() < arrivals[next].front())) next = id;
    if (next == rates.size()) return played;  // nothing is on its way and nobody wants the rest: the caller sees it
    now = arrivals[next].front();
    arrivals[next].pop_front();
    scheduler.answered(static_cast<std::uint32_t>(next), chunk, now);
    ++arrived;
  }
  played.took = now;
  return played;
}

TEST(Scheduler, SharesByRate) {
  const Played played = play({1e9, 250e6}, 1000);
  EXPECT_EQ(played.chunks[0] + played.chunks[1], 1000U);
  EXPECT_NEAR(played.chunks[0], 800, 40);
  const double ideal_s = 1000.0 * static_cast<double>(chunk) / 1.25e9;
  EXPECT_LT(static_cast<double>(played.took) / second, ideal_s * 1.05);
}

TEST(Scheduler, ACrawlingStreamDoesNotHoldTheEnd) {
  const Played played = play({1e9, 1e6}, 100);
  EXPECT_EQ(played.chunks[0] + played.chunks[1], 100U);
  // Its first chunks are on it before anything is known of it; afterwards it gets no more than it can carry in time.
  EXPECT_LE(played.chunks[1], 2U);
}

TEST(Scheduler, ALonelyStreamCarriesEverything) {
  EXPECT_EQ(play({1e6}, 20).chunks[0], 20U);
}

TEST(Scheduler, ChunksInFlightAreBounded) {
  Scheduler scheduler;
  scheduler.add(1, 0);
  for (int i = 0; i < 100; ++i) {  // small chunks, answered fast: a high rate
    scheduler.assigned(1, 1000, i * 1000);
    scheduler.answered(1, 1000, i * 1000 + 10);
  }
  unsigned assigned = 0;
  while (scheduler.choose(1, much) && assigned < 1000) {
    scheduler.assigned(1, 1, second);
    ++assigned;
  }
  EXPECT_EQ(assigned, 64U);
}

}  // namespace
}  // namespace longhaul::paths
