// The thread runner: roles that are started from many threads at once and by other roles, that write to each other, and
// that end in any order; and the few things that all threads of a process share.
#include "engine/runtime.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <sstream>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/repeats.h"
#include "base/usage.h"
#include "stress/effort.h"

namespace longhaul::stress {
namespace {

using engine::Kit;
using engine::Runner;

/// Hands each token on to its neighbour until it has made its rounds.
class Relay final : public Role {
 public:
  explicit Relay(Kit kit) : kit_(std::move(kit)), mailbox_(kit_.poller.get()) {}

  // Any thread.
  void pass(unsigned token) {
    mailbox_.put([token](Relay& self) { self.take(token); });
  }
  void lead_to(Relay* next) {
    mailbox_.put([next](Relay& self) { self.next_ = next; });
  }
  void stop() {
    mailbox_.put([](Relay& self) { self.stopped_ = true; });
  }
  [[nodiscard]] unsigned arrived() const { return arrived_.load(); }

  Time step(Time) override {
    for (auto& mail : mailbox_.take()) mail(*this);
    ++steps_;
    return time_never;  // mail only: a lost wake-up stops the ring for good
  }
  [[nodiscard]] bool finished() const override { return stopped_; }
  [[nodiscard]] std::string name() const override { return "relay"; }

 private:
  void take(unsigned token) {
    if (token == 0)
      ++arrived_;
    else
      next_->pass(token - 1);
  }

