#include "engine/claims.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>

#include "base/bytes.h"

namespace longhaul::engine {
namespace {

using Answer = FrameClaims::Answer;

Digest digest_for(unsigned number) {
  return digest_of(bytes_of("frame " + std::to_string(number)));
}

TEST(FrameClaims, TheFirstCopyWins) {
  FrameClaims claims(3);
  const Digest right = digest_for(1);
  const Digest wrong = digest_for(2);
  EXPECT_EQ(claims.claim(1, {&right, 1}), Answer::won);
  EXPECT_EQ(claims.claim(1, {&right, 1}), Answer::elsewhere);
  EXPECT_FALSE(claims.done(1));
  EXPECT_EQ(claims.claim(1, {&right, 1}), Answer::same);
  EXPECT_EQ(claims.claim(1, {&wrong, 1}), Answer::differs);
  EXPECT_EQ(*std::as_const(claims).leaves_of(1), right);
  EXPECT_EQ(claims.done_count(), 1U);
}

TEST(FrameClaims, AFrameThatWasGivenUpIsClaimedAnew) {
  FrameClaims claims(1);
  const Digest first = digest_for(1);
  const Digest second = digest_for(2);
  EXPECT_EQ(claims.claim(0, {&first, 1}), Answer::won);
  claims.give_up(0);
  EXPECT_FALSE(claims.all_claimed());
  EXPECT_EQ(claims.claim(0, {&second, 1}), Answer::won);
  EXPECT_TRUE(claims.done(0));
  EXPECT_EQ(claims.claim(0, {&second, 1}), Answer::same);
  EXPECT_EQ(claims.claim(0, {&first, 1}), Answer::differs);
}

TEST(FrameClaims, OneCallCompletesTheChunk) {
  for (const unsigned count : {1U, 63U, 64U, 65U, 128U, 200U}) {
    FrameClaims claims(count);
    for (unsigned frame = 0; frame < count; ++frame) {
      EXPECT_FALSE(claims.all_claimed());
      const Digest digest = digest_for(frame);
      ASSERT_EQ(claims.claim(frame, {&digest, 1}), Answer::won);
      EXPECT_EQ(claims.done(frame), frame + 1 == count);
    }
    EXPECT_TRUE(claims.all_claimed());
    EXPECT_EQ(claims.done_count(), count);
  }
}

TEST(FrameClaims, ManyThreadsWriteEachFrameOnce) {
  constexpr unsigned frames = 300;
  constexpr unsigned threads = 4;
  for (int round = 0; round < 20; ++round) {
    FrameClaims claims(frames);
    std::atomic<unsigned> won{0};
    std::atomic<unsigned> completed{0};
    std::atomic<unsigned> wrong{0};
    const auto work = [&](unsigned first) {
      for (unsigned i = 0; i < frames; ++i) {
        const unsigned frame = (first + i) % frames;
        const Digest digest = digest_for(frame);
        switch (claims.claim(frame, {&digest, 1})) {
          case Answer::won:
            ++won;
            if (claims.done(frame)) ++completed;
            break;
          case Answer::differs:
            ++wrong;
            break;
          case Answer::elsewhere:
            break;
          case Answer::same:
            if (*std::as_const(claims).leaves_of(frame) != digest) ++wrong;
            break;
        }
      }
    };
    std::vector<std::thread> running;
    for (unsigned thread = 0; thread < threads; ++thread) running.emplace_back(work, thread * 17);
    for (auto& thread : running) thread.join();
    EXPECT_EQ(won, frames);
    EXPECT_EQ(completed, 1U);
    EXPECT_EQ(wrong, 0U);
  }
}

}  // namespace
}  // namespace longhaul::engine
