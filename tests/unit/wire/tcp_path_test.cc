// What a path asks of its connections, read back from the kernel.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <thread>

#include "wire/tcp.h"

namespace longhaul::wire {
namespace {

/// Keeps the descriptor that a connection asks to be woken for: the only way to it from outside.
class FdThief final : public Poller {
 public:
  void watch(int watched, bool /*readable*/, bool /*writable*/) override { fd = watched; }
  void forget(int /*fd*/) override {}
  void wait(Time /*now*/, Time /*until*/) override {}
  void wake() override {}
  int fd = -1;
};

int fd_of(Connection& connection) {
  FdThief thief;
  connection.watch(thief, 0, true);
  connection.unwatch(thief);
  return thief.fd;
}

int option_of(Connection& connection, int level, int option) {
  int value = -1;
  socklen_t bytes = sizeof value;
  EXPECT_EQ(getsockopt(fd_of(connection), level, option, &value, &bytes), 0);
  return value;
}

std::string text_option_of(Connection& connection, int level, int option) {
  std::array<char, 64> text{};
  socklen_t bytes = text.size() - 1;
  EXPECT_EQ(getsockopt(fd_of(connection), level, option, text.data(), &bytes), 0);
  return text.data();
}

class TcpPath : public testing::Test {
 protected:
  /// False where this machine does not have the address.
  bool listen(const std::string& address) {
    auto made = wire_->listen(address);
    if (made) listener_ = std::move(*made);
    return made.has_value();
  }
  /// Dials the listener; `accepted_` is the other end.
  std::unique_ptr<Connection> dial(DialOptions options) {
    if (options.remote.empty()) options.remote = listener_->address();
    auto dialled = wire_->dial(options);
    EXPECT_TRUE(dialled) << dialled.error().text;
    if (!dialled) return nullptr;
    for (int tries = 0; tries < 2000 && !(accepted_ && (*dialled)->connected()); ++tries) {
      if (!accepted_) accepted_ = listener_->accept();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(accepted_ != nullptr && (*dialled)->connected());
    return accepted_ != nullptr ? std::move(*dialled) : nullptr;
  }
  Error refused(DialOptions options) {
    options.remote = listener_->address();
    auto dialled = wire_->dial(options);
    EXPECT_FALSE(dialled);
    return dialled ? Error{} : dialled.error();
  }

  std::unique_ptr<Wire> wire_ = make_tcp_wire();
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connection> accepted_;
};

TEST_F(TcpPath, DscpOnIpv4) {
  ASSERT_TRUE(listen("127.0.0.1:0"));
  auto connection = dial({.dscp = 10});
  ASSERT_NE(connection, nullptr);
  EXPECT_EQ(option_of(*connection, IPPROTO_IP, IP_TOS), 10 << 2);
  EXPECT_EQ(option_of(*accepted_, IPPROTO_IP, IP_TOS), 0) << "the other side marks its own packets";
  ASSERT_TRUE(accepted_->set_dscp(46));
  EXPECT_EQ(option_of(*accepted_, IPPROTO_IP, IP_TOS), 46 << 2);
  ASSERT_TRUE(accepted_->set_dscp(63));
  EXPECT_EQ(option_of(*accepted_, IPPROTO_IP, IP_TOS), 63 << 2);
}

TEST_F(TcpPath, DscpOnIpv6AndLocalAddress) {
  if (!listen("[::1]:0")) GTEST_SKIP() << "this machine has no IPv6";
  auto connection = dial({.local = "::1", .dscp = 46});
  ASSERT_NE(connection, nullptr);
  EXPECT_TRUE(connection->local_address().starts_with("[::1]:")) << connection->local_address();
  EXPECT_EQ(option_of(*connection, IPPROTO_IPV6, IPV6_TCLASS), 46 << 2);
  ASSERT_TRUE(accepted_->set_dscp(10));
  EXPECT_EQ(option_of(*accepted_, IPPROTO_IPV6, IPV6_TCLASS), 10 << 2);
}

TEST_F(TcpPath, DscpOfIpv4AtAListenerForBoth) {
  if (!listen("[::]:0")) GTEST_SKIP() << "this machine has no IPv6";
  const auto port = parse_host_port(listener_->address())->port;
  auto connection = dial({.remote = "127.0.0.1:" + std::to_string(port)});
  ASSERT_NE(connection, nullptr);
  ASSERT_TRUE(accepted_->set_dscp(10));
  EXPECT_EQ(option_of(*accepted_, IPPROTO_IP, IP_TOS), 10 << 2) << "its packets are IPv4";
}

TEST_F(TcpPath, NothingAskedNothingSet) {
  ASSERT_TRUE(listen("127.0.0.1:0"));
  auto connection = dial({});
  ASSERT_NE(connection, nullptr);
  EXPECT_EQ(option_of(*connection, IPPROTO_IP, IP_TOS), 0);
  EXPECT_EQ(text_option_of(*connection, SOL_SOCKET, SO_BINDTODEVICE), "");
}

TEST_F(TcpPath, CongestionControlOfBothEnds) {
  ASSERT_TRUE(listen("127.0.0.1:0"));
  auto connection = dial({.congestion = "reno"});
  ASSERT_NE(connection, nullptr);
  EXPECT_EQ(text_option_of(*connection, IPPROTO_TCP, TCP_CONGESTION), "reno");
  ASSERT_TRUE(accepted_->set_congestion("reno"));
  EXPECT_EQ(text_option_of(*accepted_, IPPROTO_TCP, TCP_CONGESTION), "reno");
  const auto unknown = accepted_->set_congestion("nonesuch");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Code::unsupported);
  EXPECT_NE(unknown.error().text.find("nonesuch"), std::string::npos) << unknown.error().text;
}

TEST_F(TcpPath, BothEndsBeginWithTheUsualCongestionControl) {
  if (const auto offered = wire_->offers_congestion(usual_congestion); !offered) GTEST_SKIP() << offered.error().text;
  ASSERT_TRUE(listen("127.0.0.1:0"));
  auto connection = dial({});
  ASSERT_NE(connection, nullptr);
  EXPECT_EQ(text_option_of(*connection, IPPROTO_TCP, TCP_CONGESTION), usual_congestion);
  EXPECT_EQ(text_option_of(*accepted_, IPPROTO_TCP, TCP_CONGESTION), usual_congestion);
}

TEST_F(TcpPath, TheSystemsCongestionControlIsThatOfANewSocket) {
  ASSERT_TRUE(listen("127.0.0.1:0"));
  auto connection = dial({.congestion = system_congestion});
  ASSERT_NE(connection, nullptr);
  const int fresh = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_GE(fresh, 0);
  std::array<char, 16> name{};
  socklen_t bytes = name.size();
  EXPECT_EQ(getsockopt(fresh, IPPROTO_TCP, TCP_CONGESTION, name.data(), &bytes), 0);
  close(fresh);
  EXPECT_EQ(text_option_of(*connection, IPPROTO_TCP, TCP_CONGESTION), name.data());
  ASSERT_TRUE(accepted_->set_congestion(system_congestion));
  EXPECT_EQ(text_option_of(*accepted_, IPPROTO_TCP, TCP_CONGESTION), name.data());
}

TEST_F(TcpPath, WhatTheKernelDoesNotHaveIsNotOffered) {
  const auto offered = wire_->offers_congestion("nonesuch");
  ASSERT_FALSE(offered);
  EXPECT_NE(offered.error().text.find("tcp_available_congestion_control lists what this kernel has"), std::string::npos)
      << offered.error().text;
  EXPECT_TRUE(wire_->offers_congestion("reno"));
}

TEST_F(TcpPath, DeviceIsBoundOrToldWhyNot) {
  ASSERT_TRUE(listen("127.0.0.1:0"));
  const Error none = refused({.device = "nonesuch0"});
  EXPECT_NE(none.text.find("nonesuch0"), std::string::npos) << none.text;
  if (none.system_errno != EPERM) {
    EXPECT_EQ(none.code, Code::not_found) << none.text;
    EXPECT_NE(none.text.find("no such network interface"), std::string::npos) << none.text;
  }
  auto dialled = wire_->dial({.device = "lo", .remote = listener_->address()});
  if (!dialled) {  // a kernel before 5.7, and no privilege
    EXPECT_EQ(dialled.error().code, Code::permission);
    EXPECT_NE(dialled.error().text.find("CAP_NET_RAW"), std::string::npos) << dialled.error().text;
    return;
  }
  EXPECT_EQ(text_option_of(**dialled, SOL_SOCKET, SO_BINDTODEVICE), "lo");
}

TEST_F(TcpPath, DeviceHoldsForIpv6Too) {
  if (!listen("[::1]:0")) GTEST_SKIP() << "this machine has no IPv6";
  auto dialled = wire_->dial({.local = "::1", .device = "lo", .remote = listener_->address()});
  if (!dialled) {
    EXPECT_EQ(dialled.error().code, Code::permission) << dialled.error().text;
    return;
  }
  EXPECT_EQ(text_option_of(**dialled, SOL_SOCKET, SO_BINDTODEVICE), "lo");
}

}  // namespace
}  // namespace longhaul::wire
