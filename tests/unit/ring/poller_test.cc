// Both pollers keep the same promises.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "ring/ring.h"

namespace longhaul::ring {
namespace {

struct Pair {
  Fd near;
  Fd far;
};

Pair make_pair() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

class PollerTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      auto made = Ring::make(clock_);
      if (!made) GTEST_SKIP() << made.error().text;
      poller_ = std::move(*made);
    } else {
      poller_ = make_poll_poller(clock_);
    }
  }
  /// Milliseconds that a wait of at most `limit_ms` took.
  std::int64_t wait_ms(std::int64_t limit_ms) {
    const Time begin = clock_.now();
    poller_->wait(begin, begin + limit_ms * millisecond);
    return (clock_.now() - begin) / millisecond;
  }
  /// A first wait may return for a wake or an event that was already reported; the second tells.
  void settle() {
    while (wait_ms(5) < 5) {
    }
  }

  Clock& clock_ = system_clock();
  std::unique_ptr<Poller> poller_;
};

constexpr std::int64_t long_ms = 5000;
constexpr std::int64_t soon_ms = 2000;

TEST_P(PollerTest, WaitsUntilItsDeadline) {
  EXPECT_GE(wait_ms(30), 30);
  EXPECT_LT(wait_ms(0), soon_ms);
  const Time now = clock_.now();
  poller_->wait(now, now - second);  // in the past: at once
  EXPECT_LT(clock_.now() - now, second);
}

TEST_P(PollerTest, AWakeBeforeTheWaitMakesItReturnAtOnceAndOnlyOnce) {
  poller_->wake();
  poller_->wake();
  EXPECT_LT(wait_ms(long_ms), soon_ms);
  EXPECT_GE(wait_ms(30), 30);
}

TEST_P(PollerTest, AWakeFromAnotherThreadEndsAWaitWithoutDeadline) {
  for (int round = 0; round < 20; ++round) {
    std::thread other([this, round] {
      if (round % 2 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      poller_->wake();
    });
    poller_->wait(clock_.now(), time_never);
    other.join();
    settle();
  }
}

TEST_P(PollerTest, NoWakeIsLostWhenThreadsHandOverInTurn) {
  constexpr int rounds = 20'000;
  std::atomic<int> mail = 0;
  std::thread writer([&] {
    for (int i = 1; i <= rounds; ++i) {
      mail.store(i);
      poller_->wake();
    }
  });
  const Time deadline = clock_.now() + 20 * second;
  while (mail.load() < rounds && clock_.now() < deadline) poller_->wait(clock_.now(), deadline);
  EXPECT_EQ(mail.load(), rounds);
  EXPECT_LT(clock_.now(), deadline);
  writer.join();
}

TEST_P(PollerTest, TellsOnceThatADescriptorIsReadable) {
  const Pair pair = make_pair();
  poller_->watch(pair.near.get(), true, false);
  EXPECT_GE(wait_ms(20), 20);
  ASSERT_EQ(::write(pair.far.get(), "x", 1), 1);
  EXPECT_LT(wait_ms(long_ms), soon_ms);
  EXPECT_GE(wait_ms(20), 20);  // one-shot, although the byte is still there
  poller_->watch(pair.near.get(), true, false);
  EXPECT_LT(wait_ms(long_ms), soon_ms);  // asked again: still readable
}

TEST_P(PollerTest, WritableAndBothDirections) {
  const Pair pair = make_pair();
  poller_->watch(pair.near.get(), true, true);
  EXPECT_LT(wait_ms(long_ms), soon_ms);
  settle();
}

TEST_P(PollerTest, ChangingWhatIsWatchedReplacesIt) {
  const Pair pair = make_pair();
  poller_->watch(pair.near.get(), true, false);
  EXPECT_GE(wait_ms(20), 20);
  poller_->watch(pair.near.get(), false, true);
  EXPECT_LT(wait_ms(long_ms), soon_ms);
  poller_->watch(pair.near.get(), false, true);
  poller_->watch(pair.near.get(), true, false);  // back, before any wait: writable no longer matters
  settle();
  EXPECT_GE(wait_ms(20), 20);
  ASSERT_EQ(::write(pair.far.get(), "x", 1), 1);
  EXPECT_LT(wait_ms(long_ms), soon_ms);
}

TEST_P(PollerTest, TheEndOfThePeerIsReadiness) {
  Pair pair = make_pair();
  poller_->watch(pair.near.get(), true, false);
  EXPECT_GE(wait_ms(10), 10);
  pair.far.reset();
  EXPECT_LT(wait_ms(long_ms), soon_ms);
}

TEST_P(PollerTest, AForgottenDescriptorMayBeClosedAndItsNumberReused) {
  Pair old_pair = make_pair();
  const int number = old_pair.near.get();
  poller_->watch(number, true, false);
  EXPECT_GE(wait_ms(10), 10);
  ASSERT_EQ(::write(old_pair.far.get(), "x", 1), 1);  // its completion may be on its way already
  poller_->forget(number);
  const Pair fresh = make_pair();
  old_pair.near.reset();
  const Fd reused(::fcntl(fresh.near.get(), F_DUPFD_CLOEXEC, number));
  ASSERT_EQ(reused.get(), number);
  poller_->watch(number, true, false);
  settle();
  ASSERT_EQ(::write(fresh.far.get(), "y", 1), 1);
  EXPECT_LT(wait_ms(long_ms), soon_ms);
}

TEST_P(PollerTest, ForgettingLetsAConnectionCloseAtOnce) {
  Pair pair = make_pair();
  poller_->watch(pair.near.get(), true, false);
  EXPECT_GE(wait_ms(10), 10);
  poller_->forget(pair.near.get());
  pair.near.reset();
  char byte = 0;
  EXPECT_EQ(::read(pair.far.get(), &byte, 1), 0);  // end of stream, not EAGAIN
}

TEST_P(PollerTest, ManyDescriptorsBeyondTheQueue) {
  std::vector<Pair> pairs;
  for (int i = 0; i < 700; ++i) {
    pairs.push_back(make_pair());
    poller_->watch(pairs.back().near.get(), true, false);
  }
  settle();
  for (int round = 0; round < 3; ++round) {
    for (const Pair& pair : pairs) poller_->watch(pair.near.get(), round % 2 == 0, true);
    EXPECT_LT(wait_ms(long_ms), soon_ms);
  }
  for (const Pair& pair : pairs) poller_->forget(pair.near.get());
  settle();
}

INSTANTIATE_TEST_SUITE_P(Both, PollerTest, testing::Values(true, false),
                         [](const auto& each) { return each.param ? "io_uring" : "poll"; });

}  // namespace
}  // namespace longhaul::ring
