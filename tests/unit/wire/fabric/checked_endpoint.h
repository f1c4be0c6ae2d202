// What the endpoints of fabrics that are none have in common: they know memory as their place asks for it, and end the
// test when they are used otherwise.
#pragma once

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "base/check.h"
#include "wire/fabric/provider.h"
#include "wire/fabric/rail.h"

namespace longhaul::wire::fabric {

class CheckedEndpoint : public Endpoint {
 public:
  const FabricPlace& place() const override { return place_; }

  Result<Registration> register_memory(Bytes memory, bool remote, std::uint64_t wished_key) override {
    const std::uint64_t key = place_.memory.provider_keys ? 7000 + regions.size() : wished_key;
    regions.push_back({.memory = memory, .remote = remote, .usable = !place_.memory.endpoint, .key = key});
    return Registration{static_cast<unsigned>(regions.size() - 1), place_.memory.endpoint ? 0 : key};
  }

  Result<Registration> enable_memory(unsigned registration) override {
    LH_CHECK(place_.memory.endpoint && !regions.at(registration).usable,
             "memory is enabled where that is asked for, once");
    regions[registration].usable = true;
    return Registration{registration, regions[registration].key};
  }

  /// Where a peer's write goes; empty: nowhere.
  [[nodiscard]] Bytes place_of(const RemoteWrite& write) const {
    const std::size_t bytes = write.from.size();
    for (const Region& region : regions) {
      if (!region.remote || !region.usable || region.key != write.key) continue;
      const auto base = place_.memory.virtual_addresses ? reinterpret_cast<std::uint64_t>(region.memory.data()) : 0;
      if (write.address < base || write.address - base + bytes > region.memory.size()) continue;
      return region.memory.subspan(write.address - base, bytes);
    }
    return {};
  }

  struct Region {
    Bytes memory;
    bool remote = false;
    bool usable = false;
    std::uint64_t key = 0;
  };
  std::vector<Region> regions;
  std::set<std::uint32_t> tokens_out;

 protected:
  explicit CheckedEndpoint(FabricPlace place) : place_(std::move(place)) {}

  /// Of a write that is taken now.
  void check(const RemoteWrite& write) {
    LH_CHECK(write.data.has_value() == carries_grants(place_), "data where it can be carried");
    LH_CHECK(write.registration.has_value() || !place_.memory.local, "what is written from is registered");
    if (write.registration) {
      const Region& region = regions.at(*write.registration);
      const bool inside = write.from.data() >= region.memory.data() &&
                          write.from.data() + write.from.size() <= region.memory.data() + region.memory.size();
      LH_CHECK(region.usable && !region.remote && inside, "what is written from lies in what was registered for it");
    }
    LH_CHECK(write.token < place_.depth && tokens_out.insert(write.token).second, "a token is used once at a time");
  }

  FabricPlace place_;
};

}  // namespace longhaul::wire::fabric
