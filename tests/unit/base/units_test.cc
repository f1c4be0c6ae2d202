#include "longhaul/units.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>

namespace longhaul {
namespace {

constexpr std::uint64_t mib = 1024 * 1024;
constexpr std::uint64_t value_max = std::numeric_limits<std::uint64_t>::max();

struct Good {
  const char* text;
  std::uint64_t value;
};

TEST(Units, ParsesBytes) {
  for (const Good& one : {
           Good{"0", 0},
           Good{"64", 64},
           Good{"412 B", 412},
           Good{"412B", 412},
           Good{"4K", 4096},
           Good{"4k", 4096},
           Good{"8M", 8 * mib},
           Good{"8MB", 8'000'000},
           Good{"8MiB", 8 * mib},
           Good{"1.5GiB", 1536 * mib},
           Good{"1.50 GiB", 1536 * mib},
           Good{" 8 MiB ", 8 * mib},
           Good{"1T", mib * mib},
           Good{"2PB", 2'000'000'000'000'000},
           Good{"0.1GB", 100'000'000},
           Good{"0.5K", 512},
           Good{"007", 7},
           Good{"15EiB", 15 * mib * mib * mib},
           Good{"18446744073709551615", value_max},
           Good{"0.000000000000000001EB", 1},
           Good{"1.9999KB", 1999},
       }) {
    const auto bytes = parse_bytes(one.text);
    ASSERT_TRUE(bytes) << one.text << ": " << bytes.error().text;
    EXPECT_EQ(*bytes, one.value) << one.text;
  }
}

TEST(Units, RefusesBadBytes) {
  for (const char* bad : {
           "",
           " ",
           "-1",
           "+1",
           "M",
           "MiB",
           ".5M",
           "5.",
           "5.M",
           "1.5",
           "1.5B",
           "8Mb",
           "8b",
           "8 M iB",
           "8MBs",
           "8XB",
           "8Mi",
           "8iB",
           "0x10",
           "1e3",
           "1,5M",
           "8M8",
           "1..5M",
           "nan",
           "inf",
           "8\n",
           "16EiB",
           "18446744073709551616",
           "99999999999999999999999",
           "18446744073709551615K",
           "1.0000000000000000001K",
       }) {
    const auto bytes = parse_bytes(bad);
    ASSERT_FALSE(bytes) << bad << " was read as " << *bytes;
    EXPECT_EQ(bytes.error().code, Code::usage) << bad;
    EXPECT_NE(bytes.error().text.find('"'), std::string::npos) << "says what it is about: " << bytes.error().text;
  }
  EXPECT_NE(parse_bytes("8Mb").error().text.find("bits"), std::string::npos);
}

TEST(Units, ParsesRatesAsBits) {
  for (const Good& one : {
           Good{"2Gbps", 2'000'000'000},
           Good{"2gbps", 2'000'000'000},
           Good{"400Mb/s", 400'000'000},
           Good{"400 Mbit/s", 400'000'000},
           Good{"1.5GB/s", 12'000'000'000},
           Good{"10MiB/s", 80 * mib},
           Good{"1Gib/s", 1024 * mib},
           Good{"100bps", 100},
           Good{"100B/s", 800},
           Good{"1kB/s", 8000},
           Good{"1MBps", 8'000'000},
           Good{"0.5Tbps", 500'000'000'000},
           Good{"0Mbps", 0},
       }) {
    const auto rate = parse_rate(one.text);
    ASSERT_TRUE(rate) << one.text << ": " << rate.error().text;
    EXPECT_EQ(*rate, one.value) << one.text;
  }
}

TEST(Units, RefusesBadRates) {
  for (const char* bad : {"", "5", "5.5", "2G", "2GB", "2Gb", "Gbps", "-2Gbps", "2Gbps/s", "2Gbp", "2 / s", "2ib/s",
                          "2GBPS", "20EBps", "3EB/s", "18.5Ebps", "99999999999999999999Gbps"}) {
    const auto rate = parse_rate(bad);
    ASSERT_FALSE(rate) << bad << " was read as " << *rate;
    EXPECT_EQ(rate.error().code, Code::usage) << bad;
  }
}

TEST(Units, ParsesSeconds) {
  struct Case {
    const char* text;
    double seconds;
  };
  for (const Case& one :
       {Case{"30", 30}, Case{"30s", 30}, Case{"0", 0}, Case{"0.25", 0.25}, Case{"5m", 300}, Case{"5min", 300},
        Case{"5 min", 300}, Case{"2h", 7200}, Case{"1d", 86400}, Case{"1.5h", 5400}}) {
    const auto seconds = parse_seconds(one.text);
    ASSERT_TRUE(seconds) << one.text << ": " << seconds.error().text;
    EXPECT_DOUBLE_EQ(*seconds, one.seconds) << one.text;
  }
}

TEST(Units, RefusesBadSeconds) {
  for (const char* bad :
       {"", "s", "-5", "5M", "5S", "5 5", "5ms5", "1e9", "nan", "inf", "5.s", "101000d", "99999999999999999999"}) {
    const auto seconds = parse_seconds(bad);
    ASSERT_FALSE(seconds) << bad << " was read as " << *seconds;
    EXPECT_EQ(seconds.error().code, Code::usage) << bad;
  }
}

TEST(Units, FormatsBytes) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(412), "412 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.00 KiB");
  EXPECT_EQ(format_bytes(1536 * mib), "1.50 GiB");
  EXPECT_EQ(format_bytes(mib - 1), "1.00 MiB");  // not "1024.00 KiB"
  EXPECT_EQ(format_bytes(value_max), "16.00 EiB");
}

TEST(Units, FormatsRates) {
  EXPECT_EQ(format_rate(0), "0 B/s");
  EXPECT_EQ(format_rate(999), "999 B/s");
  EXPECT_EQ(format_rate(999.7), "1.00 kB/s");
  EXPECT_EQ(format_rate(1.23e9), "1.23 GB/s");
  EXPECT_EQ(format_rate(999'999), "1.00 MB/s");
  EXPECT_EQ(format_rate(-1), "0 B/s");
  EXPECT_EQ(format_rate(std::numeric_limits<double>::quiet_NaN()), "0 B/s");
}

TEST(Units, FormatsDurations) {
  EXPECT_EQ(format_duration(0), "0:00");
  EXPECT_EQ(format_duration(7.2), "0:07");
  EXPECT_EQ(format_duration(245), "4:05");
  EXPECT_EQ(format_duration(3599.6), "1:00:00");
  EXPECT_EQ(format_duration(3723), "1:02:03");
  EXPECT_EQ(format_duration(360000), "100:00:00");
  for (const double none : {-1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(format_duration(none), "--:--");
  }
}

}  // namespace
}  // namespace longhaul
