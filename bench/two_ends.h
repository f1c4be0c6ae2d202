// The two ends of a bare loop, each a process of its own, and what both cost.
#pragma once

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/clock.h"

namespace longhaul::bench {

/// From when the sender begins until both have ended; of each end's CPU, what it has used since it began.
struct Cost {
  double seconds = 0;
  double sender_cpu_s = 0;  ///< user + system
  double receiver_cpu_s = 0;
};

inline double cpu_seconds_of(const rusage& usage) {
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// When an end began. Lies in memory that it shares with the process that measures.
struct Begin {
  Time at = 0;
  double cpu_s = 0;

  /// In the end's process: what it did so far was to get ready, and is not measured.
  void now() {
    rusage usage{};
    (void)getrusage(RUSAGE_SELF, &usage);
    cpu_s = cpu_seconds_of(usage);
    at = system_clock().now();
  }
};

/// What an end does. It begins with its process, and once more whenever it says so.
using End = std::function<void(Begin&)>;

inline pid_t spawn(const End& work, Begin& begin) {
  const pid_t child = fork();
  if (child < 0) {
    std::perror("fork");
    std::_Exit(1);
  }
  if (child == 0) {
    work(begin);
    std::fflush(nullptr);
    std::_Exit(0);
  }
  return child;
}

/// Ends this process, too, if that one has failed: it has said why.
inline double wait_for(pid_t child) {
  int status = 0;
  rusage usage{};
  const bool ended = wait4(child, &status, 0, &usage) == child;
  (void)unlink(fmt::format("/dev/shm/{}:0:0", child).c_str());  // libfabric's shm takes it away at exit only
  if (!ended || status != 0) std::exit(1);
  return cpu_seconds_of(usage);
}

/// `let_go`: in this process once both run, so that the end of either is seen by the other.
inline Cost run_two_ends(const End& send, const End& receive, const std::function<void()>& let_go) {
  void* shared = mmap(nullptr, 2 * sizeof(Begin), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) {
    std::perror("mmap");
    std::exit(1);
  }
  auto* const begins = static_cast<Begin*>(shared);
  new (&begins[0]) Begin{.at = system_clock().now()};
  new (&begins[1]) Begin{};
  const pid_t receiver = spawn(receive, begins[1]);
  const pid_t sender = spawn(send, begins[0]);
  let_go();
  Cost cost;
  cost.sender_cpu_s = wait_for(sender) - begins[0].cpu_s;
  cost.receiver_cpu_s = wait_for(receiver) - begins[1].cpu_s;
  cost.seconds = static_cast<double>(system_clock().now() - begins[0].at) / 1e9;
  return cost;
}

/// Of a command line: from 1 to `most`. False, and `into` as it was: it is none.
inline bool read_number(std::string_view text, std::uint64_t most, auto& into) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0 || number > most) return false;
  into = static_cast<std::remove_reference_t<decltype(into)>>(number);
  return true;
}

/// One line of JSON; `more`: fields of its own.
inline void print(const Cost& cost, std::uint64_t bytes, const std::string& more) {
  const double cpu_s = cost.sender_cpu_s + cost.receiver_cpu_s;
  const double gib = static_cast<double>(bytes) / (1 << 30);
  fmt::print(
      "{{\"seconds\": {:.4f}, \"cpu_seconds\": {:.4f}, \"cpu_seconds_sender\": {:.4f}, \"cpu_seconds_receiver\": "
      "{:.4f}, \"cpu_s_per_gib\": {:.4f}, \"gb_per_s\": {:.3f}, {}}}\n",
      cost.seconds, cpu_s, cost.sender_cpu_s, cost.receiver_cpu_s, gib > 0 ? cpu_s / gib : 0.0,
      static_cast<double>(bytes) / cost.seconds / 1e9, more);
}

}  // namespace longhaul::bench
