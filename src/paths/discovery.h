// Which addresses of two hosts may be told and probed, and which pairs of them become paths. Pure decisions, no I/O.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "longhaul/status.h"
#include "wire/ip.h"
#include "wire/wire.h"

namespace longhaul::paths {

constexpr std::size_t probes_max = 16;          ///< of one discovery, one packet each
constexpr std::size_t addresses_told_max = 16;  ///< to a peer, or by one

/// What the user lets be told to a peer, dialled from, and probed. Loopback, link-local, multicast and unspecified
/// addresses never are.
class AllowList {
 public:
  /// "auto", or interfaces and networks with commas between them: "eth1,10.0.0.0/8,2001:db8::/32". Errors: Code::usage.
  [[nodiscard]] static Result<AllowList> parse(std::string_view text);

  /// Of this machine. `auto`: on an interface that is in use, and global addresses of a family that is. `in_use`: what
  /// the connections to the peer are bound to here.
  [[nodiscard]] bool permits(const wire::OwnAddress& own, std::span<const wire::OwnAddress> in_use) const;
  /// Of the peer, as it says. By networks where some are listed; else in the network of one of our permitted addresses,
  /// or global.
  [[nodiscard]] bool permits_remote(const std::string& address, std::span<const wire::OwnAddress> permitted) const;
  /// Somebody named interfaces or networks.
  [[nodiscard]] bool chosen() const { return !devices_.empty() || !networks_.empty(); }

 private:
  struct Network {
    wire::Ip base;
    unsigned bits = 0;
  };
  std::vector<std::string> devices_;
  std::vector<Network> networks_;
};

/// From here to there, and what its probe found.
struct Probe {
  std::string device;  ///< of `local`; empty: not known
  std::string local;   ///< without a port
  std::string remote;  ///< ADDR:PORT
  Time rtt = 0;        ///< 0: nobody answered
  bool near = false;   ///< both ends are in one network
};

/// What could be a path and is none: at most `probes_max`, near ones first, and each address as early as can be.
/// `told`: ADDR:PORT. `used`: the pairs that are paths; without a `local`: from any.
[[nodiscard]] std::vector<Probe> worth_probing(std::span<const wire::OwnAddress> own, std::span<const std::string> told,
                                               std::span<const Probe> used);

/// Of those that were answered: each brings an interface here or an address there that no other path has. Ends in one
/// network go first, then the shorter way.
[[nodiscard]] std::vector<Probe> worth_using(std::vector<Probe> answered, std::span<const Probe> used);

}  // namespace longhaul::paths
