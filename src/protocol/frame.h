// What stands before every message on a connection, and before every frame of content. Little-endian; reserved bytes
// are zero.
//
//   Prefix (24 bytes)                          FrameHeader (160 bytes) = Prefix and then
//   0  u32 magic "LHM1"                        24 u32 transfer        28 u32 attempt
//   4  u8  version (1)                         32 u64 file            40 u64 chunk
//   5  u8  type: 1 message, 2 frame            48 u64 offset          56 u32 raw_bytes   60 u32 wire_bytes
//   6  u16 flags                               64 u16 frame_index     66 u16 frame_count 68..79 reserved
//   8  u32 body_bytes                          80 u8 priority         81 u8 leaf_count  82..95
//   reserved 12 u32 sequence (control messages; else 0) 96 4 x 16 leaf digests 16 u64 check 160 payload: wire_bytes
//
// check = XXH3-64 of bytes 0..15 followed by the body. For a frame the "body" is bytes 24..159, the payload is proven
// by the digests; its body_bytes is 136 + wire_bytes.
//
// Packed (flag_compressed): the payload is one zstd frame, smaller than the raw_bytes that it unpacks to. The digests
// are of what it unpacks to.
//
// A hole (flag_sparse): one frame without payload (wire_bytes 0) and without leaf digests for frame_index and the
// frames behind it in its chunk, as many as raw_bytes covers; all of them hold nothing but zeros.
//
// A match (flag_matched): one frame without payload, whose digests are of what the receiver's older version of the file
// holds at the same place. Only where the receiver has told keys of that version (OldChunk).
//
// Sealed (flag_sealed, on streams): everything behind the prefix is encrypted, a frame's header as its payload, and a
// tag of 16 bytes follows, which body_bytes counts. The prefix is the associated data. In place of `check` stands the
// number of the record, one more than that of the record before it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/digest.h"
#include "longhaul/status.h"
#include "protocol/bounds.h"

namespace longhaul::protocol {

class Message;  // control.pb.h

constexpr std::size_t prefix_bytes = 24;
constexpr std::size_t frame_header_bytes = 160;
constexpr std::size_t seal_tag_bytes = 16;
constexpr std::uint32_t magic = 0x314d484c;  // "LHM1"

enum class Type : std::uint8_t { message = 1, frame = 2 };

/// Frame flags. `compressed` and `matched` only to a peer that knows the feature.
constexpr std::uint16_t flag_bundle = 1;
constexpr std::uint16_t flag_sparse = 2;
constexpr std::uint16_t flag_compressed = 4;
constexpr std::uint16_t flag_sealed = 8;
constexpr std::uint16_t flag_matched = 16;
constexpr std::uint16_t flags_understood = flag_bundle | flag_sparse | flag_compressed | flag_sealed | flag_matched;

struct Prefix {
  Type type = Type::message;
  std::uint16_t flags = 0;
  std::uint32_t body_bytes = 0;
  std::uint32_t sequence = 0;
  std::uint64_t check = 0;  ///< sealed: the record's number
  [[nodiscard]] bool sealed() const { return (flags & flag_sealed) != 0; }
  /// What follows of a frame behind its header: payload and, when sealed, tag.
  [[nodiscard]] std::size_t behind_header() const { return body_bytes - (frame_header_bytes - prefix_bytes); }
};

struct FrameHeader {
  std::uint16_t flags = 0;
  std::uint32_t transfer = 0;
  std::uint32_t attempt = 0;
  std::uint64_t file = 0;        ///< entry number; bundle_file for bundles
  std::uint64_t chunk = 0;       ///< index in the file; bundle number for bundles
  std::uint64_t offset = 0;      ///< of the payload in the file, bytes; bundles: 0
  std::uint32_t raw_bytes = 0;   ///< 1 .. frame_bytes_max (bundles: table and contents); holes: .. chunk_bytes_max
  std::uint32_t wire_bytes = 0;  ///< what follows, without a tag; bare: 0; packed: below raw_bytes; else equal
  std::uint16_t frame_index = 0;
  std::uint16_t frame_count = 1;
  std::uint8_t priority = 0;
  std::uint8_t leaf_count = 0;  ///< bundles: 1, the digest of the bundle's table; holes: 0
  std::array<Digest, leaves_per_frame_max> leaves{};
  [[nodiscard]] bool hole() const { return (flags & flag_sparse) != 0; }
  [[nodiscard]] bool packed() const { return (flags & flag_compressed) != 0; }
  [[nodiscard]] bool matched() const { return (flags & flag_matched) != 0; }
  /// Nothing follows: it stands for content that need not cross.
  [[nodiscard]] bool bare() const { return hole() || matched(); }
  bool operator==(const FrameHeader&) const = default;
};

/// Prefix and body of a control or stream message, ready to send. Aborts on messages over message_bytes_max (a bug
/// here).
[[nodiscard]] std::vector<std::byte> encode_message(const Message& message, std::uint32_t sequence = 0);

/// Makes of a message's or a frame's prefix that of a sealed record with this number: what is behind it must be sealed
/// next, with the prefix as the associated data.
void mark_sealed(std::span<std::byte, prefix_bytes> prefix, std::uint64_t record);

/// Reads a prefix. Errors (Code::protocol): wrong magic - the text shows what came instead, printable, and says "does
/// not speak Longhaul" ("... it looks like HTTP" where it does) -, unknown version, type or flags, a message's body
/// over `body_bytes_limit`, a frame's outside what a frame can have.
[[nodiscard]] Result<Prefix> decode_prefix(std::span<const std::byte, prefix_bytes> bytes,
                                           std::size_t body_bytes_limit);

/// Checks `check` and parses. A kind of message that this version does not know comes out with no body set: ignore it.
/// Errors: Code::protocol.
[[nodiscard]] Result<void> decode_message(std::span<const std::byte, prefix_bytes> prefix, ConstBytes body,
                                          Message& out);

/// The same of a body that was sealed and has been opened (without its tag): there is no check to compare.
[[nodiscard]] Result<void> decode_opened_message(ConstBytes body, Message& out);

/// Writes the header with its check; leaf digests beyond `leaf_count` go out as zeros.
void encode_frame_header(const FrameHeader& header, std::span<std::byte, frame_header_bytes> out);

/// Checks everything that can be checked without knowing the transfer: check, sizes, leaf_count = leaves of raw_bytes
/// (at leaf-aligned offset; holes: none), flags understood, frame_index < frame_count, reserved zero. Errors:
/// Code::protocol.
[[nodiscard]] Result<FrameHeader> decode_frame_header(std::span<const std::byte, frame_header_bytes> bytes);
/// The same of a header that was sealed and has been opened.
[[nodiscard]] Result<FrameHeader> decode_opened_header(std::span<const std::byte, frame_header_bytes> bytes);

/// What is said of a peer that begins with `bytes` and does not speak Longhaul: what came, and what it looks like.
[[nodiscard]] Error stranger(ConstBytes bytes);

}  // namespace longhaul::protocol
