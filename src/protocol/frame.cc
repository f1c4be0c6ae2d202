#include "protocol/frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "protocol/message.h"

namespace longhaul::protocol {
namespace {

// Where the fields lie; the picture is in frame.h.
constexpr std::size_t at_magic = 0;
constexpr std::size_t at_version = 4;
constexpr std::size_t at_type = 5;
constexpr std::size_t at_flags = 6;
constexpr std::size_t at_body_bytes = 8;
constexpr std::size_t at_prefix_sequence = 12;
constexpr std::size_t at_check = 16;
constexpr std::size_t at_transfer = 24;
constexpr std::size_t at_attempt = 28;
constexpr std::size_t at_file = 32;
constexpr std::size_t at_chunk = 40;
constexpr std::size_t at_offset = 48;
constexpr std::size_t at_raw_bytes = 56;
constexpr std::size_t at_wire_bytes = 60;
constexpr std::size_t at_frame_index = 64;
constexpr std::size_t at_frame_count = 66;
constexpr std::size_t at_unused = 68;
constexpr std::size_t at_priority = 80;
constexpr std::size_t at_leaf_count = 81;
constexpr std::size_t at_reserved = 82;
constexpr std::size_t at_leaves = 96;
static_assert(at_leaves + leaves_per_frame_max * sizeof(Digest) == frame_header_bytes);

constexpr std::uint32_t header_body_bytes = frame_header_bytes - prefix_bytes;  ///< 136
constexpr std::uint64_t frames_per_chunk_max = chunk_bytes_max / frame_bytes_min;
constexpr std::uint64_t file_bytes_max = std::numeric_limits<std::int64_t>::max();  ///< what an off_t holds

std::unexpected<Error> refuse(std::string text) {
  return fail(Code::protocol, std::move(text));
}

bool all_zero(ConstBytes bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

void store_prefix(std::byte* at, Type type, std::uint16_t flags, std::uint32_t body_bytes, std::uint32_t sequence) {
  store(at + at_magic, magic);
  store(at + at_version, static_cast<std::uint8_t>(version_max));
  store(at + at_type, static_cast<std::uint8_t>(type));
  store(at + at_flags, flags);
  store(at + at_body_bytes, body_bytes);
  store(at + at_prefix_sequence, sequence);
}

/// What people point Longhaul at by mistake, by the first bytes that it says. Empty: none that is known.
std::string_view lookalike(ConstBytes bytes) {
  const std::string_view text = text_of(bytes);
  for (const std::string_view start : {"HTTP/", "GET ", "POST ", "HEAD ", "PUT ", "OPTIONS ", "CONNECT ", "PRI * "}) {
    if (text.starts_with(start)) return "HTTP";
  }
  if (text.starts_with("SSH-")) return "SSH";
  // A TLS record: content type 20..23, then version 3.x.
  if (bytes.size() < 3) return {};
  const auto kind = load<std::uint8_t>(bytes.data());
  const auto minor = load<std::uint8_t>(bytes.data() + 2);
  if (kind >= 20 && kind <= 23 && text[1] == 3 && minor <= 4) return "TLS";
  return {};
}

std::size_t tag_of(const Prefix& prefix) {
  return prefix.sealed() ? seal_tag_bytes : 0;
}

Result<void> check_frame_prefix(const Prefix& prefix) {
  if ((prefix.flags & ~flags_understood) != 0) {
    return refuse(fmt::format("the peer sent a frame with flags {:#x}, of which this version understands only {:#x}",
                              prefix.flags, flags_understood));
  }
  if (prefix.sequence != 0) return refuse("the peer sent a frame with a control sequence number");
  const bool bare = (prefix.flags & (flag_sparse | flag_matched)) != 0;
  const std::size_t least = header_body_bytes + (bare ? 0 : 1) + tag_of(prefix);
  const std::size_t most = header_body_bytes + (bare ? 0 : frame_bytes_max) + tag_of(prefix);
  if (prefix.body_bytes < least || prefix.body_bytes > most) {
    return refuse(
        fmt::format("the peer sent a frame of {} bytes; {} to {} are allowed", prefix.body_bytes, least, most));
  }
  return {};
}

Result<void> check_message_prefix(const Prefix& prefix, std::size_t body_bytes_limit) {
  if ((prefix.flags & ~flag_sealed) != 0) {
    return refuse(
        fmt::format("the peer sent a message with flags {:#x}, which this version does not understand", prefix.flags));
  }
  if (prefix.body_bytes < tag_of(prefix)) return refuse("the peer sent a sealed message without its tag");
  if (prefix.body_bytes > body_bytes_limit + tag_of(prefix)) {
    return refuse(fmt::format("the peer sent a message of {} bytes where at most {} are allowed", prefix.body_bytes,
                              body_bytes_limit));
  }
  return {};
}

FrameHeader load_header(const std::byte* at) {
  FrameHeader header;
  header.flags = load<std::uint16_t>(at + at_flags);
  header.transfer = load<std::uint32_t>(at + at_transfer);
  header.attempt = load<std::uint32_t>(at + at_attempt);
  header.file = load<std::uint64_t>(at + at_file);
  header.chunk = load<std::uint64_t>(at + at_chunk);
  header.offset = load<std::uint64_t>(at + at_offset);
  header.raw_bytes = load<std::uint32_t>(at + at_raw_bytes);
  header.wire_bytes = load<std::uint32_t>(at + at_wire_bytes);
  header.frame_index = load<std::uint16_t>(at + at_frame_index);
  header.frame_count = load<std::uint16_t>(at + at_frame_count);
  header.priority = load<std::uint8_t>(at + at_priority);
  header.leaf_count = load<std::uint8_t>(at + at_leaf_count);
  std::memcpy(header.leaves.data(), at + at_leaves, sizeof header.leaves);
  return header;
}

/// What no transfer allows, in words; empty when the header is sound.
std::string_view fault_of_place(const FrameHeader& header) {
  if ((header.flags & flag_bundle) != 0) {
    if (header.hole()) return "a bundle that is a hole";
    if (header.matched()) return "a bundle that is matched";
    if (header.file != bundle_file) return "a bundle that names a file";
    if (header.offset != 0) return "a bundle with an offset";
    if (header.leaf_count != 1) return "a bundle without its one digest";
    return {};
  }
  if (header.file == bundle_file) return "a file frame with a bundle's number";
  if (header.offset % leaf_bytes != 0) return "an offset that is not at a leaf";
  if (header.offset > file_bytes_max - header.raw_bytes) return "an offset past the largest file";
  if (header.hole()) return header.leaf_count == 0 ? "" : "a hole with digests";
  if (header.leaf_count != (header.raw_bytes + leaf_bytes - 1) / leaf_bytes) {
    return "a number of leaves that does not fit its size";
  }
  return {};
}

std::string_view fault_of(const FrameHeader& header, std::size_t body_bytes, ConstBytes bytes) {
  const std::uint64_t most = header.hole() ? chunk_bytes_max : frame_bytes_max;
  if (header.raw_bytes == 0 || header.raw_bytes > most) return "a size that no frame has";
  if (header.bare() && header.wire_bytes != 0)
    return header.hole() ? "a hole that has content" : "a match that has content";
  if (header.bare() && header.packed()) return header.hole() ? "a hole that is packed" : "a match that is packed";
  if (header.hole() && header.matched()) return "a hole that is matched";
  if (!header.bare() && !header.packed() && header.wire_bytes != header.raw_bytes)
    return "a wire size that differs from its size though nothing packs it";
  if (header.packed() && (header.wire_bytes == 0 || header.wire_bytes >= header.raw_bytes))
    return "packed content that is not smaller";
  if (body_bytes != header_body_bytes + header.wire_bytes) return "two sizes that contradict each other";
  if (header.frame_count == 0 || header.frame_count > frames_per_chunk_max) return "a frame count that no chunk has";
  if (header.frame_index >= header.frame_count) return "an index past its chunk's frames";
  const ConstBytes unused = bytes.subspan(at_unused, at_priority - at_unused);
  const ConstBytes reserved = bytes.subspan(at_reserved, at_leaves - at_reserved);
  if (!all_zero(unused) || !all_zero(reserved)) return "reserved bytes that are not zero";
  if (const std::string_view fault = fault_of_place(header); !fault.empty()) return fault;
  const auto no_leaves = std::span(header.leaves).subspan(header.leaf_count);
  if (!all_zero(std::as_bytes(no_leaves))) return "digests beyond its leaves";
  return {};
}

Result<FrameHeader> header_of(std::span<const std::byte, frame_header_bytes> bytes, const Prefix& prefix) {
  FrameHeader header = load_header(bytes.data());
  header.flags = static_cast<std::uint16_t>(header.flags & ~flag_sealed);  // of the record, not of what is in it
  const std::string_view fault = fault_of(header, prefix.body_bytes - tag_of(prefix), bytes);
  if (!fault.empty()) return refuse(fmt::format("the peer sent a frame with {}", fault));
  return header;
}

}  // namespace

Error stranger(ConstBytes bytes) {
  const std::string_view name = lookalike(bytes);
  const std::string looks = name.empty() ? std::string() : fmt::format(" (it looks like {})", name);
  const ConstBytes shown = bytes.first(std::min(bytes.size(), prefix_bytes));
  return {Code::protocol,
          fmt::format("the peer does not speak Longhaul{}: it sent \"{}\"; check address and port", looks,
                      printable(text_of(shown))),
          0};
}

void mark_sealed(std::span<std::byte, prefix_bytes> prefix, std::uint64_t record) {
  std::byte* at = prefix.data();
  store(at + at_flags, static_cast<std::uint16_t>(load<std::uint16_t>(at + at_flags) | flag_sealed));
  store(at + at_body_bytes, static_cast<std::uint32_t>(load<std::uint32_t>(at + at_body_bytes) + seal_tag_bytes));
  store(at + at_check, record);
}

std::vector<std::byte> encode_message(const Message& message, std::uint32_t sequence) {
  const std::size_t body_bytes = message.ByteSizeLong();
  LH_CHECK(body_bytes <= message_bytes_max, "a message over message_bytes_max; its maker must split it");
  std::vector<std::byte> out(prefix_bytes + body_bytes);
  const bool written = message.SerializeToArray(out.data() + prefix_bytes, static_cast<int>(body_bytes));
  LH_CHECK(written, "protobuf cannot write a message");
  store_prefix(out.data(), Type::message, 0, static_cast<std::uint32_t>(body_bytes), sequence);
  const ConstBytes all = out;
  store(out.data() + at_check, check_of(all.first(at_check), all.subspan(prefix_bytes)));
  return out;
}

Result<Prefix> decode_prefix(std::span<const std::byte, prefix_bytes> bytes, std::size_t body_bytes_limit) {
  if (load<std::uint32_t>(bytes.data() + at_magic) != magic) return std::unexpected(stranger(bytes));
  const auto version = load<std::uint8_t>(bytes.data() + at_version);
  if (version < version_min || version > version_max) {
    return refuse(fmt::format("the peer speaks version {} of the protocol, this side {} to {}; update the older one",
                              version, version_min, version_max));
  }
  const auto type = load<std::uint8_t>(bytes.data() + at_type);
  if (type != static_cast<std::uint8_t>(Type::message) && type != static_cast<std::uint8_t>(Type::frame)) {
    return refuse(fmt::format("the peer sent type {}, which this version does not know", type));
  }
  const Prefix prefix{.type = static_cast<Type>(type),
                      .flags = load<std::uint16_t>(bytes.data() + at_flags),
                      .body_bytes = load<std::uint32_t>(bytes.data() + at_body_bytes),
                      .sequence = load<std::uint32_t>(bytes.data() + at_prefix_sequence),
                      .check = load<std::uint64_t>(bytes.data() + at_check)};
  const auto sound =
      prefix.type == Type::frame ? check_frame_prefix(prefix) : check_message_prefix(prefix, body_bytes_limit);
  if (!sound) return std::unexpected(sound.error());
  return prefix;
}

Result<void> decode_message(std::span<const std::byte, prefix_bytes> prefix_bytes_in, ConstBytes body, Message& out) {
  const auto prefix = decode_prefix(prefix_bytes_in, message_bytes_max);
  if (!prefix) return std::unexpected(prefix.error());
  if (prefix->type != Type::message) return refuse("the peer sent a frame where a message belongs");
  if (prefix->body_bytes != body.size()) {
    return refuse(fmt::format("a message of {} bytes says that it has {}", body.size(), prefix->body_bytes));
  }
  if (check_of(prefix_bytes_in.first(at_check), body) != prefix->check) {
    return refuse("a message was damaged on its way: its check does not match");
  }
  return decode_opened_message(body, out);
}

Result<void> decode_opened_message(ConstBytes body, Message& out) {
  if (!out.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return refuse("the peer sent a message that cannot be read");
  }
  return {};
}

void encode_frame_header(const FrameHeader& header, std::span<std::byte, frame_header_bytes> out) {
  LH_CHECK(header.leaf_count <= leaves_per_frame_max, "a frame with more leaves than it has room for");
  std::byte* at = out.data();
  std::ranges::fill(out, std::byte{0});
  store_prefix(at, Type::frame, header.flags, header_body_bytes + header.wire_bytes, 0);
  store(at + at_transfer, header.transfer);
  store(at + at_attempt, header.attempt);
  store(at + at_file, header.file);
  store(at + at_chunk, header.chunk);
  store(at + at_offset, header.offset);
  store(at + at_raw_bytes, header.raw_bytes);
  store(at + at_wire_bytes, header.wire_bytes);
  store(at + at_frame_index, header.frame_index);
  store(at + at_frame_count, header.frame_count);
  store(at + at_priority, header.priority);
  store(at + at_leaf_count, header.leaf_count);
  std::memcpy(at + at_leaves, header.leaves.data(), header.leaf_count * sizeof(Digest));
  store(at + at_check, check_of(out.first(at_check), out.subspan(prefix_bytes)));
}

Result<FrameHeader> decode_frame_header(std::span<const std::byte, frame_header_bytes> bytes) {
  const auto prefix = decode_prefix(bytes.first<prefix_bytes>(), message_bytes_max);
  if (!prefix) return std::unexpected(prefix.error());
  if (prefix->type != Type::frame) return refuse("the peer sent a message where a frame belongs");
  if (check_of(bytes.first(at_check), bytes.subspan(prefix_bytes)) != prefix->check) {
    return refuse("a frame's header was damaged on its way: its check does not match");
  }
  return header_of(bytes, *prefix);
}

Result<FrameHeader> decode_opened_header(std::span<const std::byte, frame_header_bytes> bytes) {
  const auto prefix = decode_prefix(bytes.first<prefix_bytes>(), message_bytes_max);
  if (!prefix) return std::unexpected(prefix.error());
  return header_of(bytes, *prefix);
}

}  // namespace longhaul::protocol
