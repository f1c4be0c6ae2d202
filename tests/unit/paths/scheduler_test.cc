#include "paths/scheduler.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <optional>
#include <vector>

namespace longhaul::paths {
namespace {

constexpr std::uint64_t chunk = 8 * 1024 * 1024;
constexpr std::uint64_t much = 1ULL << 50;

Load load(std::uint64_t number, std::uint64_t bytes = chunk) {
  return {.file = 0, .chunk = number, .attempt = 0, .bytes = bytes};
}

TEST(Scheduler, NoStreamNoChoice) {
  Scheduler scheduler;
  EXPECT_FALSE(scheduler.choose(chunk, much));
  scheduler.add(1, 0, 0);
  EXPECT_EQ(scheduler.choose(chunk, much), 1U);
  scheduler.remove(1);
  EXPECT_FALSE(scheduler.choose(chunk, much));
  EXPECT_FALSE(scheduler.answered(1, load(0), 5)) << "of a stream that is gone";
  EXPECT_EQ(scheduler.bytes_in_flight(), 0U);
}

TEST(Scheduler, AnUnknownStreamGetsTwoChunks) {
  Scheduler scheduler;
  scheduler.add(1, 0, 0);
  scheduler.assigned(1, load(0), 0);
  EXPECT_EQ(scheduler.choose(chunk, much), 1U);
  scheduler.assigned(1, load(1), 0);
  EXPECT_FALSE(scheduler.choose(chunk, much));
  EXPECT_EQ(scheduler.bytes_in_flight(), 2 * chunk);
  EXPECT_TRUE(scheduler.answered(1, load(0), second));
  EXPECT_FALSE(scheduler.answered(1, load(0), second)) << "twice";
  EXPECT_EQ(scheduler.choose(chunk, much), 1U);
  EXPECT_NEAR(scheduler.rate(1), static_cast<double>(chunk), 1.0);
}

TEST(Scheduler, NewStreamsAreTriedFirst) {
  Scheduler scheduler;
  scheduler.add(1, 0, 0);
  scheduler.assigned(1, load(0), 0);
  scheduler.answered(1, load(0), 100 * millisecond);
  scheduler.add(2, 0, 0);
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
  std::vector<std::uint64_t> answered(rates.size(), 0);
  Played played{std::vector<unsigned>(rates.size(), 0), 0};
  for (std::uint32_t id = 0; id < rates.size(); ++id) scheduler.add(id + 1, id, 0);
  Time now = 0;
  unsigned left = count;
  for (unsigned arrived = 0; arrived < count;) {
    while (left > 0) {
      const auto stream = scheduler.choose(chunk, left * chunk);
      if (!stream) break;
      --left;
      const std::size_t id = *stream - 1;
      scheduler.assigned(*stream, load(played.chunks[id]++), now);
      free_at[id] = std::max(free_at[id], now) +
                    static_cast<Time>(static_cast<double>(chunk) / rates[id] * static_cast<double>(second));
      arrivals[id].push_back(free_at[id]);
    }
    std::size_t next = rates.size();
    for (std::size_t id = 0; id < rates.size(); ++id)
      if (!arrivals[id].empty() && (next == rates.size() || arrivals[id].front() < arrivals[next].front())) next = id;
    if (next == rates.size()) return played;  // nothing is on its way and nobody wants the rest: the caller sees it
    now = arrivals[next].front();
    arrivals[next].pop_front();
    scheduler.answered(static_cast<std::uint32_t>(next) + 1, load(answered[next]++), now);
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
  scheduler.add(1, 0, 0);
  for (std::uint64_t i = 0; i < 100; ++i) {  // small chunks, answered fast: a high rate
    scheduler.assigned(1, load(i, 1000), static_cast<Time>(i) * 1000);
    scheduler.answered(1, load(i, 1000), static_cast<Time>(i) * 1000 + 10);
  }
  unsigned assigned = 0;
  while (scheduler.choose(1, much) && assigned < 1000) scheduler.assigned(1, load(assigned++, 1), second);
  EXPECT_EQ(assigned, 64U);
}

TEST(Scheduler, ManyHolesAreAheadAndNoMoreOfAnythingElse) {
  constexpr std::uint64_t hole = 160;
  Scheduler scheduler;
  scheduler.add(1, 0, 0);
  scheduler.sampled(1, {.at = 1, .rtt = 100 * millisecond});
  auto give = [&, next = std::uint64_t{0}](std::uint64_t bytes, unsigned most) mutable {
    unsigned given = 0;
    for (; given < most && scheduler.choose(chunk, much); ++given)
      scheduler.assigned(1, {.chunk = next++, .bytes = bytes, .hole = bytes == hole}, 0);
    return given;
  };
  EXPECT_EQ(give(hole, 1000), 512U);
  scheduler.forget_file(0);
  EXPECT_EQ(give(hole, 100), 100U);
  EXPECT_EQ(give(chunk, 100), 1U) << "as far ahead as there is of a chunk that weighs something";
  EXPECT_EQ(give(hole, 100), 0U);
  scheduler.forget_file(0);
  EXPECT_EQ(give(chunk, 1), 1U);
  EXPECT_EQ(give(hole, 100), 1U);
}

TEST(Scheduler, TheLastChunkFindsAStream) {
  Scheduler scheduler;  // four equal ones, all idle: together they would be faster, but a chunk is one piece
  for (StreamId id = 1; id <= 4; ++id) {
    scheduler.add(id, 0, 0);
    scheduler.assigned(id, load(id), 0);
    scheduler.answered(id, load(id), second);
  }
  EXPECT_TRUE(scheduler.choose(chunk, chunk));
  EXPECT_TRUE(scheduler.choose(chunk, chunk / 8)) << "what is left is less than a chunk";
}

TEST(Scheduler, MoneyForThreeChunksBuysThree) {
  Scheduler scheduler;
  scheduler.add(1, 0, 0);
  scheduler.add(2, 0, 0);
  scheduler.add(3, 1, 0);
  const auto fill = [&](std::uint64_t first) {
    std::uint64_t number = first;
    for (; const auto stream = scheduler.choose(chunk, much, 3); ++number) scheduler.assigned(*stream, load(number), 0);
    return number - first;
  };
  scheduler.allow(0, 3.5 * chunk);
  EXPECT_EQ(fill(1), 3U);
  scheduler.allow(0, 3.9 * chunk);  // what waits there counts
  EXPECT_EQ(fill(10), 0U);
  for (const StreamId stream : {1U, 2U})
    for (const Load& each : scheduler.loads(stream)) scheduler.answered(stream, each, second);
  EXPECT_EQ(fill(20), 1U) << "the rest buys one more, and not two";
  scheduler.allow(0, 0);
  for (const StreamId stream : {1U, 2U})
    for (const Load& each : scheduler.loads(stream)) scheduler.answered(stream, each, second);
  EXPECT_EQ(fill(30), 0U);
  scheduler.allow(0, std::nullopt);
  EXPECT_EQ(fill(40), 4U);
}

TEST(Scheduler, APreferredPathCountsAsFaster) {
  Scheduler scheduler;
  for (StreamId id = 1; id <= 2; ++id) {
    scheduler.add(id, id - 1, 0);
    scheduler.assigned(id, load(id), 0);
    scheduler.answered(id, load(id), id * second);  // the second one is half as fast
  }
  EXPECT_EQ(scheduler.choose(chunk, much), 1U);
  scheduler.set_path(1, {.weight = 3});
  EXPECT_EQ(scheduler.choose(chunk, much), 2U);
}

TEST(Scheduler, ASpareRestsWhileAnotherPathIsUp) {
  Scheduler scheduler;
  scheduler.set_path(1, {.spare = true});
  scheduler.add(1, 0, 0);
  scheduler.add(2, 1, 0);
  for (std::uint64_t i = 0; i < 2; ++i) {
    EXPECT_EQ(scheduler.choose(chunk, much), 1U);
    scheduler.assigned(1, load(i), 0);
  }
  EXPECT_FALSE(scheduler.choose(chunk, much));
  scheduler.remove(1);
  EXPECT_EQ(scheduler.choose(chunk, much), 2U);
}

/// Streams whose kernel tells what is acknowledged: sampled every 25 ms, each at a rate that the test may change.
class Sampled : public ::testing::Test {
 protected:
  struct Line {
    double bytes_per_s = 0;
    double acked = 0;
    std::uint64_t next = 0;      // chunk number to be given
    std::uint64_t answered = 0;  // chunks
    double handed = 0;           // beyond what is acknowledged
    bool held = false;           // the peer's window is full: nothing is on the wire
    bool rests = false;          // nothing goes out
    Time held_for = 0;
  };
  void add(StreamId id, double rate) {
    lines_[id].bytes_per_s = rate;
    scheduler_.add(id, id, now_);
    sample(id);
  }
  void sample(StreamId id) {
    Line& line = lines_[id];
    const bool full = !scheduler_.loads(id).empty();
    scheduler_.sampled(id, {.at = now_,
                            .rtt = rtt_,
                            .acked_bytes = static_cast<std::uint64_t>(line.acked),
                            .waiting = full && !line.held && !line.rests,
                            .handed_bytes = static_cast<std::uint64_t>(line.handed),
                            .held = line.held_for});
  }
  void fill() {
    while (remaining_ > 0) {
      const auto id = scheduler_.choose(chunk, remaining_);
      if (!id) return;
      Line& line = lines_[*id];
      scheduler_.assigned(*id, {*id, line.next++, 0, chunk}, now_);
      remaining_ -= std::min(remaining_, chunk);
    }
  }
  void run(Time time) {
    for (const Time end = now_ + time; now_ < end;) {
      fill();
      now_ += 25 * millisecond;
      for (auto& [id, line] : lines_) {
        const auto given = static_cast<double>(line.next * chunk);
        if (!line.held && !line.rests) line.acked = std::min(given, line.acked + line.bytes_per_s * 0.025);
        if (line.held) line.held_for += 25 * millisecond;
        sample(id);
        while (static_cast<double>((line.answered + 1) * chunk) <= line.acked)
          scheduler_.answered(id, {id, line.answered++, 0, chunk}, now_);
      }
    }
  }

  Scheduler scheduler_;
  std::map<StreamId, Line> lines_;
  Time now_ = second;
  Time rtt_ = 20 * millisecond;
  std::uint64_t remaining_ = much;
};

TEST_F(Sampled, RatesAreThoseOfTheKernel) {
  add(1, 100e6);
  add(2, 25e6);
  run(5 * second);
  EXPECT_NEAR(scheduler_.rate(1), 100e6, 3e6);
  EXPECT_NEAR(scheduler_.rate(2), 25e6, 1e6);
  EXPECT_TRUE(scheduler_.newly_stalled().empty());
  EXPECT_FALSE(scheduler_.late(false, now_)) << "a slow path that is as slow as it always was";
}

TEST_F(Sampled, ASilentStreamIsStalledInTime) {
  add(1, 100e6);
  add(2, 100e6);
  run(2 * second);
  lines_[1].bytes_per_s = 0;
  run(175 * millisecond);
  EXPECT_TRUE(scheduler_.newly_stalled().empty());
  run(75 * millisecond);
  EXPECT_EQ(scheduler_.newly_stalled(), std::vector<StreamId>{1});
  EXPECT_TRUE(scheduler_.newly_stalled().empty()) << "told twice";
  EXPECT_EQ(scheduler_.choose(chunk, much).value_or(2), 2U);
  EXPECT_TRUE(scheduler_.hopeless().empty());
  run(3 * second);
  EXPECT_EQ(scheduler_.hopeless(), std::vector<StreamId>{1});
  lines_[1].bytes_per_s = 100e6;
  run(25 * millisecond);
  EXPECT_TRUE(scheduler_.hopeless().empty()) << "it is alive again";
  run(100 * millisecond);
  EXPECT_FALSE(scheduler_.loads(1).empty());
}

TEST_F(Sampled, ALongWayHasLongerSilences) {
  rtt_ = 600 * millisecond;
  add(1, 10e6);
  add(2, 10e6);
  run(2 * second);
  lines_[1].bytes_per_s = 0;
  run(2300 * millisecond);
  EXPECT_TRUE(scheduler_.newly_stalled().empty());
  run(200 * millisecond);
  EXPECT_EQ(scheduler_.newly_stalled(), std::vector<StreamId>{1});
}

TEST_F(Sampled, AFullPeerIsNoFault) {
  add(1, 100e6);
  add(2, 100e6);
  run(2 * second);
  for (auto& [id, line] : lines_) line.held = true;
  run(10 * second);
  EXPECT_TRUE(scheduler_.newly_stalled().empty());
  EXPECT_TRUE(scheduler_.hopeless().empty());
  EXPECT_FALSE(scheduler_.late(false, now_));
  EXPECT_NEAR(scheduler_.rate(1), 100e6, 3e6) << "time in which the peer would not take more says nothing";
}

TEST_F(Sampled, WithoutAnotherNobodyTakesOver) {
  add(1, 100e6);
  run(second);
  lines_[1].bytes_per_s = 0;
  run(second);
  EXPECT_TRUE(scheduler_.newly_stalled().empty());
  add(2, 100e6);
  EXPECT_EQ(scheduler_.newly_stalled(), std::vector<StreamId>{1});
}

TEST_F(Sampled, WhatCrawlsGoesOutElsewhere) {
  add(1, 100e6);
  add(2, 100e6);
  run(3 * second);
  EXPECT_FALSE(scheduler_.late(false, now_));
  lines_[1].bytes_per_s = 1e6;  // alive, at 1 %
  std::optional<Late> late;
  const Time since = now_;
  while (!late && now_ - since < 10 * second) {
    run(25 * millisecond);
    late = scheduler_.late(false, now_);
  }
  ASSERT_TRUE(late);
  EXPECT_EQ(late->stream, 1U);
  EXPECT_LT(now_ - since, 2 * second);
  const auto next = scheduler_.late(false, now_);
  EXPECT_TRUE(!next || !next->load.same_copy(late->load)) << "the same twice";
}

TEST_F(Sampled, WhatIsCalledBackTakesNothingFromWhatIsAcknowledged) {
  add(1, 10e6);
  add(2, 9e6);
  for (const StreamId id : {1U, 2U, 1U}) scheduler_.assigned(id, {id, lines_[id].next++, 0, chunk}, now_);
  remaining_ = 0;
  run(400 * millisecond);
  EXPECT_EQ(scheduler_.dropped(1, {1, 1, 0, 0}), chunk);
  EXPECT_EQ(scheduler_.dropped(1, {1, 1, 0, 0}), 0U) << "twice";
  EXPECT_EQ(scheduler_.dropped(7, {1, 1, 0, 0}), 0U) << "of a stream that is not there";
  EXPECT_EQ(scheduler_.bytes_in_flight(), 2 * chunk);
  EXPECT_EQ(scheduler_.choose(chunk, much), 1U) << "what it has is half sent";
}

TEST_F(Sampled, WhatIsDroppedWasNotCarried) {
  scheduler_.add(1, 1, now_);  // whose kernel tells nothing
  scheduler_.assigned(1, load(0), now_);
  scheduler_.dropped(1, load(0));
  EXPECT_EQ(scheduler_.rate(1), 0);
}

TEST_F(Sampled, ARestSaysNothingOfAStream) {
  add(1, 10e6);
  add(2, 40e6);
  run(3 * second);
  const double before = scheduler_.rate(1);
  scheduler_.rest(true);
  lines_[1].rests = lines_[2].rests = true;
  remaining_ = 0;
  run(60 * second);
  EXPECT_EQ(scheduler_.rate(1), before);
  scheduler_.rest(false);
  lines_[1].rests = lines_[2].rests = false;
  run(100 * millisecond);
  EXPECT_NEAR(scheduler_.rate(1), before, before / 20);
}

class Tail : public Sampled {
 protected:
  /// Stream 1 has carried all it had, and there is nothing more to give; stream 2 is at it still.
  void begin(double rate) {
    add(1, 200e6);
    add(2, rate);
    run(3 * second);
    remaining_ = 0;
    while (!scheduler_.loads(1).empty()) run(25 * millisecond);
    ASSERT_FALSE(scheduler_.loads(2).empty());
  }
};

TEST_F(Tail, WhatHasNotBegunIsCalledBack) {
  begin(20e6);
  ASSERT_GE(scheduler_.loads(2).size(), 2U);
  const auto late = scheduler_.late(true, now_);
  ASSERT_TRUE(late);
  EXPECT_EQ(late->stream, 2U);
  EXPECT_FALSE(late->begun);
  EXPECT_EQ(late->load.chunk, scheduler_.loads(2).back().chunk) << "the one that would come last";
}

TEST_F(Tail, AtRestNothingGoesElsewhere) {
  begin(20e6);
  scheduler_.rest(true);
  EXPECT_FALSE(scheduler_.late(true, now_));
  lines_[2].bytes_per_s = 0;
  run(2 * second);
  EXPECT_TRUE(scheduler_.newly_stalled().empty());
  scheduler_.rest(false);
  EXPECT_EQ(scheduler_.newly_stalled(), std::vector<StreamId>{2}) << "it is still so";
}

TEST_F(Tail, WhatIsCalledBackAndStaysHasBegun) {
  begin(2e6);
  const auto late = scheduler_.late(true, now_);
  ASSERT_TRUE(late);
  EXPECT_FALSE(late->begun);
  const auto again = scheduler_.late(true, now_);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->begun);
  EXPECT_TRUE(again->load.same_copy(late->load));
  const auto next = scheduler_.late(true, now_);
  EXPECT_TRUE(!next || !next->load.same_copy(late->load)) << "a third time";
}

TEST_F(Tail, WhatTheKernelHasIsNotCalledBack) {
  begin(2e6);
  lines_[2].handed = 100e6;
  run(25 * millisecond);
  const auto late = scheduler_.late(true, now_);
  ASSERT_TRUE(late);
  EXPECT_TRUE(late->begun);
}

TEST_F(Tail, WhoseCopyIsGoneIsMovedAgain) {
  begin(2e6);
  lines_[2].handed = 100e6;
  run(25 * millisecond);
  const auto late = scheduler_.late(true, now_);
  ASSERT_TRUE(late && late->begun);
  while (const auto next = scheduler_.late(true, now_)) ASSERT_FALSE(next->load.same_copy(late->load));
  scheduler_.alone(2, late->load);
  const auto again = scheduler_.late(true, now_);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->load.same_copy(late->load));
}

/// It took over: as fast as the other one was when it was given the load, for all that is known.
TEST_F(Tail, WhatHasBegunTriesAStreamThatJoinsOnceItsOwnHasCollapsed) {
  add(1, 20e6);
  run(3 * second);
  remaining_ = 0;
  while (scheduler_.loads(1).size() > 1) run(25 * millisecond);
  add(2, 20e6);
  EXPECT_FALSE(scheduler_.late(true, now_)) << "it carries what was expected of it";
  lines_[1].bytes_per_s = 1e3;
  std::optional<Late> late;
  for (int i = 0; i < 400 && !late; ++i) {
    run(25 * millisecond);
    late = scheduler_.late(true, now_);
  }
  ASSERT_TRUE(late);
  EXPECT_TRUE(late->begun);
  EXPECT_EQ(late->stream, 1U);
  EXPECT_EQ(scheduler_.choose(chunk, chunk, 1), 2U);
}

/// A path that joins when everything is given out: nothing is known of it, and it has nothing to do.
TEST_F(Sampled, WhatHasNotBegunTriesAStreamThatJoins) {
  add(1, 2e6);
  remaining_ = 2 * chunk;
  run(second);
  ASSERT_EQ(scheduler_.loads(1).size(), 2U);
  EXPECT_FALSE(scheduler_.late(true, now_)) << "there is no other yet";
  add(2, 2e6);
  const auto late = scheduler_.late(true, now_);
  ASSERT_TRUE(late);
  EXPECT_EQ(late->stream, 1U);
  EXPECT_FALSE(late->begun);
  EXPECT_EQ(scheduler_.choose(chunk, chunk), 2U) << "where what was called back goes";
  scheduler_.answered(1, late->load, now_);
  scheduler_.assigned(2, late->load, now_);
  EXPECT_FALSE(scheduler_.late(true, now_)) << "what has begun is not sent twice over what is not known";
}

/// Its last chunk would come a fifth of a second sooner elsewhere: not worth its bytes.
TEST_F(Tail, ASmallGainIsNoReasonToSendTwice) {
  begin(60e6);
  for (auto loads = scheduler_.loads(2); loads.size() > 1; loads = scheduler_.loads(2))
    scheduler_.answered(2, loads.back(), now_);
  EXPECT_FALSE(scheduler_.late(true, now_));
}

/// Two streams of one path often share it unevenly for a while.
TEST_F(Sampled, AStreamAtAThirdOfItsSiblingsRateIsLeftAlone) {
  add(1, 120e6);
  add(2, 40e6);
  for (auto& [id, line] : lines_) line.handed = 100e6;
  for (int i = 0; i < 400; ++i) {
    run(25 * millisecond);
    ASSERT_FALSE(scheduler_.late(false, now_)) << i;
  }
}

/// Fiber beside a satellite: what it was given for takes its time, and that was known.
TEST_F(Sampled, ASlowPathThatCarriesWhatWasExpectedIsLeftAlone) {
  add(1, 60e6);
  add(2, 3e6);
  for (auto& [id, line] : lines_) line.handed = 100e6;
  run(10 * second);
  while (scheduler_.late(false, now_)) {  // first loads were given before anything was known
  }
  for (int i = 0; i < 1200; ++i) {
    run(25 * millisecond);
    ASSERT_FALSE(scheduler_.late(false, now_)) << i;
  }
  lines_[2].bytes_per_s = 0.1e6;
  run(10 * second);
  EXPECT_TRUE(scheduler_.late(false, now_)) << "and now it crawls";
}

/// Half of what it did: while both queues hold as much, it is the other one's turn.
TEST(Scheduler, APathThatGotWorseIsExpectedToCarryLess) {
  Scheduler scheduler;
  for (const StreamId stream : {1U, 2U}) {
    scheduler.add(stream, stream, 0);
    scheduler.assigned(stream, load(0), 0);
    scheduler.answered(stream, load(0), 100 * millisecond);
  }
  EXPECT_EQ(scheduler.choose(chunk, much), 1U);
  scheduler.set_path(1, {.factor = 0.4});
  EXPECT_EQ(scheduler.choose(chunk, much), 2U);
  scheduler.assigned(2, load(1), second);
  EXPECT_EQ(scheduler.choose(chunk, much), 2U) << "the second one is there before the first on the other";
  scheduler.assigned(2, load(2), second);
  EXPECT_EQ(scheduler.choose(chunk, much), 1U);
  scheduler.set_path(1, {});
  scheduler.assigned(1, load(1), second);
  EXPECT_EQ(scheduler.choose(chunk, much), 1U);
}

TEST_F(Sampled, ACopyAvoidsThePathOfTheFirst) {
  add(1, 100e6);
  add(2, 10e6);
  scheduler_.add(3, 1, now_);  // beside stream 1
  EXPECT_EQ(scheduler_.choose(chunk, much, 1), 2U);
  scheduler_.retire(2);
  EXPECT_EQ(scheduler_.choose(chunk, much, 1), 3U) << "another stream of the same path is better than none";
  scheduler_.retire(3);
  EXPECT_FALSE(scheduler_.choose(chunk, much, 1));
  EXPECT_FALSE(scheduler_.open_beside(1));
}

}  // namespace
}  // namespace longhaul::paths
