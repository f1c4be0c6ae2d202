#include "sim_fabric.h"

#include <gtest/gtest.h>

#include <array>

namespace longhaul::sim {
namespace {

using wire::fabric::Endpoint;
using wire::fabric::Event;
using wire::fabric::RemoteWrite;

constexpr std::size_t frame_bytes = 3;
using Memory = std::array<std::byte, frame_bytes>;

Memory filled(char with) {
  Memory memory{};
  memory.fill(std::byte(with));
  return memory;
}

/// Two endpoints that have met, on two hosts with 10 ms between them.
struct Rail {
  explicit Rail(std::uint64_t seed) : network(clock, trace, seed), fabric(clock, trace, network, seed) {
    network.set_path("a", "b", {.delay = 10 * millisecond});
    fabric.place.depth = 8;
    fabric.place.memory = {};
    from = *fabric.open({.provider = "sim", .where = "a"});
    to = *fabric.open({.provider = "sim", .where = "b"});
    EXPECT_TRUE(from->meet(to->address()));
    EXPECT_TRUE(to->meet(from->address()));
    key = to->register_memory(slot, true, 5)->key;
  }

  void write(std::uint32_t token) {
    const bool carries = fabric.place.remote_data_bytes > 0;
    const RemoteWrite write{.from = frame,
                            .registration = std::nullopt,
                            .address = 0,
                            .key = key,
                            .token = token,
                            .data = carries ? std::optional<std::uint32_t>(7) : std::nullopt};
    Error why;
    while (from->write(write, why) == Endpoint::Posted::again) {
    }
  }

  std::vector<Event> events_of(Endpoint& endpoint) {
    std::array<Event, 16> events;
    return {events.begin(), events.begin() + static_cast<std::ptrdiff_t>(endpoint.poll(events))};
  }

  SimClock clock;
  Trace trace{clock};
  SimNetwork network;
  SimFabric fabric;
  Memory frame = filled('n');
  Memory slot = filled('o');
  std::uint64_t key = 0;
  std::unique_ptr<Endpoint> from;
  std::unique_ptr<Endpoint> to;
};

TEST(SimFabric, AWriteLandsAndIsToldOnce) {
  bool with_data = false;
  bool without = false;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Rail rail(seed);
    const bool carries = rail.fabric.place.remote_data_bytes > 0;
    rail.write(3);
    EXPECT_TRUE(rail.events_of(*rail.to).empty());
    EXPECT_EQ(rail.slot, filled('o'));
    EXPECT_TRUE(rail.to->may_wait());
    rail.clock.advance(20 * millisecond);
    EXPECT_FALSE(rail.to->may_wait());
    EXPECT_EQ(rail.events_of(*rail.to).size(), carries ? 1U : 0U);
    EXPECT_EQ(rail.slot, rail.frame);
    rail.clock.advance(20 * millisecond);
    const auto told = rail.events_of(*rail.from);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].token, 3U);
    EXPECT_TRUE(rail.events_of(*rail.to).empty());
    (carries ? with_data : without) = true;
  }
  EXPECT_TRUE(with_data && without);
}

TEST(SimFabric, AWriteMayLandLongAfterItsPathIsGone) {
  Rail rail(1);
  rail.write(0);
  rail.network.silence("a", "b");
  rail.clock.advance(60 * second);
  EXPECT_TRUE(rail.events_of(*rail.to).empty());
  // Whoever takes the slot for another frame now is wrong.
  rail.slot = filled('x');
  rail.network.heal("a", "b");
  rail.clock.advance(second);
  (void)rail.events_of(*rail.to);
  EXPECT_EQ(rail.slot, rail.frame);
}

TEST(SimFabric, AFenceIsTheEndOfIt) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Rail rail(seed);
    rail.write(0);
    EXPECT_TRUE(rail.to->close());
    rail.slot = filled('x');
    rail.clock.advance(second);
    (void)rail.events_of(*rail.from);
    EXPECT_EQ(rail.slot, filled('x'));
  }
}

TEST(SimFabric, WhatAPeerWroteIntoIsNobodysBusinessBehindTheFence) {
  Rail rail(1);
  rail.write(0);
  rail.clock.advance(second);
  (void)rail.events_of(*rail.to);
  EXPECT_EQ(rail.slot, rail.frame);
  EXPECT_TRUE(rail.to->close());
  EXPECT_NE(rail.slot, rail.frame);
}

TEST(SimFabric, ASilencedEndWritesForNobody) {
  Rail rail(1);
  EXPECT_FALSE(rail.fabric.silence_one()) << "nobody has written";
  rail.write(0);
  rail.clock.advance(second);
  (void)rail.events_of(*rail.to);
  EXPECT_EQ(rail.slot, rail.frame);
  EXPECT_TRUE(rail.fabric.silence_one());
  EXPECT_FALSE(rail.fabric.silence_one()) << "there is no other";
  rail.slot = filled('x');
  rail.write(1);
  rail.clock.advance(second);
  (void)rail.events_of(*rail.to);
  EXPECT_EQ(rail.slot, filled('x'));
}

TEST(SimFabric, ABrokenEndHearsOfIt) {
  Rail rail(1);
  EXPECT_TRUE(rail.fabric.fail_one());
  std::size_t failed = 0;
  for (Endpoint* each : {rail.from.get(), rail.to.get()})
    for (const Event& event : rail.events_of(*each)) failed += event.kind == Event::Kind::failed ? 1 : 0;
  EXPECT_EQ(failed, 1U);
}

TEST(SimFabricDeathTest, AWriteThatWasNotGrantedIsABug) {
  Rail rail(1);
  rail.key += 1;
  rail.write(0);
  rail.clock.advance(second);
  EXPECT_DEATH((void)rail.events_of(*rail.to), "where it was told to");
}

}  // namespace
}  // namespace longhaul::sim
