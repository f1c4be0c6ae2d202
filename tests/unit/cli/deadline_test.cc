#include "cli/deadline.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <string>

namespace longhaul::cli {
namespace {

/// In a time zone that has summer time.
class Deadline : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    ::tzset();
  }
  void TearDown() override {
    ::unsetenv("TZ");
    ::tzset();
  }
  static constexpr std::int64_t now_s = 1'795'694'400;  // 2026-11-26 12:00 UTC, 13:00 here
  static double good(const std::string& text, std::int64_t from_s = now_s) {
    const auto at = parse_deadline(text, from_s);
    EXPECT_TRUE(at) << text << ": " << (at ? "" : at.error().text);
    return at ? *at - static_cast<double>(from_s) : -1;
  }
  static std::string bad(const std::string& text) {
    const auto at = parse_deadline(text, now_s);
    EXPECT_FALSE(at) << text;
    if (at) return {};
    EXPECT_EQ(at.error().code, Code::usage);
    return at.error().text;
  }
};

TEST_F(Deadline, FromNow) {
  EXPECT_EQ(good("+4h"), 4 * 3600);
  EXPECT_EQ(good("+90m"), 90 * 60);
  EXPECT_EQ(good("+1d"), 24 * 3600);
}

TEST_F(Deadline, TheNextTimeThatItIsSoLate) {
  EXPECT_EQ(good("13:01"), 60);
  EXPECT_EQ(good("13:00"), 24 * 3600) << "now is over";
  EXPECT_EQ(good("06:00"), 17 * 3600);
  // 2026-10-24 13:00 in summer; the night has 25 hours.
  EXPECT_EQ(good("06:00", 1'792'839'600), 18 * 3600);
}

TEST_F(Deadline, ADate) {
  EXPECT_EQ(good("2026-12-01T06:00"), 5 * 86400 - 7 * 3600);
  EXPECT_EQ(good("2026-12-01 06:00"), 5 * 86400 - 7 * 3600);
  EXPECT_EQ(good("2026-11-26T13:01"), 60);
}

TEST_F(Deadline, WhatIsNoneIsRefusedWithWordsForWhatIs) {
  for (const char* text : {"", "6:00", "24:00", "06:60", "six", "+", "+0s", "+4x", "4h", "2026-12-01",
                           "2026-13-01T06:00", "2026-12-01T6:00", "06:00:00"})
    EXPECT_NE(bad(text).find("--deadline"), std::string::npos) << text;
  EXPECT_NE(bad("six").find("write +4h, 06:00 or 2026-12-01T06:00"), std::string::npos);
  EXPECT_NE(bad("2026-11-26T12:59").find("is over already"), std::string::npos);
  EXPECT_NE(bad("2027-02-29T06:00").find("a day that its month does not have"), std::string::npos);
}

}  // namespace
}  // namespace longhaul::cli
