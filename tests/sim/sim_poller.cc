#include "sim_poller.h"

#include <utility>

#include "base/check.h"

namespace longhaul::sim {

void SimPoller::watch(int fd, bool readable, bool writable) {
  if (fd < 0) return;
  LH_CHECK(readable_ && readable && !writable, "a real file descriptor in a simulation");
  descriptors_.insert(fd);
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
  const bool to_read = std::erase_if(descriptors_, readable_) > 0;
  return std::exchange(woken_, false) || came_true || to_read;
}

}  // namespace longhaul::sim
