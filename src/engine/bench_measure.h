// What all benches measure with.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/usage.h"
#include "longhaul/bench.h"

namespace longhaul::engine {

/// Time and CPU of this process since it was made.
class Stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return static_cast<double>(system_clock().now() - began_) / static_cast<double>(second);
  }
  [[nodiscard]] BenchRate taken_for(std::uint64_t bytes) const {
    return {.bytes = bytes, .seconds = seconds(), .cpu_seconds = process_cpu_seconds() - cpu_before_};
  }

 private:
  double cpu_before_ = process_cpu_seconds();
  Time began_ = system_clock().now();
};

/// Does a piece of work and returns how many bytes that was about.
using Work = std::function<std::uint64_t()>;
/// Calls `make` on each of `threads` threads, and what it returns again and again for `seconds`, on all of them at
/// once, or until `stop` (may be null).
[[nodiscard]] BenchRate repeat(unsigned threads, double seconds, const StopFlag* stop,
                               const std::function<Work()>& make);

[[nodiscard]] inline bool is_set(const StopFlag* stop) {
  return stop != nullptr && stop->load() != 0;
}
[[nodiscard]] inline std::unexpected<Error> bench_stopped() {
  return fail(Code::interrupted, "the bench was stopped before it had measured all; nothing is left behind");
}

[[nodiscard]] unsigned cores_of_this_machine();

/// Bytes that nothing can shrink, the same for the same `seed`.
void fill_incompressible(Bytes out, std::uint64_t seed);

}  // namespace longhaul::engine
