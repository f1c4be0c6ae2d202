#include "wire/tcp.h"

#include <fmt/format.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/fd.h"
#include "base/log.h"
#include "longhaul/options.h"
#include "wire/socket_address.h"

namespace longhaul::wire {
namespace {

constexpr int user_timeout_ms = 30'000;  // unacknowledged for so long: the connection is gone
constexpr int keepalive_s = 10;
constexpr int keepalive_probes = 3;
constexpr int backlog = 1024;
constexpr std::size_t low_water_min = 16 * 1024;     // waiting for less than this saves nothing
constexpr std::size_t low_water_usual = 256 * 1024;  // a buffer that it is a quarter of has grown already

// Options that can only fail by a programmer's error or on a kernel without them, where doing without is right.
void set_option(int fd, int level, int option, int value) {
  (void)setsockopt(fd, level, option, &value, sizeof value);
}

void set_common_options(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_s);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, keepalive_s);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, keepalive_probes);
}

Code class_of(int system_errno) {
  switch (system_errno) {
    case EACCES:
    case EPERM:
      return Code::permission;
    case EADDRNOTAVAIL:
      return Code::not_found;
    default:
      return Code::connection;
  }
}

std::string words_of(int system_errno) {
  return std::generic_category().message(system_errno);
}

std::unexpected<Error> fail_socket(int system_errno, const std::string& what, std::string_view advice = {}) {
  return fail(class_of(system_errno),
              fmt::format("{}: {}{}{}", what, words_of(system_errno), advice.empty() ? "" : "; ", advice),
              system_errno);
}

int family_of(int fd) {
  int family = AF_UNSPEC;
  socklen_t bytes = sizeof family;
  (void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &bytes);
  return family;
}

/// An IPv6 socket may carry IPv4 packets (a listener on [::]), which have a field of their own.
Result<> set_socket_dscp(int fd, int dscp) {
  constexpr int ecn_bits = 2;  // the kernel's, below the code point
  const int value = dscp << ecn_bits;
  const bool v6 = family_of(fd) == AF_INET6;
  if (v6) set_option(fd, IPPROTO_IP, IP_TOS, value);
  if (setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS, &value, sizeof value) == 0) return {};
  return fail_socket(errno, fmt::format("cannot mark packets with DSCP {}", dscp));
}

/// What a new socket has.
std::string congestion_of_system() {
  const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  std::array<char, congestion_bytes_max + 1> name{};
  socklen_t bytes = congestion_bytes_max;
  if (!fd || getsockopt(fd.get(), IPPROTO_TCP, TCP_CONGESTION, name.data(), &bytes) != 0) return usual_congestion;
  return name.data();
}

Result<> set_socket_congestion(int fd, const std::string& asked) {
  const std::string name = asked == system_congestion ? congestion_of_system() : asked;
  if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), static_cast<socklen_t>(name.size())) == 0) return {};
  const bool denied = errno == EPERM || errno == EACCES;
  return fail(Code::unsupported,
              fmt::format("cannot use congestion control '{}': {}; /proc/sys/net/ipv4/tcp_{}_congestion_control "
                          "lists what {}",
                          name, words_of(errno), denied ? "allowed" : "available",
                          denied ? "those without privileges may use" : "this kernel has"),
              errno);
}

/// Before the connection is made: a congestion control that paces leaves its pacing behind when it is replaced.
void begin_with_usual(int fd) {
  (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, usual_congestion, std::strlen(usual_congestion));
}

Result<> bind_device(int fd, const DialOptions& options) {
  const std::string& device = options.device;
  if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device.data(), static_cast<socklen_t>(device.size())) == 0) return {};
  const int problem = errno;
  const std::string what = fmt::format("cannot dial {} through device {}", options.remote, device);
  if (problem == ENODEV)
    return fail(Code::not_found,
                fmt::format("{}: this machine has no such network interface; 'ip link' lists them", what), problem);
  return fail_socket(problem, what,
                     problem == EPERM ? "binding to a device takes Linux 5.7 or later, or CAP_NET_RAW (root); "
                                        "a local address (local=) needs neither"
                                      : "");
}

class TcpConnection final : public Connection {
 public:
  TcpConnection(Fd fd, bool connected, std::string remote)
      : fd_(std::move(fd)), connected_(connected), local_(local_address_of(fd_.get())), remote_(std::move(remote)) {}

  ~TcpConnection() override {
    if (poller_ != nullptr) poller_->forget(fd_.get());
  }

