#include "packet.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace longhaul::lab {
namespace {

/// As in linux/virtio_net.h, which g++ cannot read on every release.
struct VnetHeader {
  std::uint8_t flags, gso_type;
  std::uint16_t header_bytes, gso_bytes, checksum_start, checksum_offset;
};
static_assert(sizeof(VnetHeader) == vnet_header_bytes);

constexpr std::uint8_t needs_checksum = 1;
constexpr std::uint8_t gso_none = 0, gso_tcp4 = 1, gso_tcp6 = 4, gso_udp = 5, gso_ecn = 0x80;
constexpr std::uint8_t flag_fin = 0x01, flag_syn = 0x02, flag_rst = 0x04, flag_psh = 0x08, flag_ack = 0x10,
                       flag_cwr = 0x80;
constexpr std::size_t kept_bytes_max = 64 << 20;  // of each size class, for reuse
constexpr std::uint32_t tcp_header_bytes = 20;

std::uint16_t get16(const std::uint8_t* at) {
  return static_cast<std::uint16_t>(at[0] << 8 | at[1]);
}

void put16(std::uint8_t* at, std::uint32_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}

std::uint32_t get32(const std::uint8_t* at) {
  return std::uint32_t{get16(at)} << 16 | get16(at + 2);
}

void put32(std::uint8_t* at, std::uint32_t value) {
  put16(at, value >> 16);
  put16(at + 2, value & 0xffff);
}

bool is_ip4(const std::uint8_t* ip) {
  return ip[0] >> 4 == 4;
}

std::uint32_t ip4_header_bytes(const std::uint8_t* ip) {
  return (ip[0] & 15) * 4U;
}

std::uint32_t tcp_bytes(const std::uint8_t* tcp) {
  return (tcp[12] >> 4) * 4U;
}

VnetHeader vnet_of(const std::uint8_t* at) {
  VnetHeader header{};
  std::memcpy(&header, at, sizeof header);
  return header;
}

/// A new IPv4 header sum after a change.
void sum_ip4_header(std::uint8_t* ip) {
  put16(ip + 10, 0);
  const std::span header(ip, ip4_header_bytes(ip));
  put16(ip + 10, static_cast<std::uint16_t>(~checksum_fold(checksum_add(0, header))));
}

/// Sum of the addresses, the protocol and the length of what stands behind the IP header.
std::uint32_t pseudo_sum(const std::uint8_t* ip, std::uint32_t protocol, std::uint32_t bytes) {
  const std::span addresses = is_ip4(ip) ? std::span(ip + 12, 8) : std::span(ip + 8, 32);
  return checksum_add(bytes + protocol, addresses);
}

/// A super-packet: the kernel leaves its checksum to the "device" always, so checksum_start is the transport header,
/// IPv6 extensions or not.
bool inspect_super(Packet& packet, const VnetHeader& vnet, const std::uint8_t* ip, std::uint32_t ip_bytes, bool tcp) {
  if ((vnet.flags & needs_checksum) == 0 || vnet.gso_bytes == 0) return false;
  packet.transport = vnet.checksum_start;
  if (packet.transport + (tcp ? tcp_header_bytes : 8) > ip_bytes) return false;
  packet.header_bytes = packet.transport + (tcp ? tcp_bytes(ip + packet.transport) : 8);
  if (packet.header_bytes > ip_bytes) return false;
  packet.payload_bytes = ip_bytes - packet.header_bytes;
  packet.segment_bytes = vnet.gso_bytes;
  packet.segments = packet.segments_of_payload();
  packet.cuttable = packet.header_bytes + vnet_header_bytes <= 512;
  return true;
}

void fix_tcp(std::uint8_t* tcp, std::uint32_t start, bool first, bool last) {
  put32(tcp + 4, get32(tcp + 4) + start);
  if (!first) tcp[13] &= static_cast<std::uint8_t>(~flag_cwr);
  if (!last) tcp[13] &= static_cast<std::uint8_t>(~(flag_fin | flag_psh));
}

}  // namespace

Pool::~Pool() {
  for (auto& list : free_)
    for (Buffer* buffer : list) std::free(buffer);
}

