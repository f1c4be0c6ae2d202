// Threads that read whole files, for commands that have nothing else to do: scan, verify. Each has its own disk and
// buffer; jobs wait in a short queue, so that memory does not grow with the number of files.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "disk/disk.h"

namespace longhaul::engine {

class Crew {
 public:
  /// What a job works with: its thread's, while it runs.
  struct Hand {
    disk::Disk& disk;
    Bytes buffer;  ///< 1 MiB
  };
  using Job = std::function<void(Hand&)>;

  /// `threads`: 0 is one a core, at most 8. `tick` is called by `add` and `finish`, on the caller's thread, a few times
  /// a second while they wait, and by each `add`.
  Crew(unsigned threads, std::function<void()> tick);
  /// Jobs that have not begun are dropped; waits for the others.
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  /// One thread at a time. Waits while the queue is full. The job must not throw but for want of memory.
  void add(Job job);
  /// Until every job is done.
  void finish();

 private:
  void work();

  std::function<void()> tick_;
  std::mutex mutex_;
  std::condition_variable has_work_;
  std::condition_variable has_room_;
  std::deque<Job> jobs_;
  unsigned busy_ = 0;
  bool ended_ = false;
  std::size_t jobs_max_;
  std::vector<std::thread> threads_;
};

}  // namespace longhaul::engine
