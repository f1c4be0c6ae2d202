// How roles get what they need from a machine, real or simulated.
#pragma once

#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/role.h"
#include "disk/disk.h"
#include "wire/wire.h"

namespace longhaul::engine {

/// What one role's thread owns. The disk may use the poller's ring, so it goes first.
struct Kit {
  std::unique_ptr<Poller> poller;
  std::unique_ptr<disk::Disk> disk;  ///< data operations that are submitted and reaped
  std::unique_ptr<disk::Disk>
      plain_disk;  ///< names, and data by calls that wait (disk/blocking.h): never has anything in flight
};

/// Runs roles. Roles live until the runner goes.
class Runner {
 public:
  virtual ~Runner() = default;
  using Factory = std::function<std::unique_ptr<Role>(Kit)>;
  /// Makes the role with a kit on the thread that will step it, and returns once it exists. Thread-safe.
  virtual Role& start(const Factory& factory) = 0;
};

/// The world an engine runs in. Everything outlives the engine.
struct World {
  Clock& clock;
  Random& random;
  wire::Wire& wire;
  Runner& runner;
};

/// A thread per role, each with its own ring (or poll(2) where io_uring is forbidden). The destructor waits for every
/// role to be finished().
std::unique_ptr<Runner> make_thread_runner();

}  // namespace longhaul::engine
