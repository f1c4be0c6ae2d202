// Mailboxes on real threads and real pollers: nothing is lost, nothing comes twice, each writer's order is kept, no
// wake-up goes astray, and what nobody took is let go of with the mailbox.
#include "base/mailbox.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "ring/ring.h"
#include "ring/wake.h"
#include "stress/effort.h"

namespace longhaul::stress {
namespace {

/// Counts what is alive of it.
class Letter {
 public:
  Letter(unsigned writer, unsigned number) : writer_(writer), number_(number) { ++alive; }
  ~Letter() { --alive; }
  Letter(const Letter&) = delete;
  Letter& operator=(const Letter&) = delete;
  [[nodiscard]] unsigned writer() const { return writer_; }
  [[nodiscard]] unsigned number() const { return number_; }
  static std::atomic<int> alive;

 private:
  unsigned writer_;  // plain on purpose: it is the mailbox that must make it visible to the reader
  unsigned number_;
};
std::atomic<int> Letter::alive{0};
using LetterPtr = std::unique_ptr<Letter>;

enum class Kind { ring, poll };

std::unique_ptr<Poller> make_poller(Kind kind) {
  if (kind == Kind::poll) return ring::make_poll_poller(system_clock());
  auto made = ring::Ring::make(system_clock());
  return made ? std::move(*made) : nullptr;
}

/// Waits without a deadline: a wake-up that is lost leaves the reader here for good, and the watchdog says so.
void wait_for_mail(Poller& poller) {
  poller.wait(system_clock().now(), time_never);
}

class MailboxStress : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (make_poller(GetParam()) == nullptr) GTEST_SKIP() << "io_uring is not available here";
  }
};

TEST_P(MailboxStress, ManyWritersOneReader) {
  const Watchdog watchdog("many writers, one reader");
  constexpr unsigned writers = 4;
  constexpr unsigned letters = rounds(60'000U, 6'000U);
  const auto poller = make_poller(GetParam());
  std::vector<unsigned> next(writers, 0);
  {
    Mailbox<LetterPtr> mailbox(poller.get());
    std::vector<std::thread> threads;
    for (unsigned writer = 0; writer < writers; ++writer) {
      threads.emplace_back([&mailbox, writer] {
        Jitter jitter(writer);
        for (unsigned number = 0; number < letters; ++number) {
          mailbox.put(std::make_unique<Letter>(writer, number));
          jitter.pause();
        }
      });
    }
    for (unsigned taken = 0; taken < writers * letters;) {
      for (const LetterPtr& letter : mailbox.take()) {
        EXPECT_EQ(letter->number(), next[letter->writer()]) << "lost, doubled or overtaken";
        next[letter->writer()] = letter->number() + 1;
        ++taken;
      }
      if (taken < writers * letters) wait_for_mail(*poller);
    }
    for (auto& thread : threads) thread.join();
    EXPECT_TRUE(mailbox.take().empty());
  }
  EXPECT_EQ(Letter::alive, 0);
}

/// Two threads that can only go on when the other has answered: each put meets a reader that falls asleep just then.
TEST_P(MailboxStress, EveryAnswerWakes) {
  const Watchdog watchdog("answers by mail");
  constexpr unsigned exchanges = rounds(50'000U, 8'000U);
  const auto here = make_poller(GetParam());
  Mailbox<unsigned> questions(here.get());
  std::atomic<Mailbox<unsigned>*> answers{nullptr};
  std::thread other([&] {
    const auto there = make_poller(GetParam());
    Mailbox<unsigned> own(there.get());
    answers = &own;
    Jitter jitter(7);
    for (unsigned expected = 0; expected < exchanges;) {
      for (const unsigned number : own.take()) {
        EXPECT_EQ(number, expected++);
        jitter.pause();
        questions.put(number);
      }
      if (expected < exchanges) wait_for_mail(*there);
    }
    while (answers.load() != nullptr) std::this_thread::yield();  // its last answer may still be on its way out of put
  });
  while (answers.load() == nullptr) std::this_thread::yield();
  Mailbox<unsigned>& to_other = *answers.load();
  Jitter jitter(8);
  for (unsigned number = 0; number < exchanges; ++number) {
    to_other.put(number);
    jitter.pause();
    std::vector<unsigned> came;
    while ((came = questions.take()).empty()) wait_for_mail(*here);
    EXPECT_EQ(came, std::vector<unsigned>{number});
  }
  answers = nullptr;
  other.join();
}

using Mail = std::function<void()>;

