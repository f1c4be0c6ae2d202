#include "paths/congestion.h"

#include <gtest/gtest.h>

#include <string>

namespace longhaul::paths {
namespace {

using Step = CongestionChoice::Step;

/// A path of made-up figures; each run says the last step that was due.
class CongestionChoiceTest : public testing::Test {
 protected:
  struct Line {
    double rtt_s = 0.05;
    double rate = 2e6;
    double loss = 0.001;
    bool busy = true;
  };

  Step run(const Line& line, double seconds) {
    Step last = Step::none;
    for (const Time end = now_ + static_cast<Time>(seconds * static_cast<double>(second)); now_ < end;) {
      now_ += 100 * millisecond;
      CongestionChoice::Sample sample;
      sample.now = now_;
      sample.rtt_s = line.rtt_s;
      sample.rate = line.rate;
      sample.busy = line.busy;
      sample.sent_bytes = static_cast<std::uint64_t>(line.rate / 10);
      lost_ += line.loss * line.rate / 10;
      sample.resent_bytes = static_cast<std::uint64_t>(lost_);
      lost_ -= static_cast<double>(sample.resent_bytes);
      const Step step = choice_.feed(sample);
      if (step != Step::none) last = step;
    }
    return last;
  }

  /// Seconds until one is due on the usual line.
  double until_step() {
    for (int tenths = 1; tenths < 10'000; ++tenths)
      if (run({}, 0.1) != Step::none) return tenths / 10.0;
    return -1;
  }

  Step until_trial() { return run({}, 5); }

  CongestionChoice choice_;
  Time now_ = 0;
  double lost_ = 0;
};

TEST_F(CongestionChoiceTest, ACleanLineStaysWithTheUsualOne) {
  EXPECT_EQ(run({.rate = 125e6, .loss = 0}, 120), Step::none);
  EXPECT_EQ(run({.rate = 125e6, .loss = 1e-5}, 120), Step::none);
  EXPECT_EQ(choice_.name(), "cubic");
  EXPECT_EQ(choice_.words(), "");
}

TEST_F(CongestionChoiceTest, LossWithoutAQueueTriesTheOtherAndKeepsWhatCarriesMore) {
  EXPECT_EQ(until_trial(), Step::try_other);
  EXPECT_EQ(choice_.name(), "bbr");
  EXPECT_NE(choice_.words().find("loses 0.1 %"), std::string::npos) << choice_.words();
  EXPECT_EQ(run({.rate = 12e6}, 8), Step::keep);
  EXPECT_EQ(choice_.words(), "bbr: bbr carried 96 Mb/s where cubic carried 16 Mb/s, the path losing 0.1 %");
  EXPECT_EQ(run({.rate = 1e6}, 300), Step::none);
  EXPECT_EQ(choice_.name(), "bbr");
}

TEST_F(CongestionChoiceTest, WhatBringsLittleIsTakenBackAndTriedAgainMuchLater) {
  ASSERT_EQ(until_trial(), Step::try_other);
  EXPECT_EQ(run({.rate = 2.2e6}, 8), Step::go_back);
  EXPECT_EQ(choice_.name(), "cubic");
  EXPECT_EQ(choice_.words(), "cubic: bbr carried 18 Mb/s where cubic carried 16 Mb/s, the path losing 0.1 %");
  EXPECT_EQ(run({}, 110), Step::none);
  EXPECT_NEAR(until_step(), 6.5, 2.5);  // two minutes after the last one ended
  EXPECT_EQ(choice_.name(), "bbr");
  EXPECT_NEAR(until_step(), 4, 1);
  EXPECT_EQ(choice_.name(), "cubic");
  EXPECT_NEAR(until_step(), 240, 5);
  EXPECT_EQ(choice_.name(), "bbr");
}

TEST_F(CongestionChoiceTest, AQueueExplainsLoss) {
  run({.loss = 0, .busy = false}, 2);
  EXPECT_EQ(run({.rtt_s = 0.08}, 20), Step::none);
}

TEST_F(CongestionChoiceTest, JitterIsNoQueue) {
  run({.rtt_s = 0.045, .loss = 0, .busy = false}, 2);
  EXPECT_EQ(run({.rtt_s = 0.056}, 5), Step::try_other);
}

TEST_F(CongestionChoiceTest, WhatIsNotThePathsDoingSaysNothing) {
  EXPECT_EQ(run({.busy = false}, 60), Step::none);
  EXPECT_EQ(run({.rtt_s = 0}, 60), Step::none);
}

TEST_F(CongestionChoiceTest, ShortLinesAreLeftAlone) {
  EXPECT_EQ(run({.rtt_s = 0.0005}, 60), Step::none);
}

TEST_F(CongestionChoiceTest, AFewLostPacketsAreNoEvidence) {
  EXPECT_EQ(run({.rate = 2e6, .loss = 5e-5}, 30), Step::none);
}

TEST_F(CongestionChoiceTest, ASlowLineIsGivenTimeToLoseEnough) {
  EXPECT_EQ(run({.rtt_s = 0.6, .rate = 3e4, .loss = 0.01}, 30), Step::try_other);
}

TEST_F(CongestionChoiceTest, TheStartIsLeftOut) {
  EXPECT_EQ(run({.rate = 50e6, .loss = 0.05}, 2), Step::none);
  EXPECT_EQ(run({.rate = 50e6, .loss = 0}, 30), Step::none);
}

TEST_F(CongestionChoiceTest, AnotherRegimeBeginsTheMeasurementAnew) {
  ASSERT_EQ(until_trial(), Step::try_other);
  run({.rate = 30e6}, 3);
  choice_.expect_new_rate();  // say, a second stream came
  EXPECT_EQ(run({.rate = 30e6}, 1.5), Step::none);
  EXPECT_EQ(run({.rate = 30e6}, 8), Step::keep);
  choice_.expect_new_rate();
  EXPECT_EQ(choice_.name(), "bbr");
}

TEST_F(CongestionChoiceTest, AfterAPauseTheStartIsLeftOutAgain) {
  run({.loss = 0}, 10);
  now_ += 20 * second;
  EXPECT_EQ(run({.loss = 0.05}, 2), Step::none);
  EXPECT_EQ(run({.loss = 0}, 20), Step::none);
}

TEST_F(CongestionChoiceTest, WhatTheSystemRefusesIsNotTried) {
  ASSERT_EQ(until_trial(), Step::try_other);
  choice_.refused("the kernel has none");
  EXPECT_EQ(choice_.words(),
            "it loses 0.1 % of what it carries and no queue explains it: bbr might carry more, but the "
            "kernel has none");
  EXPECT_EQ(run({}, 300), Step::none);
  EXPECT_EQ(choice_.name(), "cubic");
}

TEST_F(CongestionChoiceTest, ALongerRouteIsLearntInTime) {
  run({.rtt_s = 0.02, .loss = 0}, 10);
  EXPECT_EQ(run({.rtt_s = 0.1}, 15), Step::none);
  EXPECT_EQ(run({.rtt_s = 0.1}, 39), Step::try_other);
}

}  // namespace
}  // namespace longhaul::paths
