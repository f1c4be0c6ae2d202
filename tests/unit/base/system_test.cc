// The seams to the machine: clock, randomness, descriptors, log, check.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <set>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/repeats.h"

namespace longhaul {
namespace {

TEST(Clock, NeverGoesBackAndKnowsTheEpoch) {
  Time last = system_clock().now();
  for (int i = 0; i < 1000; ++i) {
    const Time now = system_clock().now();
    ASSERT_GE(now, last);
    last = now;
  }
  EXPECT_GT(system_clock().wall_ns() / second, 1'700'000'000);
}

TEST(Random, FillsEverythingAndDoesNotRepeat) {
  std::array<std::byte, 4096> bytes{};
  system_random().fill(bytes);
  std::set<std::byte> seen(bytes.begin() + 2048, bytes.end());
  EXPECT_GT(seen.size(), 200U);
  std::set<std::uint64_t> values;
  for (int i = 0; i < 1000; ++i) values.insert(system_random().next());
  EXPECT_EQ(values.size(), 1000U);
  system_random().fill({});
}

TEST(Random, NextComesFromFill) {
  class Counting final : public Random {
   public:
    void fill(std::span<std::byte> out) override {
      for (std::byte& byte : out) byte = std::byte(next_++);
    }

   private:
    unsigned next_ = 1;
  } random;
  EXPECT_EQ(random.next(), 0x0807060504030201U);
  EXPECT_EQ(random.next(), 0x100f0e0d0c0b0a09U);
}

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

TEST(Fd, ClosesOnce) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  Fd write_end(ends[1]);
  {
    Fd read_end(ends[0]);
    EXPECT_TRUE(read_end);
    Fd moved = std::move(read_end);
    EXPECT_FALSE(read_end);  // NOLINT(bugprone-use-after-move): that is the question
    EXPECT_EQ(moved.get(), ends[0]);
    EXPECT_TRUE(is_open(ends[0]));
  }
  EXPECT_FALSE(is_open(ends[0]));
  Fd other(::dup(write_end.get()));
  const int replaced = other.get();
  other = std::move(write_end);
  EXPECT_FALSE(is_open(replaced));
  EXPECT_EQ(other.get(), ends[1]);
  const int released = other.release();
  EXPECT_FALSE(other);
  other.reset();
  EXPECT_TRUE(is_open(released));
  EXPECT_EQ(::close(released), 0);
}

TEST(CheckDeathTest, StopsWithTheContext) {
  LH_CHECK(1 + 1 == 2, "arithmetic");
  EXPECT_DEATH(LH_CHECK(1 + 1 == 3, "the context of it"), "system_test.cc:[0-9]+: the context of it .*1 \\+ 1 == 3");
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(Log, ShowsWhatItsLevelAllows) {
  testing::internal::CaptureStderr();
  log::set_level(log::Level::quiet);
  log::warn("quiet {} warning");
  log::info("quiet info");
  log::set_level(log::Level::normal);
  log::warn("normal {} warning");
  log::info("normal info");
  log::set_level(log::Level::verbose);
  log::warn("verbose {} warning");
  log::info("verbose {} info");
  log::set_level(log::Level::normal);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(count_of(said, "\n"), 3U) << said;
  EXPECT_EQ(count_of(said, "longhaul: warning: normal {} warning\n"), 1U) << said;
  EXPECT_EQ(count_of(said, "longhaul: warning: verbose {} warning\n"), 1U) << said;
  EXPECT_EQ(count_of(said, "longhaul: info: verbose {} info\n"), 1U) << said;
}

TEST(Log, SaysTheSameOnlyOnce) {
  testing::internal::CaptureStderr();
  for (int i = 0; i < 1000; ++i) {
    log::warn("the disk is slow");
    log::warn("the link is slow");
  }
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(count_of(said, "the disk is slow"), 1U);
  EXPECT_EQ(count_of(said, "the link is slow"), 1U);
}

TEST(Repeats, CountsWhatItHeldBack) {
  log::Repeats repeats;
  EXPECT_EQ(repeats.show("a", 0), 0U);
  EXPECT_EQ(repeats.show("a", 1), std::nullopt);
  EXPECT_EQ(repeats.show("b", 1), 0U);
  EXPECT_EQ(repeats.show("a", log::repeat_after - 1), std::nullopt);
  EXPECT_EQ(repeats.show("a", log::repeat_after), 2U);
  EXPECT_EQ(repeats.show("a", log::repeat_after + 1), std::nullopt);
  EXPECT_EQ(repeats.show("a", 2 * log::repeat_after), 1U);
  EXPECT_EQ(repeats.show("a", 4 * log::repeat_after), 0U);
}

TEST(Repeats, ForgetsTheOldFirstAndStaysSmall) {
  log::Repeats repeats;
  EXPECT_EQ(repeats.show("old", 0), 0U);
  for (std::size_t i = 2; i < log::remembered_max; ++i) (void)repeats.show(std::to_string(i), 1);
  EXPECT_EQ(repeats.show("new", log::repeat_after), 0U);
  EXPECT_EQ(repeats.show("one more", log::repeat_after), 0U);
  EXPECT_EQ(repeats.show("new", log::repeat_after), std::nullopt) << "only what is over a minute old was forgotten";
  EXPECT_EQ(repeats.show("old", log::repeat_after), 0U);
}

class CountingPoller final : public Poller {
 public:
  void watch(int /*fd*/, bool /*readable*/, bool /*writable*/) override {}
  void forget(int /*fd*/) override {}
  void wait(Time /*now*/, Time /*until*/) override {}
  void wake() override { ++wakes; }
  int wakes = 0;
};

TEST(Mailbox, KeepsTheOrderAndWakesOnceForABatch) {
  CountingPoller poller;
  Mailbox<std::string> box(&poller);
  EXPECT_TRUE(box.take().empty());
  box.put("a");
  box.put("b");
  EXPECT_EQ(poller.wakes, 1);
  EXPECT_EQ(box.take(), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(box.take().empty());
  box.put("c");
  EXPECT_EQ(poller.wakes, 2);
  Mailbox<int> nobody(nullptr);
  nobody.put(1);
  EXPECT_EQ(nobody.take(), std::vector<int>{1});
}

}  // namespace
}  // namespace longhaul
