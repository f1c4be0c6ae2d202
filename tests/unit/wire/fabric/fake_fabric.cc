#include "fake_fabric.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace longhaul::wire::fabric {

std::vector<std::byte> socket_address(const std::string& ip, std::uint16_t port) {
  sockaddr_in v4{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  const bool is_v4 = inet_pton(AF_INET, ip.c_str(), &v4.sin_addr) == 1;
  LH_CHECK(is_v4 || inet_pton(AF_INET6, ip.c_str(), &v6.sin6_addr) == 1, "a numeric address");
  std::vector<std::byte> bytes(is_v4 ? sizeof v4 : sizeof v6);
  std::memcpy(bytes.data(), is_v4 ? static_cast<const void*>(&v4) : &v6, bytes.size());
  return bytes;
}

Result<std::unique_ptr<Endpoint>> FakeFabric::open(const FabricWish&) {
  return std::make_unique<FakeEndpoint>(*this, ++opened);
}

void FakeFabric::land(bool all) {
  std::shuffle(under_way.begin(), under_way.end(), random);
  std::vector<Write> later;
  for (const Write& write : std::exchange(under_way, {})) {
    if (!all && random() % 100 < static_cast<unsigned>(traits.late_percent))
      later.push_back(write);
    else
      land_one(write);
  }
  under_way = std::move(later);
}

void FakeFabric::land_one(const Write& it) {
  const auto source = endpoints.find(it.from);
  const auto target = endpoints.find(it.to);
  LH_CHECK(source != endpoints.end(), "writes end with their endpoint");
  source->second->tokens_out.erase(it.write.token);
  const Bytes place = target == endpoints.end() ? Bytes() : target->second->place_of(it.write);
  if (place.empty()) {
    source->second->queue.push_back({.kind = Event::Kind::failed, .words = "nobody is there"});
    return;
  }
  std::memcpy(place.data(), it.write.from.data(), place.size());
  if (it.write.data) target->second->queue.push_back({.kind = Event::Kind::arrived, .data = *it.write.data});
  source->second->queue.push_back({.kind = Event::Kind::written, .token = it.write.token});
}

FakeEndpoint::FakeEndpoint(FakeFabric& fabric, std::uint64_t number)
    : CheckedEndpoint(fabric.traits.place), fabric_(fabric), number_(number), ip_(fabric.traits.ip) {
  fabric_.endpoints[number] = this;
}

bool FakeEndpoint::close() {
  if (!std::exchange(open_, false)) return true;
  // A peer writes, and what is sent from is read, until the very moment of the fence.
  fabric_.land(true);
  for (const Region& region : regions) {
    if (region.remote) std::memset(region.memory.data(), 0xAA, region.memory.size());
    if (!fabric_.traits.lets_go) fabric_.never_let_go.push_back(region.memory);
  }
  fabric_.endpoints.erase(number_);
  return fabric_.traits.lets_go;
}

std::vector<std::byte> FakeEndpoint::address() const {
  if (!ip_.empty()) return socket_address(ip_, static_cast<std::uint16_t>(number_));
  std::vector<std::byte> bytes(sizeof number_);
  store(bytes.data(), number_);
  return bytes;
}

Result<> FakeEndpoint::meet(ConstBytes peer_address) {
  if (!ip_.empty() && peer_address.size() == sizeof(sockaddr_in)) {
    peer_ = ntohs(load<sockaddr_in>(peer_address.data()).sin_port);
    return {};
  }
  if (peer_address.size() != sizeof peer_) return fail(Code::protocol, "no address of fake");
  peer_ = load<std::uint64_t>(peer_address.data());
  return {};
}

Endpoint::Posted FakeEndpoint::write(const RemoteWrite& write, Error& why) {
  LH_CHECK(open_ && peer_ != 0, "writes go to a peer");
  if (fabric_.random() % 100 < static_cast<unsigned>(fabric_.traits.again_percent)) return Posted::again;
  if (write.from.size() > place_.write_bytes_max) {
    why = {Code::unsupported, "too large", 0};
    return Posted::failed;
  }
  check(write);
  fabric_.under_way.push_back({.from = number_, .to = peer_, .write = write});
  if (fabric_.traits.automatic) fabric_.land(false);
  return Posted::taken;
}

std::size_t FakeEndpoint::poll(std::span<Event> events) {
  fabric_.land(fabric_.traits.automatic);
  std::size_t count = 0;
  for (; count < events.size() && !queue.empty(); queue.pop_front()) events[count++] = queue.front();
  return count;
}

}  // namespace longhaul::wire::fabric
