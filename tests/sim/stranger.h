// Somebody who has no business with a listener and dials it: to say nothing, half a greeting, a request of another
// protocol, noise, or a greeting with a ticket that nobody knows.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/role.h"
#include "sim_base.h"
#include "wire/wire.h"

namespace longhaul::sim {

class Stranger final : public Role {
 public:
  /// Dials `address` a few times.
  Stranger(wire::Wire& wire, const std::string& address, const SimRandom& random);
  Time step(Time now) override;
  [[nodiscard]] bool finished() const override { return false; }
  [[nodiscard]] std::string name() const override { return "stranger"; }

 private:
  struct Visit {
    std::unique_ptr<wire::Connection> connection;
    std::vector<std::byte> words;
    std::size_t said = 0;
    bool stays = false;  ///< does not hang up when all is said
  };
  std::vector<std::byte> words();

  SimRandom random_;
  std::vector<Visit> visits_;
};

}  // namespace longhaul::sim
