#include "chunk/zero_runs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace longhaul::chunk {
namespace {

using Runs = std::vector<std::pair<std::size_t, std::size_t>>;

Runs runs_of(ConstBytes content, std::size_t block_bytes) {
  Runs runs;
  for (std::size_t from = 0;;) {
    const Run run = next_run(content, from, block_bytes);
    if (run.bytes == 0) return runs;
    runs.emplace_back(run.begin, run.bytes);
    from = run.begin + run.bytes;
  }
}

TEST(ZeroRuns, AreBlocksInARowThatHoldSomething) {
  std::vector<std::byte> content(10 * 4096 + 100);
  EXPECT_EQ(runs_of(content, 4096), Runs{});
  EXPECT_EQ(runs_of({}, 4096), Runs{});
  content[4096] = std::byte{1};            // the first byte of a block
  content[3 * 4096 - 1] = std::byte{1};    // the last of the one behind it
  content[7 * 4096 + 77] = std::byte{1};   // one in the middle
  content[10 * 4096 + 99] = std::byte{1};  // the short block at the end
  EXPECT_EQ(runs_of(content, 4096), (Runs{{4096, 8192}, {7 * 4096, 4096}, {10 * 4096, 100}}));
  EXPECT_EQ(runs_of(content, 8192), (Runs{{0, 16384}, {6 * 4096, 8192}, {10 * 4096, 100}}));
}

TEST(ZeroRuns, ContentWithoutZerosIsOneRun) {
  const std::vector<std::byte> content(5 * 512 + 1, std::byte{7});
  EXPECT_EQ(runs_of(content, 512), (Runs{{0, content.size()}}));
  EXPECT_EQ(runs_of(ConstBytes(content).first(1), 512), (Runs{{0, 1}}));
}

TEST(ZeroRuns, WhatIsInNoRunIsZero) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::byte> content(random() % 5000);
    for (std::size_t i = random() % 8; i > 0 && !content.empty(); --i)
      content[random() % content.size()] = static_cast<std::byte>(random());
    std::vector<std::byte> copy(content.size());
    for (const auto& [begin, bytes] : runs_of(content, 64)) {
      EXPECT_EQ(begin % 64, 0U);
      std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(begin), bytes,
                  copy.begin() + static_cast<std::ptrdiff_t>(begin));
    }
    EXPECT_EQ(copy, content);
  }
}

}  // namespace
}  // namespace longhaul::chunk
