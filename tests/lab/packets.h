// Packets as the kernel would hand them over, for the tests of the lab.
#pragma once

#include <cstring>
#include <vector>

#include "packet.h"

namespace longhaul::lab {

inline constexpr std::uint32_t first_ip_id = 65530;          // wraps when the packet is cut
inline constexpr std::uint32_t first_sequence = 0xfffff000;  // so does this
inline constexpr std::uint32_t acknowledged = 0x12345678;
inline constexpr std::uint32_t source_port = 5000, destination_port = 6000;

inline void put16(std::uint8_t* at, std::uint32_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}

inline void put32(std::uint8_t* at, std::uint32_t value) {
  put16(at, value >> 16);
  put16(at + 2, value & 0xffff);
}

inline std::uint16_t get16(const std::uint8_t* at) {
  return static_cast<std::uint16_t>(at[0] << 8 | at[1]);
}

inline std::uint32_t get32(const std::uint8_t* at) {
  return std::uint32_t{get16(at)} << 16 | get16(at + 2);
}

struct PacketPlan {
  bool ip6, udp;
  std::uint32_t payload_bytes, gso_bytes;
};

inline void put_ip(std::uint8_t* ip, const PacketPlan& plan, std::uint32_t header_bytes) {
  if (plan.ip6) {
    ip[0] = 0x60;
    put16(ip + 4, header_bytes - 40 + plan.payload_bytes);
    ip[6] = plan.udp ? 17 : 6;
    ip[8] = ip[24] = 0xfd;
    ip[23] = 1;
    ip[39] = 2;
    return;
  }
  ip[0] = 0x45;
  put16(ip + 2, header_bytes + plan.payload_bytes);
  put16(ip + 4, first_ip_id);
  ip[8] = 64;
  ip[9] = plan.udp ? 17 : 6;
  put32(ip + 12, 0xc6120001);
  put32(ip + 16, 0xc6120002);
  put16(ip + 10, static_cast<std::uint16_t>(~checksum_fold(checksum_add(0, {ip, 20}))));
}

/// A super-packet where the payload is larger than a segment.
inline Packet made_packet(Pool& pool, const PacketPlan& plan) {
  const std::uint32_t ip_bytes = plan.ip6 ? 40 : 20, header_bytes = ip_bytes + (plan.udp ? 8 : 32);
  Packet packet;
  packet.bytes = vnet_header_bytes + header_bytes + plan.payload_bytes;
  packet.body = pool.take(packet.bytes);
  std::uint8_t* base = packet.body->data();
  std::memset(base, 0, packet.bytes);
  if (plan.payload_bytes > plan.gso_bytes) {
    const std::uint16_t fields[3] = {static_cast<std::uint16_t>(plan.gso_bytes), static_cast<std::uint16_t>(ip_bytes),
                                     static_cast<std::uint16_t>(plan.udp ? 6 : 16)};
    base[0] = 1;  // the checksum is still to be made
    base[1] = plan.udp ? 5 : plan.ip6 ? 4 : 1;
    std::memcpy(base + 4, fields, sizeof fields);
  }
  put_ip(base + vnet_header_bytes, plan, header_bytes);
  std::uint8_t* transport = base + vnet_header_bytes + ip_bytes;
  put16(transport, source_port);
  put16(transport + 2, destination_port);
  if (plan.udp) {
    put16(transport + 4, 8 + plan.payload_bytes);
  } else {
    put32(transport + 4, first_sequence);
    put32(transport + 8, acknowledged);
    transport[12] = 8 << 4;
    transport[13] = 0x80 | 0x10 | 0x08 | 0x01;  // CWR ACK PSH FIN
  }
  std::uint8_t* payload = base + vnet_header_bytes + header_bytes;
  for (std::uint32_t i = 0; i < plan.payload_bytes; ++i) payload[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
  return packet;
}

inline std::uint32_t pseudo_header_sum(const std::uint8_t* ip, bool udp, std::uint32_t bytes) {
  const bool ip6 = ip[0] >> 4 == 6;
  return checksum_add(bytes + (udp ? 17 : 6), {ip + (ip6 ? 8 : 12), ip6 ? 32U : 8U});
}

/// As it would be written to the device.
inline std::vector<std::uint8_t> flat(const Packet& packet) {
  std::vector<std::uint8_t> bytes;
  if (packet.head != nullptr) bytes.insert(bytes.end(), packet.head->data(), packet.head->data() + packet.head_bytes);
  const std::uint8_t* body = packet.body->data() + packet.offset;
  bytes.insert(bytes.end(), body, body + packet.bytes);
  return bytes;
}

}  // namespace longhaul::lab
