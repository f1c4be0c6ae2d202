#include "paths/timetable.h"

#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <string>

#include "noise.h"

namespace longhaul::paths {
namespace {

constexpr LocalTime at(unsigned weekday, unsigned hour, unsigned minute, unsigned second_of_minute = 0) {
  return {weekday, hour * 3600 + minute * 60 + second_of_minute};
}
constexpr Limit usual{};
constexpr Limit none{Limit::Kind::none, 0};
constexpr Limit paused{Limit::Kind::paused, 0};
constexpr Limit rate(std::uint64_t bits_per_s) {
  return {Limit::Kind::rate, bits_per_s};
}

Timetable parsed(std::string_view text) {
  const auto table = Timetable::parse(text);
  EXPECT_TRUE(table) << table.error().text;
  return table.value_or(Timetable{});
}

TEST(Timetable, OfficeAndNight) {
  const Timetable table = parsed("08:00-18:00=10Gbps,22:00-06:00=none");
  EXPECT_EQ(table.at(at(0, 7, 59, 59)), usual);
  EXPECT_EQ(table.at(at(0, 8, 0)), rate(10'000'000'000));
  EXPECT_EQ(table.at(at(6, 17, 59, 59)), rate(10'000'000'000));
  EXPECT_EQ(table.at(at(6, 18, 0)), usual);
  EXPECT_EQ(table.at(at(6, 22, 0)), none);
  EXPECT_EQ(table.at(at(0, 5, 59)), none);  // Sunday's night
  EXPECT_EQ(table.at(at(0, 6, 0)), usual);
  EXPECT_EQ(table.seconds_to_change(at(3, 8, 0)), 36000U);
  EXPECT_EQ(table.seconds_to_change(at(3, 17, 59, 30)), 30U);
  EXPECT_EQ(table.seconds_to_change(at(6, 23, 0)), 7 * 3600U);
  EXPECT_EQ(table.words(at(3, 9, 0)), "10 Gb/s until 18:00");
  EXPECT_EQ(table.words(at(6, 23, 0)), "no cap until 06:00");
  EXPECT_EQ(table.words(at(3, 6, 30)), "as usual until 08:00");
}

TEST(Timetable, Days) {
  const Timetable table = parsed(" Mon-Fri 8:00-18:00=1Gbps , sat+sun 00:00-24:00 = pause,fri 20:00-22:00=500Mbps");
  EXPECT_EQ(table.at(at(4, 12, 0)), rate(1'000'000'000));
  EXPECT_EQ(table.at(at(5, 12, 0)), paused);
  EXPECT_EQ(table.at(at(6, 23, 59, 59)), paused);
  EXPECT_EQ(table.at(at(0, 0, 0)), usual);
  EXPECT_EQ(table.at(at(4, 21, 0)), rate(500'000'000));
  EXPECT_EQ(table.at(at(3, 21, 0)), usual);
  // Saturday and Sunday are two spans and one thing.
  EXPECT_EQ(table.seconds_to_change(at(5, 0, 0)), 2 * 86400U);
  EXPECT_EQ(table.words(at(5, 0, 0)), "paused until Mon 00:00");
  EXPECT_EQ(table.words(at(6, 1, 0)), "paused until 00:00");
  const Timetable around = parsed("sat-mon 22:00-02:00=1Gbps");
  EXPECT_EQ(around.at(at(6, 1, 0)), rate(1'000'000'000));
  EXPECT_EQ(around.at(at(1, 1, 0)), rate(1'000'000'000));  // began on Monday
  EXPECT_EQ(around.at(at(2, 1, 0)), usual);
  EXPECT_EQ(around.at(at(5, 1, 0)), usual);
}

TEST(Timetable, WhatNeverChanges) {
  const Timetable always = parsed("00:00-24:00=2Gbps");
  EXPECT_EQ(always.seconds_to_change(at(2, 3, 4)), std::nullopt);
  EXPECT_EQ(always.words(at(2, 3, 4)), "2 Gb/s");
  const Timetable halves = parsed("00:00-12:00=2Gbps,12:00-24:00=2000Mbps");
  EXPECT_EQ(halves.seconds_to_change(at(2, 3, 4)), std::nullopt);
  const Timetable nothing;
  EXPECT_EQ(nothing.at(at(2, 3, 4)), usual);
  EXPECT_EQ(nothing.words(at(2, 3, 4)), "");
}

TEST(Timetable, OnceAWeek) {
  const Timetable table = parsed("wed 12:00-12:01=1Mbps");
  EXPECT_EQ(table.seconds_to_change(at(2, 12, 1)), 7 * 86400U - 60);
  EXPECT_EQ(table.seconds_to_change(at(2, 12, 0, 59)), 1U);
}

TEST(Timetable, WhatMakesNoSense) {
  struct Case {
    const char* text;
    const char* part;
  };
  for (const auto& [text, part] : {
           Case{"", "it is empty"},
           Case{"08:00-18:00=1Gbps,", "two commas, or one at an end"},
           Case{"08:00-18:00", "no '='"},
           Case{"08:00-18:00=fast", "\"fast\" is not a rate, or none (no cap), or pause"},
           Case{"08:00-18:00=10", "lacks a unit"},
           Case{"08:00-18:00=0Gbps", "write pause"},
           Case{"08:00=1Gbps", "times are HH:MM-HH:MM"},
           Case{"8-18=1Gbps", "times are HH:MM-HH:MM"},
           Case{"08:60-18:00=1Gbps", "times are HH:MM-HH:MM"},
           Case{"08:00-24:01=1Gbps", "times are HH:MM-HH:MM"},
           Case{"24:00-08:00=1Gbps", "times are HH:MM-HH:MM"},
           Case{"-1:00-08:00=1Gbps", "times are HH:MM-HH:MM"},
           Case{"08:00-08:00=1Gbps", "a whole day is 00:00-24:00"},
           Case{"monday 08:00-18:00=1Gbps", "days are mon"},
           Case{"mon- 08:00-18:00=1Gbps", "days are mon"},
           Case{"08:00-18:00=1Gbps,17:00-19:00=none", "overlaps with \"08:00-18:00=1Gbps\" on Mon at 17:00"},
           Case{"22:00-06:00=1Gbps,mon 05:00-07:00=none", "on Mon at 05:00"},
           Case{"08:00-\x1b[2J18:00=1Gbps", "\\x1b"},
       }) {
    const auto table = Timetable::parse(text);
    ASSERT_FALSE(table) << text;
    EXPECT_EQ(table.error().code, Code::usage);
    EXPECT_TRUE(table.error().text.starts_with("schedule: ")) << table.error().text;
    EXPECT_NE(table.error().text.find(part), std::string::npos) << text << ": " << table.error().text;
  }
  std::string many;
  for (int i = 0; i < 65; ++i) many += "00:00-00:01=none,";
  EXPECT_FALSE(Timetable::parse(many));
}

/// Whatever is parsed: the next change is when the table says something else, and not before.
TEST(Timetable, TheNextChangeIsTheNextChange) {
  Noise noise(1);
  int tables = 0;
  for (int round = 0; round < 400; ++round) {
    std::string text;
    for (std::uint64_t i = 1 + noise.next() % 4; i > 0; --i) {
      constexpr const char* days[] = {"", "mon ", "sat-tue ", "wed+sun "};
      constexpr const char* rates[] = {"none", "pause", "1Gbps"};
      const auto clock = [&] {
        const auto minute = noise.next() % 1440 / 30 * 30;
        return (minute < 600 ? "0" : "") + std::to_string(minute / 60) + (minute % 60 == 0 ? ":00" : ":30");
      };
      text += std::string(text.empty() ? "" : ",") + days[noise.next() % 4] + clock() + "-" + clock() + "=" +
              rates[noise.next() % 3];
    }
    const auto table = Timetable::parse(text);
    if (!table) continue;
    ++tables;
    for (unsigned half_hour = 0; half_hour < 7 * 48; half_hour += 5) {
      const unsigned minute = half_hour * 30;
      const LocalTime now{minute / 1440, minute % 1440 * 60};
      const Limit limit = table->at(now);
      unsigned steps = 1;
      for (; steps <= 7 * 48; ++steps) {
        const unsigned then = (minute + steps * 30) % (7 * 1440);
        if (table->at({then / 1440, then % 1440 * 60}) != limit) break;
      }
      const auto change = table->seconds_to_change(now);
      ASSERT_EQ(change.value_or(0), steps > 7 * 48 ? 0 : steps * 1800) << text << " at minute " << minute;
    }
  }
  EXPECT_GT(tables, 100);
}

TEST(Timetable, CostOfAQuestion) {
  const Timetable table = parsed("08:00-18:00=10Gbps,22:00-06:00=none");
  const auto begin = std::chrono::steady_clock::now();
  constexpr unsigned calls = 200'000;
  std::uint64_t sum = 0;
  for (unsigned i = 0; i < calls; ++i) sum += table.at({i % 7, i % 86400}).bits_per_s;
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
  std::cout << "[ FIGURE   ] timetable: " << took.count() / calls << " ns per question\n";
  EXPECT_GT(sum, 0U);
}

}  // namespace
}  // namespace longhaul::paths
