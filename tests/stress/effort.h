// How hard a stress test works: enough to meet, on two cores, what it looks for; short enough to be run with every
// build.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>

namespace longhaul::stress {

#if defined(__SANITIZE_THREAD__)
constexpr bool under_thread_sanitizer = true;
#else
constexpr bool under_thread_sanitizer = false;
#endif

/// ThreadSanitizer sees a race whether or not it does harm, so that it needs fewer rounds than a plain build, which
/// must meet the harm itself; and each of its rounds takes about ten times as long.
template <class T>
constexpr T rounds(T plain, T with_thread_sanitizer) {
  return under_thread_sanitizer ? with_thread_sanitizer : plain;
}

/// Small pauses at random places: threads that run in step meet no one.
class Jitter {
 public:
  explicit Jitter(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}
  std::uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  [[nodiscard]] bool one_in(std::uint64_t many) { return next() % many == 0; }
  void pause() {
    if (one_in(64)) std::this_thread::yield();
    if (one_in(1024)) std::this_thread::sleep_for(std::chrono::microseconds(next() % 300));
  }

 private:
  std::uint64_t state_;
};

/// Ends the program with words when what it guards hangs: a lost wake-up shows as a thread that waits for ever.
class Watchdog {
 public:
  explicit Watchdog(std::string guarded, std::chrono::seconds limit = std::chrono::seconds(rounds(60, 180)))
      : guarded_(std::move(guarded)), limit_(limit), thread_([this] { watch(); }) {}
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void watch() {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, limit_, [this] { return over_; })) return;
    std::fprintf(stderr, "HANGS: %s: nothing came of it in %lld s\n", guarded_.c_str(),
                 static_cast<long long>(limit_.count()));
    std::abort();
  }

  const std::string guarded_;
  const std::chrono::seconds limit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace longhaul::stress
