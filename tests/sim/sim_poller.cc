#include "sim_poller.h"

#include <utility>

#include "base/check.h"

namespace longhaul::sim {

void SimPoller::watch(int fd, bool readable, bool writable) {
  (void)readable;
  (void)writable;
  LH_CHECK(fd < 0, "a real file descriptor in a simulation");
}

void SimPoller::wait(Time now, Time until) {
  (void)now;
  (void)until;
}

void SimPoller::wake() {
  trace_.note("wake");
  woken_ = true;
}

bool SimPoller::take_wake_up() {
  const bool came_true = std::erase_if(wishes_, [](const auto& wish) { return wish.second(); }) > 0;
  return std::exchange(woken_, false) || came_true;
}

}  // namespace longhaul::sim
