#include "paths/stream_count.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <iostream>
#include <limits>
#include <vector>

#include "noise.h"
#include "paths/allot.h"

namespace longhaul::paths {
namespace {

constexpr double mbps = 1e6 / 8;
constexpr double gbps = 1e9 / 8;

/// A path of `rate` (or several links, each stream on one of them by chance) on which each stream has a limit of its
/// own.
struct Model {
  explicit Model(std::uint64_t seed) : noise(seed) {}

  std::vector<double> links = {gbps};
  std::function<double(std::uint32_t)> limit = [](std::uint32_t) { return std::numeric_limits<double>::infinity(); };
  double jitter = 0.03;
  double slow_jitter = 0;  ///< of noise that lasts for about 10 s
  double ramp_s = 2;       ///< until a new stream has its rate
  double cap = 0;
  double rtt_s = 0.05;
  double busy = 1;
  double sndbuf_limited = 0;
  bool peer_slow = false;
  std::size_t connect_most = 100;
  Noise noise;

  struct Live {
    std::uint32_t id;
    std::size_t link;
    double age_s;
  };
  std::vector<Live> live;
  std::uint32_t next_id = 1;
  Time now = 0;
  double slow = 0;
  double goodput = 0;
  double goodput_sum = 0;
  unsigned changes = 0;
  unsigned redials = 0;
  unsigned wanted = streams_auto_start;
  StreamCount count;

  void dial() { live.push_back({next_id++, noise.next() % links.size(), 0}); }

