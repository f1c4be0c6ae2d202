// A role is a piece of the engine with one thread's worth of state: it is stepped, and never waits by itself.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/stages.h"

namespace longhaul {

/// What a role's thread waits on between two steps. One per thread; only `wake` may be called from other threads.
class Poller {
 public:
  virtual ~Poller() = default;
  /// Wants one wake-up when `fd` becomes readable and/or writable. One-shot: ask again after each wait. Cheap when it
  /// is already armed for the same.
  virtual void watch(int fd, bool readable, bool writable) = 0;
  /// Forgets `fd`; call it before closing.
  virtual void forget(int fd) = 0;
  /// Sleeps until `until`, a wake, a watched fd, or a completion of this thread's disk. Level-triggered for wakes: a
  /// wake before the wait makes it return at once.
  virtual void wait(Time now, Time until) = 0;
  virtual void wake() = 0;
};

class Role {
 public:
  virtual ~Role() = default;
  /// Does what can be done now without waiting for a peer, a timer or a sync, and returns the time at which it wants to
  /// be stepped again at the latest: `now` for at once, `time_never` when only mail, a watched fd or a completion
  /// matters.
  virtual Time step(Time now) = 0;
  /// True when the role has nothing left to do, ever; its thread then ends.
  [[nodiscard]] virtual bool finished() const = 0;
  /// For thread names and dumps: "worker 1".
  [[nodiscard]] virtual std::string name() const = 0;

  /// When the step that is under way began, or 0 between steps: kept by whoever runs the role, read by others to see
  /// that it is held up by a disk.
  std::atomic<Time> in_step_since{0};
  /// Where its time goes. Whoever runs it makes a StageClock::Step of each step; the role says why it waits.
  StageClock stages;
};

}  // namespace longhaul
