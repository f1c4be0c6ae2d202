// Super-packets are cut at the right place with the right headers, and a reset is one that a kernel believes.
#include "packet.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "packets.h"

namespace longhaul::lab {
namespace {

constexpr std::uint32_t payload_bytes = 60001, gso_bytes = 1400;

struct Kind {
  bool ip6, udp;
};

class Cutting : public testing::TestWithParam<Kind> {
 protected:
  /// All that the headers of a piece must say. `from`: its first segment; `last`: it ends the packet.
  void look_at(const Packet& whole, const Packet& piece, std::uint32_t from, std::uint32_t count) const {
    const auto [ip6, udp] = GetParam();
    const std::vector<std::uint8_t> bytes = flat(piece);
    const std::uint8_t* ip = bytes.data() + vnet_header_bytes;
    const std::uint8_t* transport = ip + (ip6 ? 40 : 20);
    const auto transport_bytes = static_cast<std::uint32_t>(bytes.data() + bytes.size() - transport);
    ASSERT_EQ(bytes.size(), piece.ip_bytes() + vnet_header_bytes);
    EXPECT_EQ((ip6 ? 40 : 0) + get16(ip + (ip6 ? 4 : 2)), bytes.size() - vnet_header_bytes);
    if (!ip6) {
      EXPECT_EQ(checksum_fold(checksum_add(0, {ip, 20})), 0xffff);
      EXPECT_EQ(get16(ip + 4), static_cast<std::uint16_t>(first_ip_id + from));
    }
    EXPECT_EQ(get16(transport + (udp ? 6 : 16)), checksum_fold(pseudo_header_sum(ip, udp, transport_bytes)));
    const bool last = from + count == whole.segments;
    if (udp) {
      EXPECT_EQ(get16(transport + 4), transport_bytes);
    } else {
      EXPECT_EQ(get32(transport + 4), first_sequence + from * gso_bytes);
      EXPECT_EQ((transport[13] & 0x01) != 0, last) << "FIN";
      EXPECT_EQ((transport[13] & 0x08) != 0, last) << "PSH";
      EXPECT_EQ((transport[13] & 0x80) != 0, from == 0) << "CWR";
    }
    std::uint16_t gso = 0;
    std::memcpy(&gso, bytes.data() + 4, sizeof gso);
    EXPECT_EQ(gso, count == 1 ? 0 : gso_bytes);
    EXPECT_EQ(bytes[1] == 0, count == 1);
    EXPECT_EQ(bytes[0], 1) << "the checksum is still to be made";
  }
};

TEST_P(Cutting, PiecesAreTheWhole) {
  Pool pool;
  Packet whole = made_packet(pool, {GetParam().ip6, GetParam().udp, payload_bytes, gso_bytes});
  ASSERT_TRUE(inspect(whole));
  ASSERT_TRUE(whole.cuttable);
  ASSERT_EQ(whole.segments, 43U);
  ASSERT_EQ(whole.payload_bytes, payload_bytes);
  std::vector<std::uint8_t> joined;
  for (std::uint32_t from = 0; from < whole.segments;) {
    const std::uint32_t count = std::min(whole.segments - from, 1 + from % 7);
    Packet piece = cut(pool, whole, from, count);
    look_at(whole, piece, from, count);
    const std::span payload = payload_of(piece);
    joined.insert(joined.end(), payload.begin(), payload.end());
    release(pool, piece);
    from += count;
  }
  EXPECT_TRUE(std::ranges::equal(joined, payload_of(whole)));
  release(pool, whole);
  EXPECT_EQ(pool.bytes(), 0U);
}

INSTANTIATE_TEST_SUITE_P(All, Cutting,
                         testing::Values(Kind{false, false}, Kind{false, true}, Kind{true, false}, Kind{true, true}),
                         [](const auto& tested) {
                           return std::string(tested.param.ip6 ? "Ip6" : "Ip4") + (tested.param.udp ? "Udp" : "Tcp");
                         });

TEST(Inspect, RefusesWhatIsNoPacket) {
  Pool pool;
  Packet packet = made_packet(pool, {false, false, 100, 1400});
  packet.bytes = vnet_header_bytes + 19;
  EXPECT_FALSE(inspect(packet)) << "shorter than an IP header";
  packet = {.body = packet.body, .bytes = vnet_header_bytes + 152};
  packet.body->data()[vnet_header_bytes] = 0x55;
  EXPECT_FALSE(inspect(packet)) << "IP version 5";
  packet.body->data()[vnet_header_bytes] = 0x4f;
  packet.bytes = vnet_header_bytes + 52;
  EXPECT_FALSE(inspect(packet)) << "an IP header that is longer than the packet";
  release(pool, packet);
}

class Resetting : public testing::TestWithParam<bool> {};

TEST_P(Resetting, AnswersWithTheNumberThatIsExpected) {
  const bool ip6 = GetParam();
  Pool pool;
  Packet packet = made_packet(pool, {ip6, false, payload_bytes, gso_bytes});
  ASSERT_TRUE(inspect(packet));
  Packet reset = reset_for(pool, packet);
  ASSERT_NE(reset.body, nullptr);
  ASSERT_TRUE(inspect(reset));
  const std::uint8_t* from = packet.body->data() + vnet_header_bytes;
  const std::uint8_t* ip = reset.body->data() + vnet_header_bytes;
  const std::size_t address_bytes = ip6 ? 16 : 4, addresses = ip6 ? 8 : 12;
  EXPECT_EQ(std::memcmp(ip + addresses, from + addresses + address_bytes, address_bytes), 0) << "from whom it went to";
  EXPECT_EQ(std::memcmp(ip + addresses + address_bytes, from + addresses, address_bytes), 0) << "to whom it came from";
  const std::uint8_t* tcp = ip + reset.transport;
  EXPECT_EQ(get16(tcp), destination_port);
  EXPECT_EQ(get16(tcp + 2), source_port);
  EXPECT_EQ(get32(tcp + 4), acknowledged);
  EXPECT_EQ(tcp[13], 0x04) << "RST";
  const std::uint32_t sum = pseudo_header_sum(ip, false, 20);
  EXPECT_EQ(checksum_fold(checksum_add(sum, {tcp, 20})), 0xffff);
  if (!ip6) {
    EXPECT_EQ(checksum_fold(checksum_add(0, {ip, 20})), 0xffff);
  }
  EXPECT_EQ(reset_for(pool, reset).body, nullptr) << "a reset is not answered";
  release(pool, reset);
  release(pool, packet);
}

INSTANTIATE_TEST_SUITE_P(Both, Resetting, testing::Bool());

TEST(Reset, RefusesAConnection) {
  Pool pool;
  Packet packet = made_packet(pool, {false, false, 0, 1400});
  packet.body->data()[vnet_header_bytes + 20 + 13] = 0x02;  // SYN
  ASSERT_TRUE(inspect(packet));
  Packet reset = reset_for(pool, packet);
  ASSERT_NE(reset.body, nullptr);
  const std::uint8_t* tcp = reset.body->data() + vnet_header_bytes + 20;
  EXPECT_EQ(get32(tcp + 8), first_sequence + 1);
  EXPECT_EQ(tcp[13], 0x14) << "RST ACK";
  release(pool, reset);
  release(pool, packet);
}

TEST(Reset, LeavesUdpAlone) {
  Pool pool;
  Packet packet = made_packet(pool, {false, true, 1000, 1400});
  ASSERT_TRUE(inspect(packet));
  EXPECT_EQ(reset_for(pool, packet).body, nullptr);
  release(pool, packet);
}

}  // namespace
}  // namespace longhaul::lab