  void step() {
    now += second;
    while (live.size() < std::min<std::size_t>(wanted, connect_most)) dial();
    while (live.size() > wanted) live.pop_back();
    std::vector<StreamCount::Stream> streams(live.size());
    slow = 0.9 * slow + std::sqrt(1 - 0.81) * slow_jitter * noise.gauss();
    goodput = 0;
    for (std::size_t link = 0; link < links.size(); ++link) {
      std::vector<double> wants;
      for (auto& stream : live)
        if (stream.link == link) wants.push_back(limit(stream.id) * std::min(1.0, stream.age_s / ramp_s + 0.1));
      const double rate = links[link] * std::max(0.1, 1 + slow + jitter * noise.gauss());
      const auto grants = fill(rate, wants, std::vector<double>(wants.size(), 1.0));
      std::size_t at = 0;
      for (std::size_t i = 0; i < live.size(); ++i) {
        if (live[i].link != link) continue;
        const double got = std::min(grants[at], wants[at] * std::max(0.1, 1 + jitter * noise.gauss())) * busy;
        ++at;
        streams[i] = {live[i].id, got, busy >= 0.9};
        goodput += got;
      }
    }
    if (cap > 0) goodput = std::min(goodput, cap);
    goodput_sum += goodput;
    for (auto& stream : live) stream.age_s += 1;
    const auto choice = count.decide({.now = now,
                                      .streams = streams,
                                      .goodput = goodput,
                                      .rtt_s = rtt_s,
                                      .busy = busy,
                                      .sndbuf_limited = sndbuf_limited,
                                      .capped = cap > 0 && goodput >= 0.97 * cap,
                                      .peer_slow = peer_slow});
    ASSERT_GE(choice.streams, 1U);
    ASSERT_LE(choice.streams, streams_auto_max);
    if (choice.streams != wanted) ++changes;
    wanted = choice.streams;
    if (choice.redial) {
      ++redials;
      std::erase_if(live, [&](const Live& stream) { return stream.id == *choice.redial; });
      dial();
    }
  }
  void run(int seconds) {
    goodput_sum = 0;
    for (int i = 0; i < seconds; ++i) step();
    goodput_sum /= seconds;
  }
};

TEST(StreamCount, WindowLimitedStreamsGrowUntilThePathIsFull) {
  Model model(1);
  model.limit = [](std::uint32_t) { return 335 * mbps; };  // 4 MiB / 100 ms
  model.rtt_s = 0.1;
  model.links = {2 * gbps};
  int seconds = 0;
  for (; seconds < 100 && model.goodput < 0.95 * 2 * gbps; ++seconds) model.step();
  std::cout << "[ FIGURE   ] streams: window limited, 6 needed: full after " << seconds << " s\n";
  EXPECT_LE(seconds, 25);
  model.run(600);
  EXPECT_EQ(model.wanted, 8U);
  EXPECT_GT(model.goodput_sum, 0.97 * 2 * gbps);
  EXPECT_LE(model.changes, 18U);
  EXPECT_NE(model.count.words().find("8: 16 brought no more (2"), std::string::npos) << model.count.words();
}

TEST(StreamCount, WindowLimitedToTheEnd) {
  Model model(2);
  model.limit = [](std::uint32_t) { return 335 * mbps; };
  model.rtt_s = 0.1;
  model.links = {100 * gbps};
  model.sndbuf_limited = 0.9;
  model.run(120);
  EXPECT_EQ(model.wanted, streams_auto_max);
  const std::string words = model.count.words();
  EXPECT_NE(words.find("16: each addition paid; more are not tried; each stream is limited to 33"), std::string::npos)
      << words;
  EXPECT_NE(words.find("raise net.ipv4.tcp_wmem here"), std::string::npos) << words;
}

/// Mathis: each stream gets at most MSS / RTT x 1.2 / sqrt(p), and saws.
TEST(StreamCount, LossLimitedStreams) {
  for (const double p : {1e-4, 1e-3}) {
    Model model(3);
    const double mean = 1448 / 0.1 * 1.2 / std::sqrt(p);
    model.limit = [&](std::uint32_t) { return mean * model.noise.uniform(0.7, 1.3); };
    model.rtt_s = 0.1;
    model.links = {100 * mbps};
    model.run(300);
    const double possible = std::min(100 * mbps, streams_auto_max * mean);
    model.run(600);
    std::cout << "[ FIGURE   ] streams: loss " << p << ": " << model.count.words() << ", "
              << 100 * model.goodput_sum / possible << " % of what 16 could\n";
    EXPECT_GT(model.goodput_sum, 0.93 * possible);
    EXPECT_EQ(model.redials, 0U);
  }
}

TEST(StreamCount, OneStreamWouldDo) {
  Model model(4);
  model.run(30);
  EXPECT_EQ(model.wanted, streams_auto_start);
  EXPECT_EQ(model.changes, 2U);  // tried once
  model.run(3600);
  EXPECT_EQ(model.wanted, streams_auto_start);
  EXPECT_LE(model.changes, 24U);
  EXPECT_GT(model.goodput_sum, 0.99 * gbps);
}

/// Noise of every kind, for a day: few trials, and no creeping upwards.
TEST(StreamCount, NoiseIsNoReason) {
  for (const double jitter : {0.05, 0.15, 0.3}) {
    double extra = 0;
    double per_hour = 0;
    constexpr int seeds = 10;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      Model model(50 + seed);
      model.jitter = jitter;
      model.slow_jitter = jitter / 2;
      unsigned long long streams = 0;
      for (int i = 0; i < 86400 / 4; ++i) {
        model.step();
        streams += model.wanted;
      }
      extra += static_cast<double>(streams) / (86400.0 / 4) / streams_auto_start / seeds;
      per_hour += model.changes / 6.0 / seeds;
    }
    std::cout << "[ FIGURE   ] streams: noise of " << jitter * 100 << " %, two streams enough: " << extra
              << " times as many on average, " << per_hour << " changes an hour\n";
    EXPECT_LT(per_hour, 40);
    if (jitter < 0.1) {
      EXPECT_LT(extra, 2.5);
    }
  }
}

TEST(StreamCount, TheCapIsEnough) {
  Model model(6);
  model.cap = 400 * mbps;
  model.limit = [](std::uint32_t) { return 335 * mbps; };
  model.run(600);
  EXPECT_EQ(model.wanted, 2U);
  EXPECT_EQ(model.changes, 0U);
  EXPECT_EQ(model.count.words(), "2: the cap is reached");
  model.cap = 0;  // lifted
  model.run(60);
  EXPECT_EQ(model.wanted, 4U);
}

TEST(StreamCount, NoWorkNoTrial) {
  Model model(7);
  model.limit = [](std::uint32_t) { return 100 * mbps; };
  model.busy = 0.3;
  model.run(300);
  EXPECT_EQ(model.changes, 0U);
  EXPECT_EQ(model.count.words(), "2: too little work to find out whether more would help");
  model.busy = 1;
  model.run(60);
  EXPECT_GE(model.wanted, 8U);
  const unsigned found = model.wanted;
  model.busy = 0;
  model.run(3600);
  EXPECT_EQ(model.wanted, found);
}

TEST(StreamCount, ASlowReceiverIsNoReasonToAdd) {
  Model model(8);
  model.peer_slow = true;
  model.limit = [](std::uint32_t) { return 100 * mbps; };
  model.run(300);
  EXPECT_EQ(model.changes, 0U);
  EXPECT_EQ(model.count.words(), "2: the receiver takes no more");
  model.peer_slow = false;
  model.run(60);
  EXPECT_GE(model.wanted, 8U);
}

/// Two links of half the rate: whatever the hash did, both carry soon.
TEST(StreamCount, TwoLinksByHash) {
  unsigned full = 0;
  double sum = 0;
  double hour = 0;
  constexpr int seeds = 200;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    Model model(1000 + seed);
    model.links = {gbps / 2, gbps / 2};
    model.run(120);
    model.run(30);
    sum += model.goodput_sum / gbps / seeds;
    if (model.goodput_sum > 0.95 * gbps) ++full;
    if (seed >= 20) continue;
    model.run(3600);
    hour += model.goodput_sum / gbps / 20;
  }
  std::cout << "[ FIGURE   ] streams: two links by hash: full after 120 s in " << full << " of " << seeds
            << " runs, mean " << 100 * sum << " %, over the next hour " << 100 * hour << " %\n";
  EXPECT_GT(hour, 0.97);
  EXPECT_GT(full, seeds * 0.9);
}

