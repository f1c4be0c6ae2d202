// The digest of a file: leaf = XXH3-128 of 256 KiB, node = XXH3-128 over its 32 leaf digests (canonical bytes), root =
// XXH3-128 over the node digests and the size (u64, big-endian). The empty file has no nodes. tests/digest.py says it
// again.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/digest.h"
#include "protocol/bounds.h"

struct XXH3_state_s;

namespace longhaul::chunk {

[[nodiscard]] constexpr std::uint64_t leaves_of(std::uint64_t bytes) {
  return (bytes + protocol::leaf_bytes - 1) / protocol::leaf_bytes;
}
[[nodiscard]] constexpr std::uint64_t nodes_of(std::uint64_t bytes) {
  return (bytes + protocol::node_bytes - 1) / protocol::node_bytes;
}

/// Of the leaf of this number in `content`, which begins at a leaf and has one of this number.
[[nodiscard]] Digest leaf_digest(ConstBytes content, std::size_t leaf);

/// `leaves`: the 1..32 leaf digests of one node.
[[nodiscard]] Digest node_digest(std::span<const Digest> leaves);

/// Digest of a leaf of so many zeros (1 to leaf_bytes): what a hole digests like.
[[nodiscard]] Digest zero_leaf(std::uint64_t bytes);

/// Node digests in order, then the root. One pass, constant memory.
class RootDigest {
 public:
  RootDigest();
  ~RootDigest();
  RootDigest(const RootDigest&) = delete;
  RootDigest& operator=(const RootDigest&) = delete;
  void add_node(const Digest& node);
  [[nodiscard]] Digest finish(std::uint64_t size_bytes);

 private:
  XXH3_state_s* state_;
};

/// Digest of content that is in memory as a whole (small files).
[[nodiscard]] Digest file_digest(ConstBytes content);

/// Content in order and in pieces of any size -> root. For verify.
class FileDigest {
 public:
  void add(ConstBytes content);
  /// The same as `add` of so many zeros, which need not be anywhere; in no time for whole nodes.
  void add_zeros(std::uint64_t bytes);
  [[nodiscard]] Digest finish();

 private:
  void add_leaf(ConstBytes leaf);
  void end_node();
  std::vector<std::byte> leaf_;  // at most one leaf, collected when pieces do not end on leaf boundaries
  std::vector<Digest> leaves_;   // of the current node
  RootDigest root_;
  std::uint64_t size_ = 0;
};

}  // namespace longhaul::chunk
