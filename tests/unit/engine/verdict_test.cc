// What limits a transfer, from made-up figures of both ends.
#include "engine/verdict.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

namespace longhaul::engine {
namespace {

StageTimes times_of(std::initializer_list<std::pair<Stage, double>> seconds) {
  StageTimes times;
  for (const auto& [stage, s] : seconds) times[stage] = static_cast<Time>(s * static_cast<double>(second));
  return times;
}

/// A receiver that waits for what comes.
EndTimes hungry() {
  return {times_of({{Stage::wait_receive, 90}, {Stage::receive, 5}, {Stage::write, 5}}),
          times_of({{Stage::idle, 80}, {Stage::wait_sync, 20}}),
          {}};
}

PathTimes path(const char* name, double pressed_s) {
  PathTimes times;
  times.name = name;
  times.pressed = static_cast<Time>(pressed_s * static_cast<double>(second));
  times.sent_bytes = 1'000'000'000;
  return times;
}

std::string verdict(const Evidence& evidence) {
  return verdict_of(limits_of(evidence));
}

TEST(Verdict, NothingSeenIsNothingSaid) {
  EXPECT_TRUE(limits_of({}).empty());
  EXPECT_EQ(verdict({}), "");
}

TEST(Verdict, SharesAddUpToOneAndTheLargestComesFirst) {
  Evidence evidence;
  evidence.sender.workers = times_of({{Stage::read, 10},
                                      {Stage::wait_read, 20},
                                      {Stage::names, 5},
                                      {Stage::digest, 5},
                                      {Stage::wait_send, 40},
                                      {Stage::wait_chunks, 15},
                                      {Stage::wait_resume, 5},
                                      {Stage::idle, 1000}});
  evidence.sender.files = times_of({{Stage::walk, 10}, {Stage::idle, 90}});
  evidence.span = evidence.starved = 100 * second;
  evidence.receiver = hungry();
  evidence.paths = {path("a", 30)};
  const auto limits = limits_of(evidence);
  const double sum =
      std::accumulate(limits.begin(), limits.end(), 0.0, [](double all, const auto& each) { return all + each.share; });
  EXPECT_NEAR(sum, 1, 0.02) << "but for what is below 1 %";
  EXPECT_EQ(verdict_of(limits), "path a, 40 % of the time; source read, 30 %");
  EXPECT_TRUE(std::ranges::is_sorted(limits, std::greater(), &LimitReport::share));
}

TEST(Verdict, AFullConnectionIsForItsPath) {
  Evidence evidence;
  evidence.sender.workers = times_of({{Stage::wait_send, 90}, {Stage::send, 10}});
  evidence.receiver = hungry();
  evidence.paths = {path("lan", 0), path("geo", 80)};
  EXPECT_EQ(verdict(evidence), "path geo, 90 % of the time");
  evidence.paths[1].resent_bytes = 5'000'000;
  EXPECT_EQ(verdict(evidence), "path geo (loss 0.5 %), 90 % of the time");
  evidence.paths[1].window = 60 * second;
  EXPECT_EQ(verdict(evidence), "path geo (window), 90 % of the time");
  evidence.paths[1].capped = 70 * second;
  evidence.paths[1].cap_bits_per_s = 50'000'000;
  EXPECT_EQ(verdict(evidence), "path geo (cap 50 Mb/s), 90 % of the time");
  evidence.paths[1].cap_bits_per_s = 0;
  evidence.cap_of_all_bits_per_s = 1'000'000'000;
  EXPECT_EQ(verdict(evidence), "path geo (limit of all paths, 1 Gb/s), 90 % of the time");
  evidence.paths.clear();
  EXPECT_EQ(verdict(evidence), "network, 90 % of the time") << "no path was seen to be under pressure";
}

TEST(Verdict, TheOnlyPathNeedNotBeSeenPressed) {
  Evidence evidence;
  evidence.sender.workers = times_of({{Stage::wait_send, 1}});
  evidence.receiver = hungry();
  evidence.paths = {path("a", 0)};
  EXPECT_EQ(verdict(evidence), "path a, 100 % of the time");
  evidence.paths.push_back(path("b", 0));
  EXPECT_EQ(verdict(evidence), "network, 100 % of the time");
}

TEST(Verdict, SlotsThatAreTooFewAreSaidWithTheirFigures) {
  Evidence evidence;
  evidence.sender.workers = times_of({{Stage::wait_send, 90}, {Stage::send, 10}});
  evidence.receiver = hungry();
  evidence.span = 2 * second;
  evidence.paths = {path("ib", 80)};
  PathTimes& ib = evidence.paths[0];
  ib.slots = 16;
  ib.slots_each = 8;
  ib.rtt_min = 20'100'000;
  EXPECT_EQ(verdict(evidence), "path ib, 90 % of the time") << "it has slots, and does not wait for them";
  ib.slots_held = 60 * second;
  ib.resent_bytes = 50'000'000;
  EXPECT_EQ(verdict(evidence),
            "path ib (limited by slots: 16 x 256 KiB for 4 Gb/s x 20.1 ms; slots=16 allows more), 90 % of the time");
  ib.slots = 400;
  ib.slots_each = 200;
  EXPECT_NE(verdict(evidence).find("; slots=256 allows more)"), std::string::npos) << verdict(evidence);
  ib.slots_each = 256;
  EXPECT_NE(verdict(evidence).find("; more streams have more)"), std::string::npos) << verdict(evidence);
  ib.capped = 70 * second;
  ib.cap_bits_per_s = 50'000'000;
  EXPECT_EQ(verdict(evidence), "path ib (cap 50 Mb/s), 90 % of the time");
}

TEST(Verdict, WhatWasSeenOfSlotsFadesAndGrowsAsAllElse) {
  Evidence first;
  first.paths = {path("ib", 8)};
  first.paths[0].slots_held = 8 * second;
  first.paths[0].slots = 8;
  Evidence later = first;
  later.paths[0].slots_held = 10 * second;
  later.paths[0].slots = 16;
  const Evidence grown = later.since(first);
  EXPECT_EQ(grown.paths[0].slots_held, 2 * second);
  EXPECT_EQ(grown.paths[0].slots, 16U) << "as they are";
  first.fade();
  first.add(grown);
  EXPECT_EQ(first.paths[0].slots_held, 6 * second);
  EXPECT_EQ(first.paths[0].slots, 16U);
}

TEST(Verdict, SeveralPathsShareWhatWaitsForThem) {
  Evidence evidence;
  evidence.sender.workers = times_of({{Stage::wait_send, 100}});
  evidence.receiver = hungry();
  evidence.paths = {path("a", 60), path("b", 20)};
  EXPECT_EQ(verdict(evidence), "path a, 75 % of the time; path b, 25 %");
}

TEST(Verdict, AReceiverThatTakesNoMoreIsLookedInto) {
  Evidence evidence;
  evidence.sender.workers = times_of({{Stage::wait_send, 100}});
  evidence.paths = {path("a", 100)};
  evidence.receiver.workers = times_of({{Stage::write, 80}, {Stage::receive, 15}, {Stage::wait_receive, 5}});
  EXPECT_EQ(verdict(evidence).substr(0, 16), "target write, 84");
  evidence.receiver.workers = times_of({{Stage::unseal, 60}, {Stage::receive, 30}, {Stage::write, 10}});
  EXPECT_EQ(verdict(evidence), "unseal and receive (CPU of the receiver), 90 % of the time");
  evidence.receiver.workers = times_of({{Stage::names, 70}, {Stage::receive, 30}});
  EXPECT_EQ(verdict(evidence).substr(0, 32), "small-file metadata (target), 70");
  evidence.receiver.workers = times_of({{Stage::wait_commit, 90}, {Stage::receive, 10}});
  evidence.receiver.files = times_of({{Stage::wait_sync, 50}, {Stage::sync, 25}, {Stage::names, 25}});
  EXPECT_EQ(verdict(evidence).substr(0, 15), "target sync, 68");
  evidence.receiver.workers = times_of({{Stage::wait_receive, 90}, {Stage::receive, 10}});
  EXPECT_EQ(verdict(evidence), "path a, 100 % of the time") << "it waits for the path itself";
}

TEST(Verdict, OnlyADiskThatTakesNoMoreMakesAReceiverWaitForIt) {
  const auto waits = [](std::initializer_list<std::pair<Stage, double>> seconds) {
    return waits_for_disk({times_of(seconds), {}, {}});
  };
  EXPECT_FALSE(waits({}));
  EXPECT_FALSE(waits_for_disk(hungry()));
  EXPECT_FALSE(waits({{Stage::receive, 30}, {Stage::verify, 60}, {Stage::wait_write, 10}})) << "its CPU is what lacks";
  EXPECT_FALSE(waits({{Stage::wait_write, 60}, {Stage::wait_receive, 40}})) << "it has time for more";
  EXPECT_TRUE(waits({{Stage::wait_write, 60}, {Stage::receive, 30}, {Stage::wait_receive, 10}}));
  EXPECT_TRUE(waits({{Stage::wait_commit, 9}, {Stage::receive, 1}, {Stage::idle, 1000}}));
}

TEST(Verdict, NothingToSendIsForWalkAndTargetAsFarAsTheyWereAtWork) {
  Evidence evidence;
  evidence.span = evidence.starved = 100 * second;
  evidence.sender.workers = times_of({{Stage::wait_chunks, 100}});
  evidence.sender.files = times_of({{Stage::walk, 90}, {Stage::idle, 10}});
  evidence.receiver = hungry();
  evidence.receiver.files = times_of({{Stage::idle, 100}});
  EXPECT_EQ(verdict(evidence), "source walk, 90 % of the time");
  evidence.sender.files = times_of({{Stage::idle, 100}});
  EXPECT_EQ(verdict(evidence), "answers of the receiver, 100 % of the time");
  evidence.receiver.files = times_of({{Stage::wait_sync, 80}, {Stage::names, 20}});
  EXPECT_EQ(verdict(evidence), "target sync, 80 % of the time");
}

/// Room is made in the target while nothing can be sent; then the receiver takes no more. Over both it seems to wait.
TEST(Verdict, EachSpanIsJudgedByItself) {
  Evidence first;
  first.span = first.starved = 40 * second;
  first.sender.workers = times_of({{Stage::wait_chunks, 80}});
  first.receiver.workers = times_of({{Stage::wait_receive, 80}});
  first.receiver.files = times_of({{Stage::write, 40}});
  Evidence then;
  then.span = 60 * second;
  then.sender.workers = times_of({{Stage::wait_send, 100}, {Stage::send, 20}});
  then.receiver.workers = times_of({{Stage::receive, 70}, {Stage::write, 35}, {Stage::wait_receive, 15}});
  then.receiver.files = times_of({{Stage::idle, 60}});
  then.paths = {path("a", 100)};
  Evidence whole = first;
  whole.add(then);
  EXPECT_EQ(verdict(whole).substr(0, 6), "path a") << "why it is not asked of the whole";
  LimitSum sum;
  sum.add(first);
  sum.add(then);
  const auto limits = sum.limits(whole);
  ASSERT_EQ(limits.size(), 3U);
  EXPECT_EQ(limits[0].what, "target write");
  EXPECT_NEAR(limits[0].share, (80 + 100.0 / 3) / 200, 0.001);
  EXPECT_EQ(limits[1].what, "receive (CPU of the receiver)");
  EXPECT_EQ(limits[2].what, "send (CPU of the sender)");
  EXPECT_NEAR(limits[2].share, 0.1, 0.001);
}

/// Two chunks on their way are all that a stream gets, and a path that is spared gets none: paths are the limit.
TEST(Verdict, AStreamWithoutChunksWhileThereAreSomeIsForThePaths) {
  Evidence evidence;
  evidence.sender.workers = times_of({{Stage::wait_send, 50}, {Stage::wait_chunks, 50}});
  evidence.paths = {path("a", 100), path("spared", 0)};
  evidence.receiver = hungry();
  evidence.span = 100 * second;
  EXPECT_EQ(verdict(evidence), "path a, 100 % of the time");
  evidence.starved = 100 * second;
  evidence.receiver.files = times_of({{Stage::wait_sync, 100}});
  EXPECT_EQ(verdict(evidence), "path a, 50 % of the time; target sync, 50 %");
}

TEST(Verdict, WorkIsNamedByWhatTakesMost) {
  Evidence evidence;
  evidence.receiver = hungry();
  evidence.sender.workers = times_of({{Stage::digest, 50}, {Stage::seal, 40}, {Stage::send, 10}});
  EXPECT_EQ(verdict(evidence), "digest and seal (CPU of the sender), 100 % of the time");
  evidence.sender.workers = times_of({{Stage::pack, 90}, {Stage::send, 10}});
  EXPECT_EQ(verdict(evidence), "pack (CPU of the sender), 100 % of the time");
}

TEST(Verdict, APeerThatTellsNothingIsNotAccused) {
  Evidence evidence;
  evidence.span = evidence.starved = 100 * second;
  evidence.sender.workers = times_of({{Stage::wait_send, 60}, {Stage::wait_chunks, 40}});
  evidence.paths = {path("a", 50)};
  EXPECT_EQ(verdict(evidence), "path a, 60 % of the time; answers of the receiver, 40 %");
}

TEST(Verdict, WhatWasSeenLongAgoWeighsLittle) {
  Evidence recent;
  Evidence reading;
  reading.sender.workers = times_of({{Stage::wait_read, 1}});
  Evidence sending;
  sending.sender.workers = times_of({{Stage::wait_send, 1}});
  sending.paths = {path("a", 1)};
  for (int i = 0; i < 100; ++i) {
    recent.fade();
    recent.add(reading);
  }
  EXPECT_EQ(verdict(recent), "source read, 100 % of the time");
  for (int i = 0; i < 4; ++i) {
    recent.fade();
    recent.add(sending);
  }
  EXPECT_EQ(verdict(recent), "path a, 94 % of the time");
}

TEST(Verdict, EvidenceSinceKnowsPathsThatCameLater) {
  Evidence earlier;
  earlier.paths = {path("a", 10)};
  Evidence later = earlier;
  later.paths[0].pressed = 15 * second;
  later.paths.push_back(path("b", 3));
  const Evidence grown = later.since(earlier);
  ASSERT_EQ(grown.paths.size(), 2U);
  EXPECT_EQ(grown.paths[0].pressed, 5 * second);
  EXPECT_EQ(grown.paths[0].sent_bytes, 0U);
  EXPECT_EQ(grown.paths[1].pressed, 3 * second);
}

TEST(Verdict, StagesAreListedWithBothEnds) {
  EndTimes sender;
  sender.workers = times_of({{Stage::read, 1}, {Stage::digest, 2}});
  sender.files = times_of({{Stage::read, 0.5}});
  EndTimes receiver;
  receiver.control = times_of({{Stage::write, 4}});
  const auto list = stages_of(sender, receiver);
  ASSERT_EQ(list.size(), 3U);
  EXPECT_EQ(list[0].name, "read");
  EXPECT_EQ(list[0].sender_s, 1.5);
  EXPECT_EQ(list[0].receiver_s, 0);
  EXPECT_EQ(list[2].name, "write");
  EXPECT_EQ(list[2].receiver_s, 4);
}

}  // namespace
}  // namespace longhaul::engine
