#include "engine/path_meter.h"

#include <gtest/gtest.h>

#include <vector>

namespace longhaul::engine {
namespace {

constexpr Time tick = 100 * millisecond;

/// A stream whose counters grow evenly.
struct Stream {
  MeteredStream now;
  double bytes_per_s = 1e6;
  double pressed = 1;  // part of the time
  double held = 0;     // by the peer
  double resent = 0;   // of what is sent

  explicit Stream(std::uint32_t id, Time rtt = 20 * millisecond) {
    now.id = id;
    now.health.sample.at = second;
    now.health.sample.rtt = rtt;
  }
  Stream& passes(Time time) {
    StreamHealth& health = now.health;
    const double s = static_cast<double>(time) / static_cast<double>(second);
    health.sample.at += time;
    health.sample.acked_bytes += static_cast<std::uint64_t>(bytes_per_s * s);
    health.sent_bytes += static_cast<std::uint64_t>(bytes_per_s * s);
    health.resent_bytes += static_cast<std::uint64_t>(bytes_per_s * s * resent);
    health.pressed += static_cast<Time>(pressed * static_cast<double>(time));
    health.sample.held += static_cast<Time>(held * static_cast<double>(time));
    return *this;
  }
};

using Streams = std::vector<MeteredStream>;

TEST(PathMeter, AddsUpWhatStreamsDid) {
  PathMeter meter;
  Stream a(1, 20 * millisecond);
  Stream b(2, 40 * millisecond);
  b.resent = 0.1;
  meter.take(Streams{a.now, b.now});
  const auto figures = meter.take(Streams{a.passes(tick).now, b.passes(2 * tick).now});
  EXPECT_NEAR(figures.rate, 2e6, 1);
  EXPECT_NEAR(figures.rtt_s, 0.03, 1e-9);
  EXPECT_NEAR(figures.pressed, 1, 1e-9);
  EXPECT_EQ(figures.sent_bytes, 300'000U);
  EXPECT_EQ(figures.resent_bytes, 20'000U);
  EXPECT_TRUE(health_sample(figures, second).busy);
  ASSERT_EQ(figures.streams.size(), 2U);
  EXPECT_EQ(figures.streams[1].id, 2U);
  EXPECT_NEAR(figures.streams[1].rate, 1e6, 1);
  EXPECT_TRUE(figures.streams[1].busy);
}

TEST(PathMeter, AddsUpSlotsAndWhatWasWaitedForThem) {
  PathMeter meter;
  Stream a(1);
  Stream b(2);
  for (Stream* each : {&a, &b}) each->now.health.slots = each == &a ? 8 : 16;
  a.now.health.rtt_min = 20 * millisecond;
  b.now.health.rtt_min = 18 * millisecond;
  b.now.health.slot_trips = 2;
  meter.take(Streams{a.now, b.now});
  a.passes(tick).now.health.slots_held += tick;
  const auto figures = meter.take(Streams{a.now, b.passes(tick).now});
  EXPECT_NEAR(figures.slots_held, 0.5, 1e-9);
  EXPECT_EQ(figures.slots, 24U);
  EXPECT_EQ(figures.slots_each, 16U);
  EXPECT_EQ(figures.slot_trips, 2U);
  EXPECT_EQ(figures.rtt_min, 18 * millisecond);
}

TEST(PathMeter, WhatANewStreamDidBeforeIsNotCounted) {
  PathMeter meter;
  Stream a(1);
  a.passes(10 * second);
  EXPECT_EQ(meter.take(Streams{a.now}).rate, 0);
  Stream b(2);
  b.passes(10 * second);
  const auto figures = meter.take(Streams{a.passes(tick).now, b.now});
  EXPECT_NEAR(figures.rate, 1e6, 1);
  EXPECT_EQ(figures.sent_bytes, 100'000U);
}

TEST(PathMeter, AStreamWithoutWorkOrWithAFullPeerIsNotBusy) {
  PathMeter meter;
  Stream a(1);
  Stream b(2);
  const auto look = [&] { return health_sample(meter.take(Streams{a.now, b.now}), second); };
  look();
  a.passes(tick);
  EXPECT_FALSE(look().busy) << "the other one did nothing at all";
  a.passes(tick);
  b.passes(tick);
  EXPECT_TRUE(look().busy);
  a.held = b.held = 0.5;
  a.passes(tick);
  b.passes(tick);
  EXPECT_FALSE(look().busy);
  const auto idle = look();
  EXPECT_FALSE(idle.busy);
  EXPECT_EQ(idle.rtt_s, 0);
}

TEST(PathMeter, ACapThatIsReachedHoldsThePathBack) {
  PathMeter meter;
  Stream a(1);
  a.now.pace_bytes_per_s = 1'050'000;
  meter.take(Streams{a.now});
  EXPECT_FALSE(health_sample(meter.take(Streams{a.passes(tick).now}), second).busy);
  a.bytes_per_s = 500'000;
  EXPECT_TRUE(health_sample(meter.take(Streams{a.passes(tick).now}), second).busy);
}

TEST(PathMeter, CountersThatFallCountNothing) {
  PathMeter meter;
  Stream a(1);
  a.passes(second);
  meter.take(Streams{a.now});
  a.now.health.sample.acked_bytes = a.now.health.sent_bytes = 0;
  a.now.health.sample.at += tick;
  const auto figures = meter.take(Streams{a.now});
  EXPECT_EQ(figures.rate, 0);
  EXPECT_EQ(figures.sent_bytes, 0U);
}

}  // namespace
}  // namespace longhaul::engine
