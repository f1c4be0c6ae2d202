#include "wire/ip.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "wire/tcp.h"

namespace longhaul::wire {
namespace {

Ip ip(std::string_view text) {
  const auto parsed = parse_ip(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Ip{});
}

TEST(Ip, NumericAddressesOfBothFamilies) {
  EXPECT_TRUE(ip("10.0.0.2").is_v4);
  EXPECT_FALSE(ip("fd00::2").is_v4);
  EXPECT_NE(ip("0.0.0.1"), ip("::1"));
  for (const char* text : {"", "10.0.0", "10.0.0.256", "host", "fe80::1%eth0", "[::1]", "10.0.0.2:1"})
    EXPECT_FALSE(parse_ip(text)) << text;
}

TEST(Ip, IPv4InDisguiseIsIPv4) {
  EXPECT_EQ(undisguised("::ffff:10.0.0.2"), "10.0.0.2");
  for (const char* host :
       {"10.0.0.2", "fd00::2", "::ffff:a00:2", "::ffff:10.0.0", "::ffff:", "fe80::1%eth0", "host", ""})
    EXPECT_EQ(undisguised(host), host);
}

TEST(Ip, Networks) {
  EXPECT_TRUE(in_network(ip("10.0.1.255"), ip("10.0.1.0"), 24));
  EXPECT_FALSE(in_network(ip("10.0.2.0"), ip("10.0.1.0"), 24));
  EXPECT_TRUE(in_network(ip("10.0.3.1"), ip("10.0.2.0"), 23));
  EXPECT_TRUE(in_network(ip("203.0.113.9"), ip("10.0.0.0"), 0));
  EXPECT_FALSE(in_network(ip("::1"), ip("10.0.0.0"), 0)) << "families apart";
  EXPECT_TRUE(in_network(ip("2001:db8:0:1::5"), ip("2001:db8:0:1::"), 64));
  EXPECT_FALSE(in_network(ip("10.0.0.2"), ip("10.0.0.3"), 32));
}

TEST(Ip, Kinds) {
  for (const char* text : {"0.0.0.0", "127.1.2.3", "169.254.9.9", "224.0.0.1", "255.255.255.255", "::", "::1",
                           "fe80::1", "febf::1", "ff02::1", "::ffff:8.8.8.8"}) {
    EXPECT_TRUE(is_special(ip(text))) << text;
    EXPECT_FALSE(is_global(ip(text))) << text;
  }
  for (const char* text : {"10.0.0.1", "172.31.255.1", "192.168.0.1", "100.127.0.1", "fd12::1"}) {
    EXPECT_FALSE(is_special(ip(text))) << text;
    EXPECT_FALSE(is_global(ip(text))) << text;
  }
  for (const char* text : {"8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1"})
    EXPECT_TRUE(is_global(ip(text))) << text;
}

TEST(OwnAddresses, LoopbackIsAmongThem) {
  const auto own = make_tcp_wire()->own_addresses();
  const auto at = std::ranges::find(own, "127.0.0.1", &OwnAddress::address);
  ASSERT_NE(at, own.end());
  EXPECT_EQ(at->device, "lo");
  EXPECT_EQ(at->prefix_bits, 8U);
}

}  // namespace
}  // namespace longhaul::wire