  bool connected() override {
    if (connected_ || dial_errno_ != 0) return connected_;
    pollfd ready{fd_.get(), POLLOUT, 0};
    if (poll(&ready, 1, 0) != 1) return false;
    socklen_t bytes = sizeof dial_errno_;
    if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &dial_errno_, &bytes) != 0) dial_errno_ = errno;
    connected_ = dial_errno_ == 0;
    if (connected_) local_ = local_address_of(fd_.get());
    return connected_;
  }

  Transfer read_some(std::span<std::byte> into) override { return read_some(into, {}); }

  Transfer read_some(std::span<std::byte> first, std::span<std::byte> second) override {
    if (!connected()) return not_connected();
    std::array<iovec, 2> parts{iovec{first.data(), first.size()}, iovec{second.data(), second.size()}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = second.empty() ? 1 : 2;
    for (;;) {
      const ssize_t bytes = recvmsg(fd_.get(), &message, MSG_DONTWAIT);
      if (bytes > 0) return moved(bytes);
      if (bytes == 0) return {Transfer::State::closed, 0, 0};
      if (errno != EINTR) return stopped(errno);
    }
  }

  Transfer write_some(std::span<const std::byte> from) override {
    if (!connected()) return not_connected();
    if (from.empty()) return {};
    for (;;) {
      const ssize_t bytes = send(fd_.get(), from.data(), from.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (bytes > 0) return moved(bytes);
      if (bytes == 0) return {};
      if (errno != EINTR) return stopped(errno);
    }
  }

  void watch(Poller& poller, std::size_t readable_bytes, bool writable) override {
    if (readable_bytes > 0) set_low_water(readable_bytes);
    poller_ = &poller;
    poller.watch(fd_.get(), readable_bytes > 0, writable);
  }

  void unwatch(Poller& poller) override {
    poller.forget(fd_.get());
    poller_ = nullptr;
  }

  void set_pace(std::uint64_t bytes_per_s) override {
    const std::uint64_t pace = bytes_per_s == 0 ? ~std::uint64_t{0} : bytes_per_s;
    (void)setsockopt(fd_.get(), SOL_SOCKET, SO_MAX_PACING_RATE, &pace, sizeof pace);
  }

  Health health() override {
    tcp_info info{};
    socklen_t bytes = sizeof info;
    if (getsockopt(fd_.get(), IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0) return {};
    Health health;
    health.rtt_us = info.tcpi_rtt;
    health.rtt_us_min = info.tcpi_min_rtt == ~std::uint32_t{0} ? 0 : info.tcpi_min_rtt;  // ~0: none was seen
    health.bytes_acked = info.tcpi_bytes_acked;
    health.acks = info.tcpi_delivered;
    health.bytes_in_flight = std::uint64_t{info.tcpi_unacked} * info.tcpi_snd_mss;
    health.bytes_unsent = info.tcpi_notsent_bytes;
    health.bytes_sent = info.tcpi_bytes_sent;
    health.segment_bytes = info.tcpi_snd_mss;
    health.held_us = info.tcpi_rwnd_limited;
    health.retransmits = info.tcpi_total_retrans;
    health.bytes_resent = info.tcpi_bytes_retrans;
    health.buffer_held_us = info.tcpi_sndbuf_limited;
    health.delivery_bytes_per_s = info.tcpi_delivery_rate;
    return health;
  }

  Result<> set_dscp(int dscp) override { return set_socket_dscp(fd_.get(), dscp); }
  Result<> set_congestion(const std::string& name) override { return set_socket_congestion(fd_.get(), name); }

  std::string local_address() const override { return local_; }
  std::string remote_address() const override { return remote_; }

 private:
  static Transfer moved(ssize_t bytes) { return {Transfer::State::moved, static_cast<std::size_t>(bytes), 0}; }
  static Transfer stopped(int system_errno) {
    if (system_errno == EAGAIN) return {};
    return {Transfer::State::failed, 0, system_errno};
  }
  Transfer not_connected() const {
    return dial_errno_ != 0 ? Transfer{Transfer::State::failed, 0, dial_errno_} : Transfer{};
  }

  // The wish must be one that the buffer can fulfil, a quarter of it at most, and need not be exact: one between half
  // of it and all of it stands. While the buffer is small there is none: a reader that waits for half of it keeps the
  // kernel from making it larger, and a path of 150 ms then stays at a window of 64 KiB for half a minute.
  void set_low_water(std::size_t wanted) {
    if (wanted < low_water_min) wanted = 1;
    if (low_water_ <= wanted && low_water_ >= wanted / 2) return;
    int buffer = 0;
    socklen_t bytes = sizeof buffer;
    if (getsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &buffer, &bytes) != 0) return;
    const std::size_t most = static_cast<std::size_t>(buffer) / 4;
    const std::size_t reachable = most >= std::min(wanted, low_water_usual) ? std::min(wanted, most) : 1;
    if (reachable == low_water_) return;
    set_option(fd_.get(), SOL_SOCKET, SO_RCVLOWAT, static_cast<int>(reachable));
    low_water_ = reachable;
  }

  Fd fd_;
  bool connected_;
  int dial_errno_ = 0;
  std::size_t low_water_ = 1;
  Poller* poller_ = nullptr;  // that watches fd_
  std::string local_;
  std::string remote_;
};

class TcpListener final : public Listener {
 public:
  explicit TcpListener(Fd fd) : fd_(std::move(fd)), address_(local_address_of(fd_.get())) {}
  ~TcpListener() override {
    if (poller_ != nullptr) poller_->forget(fd_.get());
  }

  std::unique_ptr<Connection> accept() override {
    for (;;) {
      Fd fd(accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (fd) {
        set_common_options(fd.get());
        std::string remote = remote_address_of(fd.get());
        if (remote.empty()) continue;  // gone again
        return std::make_unique<TcpConnection>(std::move(fd), true, std::move(remote));
      }
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno != EAGAIN) log::warn(fmt::format("cannot accept a connection on {}: {}", address_, words_of(errno)));
      return nullptr;
    }
  }

  void watch(Poller& poller) override {
    poller_ = &poller;
    poller.watch(fd_.get(), true, false);
  }
  void unwatch(Poller& poller) override {
    poller.forget(fd_.get());
    poller_ = nullptr;
  }
  std::string address() const override { return address_; }

 private:
  Fd fd_;
  Poller* poller_ = nullptr;
  std::string address_;
};

Result<SocketAddress> numeric(const std::string& text) {
  const auto parsed = parse_host_port(text);
  if (!parsed) return std::unexpected(parsed.error());
  return to_socket_address(*parsed);
}

Result<> bind_local(int fd, const DialOptions& options, sa_family_t family) {
  const auto local = numeric(options.local);
  if (!local) return std::unexpected(local.error());
  if (local->storage.ss_family != family) {
    return fail(Code::usage, fmt::format("cannot dial {} from {}: one is IPv4, the other IPv6; give two of one kind",
                                         options.remote, options.local));
  }
  set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);  // the port is chosen at connect, from the far larger set
  if (bind(fd, local->get(), local->bytes) != 0) {
    return fail_socket(errno, fmt::format("cannot dial {} from {}", options.remote, options.local),
                       "the local address of a path must belong to this machine");
  }
  return {};
}

