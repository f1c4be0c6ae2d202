#include "wire/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>

namespace longhaul::wire {
namespace {

struct Network {
  std::string_view base;
  unsigned bits;
};

bool in_one_of(const Ip& ip, std::span<const Network> networks) {
  return std::ranges::any_of(networks, [&](const Network& each) {
    const auto base = parse_ip(each.base);
    return base && in_network(ip, *base, each.bits);
  });
}

}  // namespace

std::string_view undisguised(std::string_view host) {
  constexpr std::string_view disguise = "::ffff:";
  const std::string_view inner = host.starts_with(disguise) ? host.substr(disguise.size()) : host;
  const auto ip = parse_ip(inner);
  return ip && ip->is_v4 ? inner : host;
}

std::optional<Ip> parse_ip(std::string_view text) {
  const std::string address(text);
  Ip ip;
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) {
    ip.is_v4 = true;
    std::memcpy(ip.bytes.data() + ip.bytes.size() - sizeof v4, &v4, sizeof v4);
    return ip;
  }
  in6_addr v6{};
  if (inet_pton(AF_INET6, address.c_str(), &v6) != 1) return std::nullopt;
  std::memcpy(ip.bytes.data(), &v6, sizeof v6);
  return ip;
}

bool in_network(const Ip& ip, const Ip& network, unsigned bits) {
  if (ip.is_v4 != network.is_v4) return false;
  constexpr std::size_t v4_at = 12;
  for (unsigned bit = 0; bit < bits; ++bit) {
    const std::size_t at = (ip.is_v4 ? v4_at : 0) + bit / 8;
    const unsigned mask = 0x80U >> (bit % 8);
    if ((ip.bytes.at(at) & mask) != (network.bytes.at(at) & mask)) return false;
  }
  return true;
}

bool is_special(const Ip& ip) {
  static constexpr Network networks[] = {
      {"0.0.0.0", 8}, {"127.0.0.0", 8},       {"169.254.0.0", 16}, {"224.0.0.0", 3},
      {"::", 96},     {"::ffff:0.0.0.0", 96}, {"fe80::", 10},      {"ff00::", 8},
  };
  return in_one_of(ip, networks);
}

bool is_global(const Ip& ip) {
  static constexpr Network networks[] = {
      {"10.0.0.0", 8}, {"172.16.0.0", 12}, {"192.168.0.0", 16}, {"100.64.0.0", 10}, {"fc00::", 7}};
  return !is_special(ip) && !in_one_of(ip, networks);
}

}  // namespace longhaul::wire
