// A poller for roles that a test steps by hand.
#pragma once

#include "base/role.h"

namespace longhaul::engine {

class DeafPoller final : public Poller {
 public:
  void watch(int, bool, bool) override {}
  void forget(int) override {}
  void wait(Time, Time) override {}
  void wake() override {}
};

}  // namespace longhaul::engine