Buffer* Pool::take(std::size_t bytes) {
  std::uint32_t size_class = 0;
  while (class_bytes[size_class] < bytes) ++size_class;
  bytes_ += class_bytes[size_class];
  Buffer* buffer = nullptr;
  if (!free_[size_class].empty()) {
    buffer = free_[size_class].back();
    free_[size_class].pop_back();
  } else {
    buffer = static_cast<Buffer*>(std::malloc(sizeof(Buffer) + class_bytes[size_class]));
    if (buffer == nullptr) throw std::bad_alloc();
  }
  buffer->references = 1;
  buffer->size_class = size_class;
  return buffer;
}

void Pool::give(Buffer* buffer) {
  if (buffer == nullptr || --buffer->references != 0) return;
  const std::uint32_t size_class = buffer->size_class;
  bytes_ -= class_bytes[size_class];
  // A long path that has run dry gives its memory back.
  if (free_[size_class].size() * class_bytes[size_class] < kept_bytes_max)
    free_[size_class].push_back(buffer);
  else
    std::free(buffer);
}

std::uint32_t checksum_add(std::uint32_t sum, std::span<const std::uint8_t> data) {
  std::uint64_t wide = sum;
  for (; data.size() > 1; data = data.subspan(2)) wide += get16(data.data());
  if (!data.empty()) wide += std::uint32_t{data[0]} << 8;
  while ((wide >> 32) != 0) wide = (wide & 0xffffffff) + (wide >> 32);
  return static_cast<std::uint32_t>(wide);
}