/// Writes until the reader has gone; returns how often.
unsigned keep_writing(Mailbox<Mail>& mailbox, const std::atomic<bool>& reader_gone, std::atomic<unsigned>& ran,
                      std::uint64_t seed) {
  Jitter jitter(seed);
  unsigned put = 0;
  do {
    mailbox.put([&ran, letter = std::make_shared<Letter>(0, put)] { ++ran; });
    ++put;
    jitter.pause();
  } while (!reader_gone.load());
  return put;
}

/// Reads until a mail says stop.
void read_until_stopped(Mailbox<Mail>& mailbox, Poller& poller, const bool& stopping) {
  while (!stopping) {
    for (auto& mail : mailbox.take()) mail();
    if (!stopping) wait_for_mail(poller);
  }
}

void close_once(Poller& poller, unsigned round) {
  constexpr unsigned writers = 3;
  Mailbox<Mail> mailbox(&poller);
  std::atomic<unsigned> ran{0};
  std::atomic<bool> reader_gone{false};
  std::vector<std::future<unsigned>> writing;
  for (unsigned writer = 0; writer < writers; ++writer)
    writing.push_back(std::async(
        std::launch::async, [&, writer] { return keep_writing(mailbox, reader_gone, ran, round * writers + writer); }));
  bool stopping = false;  // plain: its mail runs on the reader's thread
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    mailbox.put([&stopping] { stopping = true; });
  });
  read_until_stopped(mailbox, poller, stopping);
  reader_gone = true;
  unsigned put = 0;
  for (auto& each : writing) put += each.get();
  stopper.join();
  EXPECT_EQ(ran + mailbox.take().size(), put);
  mailbox.put([letter = std::make_shared<Letter>(0, 0)] {});  // nobody takes it any more
}

/// How roles end: a last mail tells the reader to stop while others still write. What it took was run once; what it did
/// not take is let go of with the mailbox, once, and by then nobody writes any more.
TEST_P(MailboxStress, ClosingWhileOthersStillWrite) {
  const Watchdog watchdog("closing");
  for (unsigned round = 0; round < rounds(300U, 60U); ++round) {
    const auto poller = make_poller(GetParam());
    close_once(*poller, round);
    EXPECT_EQ(Letter::alive, 0);
  }
}

/// A wake in itself: what was written before it is seen after the wait that it ends, and no wait outlives its last
/// wake.
TEST_P(MailboxStress, WakesFromManyThreads) {
  const Watchdog watchdog("wakes");
  constexpr unsigned wakers = 3;
  constexpr unsigned wakes = rounds(40'000U, 5'000U);
  const auto poller = make_poller(GetParam());
  std::atomic<unsigned> sum{0};
  std::vector<std::thread> threads;
  for (unsigned waker = 0; waker < wakers; ++waker) {
    threads.emplace_back([&, waker] {
      Jitter jitter(waker);
      for (unsigned i = 0; i < wakes; ++i) {
        sum.fetch_add(1, std::memory_order_relaxed);
        poller->wake();
        jitter.pause();
      }
    });
  }
  while (sum.load(std::memory_order_relaxed) < wakers * wakes) wait_for_mail(*poller);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(sum, wakers * wakes);
}

/// What was written before a wake is visible to whom it wakes, by the wake alone: there is no lock here to help.
TEST(WakeStress, AWakeCarriesWhatWasWrittenBefore) {
  const Watchdog watchdog("what a wake carries");
  constexpr unsigned wakes = rounds(60'000U, 10'000U);
  ring::WakeFlag flag;
  unsigned written = 0;  // plain
  std::atomic<unsigned> seen{0};
  std::thread waker([&] {
    Jitter jitter(9);
    for (unsigned number = 1; number <= wakes; ++number) {
      written = number;
      flag.wake();
      jitter.pause();
      while (seen.load(std::memory_order_acquire) != number) std::this_thread::yield();
    }
  });
  for (unsigned number = 1; number <= wakes; ++number) {
    if (flag.fall_asleep()) {
      pollfd slept{.fd = flag.fd(), .events = POLLIN, .revents = 0};
      ::poll(&slept, 1, -1);
      flag.drain();
      flag.rise();
    }
    EXPECT_EQ(written, number);
    seen.store(number, std::memory_order_release);
  }
  waker.join();
}

INSTANTIATE_TEST_SUITE_P(Pollers, MailboxStress, ::testing::Values(Kind::ring, Kind::poll),
                         [](const auto& each) { return each.param == Kind::ring ? "Ring" : "Poll"; });

}  // namespace
}  // namespace longhaul::stress
