#include "paths/words.h"

#include <gtest/gtest.h>

#include <limits>

namespace longhaul::paths {
namespace {

TEST(Words, BitsPerSecond) {
  EXPECT_EQ(bits_per_s(0), "0 b/s");
  EXPECT_EQ(bits_per_s(-5), "0 b/s");
  EXPECT_EQ(bits_per_s(std::numeric_limits<double>::quiet_NaN()), "0 b/s");
  EXPECT_EQ(bits_per_s(335e6 / 8), "335 Mb/s");
  EXPECT_EQ(bits_per_s(3.1e9 / 8), "3.1 Gb/s");
  EXPECT_EQ(bits_per_s(3e9 / 8), "3 Gb/s");
  EXPECT_EQ(bits_per_s(999.6e6 / 8), "1 Gb/s");
  EXPECT_EQ(bits_per_s(40e9 / 8), "40 Gb/s");
  EXPECT_EQ(bits_per_s(4e15 / 8), "4000 Tb/s");
}

}  // namespace
}  // namespace longhaul::paths
