// Numeric addresses as numbers: which network they are in, what kind they are. No I/O.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace longhaul::wire {

/// An address of either family, IPv4 in the last four bytes.
struct Ip {
  std::array<std::uint8_t, 16> bytes{};
  bool is_v4 = false;
  bool operator==(const Ip&) const = default;
};

/// "10.0.0.2", "fd00::2"; without port, brackets or zone.
[[nodiscard]] std::optional<Ip> parse_ip(std::string_view text);
/// Of a host without brackets: IPv4 in disguise ("::ffff:10.0.0.2", what a socket that listens for both families says
/// of IPv4) as the IPv4 address that it is; anything else as it is.
[[nodiscard]] std::string_view undisguised(std::string_view host);
/// Whether the first `bits` of both are the same, and the family.
[[nodiscard]] bool in_network(const Ip& ip, const Ip& network, unsigned bits);
/// Loopback, link-local, multicast, broadcast, unspecified, or IPv4 in disguise: no single other host.
[[nodiscard]] bool is_special(const Ip& ip);
/// Neither special nor of a private network (RFC 1918, 4193, 6598).
[[nodiscard]] bool is_global(const Ip& ip);

}  // namespace longhaul::wire
