// Numeric addresses as the kernel takes them.
#pragma once

#include <sys/socket.h>

#include <string>
#include <vector>

#include "longhaul/status.h"
#include "wire/wire.h"

namespace longhaul::wire {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t bytes = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

/// Numeric hosts only. Errors: Code::usage.
Result<SocketAddress> to_socket_address(const HostPort& address);

/// "127.0.0.1:4711", "[::1]:4711".
std::string to_text(const SocketAddress& address);

/// IPv4 and IPv6, of all interfaces that are up. Empty when the system does not tell.
std::vector<OwnAddress> addresses_of_interfaces();

/// Of a socket: its own side, or its peer's. Empty text when there is none.
std::string local_address_of(int fd);
std::string remote_address_of(int fd);

}  // namespace longhaul::wire
