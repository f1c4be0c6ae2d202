#include "cli/control_socket.h"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <utility>
#include <vector>

#include "cli/live_names.h"

namespace longhaul::cli {
namespace {

constexpr std::size_t clients_max = 16;
constexpr std::size_t request_bytes_max = std::size_t{64} * 1024;
constexpr std::size_t unread_bytes_max = std::size_t{1024} * 1024;  // answers that a client has not taken
constexpr double idle_s = 60;
constexpr int tick_ms = 1000;

double steady_s() {
  const auto since_start = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since_start).count();
}

/// The peer is our user or root. The directory keeps others out; this holds even when somebody opened it.
bool may_ask(int fd) {
  ucred peer{};
  socklen_t bytes = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) return false;
  return peer.uid == ::geteuid() || peer.uid == 0;
}

}  // namespace

Result<std::unique_ptr<ControlSocket>> ControlSocket::open(Live& live, LiveAbout about, const std::string& directory) {
  if (Result<> made = make_live_directory(directory); !made) return std::unexpected(made.error());
  sweep(directory);
  const std::string file = fmt::format("{}/{}", directory, file_of(live_name(about.id, about.pid)));
  std::unique_ptr<ControlSocket> socket(new ControlSocket(live, std::move(about), file));
  if (Result<> listens = socket->listen(); !listens) return std::unexpected(listens.error());
  ControlSocket* raw = socket.get();
  // Signals are for the other threads: one of them may have to come back from a read.
  sigset_t all{};
  sigset_t before{};
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  socket->thread_ = std::thread([raw] { raw->run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return socket;
}

/// The socket gets its name last: whoever finds it can connect, and nobody else than we could before.
Result<> ControlSocket::listen() {
  const std::size_t slash = file_.rfind('/');
  const std::string hidden = fmt::format("{}/.{}", file_.substr(0, slash), file_.substr(slash + 1));
  const auto address = socket_address(hidden);
  if (!address) return std::unexpected(address.error());
  ::unlink(hidden.c_str());  // of a process that had our number and was killed right here
  listener_ = Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  stop_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!listener_ || !stop_) return fail_errno(errno, "cannot make the control socket");
  const bool listens = ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0 &&
                       ::chmod(hidden.c_str(), 0600) == 0 && ::listen(listener_.get(), clients_max) == 0 &&
                       ::rename(hidden.c_str(), file_.c_str()) == 0;
  if (listens) return {};
  const int reason = errno;
  ::unlink(hidden.c_str());
  return fail_errno(reason, fmt::format("cannot make the control socket '{}'", file_));
}

ControlSocket::~ControlSocket() {
  if (!thread_.joinable()) return;
  ::unlink(file_.c_str());
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

void ControlSocket::run() {
  ::pthread_setname_np(::pthread_self(), "live");
  pollfd stop{stop_.get(), POLLIN, 0};
  while (::poll(&stop, 1, 0) == 0) {
    wait();
    accept_some();
    for (Client& client : clients_) step(client);
    const double now_s = steady_s();
    clients_.remove_if([&](const Client& it) { return !it.fd || now_s > it.by_s || (it.closing && it.out.empty()); });
  }
}

void ControlSocket::wait() {
  std::vector<pollfd> polled = {{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
  bool pending = false;
  for (const Client& client : clients_) {
    const bool reads = !client.closing && !client.ended && client.in.size() < request_bytes_max;
    const int events = (reads ? POLLIN : 0) | (client.out.empty() ? 0 : POLLOUT);
    polled.push_back({client.fd.get(), static_cast<short>(events), 0});
    pending = pending || (!client.closing && client.out.empty() && client.in.find('\n') != std::string::npos);
  }
  ::poll(polled.data(), polled.size(), pending ? 0 : tick_ms);
}

void ControlSocket::accept_some() {
  for (;;) {
    Descriptor fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd && errno != EAGAIN)
      ::poll(nullptr, 0, tick_ms);  // no descriptors left, say: they will not come back at once
    if (!fd) return;
    Client client;
    client.by_s = steady_s() + idle_s;
    if (!may_ask(fd.get())) {
      client.out = error_answer({Code::permission, "this command belongs to another user", 0});
    } else if (clients_.size() >= clients_max) {
      client.out = error_answer({Code::busy, "too many clients at once; try again", 0});
    }
    client.closing = !client.out.empty();
    client.fd = std::move(fd);
    if (client.closing)
      write_some(client);  // fits into an empty socket; nobody waits for this one
    else
      clients_.push_back(std::move(client));
  }
}

/// One request of each client at a time, and the next when the answer has been taken.
void ControlSocket::step(Client& client) {
  write_some(client);
  if (client.closing || !client.fd) return;
  read_some(client);
  if (!client.fd || !client.out.empty()) return;
  const std::size_t end = client.in.find('\n');
  if (end == std::string::npos && client.in.size() < request_bytes_max) {
    client.closing = client.ended;
    return;
  }
  client.by_s = steady_s() + idle_s;
  if (end >= request_bytes_max) {  // npos too
    client.out = error_answer({Code::usage, fmt::format("a request has at most {} bytes", request_bytes_max), 0});
    client.closing = true;
  } else {
    client.out = answer(client.in.substr(0, end));
    client.in.erase(0, end + 1);
  }
  write_some(client);
}

void ControlSocket::read_some(Client& client) {
  std::array<char, 4096> piece{};
  while (client.fd && !client.ended && client.in.size() < request_bytes_max) {
    const ssize_t bytes = ::recv(client.fd.get(), piece.data(), piece.size(), MSG_DONTWAIT);
    if (bytes > 0) {
      client.in.append(piece.data(), static_cast<std::size_t>(bytes));
      continue;
    }
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0 && errno == EAGAIN) return;
    client.ended = true;  // what it asked before still counts
    return;
  }
}

void ControlSocket::write_some(Client& client) {
  while (client.fd && !client.out.empty()) {
    const ssize_t bytes = ::send(client.fd.get(), client.out.data(), client.out.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (bytes > 0) {
      client.out.erase(0, static_cast<std::size_t>(bytes));
      continue;
    }
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0 && errno == EAGAIN && client.out.size() < unread_bytes_max) return;
    client.fd.reset();
  }
}

std::string ControlSocket::answer(const std::string& line) {
  const auto request = parse_request(line);
  if (!request) return error_answer(request.error());
  if (request->change) {
    const auto done = live_.adjust(*request->change);
    return done ? done_answer(*done) : error_answer(done.error());
  }
  const auto report = live_.snapshot();
  return report ? status_answer(about_, *report) : error_answer(report.error());
}

}  // namespace longhaul::cli
