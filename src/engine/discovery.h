// Probes of one discovery: a connection is begun on each candidate, and given up again when it stands or is late. The
// peer's kernel answers; nothing is said.
#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "paths/discovery.h"
#include "wire/wire.h"

namespace longhaul::engine {

/// Used by one thread.
class Discovery {
 public:
  /// Sends one packet on each, at once.
  Discovery(wire::Wire& wire, std::vector<paths::Probe> probes, Time now);

  /// True when nothing is to be waited for any more; then `answered()` has all that answered, with their round trips.
  bool step(Time now);
  [[nodiscard]] const std::vector<paths::Probe>& answered() const { return answered_; }

 private:
  struct Try {
    paths::Probe probe;
    std::unique_ptr<wire::Connection> connection;
  };
  Time begun_;
  std::vector<Try> tries_;
  std::vector<paths::Probe> answered_;
};

}  // namespace longhaul::engine