  Kit kit_;
  Mailbox<std::function<void(Relay&)>> mailbox_;
  Relay* next_ = nullptr;
  unsigned steps_ = 0;  // plain: only its own thread steps it
  bool stopped_ = false;
  std::atomic<unsigned> arrived_{0};
};

Relay& start_relay(Runner& runner) {
  return static_cast<Relay&>(runner.start([](Kit kit) { return std::make_unique<Relay>(std::move(kit)); }));
}

TEST(RunnerStress, RolesThatWriteToEachOther) {
  const Watchdog watchdog("a ring of roles");
  constexpr unsigned roles = 6;
  constexpr unsigned tokens = 8;
  constexpr unsigned hops = rounds(6'000U, 1'000U);
  const auto runner = engine::make_thread_runner();
  std::vector<std::future<Relay*>> starting;  // from several threads at once, as sessions in one process do
  for (unsigned i = 0; i < roles; ++i)
    starting.push_back(std::async(std::launch::async, [&] { return &start_relay(*runner); }));
  std::vector<Relay*> ring;
  for (auto& each : starting) ring.push_back(each.get());
  for (unsigned i = 0; i < roles; ++i) ring[i]->lead_to(ring[(i + 1) % roles]);
  for (unsigned token = 0; token < tokens; ++token) ring[token % roles]->pass(hops);
  const auto arrived = [&] {
    unsigned sum = 0;
    for (const Relay* relay : ring) sum += relay->arrived();
    return sum;
  };
  while (arrived() < tokens) {
    // What control does about its workers.
    for (const Relay* relay : ring) EXPECT_LT(relay->in_step_since.load(std::memory_order_relaxed), time_never);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(arrived(), tokens);
  for (Relay* relay : ring) relay->stop();
}

/// Starts another of its kind in a step of its own, and ends.
class Ancestor final : public Role {
 public:
  Ancestor(Runner& runner, unsigned generations, std::atomic<unsigned>& born)
      : runner_(runner), generations_(generations), born_(born) {
    ++born_;
  }
  Time step(Time now) override {
    if (generations_ > 0) {
      runner_.start([&](Kit) { return std::make_unique<Ancestor>(runner_, generations_ - 1, born_); });
      if (generations_ % 4 == 0) runner_.start([&](Kit) { return std::make_unique<Ancestor>(runner_, 0, born_); });
    }
    done_ = true;
    return now;
  }
  [[nodiscard]] bool finished() const override { return done_; }
  [[nodiscard]] std::string name() const override { return "ancestor"; }

 private:
  Runner& runner_;
  const unsigned generations_;
  std::atomic<unsigned>& born_;
  bool done_ = false;
};

TEST(RunnerStress, RolesThatStartRolesWhileTheRunnerGoes) {
  const Watchdog watchdog("roles that start roles");
  for (unsigned round = 0; round < rounds(30U, 6U); ++round) {
    std::atomic<unsigned> born{0};
    {
      const auto runner = engine::make_thread_runner();
      runner->start([&](Kit) { return std::make_unique<Ancestor>(*runner, 12, born); });
    }  // it waits for those, too, that do not exist yet
    EXPECT_EQ(born, 13U + 3U);
  }
}

TEST(LogStress, OneThreadShowsAndTheOthersAreCounted) {
  constexpr unsigned threads_count = 4;
  constexpr unsigned each = rounds(20'000U, 4'000U);
  log::Repeats repeats;
  std::atomic<unsigned> shown{0};
  std::vector<std::thread> threads;
  for (unsigned thread = 0; thread < threads_count; ++thread) {
    threads.emplace_back([&] {
      for (unsigned i = 0; i < each; ++i)
        if (repeats.show("the same", second)) ++shown;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(shown, 1U);
  EXPECT_EQ(repeats.show("the same", second + log::repeat_after), threads_count * each - 1);
}

/// Standard error goes into a pipe while this lives; words of a sanitizer would go there as well, so that what the log
/// is made of is tested before.
class CapturedErrors {
 public:
  CapturedErrors() : before_(::dup(STDERR_FILENO)) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    read_ = Fd(ends[0]);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
    reader_ = std::thread([this] {
      std::array<char, 4096> piece{};
      for (ssize_t got = 0; (got = ::read(read_.get(), piece.data(), piece.size())) > 0;)
        text_.append(piece.data(), static_cast<std::size_t>(got));
    });
  }
  std::string finish() {
    ::dup2(before_.get(), STDERR_FILENO);  // closes the pipe's last writing end
    reader_.join();
    return text_;
  }

 private:
  Fd before_;
  Fd read_;
  std::string text_;
  std::thread reader_;
};

TEST(LogStress, LinesStayWholeAndRepeatsAreFolded) {
  const Watchdog watchdog("the log");
  constexpr unsigned threads_count = 4;
  constexpr unsigned lines = 300;
  CapturedErrors errors;
  log::set_level(log::Level::verbose);
  std::vector<std::thread> threads;
  for (unsigned thread = 0; thread < threads_count; ++thread) {
    threads.emplace_back([thread] {
      for (unsigned line = 0; line < lines; ++line) {
        log::info("<thread " + std::to_string(thread) + " line " + std::to_string(line) + ">");
        log::warn("<the same from all, " + std::to_string(line % 20) + ">");
        log::set_level(log::Level::verbose);  // the same again: any thread may
      }
    });
  }
  for (auto& thread : threads) thread.join();
  log::set_level(log::Level::normal);
  std::istringstream text(errors.finish());
  std::map<std::string, unsigned> seen;
  for (std::string line; std::getline(text, line);) {
    const auto begin = line.find('<');
    ASSERT_NE(begin, std::string::npos) << line;
    ASSERT_EQ(line.find('>'), line.size() - 1) << "torn: " << line;
    ++seen[line.substr(begin)];
  }
  EXPECT_EQ(seen.size(), threads_count * lines + 20);
  for (const auto& [line, count] : seen) EXPECT_EQ(count, 1U) << line;
}

/// Seams that are one for the whole process.
TEST(SeamStress, ClockRandomAndUsageFromManyThreads) {
  std::vector<std::thread> threads;
  std::atomic<unsigned> wrong{0};
  for (unsigned thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      Time last = 0;
      double used = 0;
      for (unsigned i = 0; i < 2'000; ++i) {
        const Time now = system_clock().now();
        const double usage = process_cpu_seconds();
        if (now < last || usage < used || system_random().next() == system_random().next()) ++wrong;
        last = now;
        used = usage;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0U);
}

}  // namespace
}  // namespace longhaul::stress