Result<> set_path_options(int fd, const DialOptions& options) {
  if (!options.device.empty()) {
    if (auto bound = bind_device(fd, options); !bound) return bound;
  }
  if (options.dscp >= 0) {
    if (auto marked = set_socket_dscp(fd, options.dscp); !marked) return marked;
  }
  if (options.congestion.empty()) {
    begin_with_usual(fd);
  } else {
    if (auto set = set_socket_congestion(fd, options.congestion); !set) return set;
  }
  return {};
}

class TcpWire final : public Wire {
 public:
  Result<std::unique_ptr<Connection>> dial(const DialOptions& options) override {
    const auto remote = numeric(options.remote);
    if (!remote) return std::unexpected(remote.error());
    Fd fd(socket(remote->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return fail_socket(errno, fmt::format("cannot make a socket to dial {}", options.remote));
    set_common_options(fd.get());
    if (auto set = set_path_options(fd.get(), options); !set) return std::unexpected(set.error());
    if (!options.local.empty()) {
      if (auto bound = bind_local(fd.get(), options, remote->storage.ss_family); !bound)
        return std::unexpected(bound.error());
    }
    const bool connected = connect(fd.get(), remote->get(), remote->bytes) == 0;
    if (!connected && errno != EINPROGRESS && errno != EINTR) {
      return fail_socket(
          errno,
          fmt::format("cannot connect from {} to {}", options.local.empty() ? "here" : options.local, options.remote),
          "check the address and that a route leads there");
    }
    return std::make_unique<TcpConnection>(std::move(fd), connected, to_text(*remote));
  }

  Result<std::unique_ptr<Listener>> listen(const std::string& address) override {
    const auto local = numeric(address);
    if (!local) return std::unexpected(local.error());
    Fd fd(socket(local->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return fail_socket(errno, fmt::format("cannot make a socket to listen on {}", address));
    set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    begin_with_usual(fd.get());  // accepted ones inherit it
    if (bind(fd.get(), local->get(), local->bytes) != 0 || ::listen(fd.get(), backlog) != 0) {
      const int problem = errno;
      return fail_socket(problem, fmt::format("cannot listen on {}", address),
                         problem == EADDRINUSE
                             ? "another program listens there: choose another port, or 0 for any free one"
                         : problem == EADDRNOTAVAIL ? "the address must belong to this machine"
                                                    : "choose another address or port");
    }
    return std::make_unique<TcpListener>(std::move(fd));
  }

  Result<> offers_congestion(const std::string& name) override {
    const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return fail_socket(errno, "cannot make a socket");
    return set_socket_congestion(fd.get(), name);
  }

  std::vector<OwnAddress> own_addresses() override { return addresses_of_interfaces(); }
};

}  // namespace

std::unique_ptr<Wire> make_tcp_wire() {
  return std::make_unique<TcpWire>();
}

}  // namespace longhaul::wire
