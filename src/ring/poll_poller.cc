#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <vector>

#include "base/check.h"
#include "ring/ring.h"
#include "ring/wake.h"

namespace longhaul::ring {
namespace {

class PollPoller final : public Poller {
 public:
  explicit PollPoller(Clock& clock) : clock_(clock) {
    LH_CHECK(wake_.valid(), "an eventfd can be made: raise `ulimit -n`");
    watched_.push_back({.fd = wake_.fd(), .events = POLLIN, .revents = 0});
  }

  void watch(int fd, bool readable, bool writable) override {
    LH_CHECK(fd >= 0, "an open descriptor is watched");
    const auto events = static_cast<short>((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
    if (events == 0) return forget(fd);
    const auto found = find(fd);
    if (found != watched_.end())
      found->events = events;
    else
      watched_.push_back({.fd = fd, .events = events, .revents = 0});
  }

  void forget(int fd) override {
    const auto found = find(fd);
    if (found == watched_.end()) return;
    *found = watched_.back();
    watched_.pop_back();
  }

  void wait(Time, Time until) override {
    if (!wake_.fall_asleep()) return;
    const Time left = until == time_never ? 0 : std::max<Time>(0, until - clock_.now());
    const timespec limit{.tv_sec = left / second, .tv_nsec = left % second};
    const int ready = ::ppoll(watched_.data(), watched_.size(), until == time_never ? nullptr : &limit, nullptr);
    LH_CHECK(ready >= 0 || errno == EINTR || errno == ENOMEM, "ppoll takes what is watched");
    if (watched_.front().revents != 0) wake_.drain();
    wake_.rise();
    if (ready > 0) disarm_ready();
  }

  void wake() override { wake_.wake(); }

 private:
  std::vector<pollfd>::iterator find(int fd) {
    return std::find_if(watched_.begin() + 1, watched_.end(), [fd](const pollfd& each) { return each.fd == fd; });
  }
  // One-shot, as in the ring: who still cares asks again.
  void disarm_ready() {
    watched_.erase(
        std::remove_if(watched_.begin() + 1, watched_.end(), [](const pollfd& each) { return each.revents != 0; }),
        watched_.end());
  }

  Clock& clock_;
  WakeFlag wake_;
  std::vector<pollfd> watched_;  ///< the first is the wake's
};

}  // namespace

std::unique_ptr<Poller> make_poll_poller(Clock& clock) {
  return std::make_unique<PollPoller>(clock);
}

}  // namespace longhaul::ring
