// io_uring and nothing else: one ring per thread, made on that thread. It carries data operations of that thread's disk
// and the readiness of its sockets, so that one wait serves both.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/role.h"
#include "longhaul/status.h"

namespace longhaul::ring {

/// One submitted data operation; completes by `complete(result)` being called during `collect`. Must stay put.
struct Completion {
  virtual void complete(std::int32_t result) = 0;  ///< bytes or -errno, as the kernel said it
 protected:
  ~Completion() = default;
};

class Ring final : public Poller {
 public:
  /// Errors: unsupported, with the reason in words (seccomp, kernel.io_uring_disabled, memlock), or because the
  /// environment says LONGHAUL_NO_IO_URING=1.
  static Result<std::unique_ptr<Ring>> make(Clock& clock, unsigned entries = 256);
  ~Ring() override;

  // Data. `fixed`: the memory lies in the registered arena. Prepared now, submitted by the next `wait` or `submit`.
  void read(int fd, std::span<std::byte> into, std::uint64_t offset, Completion& completion);
  void write(int fd, std::span<const std::byte> from, std::uint64_t offset, Completion& completion);
  void sync(int fd, bool data_only, Completion& completion);
  /// One arena; false (with one warning that names `ulimit -l`) when memlock is too small: everything works, a little
  /// slower.
  bool register_memory(std::span<std::byte> arena);

  /// Submits what was prepared and runs `complete` of everything that has finished. Never waits. Wakes and readiness
  /// that are met on the way make the next `wait` return at once.
  void collect();
  /// The same, but waits until at least one data operation has completed; returns at once when none is in flight.
  void wait_for_data();

  void watch(int fd, bool readable, bool writable) override;
  void forget(int fd) override;
  void wait(Time now, Time until) override;
  void wake() override;

 private:
  struct State;
  explicit Ring(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// poll(2): stands in where io_uring is forbidden.
std::unique_ptr<Poller> make_poll_poller(Clock& clock);

/// What this machine offers, tried out: for `longhaul version --verbose` and warnings.
struct Capabilities {
  bool usable = false;
  std::string reason;  ///< why not, and what would help
};
Capabilities probe();

}  // namespace longhaul::ring
