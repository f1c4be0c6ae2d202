// What a role's thread would wait on. A simulated role is stepped only when its thread would have woken: a wake-up that
// is lost in the engine is lost here too.
#pragma once

#include <functional>
#include <map>

#include "base/role.h"
#include "sim_base.h"

namespace longhaul::sim {

class SimPoller final : public Poller {
 public:
  explicit SimPoller(Trace& trace) : trace_(trace) {}
  void watch(int fd, bool readable, bool writable) override;  ///< there are no descriptors in a simulation
  void forget(int fd) override { (void)fd; }
  void wait(Time now, Time until) override;
  void wake() override;

  /// One wake-up once `ready` holds. One wish per owner: a new one replaces it.
  void wish(const void* owner, std::function<bool()> ready) { wishes_[owner] = std::move(ready); }
  void forget(const void* owner) { wishes_.erase(owner); }
  /// A wake, or a wish that has come true; they are used up.
  [[nodiscard]] bool take_wake_up();

 private:
  Trace& trace_;
  bool woken_ = false;
  std::map<const void*, std::function<bool()>> wishes_;
};

}  // namespace longhaul::sim
