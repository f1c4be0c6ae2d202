#include "disk/scouts.h"

#include <pthread.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "disk/roots.h"

namespace longhaul::disk {
namespace {

// A look that the kernel answers from memory takes 1 to 3 us; where scouts pay, it is a disk's 100 us, or a server's
// 300.
constexpr Time needed_from = 20'000;  // ns, of the mean look
constexpr Time needed_until = 8'000;
constexpr Time counted_most = 200'000;  // a look that hangs is not a slow file system, nor are a few on a busy machine
constexpr std::int64_t mean_of = 64;    // looks
constexpr std::size_t names_per_job = 8;
constexpr std::size_t jobs_max = 1024;
constexpr std::size_t jobs_found_max = 512;   // scouts add none beyond that: each may hold a directory open
constexpr std::size_t names_entered = 256;    // of a directory that nobody has asked for yet
constexpr std::size_t path_bytes_max = 4096;  // each job has its own copy
constexpr std::int64_t lead_most = 16'384;    // further ahead, caches may have forgotten again when the owner comes
constexpr std::size_t entered_max = 65'536;
constexpr std::int64_t passed_at_once = 64;

std::uint64_t key_of(std::uint64_t device, std::uint64_t inode) {
  constexpr std::uint64_t odd = 0x9E3779B97F4A7C15;
  return inode ^ (device * odd);
}

std::string beneath(const std::string& path, const std::string& name) {
  std::string joined = path;
  if (!joined.empty()) joined += '/';
  return joined += name;
}

}  // namespace

Scouts::~Scouts() {
  {
    const std::lock_guard lock(mutex_);
    ended_.store(true, std::memory_order_relaxed);
    jobs_.clear();
  }
  has_work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

/// While scouts are at work they pay for what is far; the owner's looks then say how well they do, not how far it is.
void Scouts::passed(Time took) {
  if (needed() && ++passed_unsaid_ < passed_at_once) return;
  const std::lock_guard lock(mutex_);
  const std::int64_t said = std::exchange(passed_unsaid_, 0);
  if (!needed()) judge(took);
  const bool stood = lead_ >= lead_most;
  lead_ = needed() ? std::max<std::int64_t>(lead_ - said, 0) : 0;
  if (stood && lead_ < lead_most) has_work_.notify_all();
}

void Scouts::judge(Time took) {
  mean_ns_ += (std::min(took, counted_most) - mean_ns_) / mean_of;
  if (mean_ns_ > needed_from) needed_.store(true, std::memory_order_relaxed);
  if (mean_ns_ < needed_until) needed_.store(false, std::memory_order_relaxed);
}

bool Scouts::enter(std::uint64_t device, std::uint64_t inode) {
  const std::lock_guard lock(mutex_);
  if (entered_.size() >= entered_max) entered_.clear();
  const auto [at, first] = entered_.insert(key_of(device, inode));
  if (!first) entered_.erase(at);
  return !first;
}

void Scouts::look(Ahead ahead, const Enters& enters) {
  if (!needed() || ahead.path.size() > path_bytes_max) return;
  begin_threads();
  add(cut(std::move(ahead), enters ? std::make_shared<const Enters>(enters) : nullptr, {}));
}

Scouts::Jobs Scouts::cut(Ahead ahead, const std::shared_ptr<const Enters>& enters, std::optional<Key> entered) {
  Jobs jobs;
  for (std::size_t begin = 0; begin < ahead.names.size(); begin += names_per_job) {
    const auto first = ahead.names.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto count = static_cast<std::ptrdiff_t>(std::min(names_per_job, ahead.names.size() - begin));
    jobs.push_back({.ahead = {.directory = ahead.directory,
                              .path = ahead.path,
                              .names = {std::make_move_iterator(first), std::make_move_iterator(first + count)}},
                    .enters = enters,
                    .entered = entered});
  }
  return jobs;
}

/// In front, in order: an owner that goes depth first meets what was found last before what was found first. What it
/// would meet last is dropped when there is too much.
void Scouts::add(Jobs jobs) {
  Jobs dropped;
  {
    const std::lock_guard lock(mutex_);
    jobs_.insert(jobs_.begin(), std::make_move_iterator(jobs.begin()), std::make_move_iterator(jobs.end()));
    drop_last(jobs_max, dropped);
  }
  has_work_.notify_all();
}

/// They are let go of by the caller without the lock, for that closes directories. The owner will send somebody again.
void Scouts::drop_last(std::size_t keep, Jobs& dropped) {
  for (; jobs_.size() > keep; jobs_.pop_back()) {
    if (jobs_.back().entered) entered_.erase(*jobs_.back().entered);
    dropped.push_back(std::move(jobs_.back()));
  }
}

/// As many as there may be: without any, the owner looks for itself.
void Scouts::begin_threads() {
  if (!threads_.empty()) return;
  threads_.reserve(setup_.threads);
  try {
    for (unsigned i = 0; i < setup_.threads; ++i) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error& refused) {
    log::info(std::string("fewer threads than wished for look at names ahead: ") + refused.what());
  }
}

void Scouts::work() {
  pthread_setname_np(pthread_self(), "scout");
  const auto disk = setup_.make_disk();
  std::unique_lock lock(mutex_);
  for (;;) {
    has_work_.wait(lock, [this] { return ended_ || (!jobs_.empty() && lead_ < lead_most); });
    if (ended_) return;
    do_next(*disk, lock);
  }
}

void Scouts::do_next(Disk& disk, std::unique_lock<std::mutex>& lock) {
  Job job = std::move(jobs_.front());
  jobs_.pop_front();
  lead_ += static_cast<std::int64_t>(job.ahead.names.size());
  lock.unlock();
  Jobs found = look_at(disk, job);
  Jobs dropped;
  dropped.push_back(std::move(job));
  lock.lock();
  if (!needed()) drop_last(0, dropped);
  keep_what_fits(found, dropped);
  lock.unlock();
  if (!found.empty()) add(std::move(found));
  dropped.clear();
  lock.lock();
}

/// Of directories, whole ones, the first of them; none that is not needed any more.
void Scouts::keep_what_fits(Jobs& found, Jobs& dropped) {
  std::size_t kept = 0;
  while (needed() && kept < found.size()) {
    const Key key = *found[kept].entered;
    const auto same = [&](const Job& each) { return *each.entered == key; };
    const auto end = std::ranges::find_if_not(found.begin() + static_cast<std::ptrdiff_t>(kept), found.end(), same);
    const auto up_to = static_cast<std::size_t>(end - found.begin());
    if (jobs_.size() + up_to > jobs_found_max) break;
    kept = up_to;
  }
  for (; found.size() > kept; found.pop_back()) {
    entered_.erase(*found.back().entered);
    dropped.push_back(std::move(found.back()));
  }
}

/// What it finds to be looked at next, in order.
Scouts::Jobs Scouts::look_at(Disk& disk, const Job& job) {
  Jobs next;
  for (const std::string& name : job.ahead.names) {
    const Time begin = setup_.clock->now();
    const auto found = disk.stat(job.ahead.directory, name);
    const Time took = setup_.clock->now() - begin;
    looked_.fetch_add(1, std::memory_order_relaxed);
    {
      const std::lock_guard lock(mutex_);
      if (ended_) return {};
      judge(took);
    }
    if (!found) continue;
    if (found->type == FileType::symlink) (void)disk.read_link(job.ahead.directory, name);
    if (setup_.attributes && (found->type == FileType::file || found->type == FileType::directory))
      (void)disk.has_xattrs(job.ahead.directory, name);
    if (found->type != FileType::directory || !job.enters) continue;
    Jobs inside = look_into(disk, job, name, *found);
    std::ranges::move(inside, std::back_inserter(next));
  }
  return next;
}

Scouts::Jobs Scouts::look_into(Disk& disk, const Job& job, const std::string& name, const Stat& found) {
  std::string path = beneath(job.ahead.path, name);
  if (ended_ || path.size() > path_bytes_max || !(*job.enters)(path, found)) return {};
  const Key key = key_of(found.device, found.inode);
  {
    const std::lock_guard lock(mutex_);
    if (jobs_.size() >= jobs_found_max || entered_.size() >= entered_max || !entered_.insert(key).second) return {};
  }
  const auto directory = disk.open_dir(job.ahead.directory, name);
  const auto stream = directory ? disk.open_stream(*directory, 0) : std::unexpected(directory.error());
  std::vector<DirEntry> entries;
  if (!stream || !(*stream)->next(entries, names_entered)) return {};
  Ahead ahead{.directory = *directory, .path = std::move(path), .names = {}};
  for (DirEntry& each : entries)
    if (each.name != landing_zone_name) ahead.names.push_back(std::move(each.name));
  return cut(std::move(ahead), job.enters, key);
}

}  // namespace longhaul::disk
