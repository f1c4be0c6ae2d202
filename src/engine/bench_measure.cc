#include "engine/bench_measure.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <thread>

namespace longhaul::engine {

BenchRate repeat(unsigned threads, double seconds, const StopFlag* stop, const std::function<Work()>& make) {
  const Time lasts = static_cast<Time>(seconds * static_cast<double>(second));
  std::atomic<std::uint64_t> bytes{0};
  std::barrier ready(threads + 1);
  const auto run = [&] {
    const Work work = make();
    (void)work();  // once before it counts: memory is touched, tables are made
    ready.arrive_and_wait();
    const Time until = system_clock().now() + lasts;
    std::uint64_t its_bytes = 0;
    do {
      its_bytes += work();
    } while (system_clock().now() < until && !is_set(stop));
    bytes += its_bytes;
  };
  std::vector<std::thread> running;
  for (unsigned i = 0; i < threads; ++i) running.emplace_back(run);
  ready.arrive_and_wait();
  const Stopwatch watch;
  for (std::thread& thread : running) thread.join();
  return watch.taken_for(bytes);
}

unsigned cores_of_this_machine() {
  return std::max(1U, std::thread::hardware_concurrency());
}

void fill_incompressible(Bytes out, std::uint64_t seed) {
  for (std::size_t at = 0; at + sizeof seed <= out.size(); at += sizeof seed) {
    seed += 0x9e3779b97f4a7c15;  // splitmix64
    std::uint64_t word = seed;
    word = (word ^ (word >> 30U)) * 0xbf58476d1ce4e5b9;
    word = (word ^ (word >> 27U)) * 0x94d049bb133111eb;
    store(out.data() + at, word ^ (word >> 31U));
  }
}

}  // namespace longhaul::engine
