// What a role's thread would wait on. A simulated role is stepped only when its thread would have woken: a wake-up that
// is lost in the engine is lost here too.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <utility>

#include "base/role.h"
#include "sim_base.h"

namespace longhaul::sim {

class SimPoller final : public Poller {
 public:
  /// `readable`: of the descriptors that there are in a simulation, those of a fabric's queues.
  explicit SimPoller(Trace& trace, std::function<bool(int fd)> readable = {})
      : trace_(trace), readable_(std::move(readable)) {}
  void watch(int fd, bool readable, bool writable) override;
  void forget(int fd) override { descriptors_.erase(fd); }
  void wait(Time now, Time until) override;
  void wake() override;

  /// One wake-up once `ready` holds. One wish per owner: a new one replaces it.
  void wish(const void* owner, std::function<bool()> ready) { wishes_[owner] = std::move(ready); }
  void forget(const void* owner) { wishes_.erase(owner); }
  /// A wake, or a wish that has come true; they are used up.
  [[nodiscard]] bool take_wake_up();

 private:
  Trace& trace_;
  std::function<bool(int fd)> readable_;
  std::set<int> descriptors_;  // that are watched, once
  bool woken_ = false;
  std::map<const void*, std::function<bool()>> wishes_;
};

}  // namespace longhaul::sim
