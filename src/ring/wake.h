// How another thread gets a thread out of its wait. A wake of a thread that is awake costs one atomic exchange and no
// system call: Mailbox wakes once a chunk, and most of the time its reader is busy.
#pragma once

#include <sys/eventfd.h>

#include <atomic>
#include <cerrno>

#include "base/check.h"
#include "base/fd.h"

namespace longhaul::ring {

class WakeFlag {
 public:
  WakeFlag() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  [[nodiscard]] bool valid() const { return static_cast<bool>(event_); }

  /// Readable when a wake came while the owner slept; call `drain` then.
  [[nodiscard]] int fd() const { return event_.get(); }

  /// Any thread.
  void wake() {
    if (state_.exchange(State::woken, std::memory_order_acq_rel) == State::asleep) {
      const int written = ::eventfd_write(event_.get(), 1);
      LH_CHECK(written == 0 || errno == EAGAIN, "an eventfd takes a wake");
    }
  }

  /// Owner: true when it may sleep now; false when a wake has come since the last wait (it is consumed).
  [[nodiscard]] bool fall_asleep() {
    State expected = State::awake;
    if (state_.compare_exchange_strong(expected, State::asleep, std::memory_order_acq_rel)) return true;
    rise();
    return false;
  }
  /// Owner, after sleeping or instead of it. What was put before a wake is visible afterwards.
  void rise() { state_.exchange(State::awake, std::memory_order_acq_rel); }

  /// Owner, once `fd` was seen readable.
  void drain() {
    eventfd_t count = 0;
    const int got = ::eventfd_read(event_.get(), &count);
    LH_CHECK(got == 0 || errno == EAGAIN, "an eventfd can be drained");
  }

 private:
  enum class State : int { awake, asleep, woken };
  Fd event_;
  std::atomic<State> state_ = State::awake;
};

}  // namespace longhaul::ring
