#include "base/clock.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/check.h"

namespace longhaul {
namespace {

std::int64_t read_clock(clockid_t which) {
  timespec now{};
  LH_CHECK(clock_gettime(which, &now) == 0, "a clock that every Linux has cannot be read");
  return static_cast<std::int64_t>(now.tv_sec) * second + now.tv_nsec;
}

class SystemClock final : public Clock {
 public:
  Time now() override { return read_clock(CLOCK_MONOTONIC); }
  std::int64_t wall_ns() override { return read_clock(CLOCK_REALTIME); }
};

class SystemRandom final : public Random {
 public:
  void fill(std::span<std::byte> out) override {
    while (!out.empty()) {
      const ssize_t got = getrandom(out.data(), out.size(), 0);
      // Weak randomness would make tickets guessable: there is no way to go on.
      LH_CHECK(got > 0 || errno == EINTR, "the kernel gives no random bytes");
      if (got > 0) out = out.subspan(static_cast<std::size_t>(got));
    }
  }
};

}  // namespace

std::uint64_t Random::next() {
  std::array<std::byte, sizeof(std::uint64_t)> bytes{};
  fill(bytes);
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

Random& system_random() {
  static SystemRandom random;
  return random;
}

}  // namespace longhaul
