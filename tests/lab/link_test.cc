// The model of a link on a made-up clock: loss, rate, queue, delay, jitter, reordering, cuts are as asked for.
#include "link.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "packets.h"

namespace longhaul::lab {
namespace {

constexpr Nanoseconds epoch = 1'000 * one_s;
constexpr std::uint32_t plain = 1448, super = 64000;  // payload of one wire packet, and of 45

std::pair<std::string, std::string> key_and_value(const std::string& word) {
  const std::size_t equals = word.find('=');
  return {word.substr(0, equals), equals == std::string::npos ? "" : word.substr(equals + 1)};
}

LinkSettings settings_of(const std::vector<std::string>& words) {
  LinkSettings settings;
  for (const std::string& word : words) {
    const auto [key, value] = key_and_value(word);
    EXPECT_TRUE(settings.apply(key, value)) << word;
  }
  return settings;
}

/// When how many wire packets arrived, counted from the first one's entry.
using Arrivals = std::map<Nanoseconds, std::uint32_t>;

struct Offer {
  int packets;
  Nanoseconds every;
  std::uint32_t payload_bytes;
};

struct Outcome {
  LinkStats stats;
  Arrivals arrivals;
};

void drain(Link& link, Nanoseconds until, Arrivals& arrivals) {
  while (link.next_due() <= until) {
    const Nanoseconds due = link.next_due();
    link.leave(due, 1, [&](const Packet& packet) {
      arrivals[due - epoch] += packet.segments;
      return true;
    });
  }
}

Outcome drive(const std::vector<std::string>& words, const Offer& offer) {
  Pool pool;
  Outcome outcome;
  {
    Link link(pool, 7);
    Nanoseconds time = epoch;
    link.set(settings_of(words), time);
    Packet packet = made_packet(pool, {false, false, offer.payload_bytes, 1448});
    EXPECT_TRUE(inspect(packet));
    for (int i = 0; i < offer.packets; ++i, time += offer.every) {
      link.enter(share(packet), time);
      drain(link, time, outcome.arrivals);
    }
    release(pool, packet);
    drain(link, time + 1'000 * one_s, outcome.arrivals);
    outcome.stats = link.stats();
  }
  EXPECT_EQ(pool.bytes(), 0U);
  return outcome;
}

double lost_share(const LinkStats& stats) {
  return static_cast<double>(stats.lost) / static_cast<double>(stats.packets + stats.lost);
}

TEST(Link, LosesWirePacketsWhateverTheSuperPacket) {
  for (const double loss : {0.0001, 0.001, 0.01, 0.2}) {
    for (const std::uint32_t payload : {plain, super}) {
      const int packets = payload == plain ? 200'000 : 10'000;
      const LinkStats stats = drive({"loss=" + std::to_string(loss)}, {packets, 1000, payload}).stats;
      const double deviation = std::sqrt(loss * (1 - loss) / static_cast<double>(stats.packets + stats.lost));
      EXPECT_NEAR(lost_share(stats), loss, 5 * deviation) << loss << ", payload " << payload;
    }
  }
}

TEST(Link, BurstsKeepTheMeanLoss) {
  EXPECT_NEAR(lost_share(drive({"loss=1%", "burst=8"}, {40'000, 1000, super}).stats), 0.01, 0.001);
}

TEST(Link, KeepsItsRateAndDelay) {
  const auto [stats, arrivals] = drive({"rate=100mbit", "delay=40ms", "queue=1m"}, {10'000, 12'000, plain});
  const double seconds = static_cast<double>(arrivals.rbegin()->first - arrivals.begin()->first) / 1e9;
  EXPECT_NEAR(static_cast<double>(stats.bytes) * 8 / seconds / 100e6, 1, 0.005);
  EXPECT_NEAR(static_cast<double>(arrivals.begin()->first), 40'120'000, 1000)
      << "1500 bytes at 100 Mb/s, and the delay";
  EXPECT_GT(stats.dropped_queue, 8000U);
  EXPECT_LE(stats.queue_bytes_max, 1U << 20);
}

TEST(Link, FullQueueDropsTheTailOfASuperPacket) {
  const LinkStats stats = drive({"rate=10mbit", "queue=30k"}, {1, 0, super}).stats;
  EXPECT_EQ(stats.packets, 20U);
  EXPECT_EQ(stats.dropped_queue, 25U);
}

TEST(Link, JitterStaysInItsRange) {
  const Arrivals arrivals = drive({"delay=20ms", "jitter=7ms/250ms"}, {5000, one_ms, 1000}).arrivals;
  EXPECT_GE(arrivals.begin()->first, 20 * one_ms);
  EXPECT_LE(arrivals.rbegin()->first, 5027 * one_ms);
}

TEST(Link, ReordersDuplicatesAndCorruptsAsOften) {
  const LinkStats stats =
      drive({"delay=10ms", "reorder=1%:3ms", "dup=0.1%", "corrupt=0.1%"}, {20'000, 10'000, super}).stats;
  EXPECT_NEAR(static_cast<double>(stats.reordered) / 900'000, 0.01, 0.001);
  EXPECT_NEAR(static_cast<double>(stats.corrupted) / 900'000, 0.001, 0.0003);
  EXPECT_GT(stats.duplicated, 0U);
}

TEST(Link, CutAndTooSmall) {
  EXPECT_EQ(drive({"down"}, {10, 1000, super}).stats.dropped_down, 450U);
  EXPECT_EQ(drive({"reset"}, {10, 1000, super}).stats.dropped_down, 450U);
  EXPECT_EQ(drive({"maxpkt=1400"}, {10, 1000, super}).stats.dropped_size, 450U);
  EXPECT_EQ(drive({"maxpkt=1500"}, {10, 1000, super}).stats.packets, 450U);
}

TEST(Link, ACutTakesWhatIsInFlightAndAHoldKeepsIt) {
  for (const std::string word : {"down", "hold"}) {
    Pool pool;
    Link link(pool, 1);
    Arrivals arrivals;
    link.set(settings_of({"delay=10ms"}), epoch);
    Packet packet = made_packet(pool, {false, false, super, 1448});
    ASSERT_TRUE(inspect(packet));
    link.enter(packet, epoch);
    link.set(settings_of({"delay=10ms", word}), epoch + one_ms);
    drain(link, epoch + one_s, arrivals);
    EXPECT_TRUE(arrivals.empty()) << word;
    link.set(settings_of({"delay=10ms"}), epoch + one_s);
    drain(link, epoch + 2 * one_s, arrivals);
    EXPECT_EQ(arrivals.empty(), word == "down") << word;
  }
}

TEST(Link, GapsHoldBack) {
  for (const auto& [time, count] : drive({"gap=100ms/60ms"}, {1000, one_ms, plain}).arrivals)
    EXPECT_GE((epoch + time) % (100 * one_ms), 60 * one_ms) << count << " packets arrive in a gap";
}

TEST(LinkSettings, BadValuesAreRefused) {
  for (const std::string word : {"delay=abc", "delay=5", "delay=-5ms", "delay=2000000s", "rate=10mbps", "rate=1",
                                 "loss=101%", "queue=0", "burst=0", "jitter=1ms/1us", "maxpkt=x"}) {
    const auto [key, value] = key_and_value(word);
    LinkSettings settings;
    EXPECT_THROW((void)settings.apply(key, value), LabError) << word;
  }
  LinkSettings settings;
  EXPECT_FALSE(settings.apply("speed", "1gbit"));
  EXPECT_FALSE(settings.apply("sideways", ""));
}

}  // namespace
}  // namespace longhaul::lab
