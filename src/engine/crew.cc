#include "engine/crew.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "disk/system_disk.h"

namespace longhaul::engine {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{1} << 20U;  // in L2 while it is hashed, and large enough for the disk
constexpr unsigned threads_max = 8;
constexpr std::size_t jobs_per_thread = 16;
constexpr std::chrono::milliseconds tick_every{200};

}  // namespace

Crew::Crew(unsigned threads, std::function<void()> tick) : tick_(std::move(tick)) {
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  const unsigned count = threads > 0 ? threads : std::min(threads_max, cores);
  jobs_max_ = count * jobs_per_thread;
  for (unsigned i = 0; i < count; ++i) threads_.emplace_back([this] { work(); });
}

Crew::~Crew() {
  {
    const std::lock_guard lock(mutex_);
    jobs_.clear();
    ended_ = true;
  }
  has_work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Crew::add(Job job) {
  tick_();
  std::unique_lock lock(mutex_);
  while (jobs_.size() >= jobs_max_) {
    if (has_room_.wait_for(lock, tick_every) != std::cv_status::timeout) continue;
    lock.unlock();
    tick_();
    lock.lock();
  }
  jobs_.push_back(std::move(job));
  lock.unlock();
  has_work_.notify_one();
}

void Crew::finish() {
  std::unique_lock lock(mutex_);
  while (!jobs_.empty() || busy_ > 0) {
    if (has_room_.wait_for(lock, tick_every) != std::cv_status::timeout) continue;
    lock.unlock();
    tick_();
    lock.lock();
  }
}

void Crew::work() {
  const auto disk = disk::make_system_disk(nullptr);
  std::vector<std::byte> buffer(buffer_bytes);
  Hand hand{.disk = *disk, .buffer = buffer};
  std::unique_lock lock(mutex_);
  for (;;) {
    has_work_.wait(lock, [this] { return ended_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    ++busy_;
    lock.unlock();
    job(hand);
    lock.lock();
    --busy_;
    has_room_.notify_all();
  }
}

}  // namespace longhaul::engine
