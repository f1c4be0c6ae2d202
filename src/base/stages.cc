#include "base/stages.h"

#include <algorithm>
#include <numeric>
#include <thread>
#include <utility>

namespace longhaul {

std::string_view name_of(Stage stage) {
  switch (stage) {
    case Stage::other:
      return "other";
    case Stage::walk:
      return "walk";
    case Stage::names:
      return "names";
    case Stage::read:
      return "read";
    case Stage::digest:
      return "digest";
    case Stage::pack:
      return "pack";
    case Stage::seal:
      return "seal";
    case Stage::send:
      return "send";
    case Stage::receive:
      return "receive";
    case Stage::unseal:
      return "unseal";
    case Stage::unpack:
      return "unpack";
    case Stage::verify:
      return "verify";
    case Stage::write:
      return "write";
    case Stage::sync:
      return "sync";
    case Stage::idle:
      return "idle";
    case Stage::wait_chunks:
      return "wait_chunks";
    case Stage::wait_resume:
      return "wait_resume";
    case Stage::wait_read:
      return "wait_read";
    case Stage::wait_send:
      return "wait_send";
    case Stage::wait_receive:
      return "wait_receive";
    case Stage::wait_write:
      return "wait_write";
    case Stage::wait_commit:
      return "wait_commit";
    case Stage::wait_sync:
      return "wait_sync";
  }
  return "";
}

StageTimes& StageTimes::operator+=(const StageTimes& other) {
  std::transform(times_.begin(), times_.end(), other.times_.begin(), times_.begin(), std::plus());
  return *this;
}

StageTimes StageTimes::since(const StageTimes& earlier) const {
  StageTimes grown;
  std::transform(times_.begin(), times_.end(), earlier.times_.begin(), grown.times_.begin(),
                 [](Time now, Time before) { return std::max<Time>(now - before, 0); });
  return grown;
}

Time StageTimes::sum() const {
  return std::accumulate(times_.begin(), times_.end(), Time{0});
}

Stage StageClock::enter(Stage next, Time now) {
  const Stage before = stage_.load(std::memory_order_relaxed);
  const Time since = since_.load(std::memory_order_relaxed);
  const std::uint32_t changes = changes_.load(std::memory_order_relaxed);
  std::atomic<Time>& spent = spent_[static_cast<std::size_t>(before)];
  changes_.store(changes + 1, std::memory_order_relaxed);
  if (since != 0) spent.store(spent.load(std::memory_order_relaxed) + (now - since), std::memory_order_release);
  since_.store(now, std::memory_order_release);
  stage_.store(next, std::memory_order_release);
  changes_.store(changes + 2, std::memory_order_release);
  return before;
}

void StageClock::end(Time now) {
  enter(Stage::idle, now);
  since_.store(0, std::memory_order_relaxed);
}

StageTimes StageClock::times(Time now) const {
  for (;;) {
    const std::uint32_t changes = changes_.load(std::memory_order_acquire);
    StageTimes seen;
    for (std::size_t i = 0; i < stage_count; ++i)
      seen[static_cast<Stage>(i)] = spent_[i].load(std::memory_order_acquire);
    const Time since = since_.load(std::memory_order_acquire);
    const Stage stage = stage_.load(std::memory_order_acquire);
    if (changes % 2 == 0 && changes == changes_.load(std::memory_order_relaxed)) {
      if (since != 0) seen[stage] += std::max<Time>(now - since, 0);
      return seen;
    }
    std::this_thread::yield();  // its owner may have been preempted in the middle
  }
}

StageClock::Step::Step(StageClock& stages, Clock& clock, Time now)
    : stages_(stages), before_(std::exchange(stages_of_thread, &stages)) {
  stages_.clock_ = &clock;
  stages_.wait_ = Stage::idle;
  stages_.enter(Stage::other, now);
}

StageClock::Step::~Step() {
  stages_.enter(stages_.wait_);
  stages_of_thread = before_;
}

}  // namespace longhaul
