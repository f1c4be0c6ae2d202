// Law 3 on real threads: however many copies of a frame come at once, with equal or different digests, written or given
// up: one of them is written, it is the one whose digests are kept, and whoever sees it done sees them.
#include "engine/claims.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <latch>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "stress/effort.h"

namespace longhaul::stress {
namespace {

using engine::FrameClaims;
using Answer = FrameClaims::Answer;
using Leaves = std::array<Digest, protocol::leaves_per_frame_max>;

/// The digests of one version of a frame's content.
Leaves leaves_for(unsigned frame, unsigned version) {
  Leaves leaves;
  for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf)
    leaves[leaf] =
        digest_of(bytes_of(std::to_string(frame) + "/" + std::to_string(version) + "/" + std::to_string(leaf)));
  return leaves;
}

/// One chunk that several threads land at once, and what they saw.
class Contest {
 public:
  Contest(unsigned frames, unsigned versions, bool with_give_up)
      : frames_(frames), with_give_up_(with_give_up), claims_(frames), writer_(frames, 0), wins_(frames) {
    for (unsigned version = 0; version < versions; ++version)
      for (unsigned frame = 0; frame < frames; ++frame) content_.push_back(leaves_for(frame, version));
  }

  /// What a worker does with copies of all frames, as its streams bring them: in an order of its own, again and again
  /// until all are written.
  void land(unsigned thread, unsigned version) {
    Jitter jitter(thread + 1);
    const unsigned first = static_cast<unsigned>(jitter.next() % frames_);
    while (claims_.done_count() < frames_) {
      for (unsigned i = 0; i < frames_; ++i) take(thread, version, (first + i) % frames_, jitter);
      jitter.pause();
    }
    for (unsigned frame = 0; frame < frames_; ++frame) take(thread, version, frame, jitter);  // late copies
    look_at_all();
  }

  /// What the storage role does: it looks at the count only, and then at every digest.
  void watch() {
    while (claims_.done_count() < frames_) std::this_thread::yield();
    look_at_all();
  }

  void check(bool expect_differences) const {
    EXPECT_EQ(completed_, 1U) << "the chunk completes once";
    EXPECT_EQ(wrong_, 0U);
    EXPECT_TRUE(claims_.all_claimed());
    for (unsigned frame = 0; frame < frames_; ++frame) EXPECT_EQ(wins_[frame], 1U) << "frame " << frame;
    EXPECT_TRUE(expect_differences || differed_ == 0) << differed_;
  }
  [[nodiscard]] unsigned given_up() const { return given_up_; }
  [[nodiscard]] unsigned differed() const { return differed_; }

 private:
  [[nodiscard]] const Leaves& content(unsigned frame, unsigned version) const {
    return content_[version * frames_ + frame];
  }

  void take(unsigned thread, unsigned version, unsigned frame, Jitter& jitter) {
    const Leaves& own = content(frame, version);
    switch (claims_.claim(frame, own)) {
      case Answer::won:
        writer_[frame] = thread * 16 + version;  // plain, like the file's bytes: two winners at once are a race
        jitter.pause();
        if (with_give_up_ && jitter.one_in(3)) {
          ++given_up_;
          claims_.give_up(frame);
          break;
        }
        ++wins_[frame];
        if (claims_.done(frame)) {
          ++completed_;
          look_at_all();
        }
        break;
      case Answer::elsewhere:
        break;
      case Answer::same:
        if (writer_[frame] % 16 != version || !kept_is(frame, version)) ++wrong_;
        break;
      case Answer::differs:
        ++differed_;
        if (writer_[frame] % 16 == version || kept_is(frame, version)) ++wrong_;
        break;
    }
  }

  [[nodiscard]] bool kept_is(unsigned frame, unsigned version) const {
    const Leaves& leaves = content(frame, version);
    return std::equal(leaves.begin(), leaves.end(), std::as_const(claims_).leaves_of(frame));
  }

  /// All frames are done: what is kept is what the last winner brought.
  void look_at_all() {
    for (unsigned frame = 0; frame < frames_; ++frame)
      if (!kept_is(frame, writer_[frame] % 16)) ++wrong_;
  }

  const unsigned frames_;
  const bool with_give_up_;
  std::vector<Leaves> content_;
  FrameClaims claims_;
  std::vector<unsigned> writer_;
  std::vector<std::atomic<unsigned>> wins_;
  std::atomic<unsigned> completed_{0};
  std::atomic<unsigned> wrong_{0};
  std::atomic<unsigned> given_up_{0};
  std::atomic<unsigned> differed_{0};
};

constexpr unsigned workers = 4;

/// `frames` and give-ups as given; each worker brings version `worker % versions`.
void run(Contest& contest, unsigned versions) {
  std::latch together(workers + 1);
  std::vector<std::thread> threads;
  for (unsigned worker = 0; worker < workers; ++worker) {
    threads.emplace_back([&, worker] {
      together.arrive_and_wait();
      contest.land(worker, worker % versions);
    });
  }
  threads.emplace_back([&] {
    together.arrive_and_wait();
    contest.watch();
  });
  for (auto& thread : threads) thread.join();
}

TEST(ClaimsStress, EqualCopies) {
  const Watchdog watchdog("equal copies");
  for (unsigned round = 0; round < rounds(400U, 60U); ++round) {
    Contest contest(64 + round % 70, 1, false);
    run(contest, 1);
    contest.check(false);
  }
}

TEST(ClaimsStress, CopiesThatDiffer) {
  const Watchdog watchdog("copies that differ");
  unsigned differed = 0;
  for (unsigned round = 0; round < rounds(400U, 60U); ++round) {
    Contest contest(1 + round % 130, 2, false);
    run(contest, 2);
    contest.check(true);
    differed += contest.differed();
  }
  EXPECT_GT(differed, 0U) << "the two versions never met";
}

TEST(ClaimsStress, GivenUpAndTakenAnew) {
  const Watchdog watchdog("given up and taken anew");
  unsigned given_up = 0;
  for (unsigned round = 0; round < rounds(400U, 60U); ++round) {
    Contest contest(1 + round % 130, 3, true);
    run(contest, 3);
    contest.check(true);
    given_up += contest.given_up();
  }
  EXPECT_GT(given_up, 0U);
}

/// All bits of one word, and one frame: where threads meet most.
TEST(ClaimsStress, OneFrame) {
  const Watchdog watchdog("one frame");
  for (unsigned round = 0; round < rounds(2'000U, 200U); ++round) {
    Contest contest(1, 2, true);
    run(contest, 2);
    contest.check(true);
  }
}

}  // namespace
}  // namespace longhaul::stress
