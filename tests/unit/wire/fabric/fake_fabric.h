// A fabric in memory that may ask for anything that libfabric's providers ask for, that delivers late and in any order,
// and that ends the test when it is used otherwise than it asks.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "checked_endpoint.h"
#include "wire/fabric/provider.h"

namespace longhaul::wire::fabric {

struct FakeTraits {
  FabricPlace place{.provider = "fake", .remote_data_bytes = 4, .write_bytes_max = 1 << 20, .depth = 8};
  int again_percent = 0;   ///< of the writes are not taken at the first try
  int late_percent = 0;    ///< of the writes do not land in this look, but perhaps in the next
  bool automatic = false;  ///< progress: what is written lands by itself, whoever reads a queue; else when one is read
  bool lets_go = true;     ///< its close is a fence
  bool has_descriptor = false;
  bool may_wait = true;
  std::string ip;  ///< IPv4: endpoints that are opened from now on have addresses of sockets there; empty: others
};

class FakeEndpoint;

/// As providers over IP have them: a sockaddr_in or sockaddr_in6.
[[nodiscard]] std::vector<std::byte> socket_address(const std::string& ip, std::uint16_t port);

/// All endpoints that were opened here reach each other.
class FakeFabric final : public Fabric {
 public:
  explicit FakeFabric(FakeTraits asked, std::uint64_t seed = 1) : traits(std::move(asked)), random(seed) {}
  Result<std::unique_ptr<Endpoint>> open(const FabricWish& wish) override;

  /// Lands some of the writes that are under way; `all` of them.
  void land(bool all);

  struct Write {
    std::uint64_t from = 0;  ///< endpoints
    std::uint64_t to = 0;
    RemoteWrite write;
  };

  FakeTraits traits;
  std::mt19937_64 random;
  std::map<std::uint64_t, FakeEndpoint*> endpoints;  ///< that are open
  std::vector<Write> under_way;
  std::vector<Bytes> never_let_go;  ///< may still be written into
  std::uint64_t opened = 0;

 private:
  void land_one(const Write& it);
};

class FakeEndpoint final : public CheckedEndpoint {
 public:
  FakeEndpoint(FakeFabric& fabric, std::uint64_t number);
  ~FakeEndpoint() override { (void)close(); }
  bool close() override;
  std::vector<std::byte> address() const override;
  Result<> meet(ConstBytes peer_address) override;
  Posted write(const RemoteWrite& write, Error& why) override;
  std::size_t poll(std::span<Event> events) override;
  int wait_fd() const override { return fabric_.traits.has_descriptor ? 77 : -1; }
  bool may_wait() override { return fabric_.traits.may_wait && queue.empty(); }

  std::deque<Event> queue;

 private:
  FakeFabric& fabric_;
  std::uint64_t number_;
  std::string ip_;
  std::uint64_t peer_ = 0;
  bool open_ = true;
};

}  // namespace longhaul::wire::fabric
