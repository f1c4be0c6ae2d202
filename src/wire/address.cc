#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "wire/socket_address.h"

namespace longhaul::wire {
namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

std::unexpected<Error> bad_address(std::string_view text, std::string_view why) {
  return fail(Code::usage,
              fmt::format("'{}' is not an address: {}; write HOST:PORT, 192.0.2.1:4711 or [2001:db8::1]:4711",
                          printable(text), why));
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

bool is_ipv6(std::string_view host) {
  const std::string address(host.substr(0, host.find('%')));  // "fe80::1%eth0"
  in6_addr ignored{};
  return inet_pton(AF_INET6, address.c_str(), &ignored) == 1;
}

bool is_host_name(std::string_view host) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  return !host.empty() && host.size() <= 255 && host.find_first_not_of(allowed) == std::string_view::npos;
}

Result<Addresses> look_up(const std::string& host, const char* port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  const int problem = getaddrinfo(host.c_str(), port, &hints, &list);
  if (problem == EAI_SYSTEM) return fail_errno(errno, fmt::format("cannot look up '{}'", printable(host)));
  if (problem != 0) {
    return fail(Code::not_found,
                fmt::format("cannot find an address for '{}': {}; check the spelling, or give the numeric address",
                            printable(host), gai_strerror(problem)));
  }
  return Addresses(list);
}

}  // namespace

Result<HostPort> parse_host_port(std::string_view text) {
  std::string_view host = text;
  std::optional<std::string_view> port_text;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return bad_address(text, "the bracket is not closed");
    host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (!is_ipv6(host)) return bad_address(text, "no IPv6 address stands in the brackets");
    if (!rest.empty() && rest.front() != ':') return bad_address(text, "only a port may follow the bracket");
    if (!rest.empty()) port_text = rest.substr(1);
  } else if (!is_ipv6(text)) {
    const auto colon = text.find(':');
    host = text.substr(0, colon);
    if (colon != std::string_view::npos) port_text = text.substr(colon + 1);
    if (!is_host_name(host)) return bad_address(text, host.empty() ? "the host is missing" : "this is no host name");
  }
  HostPort result{std::string(host), 0};
  if (port_text) {
    const auto port = parse_port(*port_text);
    if (!port) return bad_address(text, "the port must be a number from 0 to 65535");
    result.port = *port;
  }
  return result;
}

std::string join_host_port(const HostPort& address) {
  const bool brackets = address.host.find(':') != std::string::npos;
  return brackets ? fmt::format("[{}]:{}", address.host, address.port)
                  : fmt::format("{}:{}", address.host, address.port);
}

Result<std::string> resolve(const std::string& host) {
  if (look_up(host, nullptr, AI_NUMERICHOST)) return host;
  const auto found = look_up(host, nullptr, AI_ADDRCONFIG);
  if (!found) return std::unexpected(found.error());
  char text[NI_MAXHOST] = {};
  const int problem =
      getnameinfo((*found)->ai_addr, (*found)->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  if (problem != 0)
    return fail(Code::not_found,
                fmt::format("cannot write the address of '{}': {}", printable(host), gai_strerror(problem)));
  return std::string(text);
}

Result<SocketAddress> to_socket_address(const HostPort& address) {
  const auto found = look_up(address.host, std::to_string(address.port).c_str(), AI_NUMERICHOST | AI_NUMERICSERV);
  if (!found) return bad_address(join_host_port(address), "a numeric address is needed here");
  SocketAddress result;
  result.bytes = (*found)->ai_addrlen;
  std::memcpy(&result.storage, (*found)->ai_addr, result.bytes);
  return result;
}

std::string to_text(const SocketAddress& address) {
  char host[NI_MAXHOST] = {};
  char port[NI_MAXSERV] = {};
  const int problem =
      getnameinfo(address.get(), address.bytes, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
  if (problem != 0) return {};
  return join_host_port({host, parse_port(port).value_or(0)});
}

std::string local_address_of(int fd) {
  SocketAddress address;
  address.bytes = sizeof address.storage;
  if (getsockname(fd, address.get(), &address.bytes) != 0) return {};
  return to_text(address);
}

std::string remote_address_of(int fd) {
  SocketAddress address;
  address.bytes = sizeof address.storage;
  if (getpeername(fd, address.get(), &address.bytes) != 0) return {};
  return to_text(address);
}

}  // namespace longhaul::wire