std::uint16_t checksum_fold(std::uint32_t sum) {
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

bool inspect(Packet& packet) {
  if (packet.bytes < vnet_header_bytes + 20) return false;
  const std::uint8_t* base = packet.body->data() + packet.offset;
  const VnetHeader vnet = vnet_of(base);
  const std::uint8_t* ip = base + vnet_header_bytes;
  const std::uint32_t ip_bytes = packet.bytes - vnet_header_bytes;
  const int version = ip[0] >> 4;
  if ((version != 4 && version != 6) || (version == 6 && ip_bytes < 40)) return false;
  packet.segments = 1;
  packet.cuttable = false;
  packet.transport = version == 4 ? ip4_header_bytes(ip) : 40;
  if (packet.transport > ip_bytes) return false;
  packet.header_bytes = packet.transport;
  const std::uint8_t gso = vnet.gso_type & static_cast<std::uint8_t>(~gso_ecn);
  const bool tcp = gso == gso_tcp4 || gso == gso_tcp6;
  if (tcp || gso == gso_udp) return inspect_super(packet, vnet, ip, ip_bytes, tcp);
  // A plain packet: the payload is found where TCP or UDP stand right behind IP.
  const std::uint8_t protocol = version == 4 ? ip[9] : ip[6];
  const std::uint32_t at = packet.transport;
  if (protocol == IPPROTO_TCP && at + tcp_header_bytes <= ip_bytes)
    packet.header_bytes = std::min(ip_bytes, at + tcp_bytes(ip + at));
  else if (protocol == IPPROTO_UDP && at + 8 <= ip_bytes)
    packet.header_bytes = at + 8;
  packet.payload_bytes = ip_bytes - packet.header_bytes;
  packet.segment_bytes = packet.payload_bytes;
  return true;
}

Packet cut(Pool& pool, const Packet& packet, std::uint32_t from, std::uint32_t count) {
  Packet piece = packet;
  const std::uint32_t start = from * packet.segment_bytes;
  const std::uint32_t bytes = std::min(packet.payload_bytes - start, count * packet.segment_bytes);
  const bool first = from == 0, last = start + bytes == packet.payload_bytes;
  piece.head_bytes = vnet_header_bytes + packet.header_bytes;
  piece.head = pool.take(piece.head_bytes);
  std::memcpy(piece.head->data(), packet.body->data() + packet.offset, piece.head_bytes);
  ++piece.body->references;
  piece.offset = packet.offset + piece.head_bytes + start;
  piece.bytes = piece.payload_bytes = bytes;
  piece.segments = count;
  piece.cuttable = false;  // one level of cutting is enough

  VnetHeader vnet = vnet_of(piece.head->data());
  const bool udp = (vnet.gso_type & static_cast<std::uint8_t>(~gso_ecn)) == gso_udp;
  if (!first) vnet.gso_type &= static_cast<std::uint8_t>(~gso_ecn);
  if (count == 1) {
    vnet.gso_type = gso_none;
    vnet.gso_bytes = 0;
  }
  std::memcpy(piece.head->data(), &vnet, sizeof vnet);

  std::uint8_t* ip = piece.head->data() + vnet_header_bytes;
  std::uint8_t* transport = ip + packet.transport;
  const std::uint32_t transport_bytes = packet.header_bytes - packet.transport + bytes;
  if (is_ip4(ip)) {
    put16(ip + 2, packet.header_bytes + bytes);
    put16(ip + 4, get16(ip + 4) + from);
    sum_ip4_header(ip);
  } else {
    put16(ip + 4, packet.header_bytes - 40 + bytes);
  }
  // The checksum is left to the receiver's "device": its field holds the pseudo header's sum.
  const std::uint16_t sum = checksum_fold(pseudo_sum(ip, udp ? IPPROTO_UDP : IPPROTO_TCP, transport_bytes));
  if (udp) {
    put16(transport + 4, transport_bytes);
    put16(transport + 6, sum);
  } else {
    fix_tcp(transport, start, first, last);
    put16(transport + 16, sum);
  }
  return piece;
}

Packet reset_for(Pool& pool, const Packet& packet) {
  const std::uint8_t* ip = packet.body->data() + packet.offset + vnet_header_bytes;
  const std::uint8_t* tcp = ip + packet.transport;
  const bool ip4 = is_ip4(ip);
  const bool whole = packet.header_bytes >= packet.transport + tcp_header_bytes;
  if ((ip4 ? ip[9] : ip[6]) != IPPROTO_TCP || !whole || (tcp[13] & flag_rst) != 0) return {};
  const std::uint32_t ip_header = ip4 ? 20 : 40;
  Packet reset;
  reset.bytes = vnet_header_bytes + ip_header + tcp_header_bytes;
  reset.body = pool.take(reset.bytes);
  std::uint8_t* base = reset.body->data();
  std::memset(base, 0, reset.bytes);
  std::uint8_t* to_ip = base + vnet_header_bytes;
  std::uint8_t* to_tcp = to_ip + ip_header;
  const std::size_t address = ip4 ? 4 : 16, first = ip4 ? 12 : 8;
  std::memcpy(to_ip + first, ip + first + address, address);
  std::memcpy(to_ip + first + address, ip + first, address);
  if (ip4) {
    to_ip[0] = 0x45;
    put16(to_ip + 2, ip_header + tcp_header_bytes);
    to_ip[8] = 64;
    to_ip[9] = IPPROTO_TCP;
    sum_ip4_header(to_ip);
  } else {
    to_ip[0] = 0x60;
    put16(to_ip + 4, tcp_header_bytes);
    to_ip[6] = IPPROTO_TCP;
    to_ip[7] = 64;
  }
  std::memcpy(to_tcp, tcp + 2, 2);
  std::memcpy(to_tcp + 2, tcp, 2);
  to_tcp[12] = tcp_header_bytes / 4 << 4;
  to_tcp[13] = flag_rst;
  if ((tcp[13] & flag_ack) != 0) {
    std::memcpy(to_tcp + 4, tcp + 8, 4);  // exactly what is expected next, or the kernel would only ask back
  } else {
    const std::uint32_t taken = ((tcp[13] & flag_syn) != 0 ? 1 : 0) + ((tcp[13] & flag_fin) != 0 ? 1 : 0);
    put32(to_tcp + 8, get32(tcp + 4) + packet.payload_bytes + taken);
    to_tcp[13] |= flag_ack;
  }
  const std::uint32_t sum = pseudo_sum(to_ip, IPPROTO_TCP, tcp_header_bytes);
  put16(to_tcp + 16, static_cast<std::uint16_t>(~checksum_fold(checksum_add(sum, {to_tcp, tcp_header_bytes}))));
  return reset;
}

Packet share(const Packet& packet) {
  if (packet.head != nullptr) ++packet.head->references;
  ++packet.body->references;
  return packet;
}

void release(Pool& pool, Packet& packet) {
  pool.give(packet.head);
  pool.give(packet.body);
  packet.head = packet.body = nullptr;
}

std::span<std::uint8_t> payload_of(Packet& packet) {
  const std::span body(packet.body->data() + packet.offset, packet.bytes);
  return packet.head != nullptr ? body : body.subspan(vnet_header_bytes + packet.header_bytes);
}

}  // namespace longhaul::lab
