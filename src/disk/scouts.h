// Threads that look at names before their owner does, where a look takes long: a disk that has to seek, a file server
// far away. What they find is thrown away; it is in the kernel's caches when the owner, who alone decides anything,
// looks for itself. So nobody's order, memory or answers depend on them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "disk/disk.h"

namespace longhaul::disk {

/// Used by one thread, but for what it says itself.
class Scouts {
 public:
  /// Whether the content of this directory will be asked for: `path` as the owner gave it, with the names beneath.
  /// Any thread.
  using Enters = std::function<bool(const std::string& path, const Stat& found)>;

  /// Names of one directory that the owner is about to look at, in its order.
  struct Ahead {
    DirPtr directory;                ///< that `names` are relative to
    std::string path;                ///< for `enters`
    std::vector<std::string> names;  ///< components, or paths beneath
  };

  struct Setup {
    DiskMaker make_disk;
    bool attributes = false;         ///< the owner will ask for them, too
    unsigned threads = 16;           ///< begun when they are needed first
    Clock* clock = &system_clock();  ///< outlives it
  };
  explicit Scouts(Setup setup) : setup_(std::move(setup)) {}
  /// Waits for the looks that are under way.
  ~Scouts();
  Scouts(const Scouts&) = delete;
  Scouts& operator=(const Scouts&) = delete;

  /// The owner's own look at a name, with the time that it takes.
  template <class Look>
  auto timed(Look&& look) {
    const Time begin = setup_.clock->now();
    auto found = std::forward<Look>(look)();
    passed(setup_.clock->now() - begin);
    return found;
  }
  /// Looks take so long that it is worth being ahead.
  [[nodiscard]] bool needed() const { return needed_.load(std::memory_order_relaxed); }
  /// Does not wait, and does nothing where it is not needed. `enters` empty: no directory is looked into.
  void look(Ahead ahead, const Enters& enters = {});
  /// The owner enters this directory. Whether scouts have been there, and know of its first names.
  [[nodiscard]] bool enter(std::uint64_t device, std::uint64_t inode);
  /// Looks of scouts that have been finished.
  [[nodiscard]] std::uint64_t looked() const { return looked_.load(std::memory_order_relaxed); }

 private:
  using Key = std::uint64_t;  ///< of a directory
  struct Job {
    Ahead ahead;
    std::shared_ptr<const Enters> enters;
    std::optional<Key> entered;  ///< by a scout
  };
  using Jobs = std::vector<Job>;
  static Jobs cut(Ahead ahead, const std::shared_ptr<const Enters>& enters, std::optional<Key> entered);
  void passed(Time took);
  void judge(Time took);
  void add(Jobs jobs);
  void drop_last(std::size_t keep, Jobs& dropped);
  void begin_threads();
  void work();
  void do_next(Disk& disk, std::unique_lock<std::mutex>& lock);
  void keep_what_fits(Jobs& found, Jobs& dropped);
  Jobs look_at(Disk& disk, const Job& job);
  Jobs look_into(Disk& disk, const Job& job, const std::string& name, const Stat& found);

  Setup setup_;
  std::atomic<bool> needed_{false};
  std::atomic<std::uint64_t> looked_{0};
  std::int64_t passed_unsaid_ = 0;  ///< by the owner, since it said so under the lock

  std::mutex mutex_;
  std::condition_variable has_work_;
  std::deque<Job> jobs_;      ///< what the owner meets first is in front
  std::int64_t lead_ = 0;     ///< names looked at that the owner has not passed yet, about
  std::int64_t mean_ns_ = 0;  ///< of the last looks of those who pay for them
  std::unordered_set<Key> entered_;
  std::atomic<bool> ended_{false};
  std::vector<std::thread> threads_;
};

}  // namespace longhaul::disk
