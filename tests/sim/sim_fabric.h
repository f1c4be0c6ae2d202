// One-sided writes (RDMA) over the paths of the simulated network: what a peer was granted, it may write until its
// completion has come or the target's end is closed, in any order, late, or never. It asks for what its `place` says,
// and ends the test when it is used otherwise.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "sim_base.h"
#include "sim_wire.h"
#include "wire/fabric/provider.h"

namespace longhaul::sim {

class SimFabricEndpoint;

class SimFabric final : public wire::fabric::Fabric {
 public:
  /// Which memory it wants registered how, whether writes carry data, how much it takes at once: all from the seed.
  SimFabric(SimClock& clock, Trace& trace, SimNetwork& network, std::uint64_t seed);

  /// `wish.where`: the host that it is on.
  Result<std::unique_ptr<wire::fabric::Endpoint>> open(const FabricWish& wish) override;

  FabricPlace place;
  /// Sees each frame as it lands, and may damage it.
  std::function<void(std::span<std::byte>)> landing;

  // --- what can go wrong, beside what the path does --------------------------------------------------------------
  /// One endpoint hears that an operation of its has failed. False: there is none.
  bool fail_one();
  /// What one endpoint that writes does from now on, nobody hears of any more. False: there is none.
  bool silence_one();
  [[nodiscard]] std::uint64_t landed() const { return landed_; }

  // --- for the world -----------------------------------------------------------------------------------------------
  /// The earliest landing or completion after `now`.
  [[nodiscard]] Time next_due(Time now) const;
  /// What has come to pass by now, where it does so by itself and not only while queues are read.
  void progress();
  /// The descriptor of an endpoint says that its queue is to be read.
  [[nodiscard]] bool readable(int fd) const;

 private:
  friend class SimFabricEndpoint;
  struct Write {
    std::uint64_t from = 0;  ///< endpoints
    std::uint64_t to = 0;
    wire::fabric::RemoteWrite write;
    std::vector<std::byte> copy;  ///< the provider's, if it has taken one
    bool copied = false;          ///< its completion does not wait for its landing
    const PathState* path = nullptr;
    Time lands = 0;
  };
  struct Completion {
    std::uint64_t endpoint = 0;
    std::uint32_t token = 0;
    Time at = 0;
  };

  void post(SimFabricEndpoint& from, const wire::fabric::RemoteWrite& write);
  void come_to_pass();
  [[nodiscard]] bool is_due(const Write& write) const;
  void land(const Write& it);
  void close(SimFabricEndpoint& endpoint);
  [[nodiscard]] SimFabricEndpoint* find(std::uint64_t number) const;
  SimFabricEndpoint* any_of(const std::function<bool(const SimFabricEndpoint&)>& which);

  SimClock& clock_;
  Trace& trace_;
  SimNetwork& network_;
  SimRandom random_;
  std::map<std::uint64_t, SimFabricEndpoint*> endpoints_;  // that are open
  std::set<std::uint64_t> silenced_;
  std::vector<Write> under_way_;
  std::vector<Completion> completions_;
  std::uint64_t opened_ = 0;
  std::uint64_t landed_ = 0;
};

}  // namespace longhaul::sim
