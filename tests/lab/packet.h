// A packet as a TUN device with IFF_VNET_HDR hands it over: a virtio_net_hdr, then an IP packet. With segmentation
// offload that may be a super-packet: up to 64 KiB of TCP or UDP payload that stands for `segments` packets of MTU size
// on the wire. Every wire packet has its own fate in the lab (lost, dropped, late). A super-packet is cut into
// smaller ones only where fates differ, and a cut copies no payload.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace longhaul::lab {

inline constexpr std::uint32_t vnet_header_bytes = 10;
/// A header and the largest IP packet, with room.
inline constexpr std::size_t read_bytes_max = 65536 + 64;

/// Counted memory of a pool. A pool and its buffers belong to one path's thread, so nothing here is atomic.
struct Buffer {
  std::uint32_t references;
  std::uint32_t size_class;
  [[nodiscard]] std::uint8_t* data() { return reinterpret_cast<std::uint8_t*>(this + 1); }
};

class Pool {
 public:
  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool();

  /// One reference; `bytes` <= read_bytes_max.
  [[nodiscard]] Buffer* take(std::size_t bytes);
  /// One reference less. nullptr is nothing.
  void give(Buffer* buffer);
  /// In use now, counted by size class.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::size_t class_bytes[4] = {512, 2048, 16384, read_bytes_max};
  std::vector<Buffer*> free_[4];
  std::size_t bytes_ = 0;
};

struct Packet {
  Buffer* head = nullptr;  // a cut piece's own headers, virtio_net_hdr included
  Buffer* body = nullptr;  // all of a whole packet, or the payload that pieces share
  std::uint32_t head_bytes = 0;
  std::uint32_t offset = 0, bytes = 0;  // in body

  // Found by inspect().
  std::uint32_t segments = 1;       // wire packets that this stands for
  std::uint32_t header_bytes = 0;   // IP and TCP or UDP headers of each wire packet
  std::uint32_t payload_bytes = 0;  // behind these headers
  std::uint32_t segment_bytes = 0;  // payload of a wire packet; the last may have less
  std::uint32_t transport = 0;      // where in the IP packet the TCP or UDP header begins
  bool cuttable = false;

  [[nodiscard]] std::uint32_t ip_bytes() const { return header_bytes + payload_bytes; }
  /// Of all wire packets, headers included.
  [[nodiscard]] std::uint64_t wire_bytes() const { return payload_bytes + std::uint64_t{segments} * header_bytes; }
  /// Wire packets by its payload; `segments` may have been lowered to the first of them.
  [[nodiscard]] std::uint32_t segments_of_payload() const {
    return segment_bytes == 0 || payload_bytes == 0 ? 1 : (payload_bytes + segment_bytes - 1) / segment_bytes;
  }
};

/// Reads the headers of a whole packet. False: not IP, or malformed.
[[nodiscard]] bool inspect(Packet& packet);

/// Segments [from, from + count) of a whole, cuttable packet as a packet of its own; shares the payload.
[[nodiscard]] Packet cut(Pool& pool, const Packet& packet, std::uint32_t from, std::uint32_t count);

/// What a firewall that has forgotten the connection answers to this TCP packet: a reset for its sender.
/// A packet without `body` where there is nothing to answer (not TCP, or itself a reset).
[[nodiscard]] Packet reset_for(Pool& pool, const Packet& packet);

/// Another reference to the same bytes.
[[nodiscard]] Packet share(const Packet& packet);
void release(Pool& pool, Packet& packet);

/// Behind the TCP or UDP header.
[[nodiscard]] std::span<std::uint8_t> payload_of(Packet& packet);

/// The internet checksum: a running sum, and its end.
[[nodiscard]] std::uint32_t checksum_add(std::uint32_t sum, std::span<const std::uint8_t> data);
[[nodiscard]] std::uint16_t checksum_fold(std::uint32_t sum);

}  // namespace longhaul::lab
