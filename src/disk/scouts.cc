#include "disk/scouts.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

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
constexpr std::size_t jobs_max = 1024;      // each may hold a directory open
constexpr std::size_t names_entered = 256;  // of a directory that nobody has asked for yet
constexpr std::int64_t lead_most = 16'384;  // further ahead, caches may have forgotten again when the owner comes
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
    ended_ = true;
    jobs_.clear();
  }
  has_work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

/// While scouts are at work they pay for what is far; the owner's looks then say how well they do, not how far it is.
void Scouts::passed(Time took) {
  if (needed() && ++passed_unsaid_ < passed_at_once) return;
  const std::lock_guard lock(mutex_);
  if (!needed()) judge(took);
  const bool stood = lead_ >= lead_most;
  lead_ = needed() ? std::max<std::int64_t>(lead_ - std::exchange(passed_unsaid_, 0), 0) : 0;
  if (stood && lead_ < lead_most) has_work_.notify_all();
}

void Scouts::judge(Time took) {
  mean_ns_ += (std::min(took, counted_most) - mean_ns_) / mean_of;
  if (mean_ns_ > needed_from) needed_.store(true, std::memory_order_relaxed);
  if (mean_ns_ < needed_until) needed_.store(false, std::memory_order_relaxed);
}

bool Scouts::has_entered(std::uint64_t device, std::uint64_t inode) {
  const std::lock_guard lock(mutex_);
  return entered_.erase(key_of(device, inode)) > 0;
}

void Scouts::look(Ahead ahead, const Enters& enters) {
  begin_threads();
  enqueue(std::move(ahead), enters ? std::make_shared<const Enters>(enters) : nullptr);
}

/// In front, in order: an owner that goes depth first meets what was found last before what was found first. What it
/// would meet last is dropped when there is too much, and looked at by nobody but the owner.
void Scouts::enqueue(Ahead ahead, const std::shared_ptr<const Enters>& enters) {
  std::vector<Job> jobs;
  for (std::size_t begin = 0; begin < ahead.names.size(); begin += names_per_job) {
    const auto first = ahead.names.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto count = static_cast<std::ptrdiff_t>(std::min(names_per_job, ahead.names.size() - begin));
    jobs.push_back({.ahead = {.directory = ahead.directory,
                              .path = ahead.path,
                              .names = {std::make_move_iterator(first), std::make_move_iterator(first + count)}},
                    .enters = enters});
  }
  {
    const std::lock_guard lock(mutex_);
    jobs_.insert(jobs_.begin(), std::make_move_iterator(jobs.begin()), std::make_move_iterator(jobs.end()));
    if (jobs_.size() > jobs_max) jobs_.resize(jobs_max);
  }
  has_work_.notify_all();
}

void Scouts::begin_threads() {
  if (!threads_.empty()) return;
  threads_.reserve(setup_.threads);
  for (unsigned i = 0; i < setup_.threads; ++i) threads_.emplace_back([this] { work(); });
}

void Scouts::work() {
  pthread_setname_np(pthread_self(), "scout");
  const auto disk = setup_.make_disk();
  std::unique_lock lock(mutex_);
  for (;;) {
    has_work_.wait(lock, [this] { return ended_ || (!jobs_.empty() && lead_ < lead_most); });
    if (ended_) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lead_ += static_cast<std::int64_t>(job.ahead.names.size());
    lock.unlock();
    look_at(*disk, job);
    lock.lock();
  }
}

void Scouts::look_at(Disk& disk, const Job& job) {
  for (const std::string& name : job.ahead.names) {
    const Time begin = setup_.clock->now();
    const auto found = disk.stat(job.ahead.directory, name);
    const Time took = setup_.clock->now() - begin;
    looked_.fetch_add(1, std::memory_order_relaxed);
    {
      const std::lock_guard lock(mutex_);
      if (ended_) return;
      judge(took);
    }
    if (!found) continue;
    if (found->type == FileType::symlink) (void)disk.read_link(job.ahead.directory, name);
    if (setup_.attributes && (found->type == FileType::file || found->type == FileType::directory))
      (void)disk.has_xattrs(job.ahead.directory, name);
    if (found->type == FileType::directory && job.enters)
      look_into(disk, job.ahead.directory, name, beneath(job.ahead.path, name), *found, job.enters);
  }
}

void Scouts::look_into(Disk& disk, const DirPtr& base, const std::string& name, std::string path, const Stat& found,
                       const std::shared_ptr<const Enters>& enters) {
  if (!(*enters)(path, found)) return;
  const auto directory = disk.open_dir(base, name);
  if (!directory) return;
  const auto stream = disk.open_stream(*directory, 0);
  std::vector<DirEntry> entries;
  if (!stream || !(*stream)->next(entries, names_entered)) return;
  Ahead ahead{.directory = *directory, .path = std::move(path), .names = {}};
  for (DirEntry& each : entries)
    if (each.name != landing_zone_name) ahead.names.push_back(std::move(each.name));
  {
    const std::lock_guard lock(mutex_);
    if (entered_.size() >= entered_max) entered_.clear();
    entered_.insert(key_of(found.device, found.inode));
  }
  enqueue(std::move(ahead), enters);
}

}  // namespace longhaul::disk
