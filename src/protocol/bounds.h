// Versions, feature bits and the limits that a peer is held to.
#pragma once

#include <cstddef>
#include <cstdint>

namespace longhaul::protocol {

constexpr std::uint32_t version_min = 1;
constexpr std::uint32_t version_max = 1;

/// Feature bits; never reused. A side that will ask for one requires it in its Hello.
constexpr std::uint64_t feature_leave_alone = 1ULL << 0;   ///< OpenTransfer.update, existing, ignore_existing
constexpr std::uint64_t feature_compression = 1ULL << 1;   ///< frames with flag_compressed
constexpr std::uint64_t feature_publish_tree = 1ULL << 2;  ///< OpenTransfer.publish_tree
constexpr std::uint64_t feature_mirror = 1ULL << 3;        ///< OpenTransfer.mirror, entries of type MENTION
constexpr std::uint64_t feature_dry_run = 1ULL << 4;       ///< OpenTransfer.dry_run
constexpr std::uint64_t feature_delta = 1ULL << 5;         ///< OpenTransfer.delta, frames with flag_matched
constexpr std::uint64_t feature_checksum = 1ULL << 6;      ///< OpenTransfer.checksum, verdict COMPARE, Compared
constexpr std::uint64_t feature_fabric = 1ULL << 7;        ///< PathTerms.transport: RailOpen, RailGrant, RailWritten
constexpr std::uint64_t feature_stages = 1ULL << 8;        ///< Stages; told to whoever supports it, never required
constexpr std::uint64_t feature_mirror_name = 1ULL << 9;  ///< Mirror.name; asked for by who has rules for such a mirror
constexpr std::uint64_t features_known = feature_leave_alone | feature_compression | feature_publish_tree |
                                         feature_mirror | feature_dry_run | feature_delta | feature_checksum |
                                         feature_fabric | feature_stages | feature_mirror_name;
constexpr std::uint64_t features_required = 0;  ///< always

// The digest tree's constants; never tuned (DESIGN: "format constants").
constexpr std::uint64_t leaf_bytes = 256 * 1024;
constexpr std::uint64_t leaves_per_node = 32;
constexpr std::uint64_t node_bytes = leaf_bytes * leaves_per_node;  // 8 MiB
constexpr std::size_t leaves_per_frame_max = 4;
constexpr std::uint32_t frame_bytes_min = leaf_bytes;
constexpr std::uint32_t frame_bytes_max = leaf_bytes * leaves_per_frame_max;
/// How chunks are cut in a transfer: what stays in a core's cache ...
constexpr std::uint32_t frame_bytes_usual = frame_bytes_min;
/// ... or, where files land by O_DIRECT, what a disk wants at once. A sender says that it could; not with rails, whose
/// slots have no room for it, nor with --delta, which compares frame by frame.
constexpr std::uint32_t frame_bytes_direct = frame_bytes_max;
constexpr std::uint64_t chunk_bytes_max = 512ULL * 1024 * 1024;

constexpr std::uint64_t whole_bytes_max = node_bytes;  ///< files up to this size land without a journal, in one chunk
constexpr std::uint64_t bundle_file = ~std::uint64_t{0};  ///< the `file` of a bundle's frames and acknowledgements
constexpr std::uint64_t bundled_bytes_max = 128 * 1024;   ///< files up to this size travel in bundles

constexpr std::uint32_t any_attempt = ~std::uint32_t{0};  ///< ChunkFailed: whichever attempt it was
/// In a list of durable chunks: not a chunk, but the whole file, which now stands at its final name. Only for files
/// that have several chunks; before it the receiver may still ask for all of them again.
constexpr std::uint64_t published_chunk = ~std::uint64_t{0};
constexpr std::uint64_t file_bytes_max = std::uint64_t{1} << 50;  ///< of one entry
constexpr std::size_t entries_open_max = 16384;                   ///< announced and not dealt with
constexpr std::size_t text_bytes_max = 1024;                      ///< words to a peer are cut to this
constexpr std::size_t hello_bytes_max = 2048;                     ///< before the peer has proven itself
constexpr std::size_t paths_max = 64;                             ///< of one session
/// Streams of one path that a dialler may have: those that its options permit, and as many that have died unnoticed.
constexpr std::size_t streams_per_path_max = 128;
constexpr std::size_t session_streams_max = 1024;  ///< of one session
constexpr std::size_t session_slots_max = 4096;    ///< of all its fabric streams together: 1 GiB of locked memory
constexpr std::uint64_t path_cap_max = std::uint64_t{1} << 50;  ///< bits per second that a peer may name as a cap
// The words of a path are held to what `longhaul/options.h` says (check_path): name, number and length of tags, ranges.
constexpr std::size_t message_bytes_max = 4 * 1024 * 1024;
constexpr std::size_t path_bytes_max = 1024 * 1024;  ///< of one entry's path (10,000 levels deep and more)
constexpr std::size_t name_bytes_max = 255;
constexpr std::size_t attribute_bytes_max = 64 * 1024;              ///< of one entry, names and values
constexpr std::size_t attributes_max = 1024;                        ///< of one entry
constexpr std::size_t attribute_bytes_open_max = 16 * 1024 * 1024;  ///< of entries announced and not dealt with
constexpr std::size_t entries_per_announce_max = 1024;
constexpr std::size_t rule_bytes_max = 1024 * 1024;      ///< of all rules that cross with a transfer
constexpr std::size_t announce_bytes_soft = 512 * 1024;  ///< a sender closes a batch at this size

}  // namespace longhaul::protocol