/// One stream shares its link with 20 of somebody else's: it is dialled anew until it is on the other link.
TEST(StreamCount, ACollisionIsDialledAnew) {
  double redials = 0;
  constexpr int seeds = 100;
  unsigned good = 0;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    Model model(2000 + seed);
    model.links = {gbps, 0.02 * gbps};
    model.limit = [](std::uint32_t) { return 100 * mbps; };
    model.run(300);
    model.run(60);
    redials += static_cast<double>(model.redials) / seeds;
    if (model.goodput_sum > 0.95 * gbps) ++good;
  }
  std::cout << "[ FIGURE   ] streams: crowded link: " << good << " of " << seeds << " at full rate after 300 s, "
            << redials << " redials on average\n";
  EXPECT_GE(good, 85U);
  EXPECT_GT(redials, 1);
}

TEST(StreamCount, AStuckStreamIsDialledAnewAndNotForEver) {
  Model model(9);
  model.limit = [](std::uint32_t id) { return id == 2 ? mbps : 400 * mbps; };
  model.run(60);
  EXPECT_EQ(model.redials, 1U);
  Model hopeless(10);  // each second one is slow, whatever is done
  hopeless.limit = [&](std::uint32_t id) { return id == hopeless.live.front().id ? 400 * mbps : mbps; };
  hopeless.run(3600);
  EXPECT_GE(hopeless.redials, 2U);
  EXPECT_LE(hopeless.redials, 25U);
}

TEST(StreamCount, ANewRttIsANewSearch) {
  Model model(11);
  model.links = {gbps};
  model.rtt_s = 0.02;
  model.limit = [&](std::uint32_t) { return 4e6 / model.rtt_s; };
  model.run(1200);
  EXPECT_EQ(model.wanted, 2U);
  model.rtt_s = 0.2;  // re-routed
  model.run(60);
  EXPECT_GE(model.wanted, 8U);
}

/// Round trips that swing with somebody else's queue, on a path that is full: no reason to try more often.
TEST(StreamCount, RoundTripsThatSwingAreNoChange) {
  Model model(14);
  unsigned before = 0;
  for (int i = 0; i < 3600; ++i) {
    model.rtt_s = i / 7 % 2 == 0 ? 0.05 : 0.09;
    if (i == 1800) before = model.changes;
    model.step();
  }
  EXPECT_LE(model.changes - before, 8U) << "a trial each ten minutes, there and back";
}

TEST(StreamCount, StreamsThatCannotBeConnected) {
  Model model(12);
  model.limit = [](std::uint32_t) { return 100 * mbps; };
  model.connect_most = 3;
  model.run(30);
  EXPECT_EQ(model.wanted, 3U);
  EXPECT_EQ(model.count.words().substr(0, 32), "3: more could not be connected");
  model.connect_most = 100;
  model.run(300);
  EXPECT_GE(model.wanted, 8U);
}

TEST(StreamCount, CostOfADecision) {
  Model model(13);
  model.limit = [](std::uint32_t) { return 335 * mbps; };
  model.links = {100 * gbps};
  model.run(60);
  std::vector<StreamCount::Stream> streams;
  for (std::uint32_t id = 0; id < 16; ++id) streams.push_back({id, 1e6, true});
  const auto begin = std::chrono::steady_clock::now();
  constexpr int calls = 20000;
  unsigned sum = 0;
  for (int i = 0; i < calls; ++i)
    sum +=
        model.count.decide({.now = model.now + i * second, .streams = streams, .goodput = 16e6, .rtt_s = 0.1}).streams;
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
  std::cout << "[ FIGURE   ] streams: " << took.count() / calls << " ns per decision with 16 streams\n";
  EXPECT_GE(sum, streams_auto_start * calls);
}

}  // namespace
}  // namespace longhaul::paths
