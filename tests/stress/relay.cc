#include "stress/relay.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace longhaul::stress {
namespace {

sockaddr_in address_of(const std::string& host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  EXPECT_EQ(::inet_pton(AF_INET, host.c_str(), &address.sin_addr), 1) << host;
  return address;
}

Fd make_socket() {
  return Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/// The next close sends a reset, and what has not gone out yet is lost.
void arm_reset(const Fd& socket) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

constexpr std::size_t waiting_max = 256 * 1024;

short events_of(bool may_read, bool may_write) {
  return static_cast<short>((may_read ? POLLIN : 0) | (may_write ? POLLOUT : 0));
}

}  // namespace

Relay::Relay(const std::string& onward, std::uint64_t seed) : random_(seed * 2 + 1) {
  const auto colon = onward.rfind(':');
  onward_host_ = onward.substr(0, colon);
  onward_port_ = static_cast<std::uint16_t>(std::stoi(onward.substr(colon + 1)));
  listener_ = make_socket();
  sockaddr_in address = address_of("127.0.0.1", 0);
  socklen_t bytes = sizeof address;
  EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), bytes), 0);
  EXPECT_EQ(::listen(listener_.get(), 64), 0);
  EXPECT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &bytes), 0);
  address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  thread_ = std::thread([this] { run(); });
}

Relay::~Relay() {
  over_ = true;
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
}

void Relay::reset(unsigned one_in) {
  reset_one_in_ = one_in;
  ::eventfd_write(wake_.get(), 1);
}

void Relay::run() {
  while (!over_) {
    std::vector<pollfd> polled{{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    for (const Link& link : links_) {
      for (const auto& [half, other] : {std::pair{&link.near, &link.far}, std::pair{&link.far, &link.near}}) {
        const bool may_read = !half->ended && other->waiting.size() < waiting_max;
        polled.push_back({half->socket.get(), events_of(may_read, !half->waiting.empty()), 0});
      }
    }
    ::poll(polled.data(), polled.size(), -1);
    eventfd_t ignored = 0;
    ::eventfd_read(wake_.get(), &ignored);
    if (const unsigned one_in = reset_one_in_.exchange(0); one_in > 0) reset_some(one_in);
    links_.remove_if([](Link& link) { return !move(link); });
    accept();
  }
}

void Relay::accept() {
  for (;;) {
    Fd near(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!near) return;
    Fd far = make_socket();
    const sockaddr_in onward = address_of(onward_host_, onward_port_);
    const int connected = ::connect(far.get(), reinterpret_cast<const sockaddr*>(&onward), sizeof onward);
    if (connected != 0 && errno != EINPROGRESS) continue;  // closes the near side as well
    links_.push_back({Half{std::move(near), {}}, Half{std::move(far), {}}});
  }
}

void Relay::reset_some(unsigned one_in) {
  links_.remove_if([&](Link& link) {
    random_ = random_ * 6364136223846793005 + 1442695040888963407;
    if ((random_ >> 33) % one_in != 0) return false;
    arm_reset(link.near.socket);
    arm_reset(link.far.socket);
    ++resets_;
    return true;
  });
}

bool Relay::move(Link& link) {
  if (!pass(link.near, link.far) || !pass(link.far, link.near)) {
    arm_reset(link.near.socket);
    arm_reset(link.far.socket);
    return false;
  }
  return !(link.near.told && link.far.told);
}

bool Relay::pass(Half& from, Half& to) {
  std::array<char, 64 * 1024> piece;
  while (!from.ended && to.waiting.size() < waiting_max) {
    const ssize_t got = ::recv(from.socket.get(), piece.data(), piece.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == ENOTCONN)) break;
    if (got < 0) return false;
    from.ended = got == 0;
    to.waiting.insert(to.waiting.end(), piece.begin(), piece.begin() + got);
  }
  std::size_t sent = 0;
  while (sent < to.waiting.size()) {
    const ssize_t put = ::send(to.socket.get(), to.waiting.data() + sent, to.waiting.size() - sent, MSG_NOSIGNAL);
    if (put < 0 && (errno == EAGAIN || errno == ENOTCONN)) break;
    if (put < 0) return false;
    sent += static_cast<std::size_t>(put);
  }
  to.waiting.erase(to.waiting.begin(), to.waiting.begin() + static_cast<std::ptrdiff_t>(sent));
  if (from.ended && to.waiting.empty() && !from.told) {
    from.told = true;
    ::shutdown(to.socket.get(), SHUT_WR);
  }
  return true;
}

}  // namespace longhaul::stress
