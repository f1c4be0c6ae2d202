#include "wire/tcp.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "fakes.h"
#include "wire/channel.h"

namespace longhaul::wire {
namespace {

using Kind = Incoming::Kind;

/// poll(2), one-shot, as role.h asks.
class TestPoller final : public Poller {
 public:
  void watch(int fd, bool readable, bool writable) override {
    wishes_[fd] = static_cast<short>((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
  }
  void forget(int fd) override { wishes_.erase(fd); }
  void wait(Time now, Time until) override {
    std::vector<pollfd> fds;
    fds.reserve(wishes_.size());
    for (const auto& [fd, events] : wishes_) fds.push_back({fd, events, 0});
    ready = poll(fds.data(), fds.size(), woken_ ? 0 : static_cast<int>((until - now) / millisecond));
    woken_ = false;
    for (const pollfd& fd : fds) {
      if (fd.revents != 0) wishes_.erase(fd.fd);
    }
  }
  void wake() override { woken_ = true; }
  [[nodiscard]] std::size_t watched() const { return wishes_.size(); }
  [[nodiscard]] int last_fd() const { return wishes_.rbegin()->first; }
  int ready = 0;

 private:
  std::map<int, short> wishes_;
  bool woken_ = false;
};

class Tcp : public testing::Test {
 public:
  /// Dials `listener` and accepts; both ends are connected.
  void connect(const DialOptions& options) {
    auto dialled = wire->dial(options);
    ASSERT_TRUE(dialled) << dialled.error().text;
    client = std::move(*dialled);
    for (int tries = 0; tries < 500 && (server == nullptr || !client->connected()); ++tries) {
      listener->watch(poller);
      client->watch(poller, 0, true);
      poller.wait(0, 10 * millisecond);
      if (server == nullptr) server = listener->accept();
    }
    ASSERT_NE(server, nullptr);
    ASSERT_TRUE(client->connected());
    listener->unwatch(poller);
    client->unwatch(poller);
  }
  void listen(const std::string& address) {
    auto made = wire->listen(address);
    ASSERT_TRUE(made) << made.error().text;
    listener = std::move(*made);
  }

  TestPoller poller;
  std::unique_ptr<Wire> wire = make_tcp_wire();
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Connection> client;
  std::unique_ptr<Connection> server;
};

TEST_F(Tcp, FramesAndMessagesCrossLoopback) {
  listen("127.0.0.1:0");
  connect({.remote = listener->address()});
  Channel sender(std::move(client));
  Channel receiver(std::move(server));
  SlotPool pool(2);
  constexpr std::uint64_t frames = 64;
  TestFrame frame = make_frame(0, 1024 * 1024, 1);
  std::uint64_t begun = 0;
  std::uint64_t arrived = 0;
  std::uint64_t messages = 0;
  for (int waits = 0; waits < 100'000 && (arrived < frames || messages < frames); ++waits) {
    while (!sender.sending() && begun < frames) {
      sender.queue(ping(begun++));
      sender.begin_frame(frame.bytes);
      ASSERT_TRUE(sender.flush());
    }
    ASSERT_TRUE(sender.flush());
    for (Incoming incoming; (incoming = receiver.receive(&pool)).kind != Kind::nothing;) {
      ASSERT_TRUE(incoming.kind == Kind::frame || incoming.kind == Kind::message) << incoming.error.text;
      if (incoming.kind == Kind::message) {
        ASSERT_EQ(incoming.message.ping().token(), messages++);
        continue;
      }
      ++arrived;
      ASSERT_TRUE(std::ranges::equal(frame.payload(), ConstBytes(incoming.slot.payload(), incoming.header.wire_bytes)));
    }
    if (messages + arrived == 2 * frames || (!sender.sending() && begun < frames)) continue;
    sender.watch(poller);
    receiver.watch(poller);
    poller.wait(0, 2 * second);
    ASSERT_GT(poller.ready, 0) << "a wait for many bytes must end by itself";
  }
  EXPECT_EQ(arrived, frames);
  const Health health = sender.connection().health();
  EXPECT_GE(health.bytes_acked, frames * 1024 * 1024);
  EXPECT_GE(health.bytes_sent, health.bytes_acked - 1);  // the handshake counts as one
  EXPECT_GT(health.segment_bytes, 500U);
  EXPECT_GT(health.rtt_us, 0U);
}

TEST_F(Tcp, LowWaterHoldsBackSmallWakesAndLetsTheRestThrough) {
  listen("127.0.0.1:0");
  connect({.remote = listener->address()});
  const std::vector<std::byte> bytes(30'000);
  ASSERT_EQ(client->write_some(std::span(bytes).first(100)).bytes, 100U);
  server->watch(poller, 30'000, false);
  poller.wait(0, 50 * millisecond);
  EXPECT_EQ(poller.ready, 0);
  ASSERT_EQ(client->write_some(std::span(bytes).first(29'900)).bytes, 29'900U);
  server->watch(poller, 30'000, false);
  poller.wait(0, 2 * second);
  EXPECT_EQ(poller.ready, 1);
  std::vector<std::byte> into(40'000);
  EXPECT_EQ(server->read_some(std::span(into).first(10'000), std::span(into).subspan(10'000)).bytes, 30'000U);
  ASSERT_EQ(client->write_some(std::span(bytes).first(1)).bytes, 1U);
  server->watch(poller, 1, false);  // the wish for many bytes is over
  poller.wait(0, 2 * second);
  EXPECT_EQ(poller.ready, 1);
}

/// A frame of 1 MiB in a buffer of 2: it is waited for in parts, not byte by byte.
TEST_F(Tcp, LowWaterIsAQuarterOfABufferThatHoldsNoMore) {
  listen("127.0.0.1:0");
  connect({.remote = listener->address()});
  server->watch(poller, 1, false);
  const int fd = poller.last_fd();
  const auto option = [fd](int name) {
    int value = 0;
    socklen_t bytes = sizeof value;
    EXPECT_EQ(getsockopt(fd, SOL_SOCKET, name, &value, &bytes), 0);
    return value;
  };
  server->watch(poller, 1024 * 1024, false);
  EXPECT_EQ(option(SO_RCVLOWAT), 1) << "a buffer that is still small is left to grow";
  constexpr int makes_room = 1024 * 1024;  // the kernel gives twice as much
  ASSERT_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &makes_room, sizeof makes_room), 0);
  const int buffer = option(SO_RCVBUF);
  ASSERT_GE(buffer, 1024 * 1024);
  ASSERT_LT(buffer, 4 * 1024 * 1024);
  server->watch(poller, 1024 * 1024, false);
  EXPECT_EQ(option(SO_RCVLOWAT), buffer / 4);
}

TEST_F(Tcp, AddressesAreThoseOfTheSocket) {
  listen("127.0.0.1:0");
  connect({.local = "127.0.0.2", .remote = listener->address()});
  EXPECT_EQ(client->remote_address(), listener->address());
  EXPECT_TRUE(client->local_address().starts_with("127.0.0.2:")) << client->local_address();
  EXPECT_EQ(server->remote_address(), client->local_address());
  EXPECT_EQ(server->local_address(), listener->address());
}

TEST_F(Tcp, Ipv6WhereThereIsSome) {
  auto made = wire->listen("[::1]:0");
  if (!made) GTEST_SKIP() << made.error().text;
  listener = std::move(*made);
  connect({.remote = listener->address()});
  EXPECT_TRUE(server->remote_address().starts_with("[::1]:")) << server->remote_address();
}

TEST_F(Tcp, RefusedDialIsToldWithBothAddresses) {
  listen("127.0.0.1:0");
  const std::string address = listener->address();
  listener.reset();
  auto dialled = wire->dial({.remote = address});
  ASSERT_TRUE(dialled) << "loopback refuses later, not at once";
  Channel channel(std::move(*dialled));
  Result<> flushed;
  for (int tries = 0; tries < 100 && flushed; ++tries) {
    channel.watch(poller);
    poller.wait(0, 10 * millisecond);
    flushed = channel.flush();
  }
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().code, Code::connection);
  EXPECT_NE(flushed.error().text.find(address), std::string::npos) << flushed.error().text;
  EXPECT_NE(flushed.error().text.find("127.0.0.1"), std::string::npos);
  EXPECT_EQ(channel.receive(nullptr).kind, Kind::failed);
}

TEST_F(Tcp, OrderlyCloseAndReset) {
  listen("127.0.0.1:0");
  connect({.remote = listener->address()});
  Channel receiver(std::move(server));
  client.reset();
  receiver.watch(poller);
  poller.wait(0, second);
  EXPECT_EQ(receiver.receive(nullptr).kind, Kind::closed);
}

TEST_F(Tcp, WritingToAClosedPeerFailsWithoutASignal) {
  listen("127.0.0.1:0");
  connect({.remote = listener->address()});
  const std::vector<std::byte> bytes(1000);
  server.reset();
  Transfer transfer;
  for (int tries = 0; tries < 100 && transfer.state != Transfer::State::failed; ++tries) {
    transfer = client->write_some(bytes);
    poller.wait(0, millisecond);
  }
  EXPECT_EQ(transfer.state, Transfer::State::failed);
  EXPECT_TRUE(transfer.system_errno == EPIPE || transfer.system_errno == ECONNRESET) << transfer.system_errno;
}

TEST_F(Tcp, DestroyedConnectionIsForgotten) {
  listen("127.0.0.1:0");
  connect({.remote = listener->address()});
  client->watch(poller, 1, true);
  listener->watch(poller);
  ASSERT_EQ(poller.watched(), 2U);
  client.reset();
  listener.reset();
  EXPECT_EQ(poller.watched(), 0U);
}

TEST_F(Tcp, PathOptions) {
  listen("127.0.0.1:0");
  connect({.remote = listener->address(), .congestion = "reno"});
  const auto unknown = wire->dial({.remote = listener->address(), .congestion = "nonesuch"});
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().text.find("nonesuch"), std::string::npos);
}

TEST_F(Tcp, APaceHoldsAndIsTakenBack) {
  listen("127.0.0.1:0");
  connect({.remote = listener->address()});
  const std::vector<std::byte> piece(256 * 1024);
  std::vector<std::byte> into(piece.size());
  const auto carried_in = [&](std::chrono::milliseconds time) {
    std::size_t bytes = 0;
    const auto until = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < until) {
      (void)client->write_some(piece);
      if (const auto got = server->read_some(into); got.state == Transfer::State::moved) bytes += got.bytes;
    }
    return bytes;
  };
  client->set_pace(4'000'000);
  const std::size_t paced = carried_in(std::chrono::milliseconds(500));
  EXPECT_LT(paced, 8'000'000U);  // 2 MB and what the first moment let through
  client->set_pace(0);
  EXPECT_GT(carried_in(std::chrono::milliseconds(500)), 2 * paced);
}

TEST_F(Tcp, MistakesAreToldInWords) {
  listen("127.0.0.1:0");
  const auto taken = wire->listen(listener->address());
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().text.find("another program listens there"), std::string::npos) << taken.error().text;
  EXPECT_FALSE(wire->listen("192.0.2.1:0"));
  EXPECT_EQ(wire->dial({.local = "192.0.2.1", .remote = listener->address()}).error().code, Code::not_found);
  EXPECT_EQ(wire->dial({.local = "::1", .remote = listener->address()}).error().code, Code::usage);
  EXPECT_EQ(wire->dial({.remote = "example.org:1"}).error().code, Code::usage);
  EXPECT_EQ(wire->dial({.remote = "nonsense:"}).error().code, Code::usage);
}

}  // namespace
}  // namespace longhaul::wire
