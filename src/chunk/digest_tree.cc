#include "chunk/digest_tree.h"

#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#include <algorithm>
#include <array>
#include <new>

#include "base/check.h"

namespace longhaul::chunk {
namespace {

using protocol::leaf_bytes;
using protocol::leaves_per_node;
using protocol::node_bytes;

/// A leaf of zeros, in memory once.
ConstBytes zeros() {
  static const std::vector<std::byte> leaf(leaf_bytes);
  return leaf;
}

const Digest& zero_node() {
  static const Digest digest = [] {
    std::array<Digest, leaves_per_node> leaves;
    leaves.fill(zero_leaf(leaf_bytes));
    return node_digest(leaves);
  }();
  return digest;
}

std::array<std::byte, 8> big_endian(std::uint64_t value) {
  std::array<std::byte, 8> bytes{};
  store(bytes.data(), __builtin_bswap64(value));
  return bytes;
}

Digest node_digest_of_content(ConstBytes content) {
  std::array<Digest, leaves_per_node> leaves;
  std::size_t count = 0;
  for (; !content.empty(); ++count) {
    const ConstBytes leaf = content.first(std::min<std::size_t>(content.size(), leaf_bytes));
    leaves[count] = digest_of(leaf);
    content = content.subspan(leaf.size());
  }
  return node_digest(std::span(leaves).first(count));
}

}  // namespace

Digest leaf_digest(ConstBytes content, std::size_t leaf) {
  const ConstBytes rest = content.subspan(leaf * leaf_bytes);
  return digest_of(rest.first(std::min<std::size_t>(rest.size(), leaf_bytes)));
}

Digest node_digest(std::span<const Digest> leaves) {
  LH_CHECK(!leaves.empty() && leaves.size() <= leaves_per_node, "a node has 1 to 32 leaves");
  return digest_of(std::as_bytes(leaves));
}

Digest zero_leaf(std::uint64_t bytes) {
  LH_CHECK(bytes > 0 && bytes <= leaf_bytes, "a leaf has 1 to leaf_bytes bytes");
  static const Digest whole = digest_of(zeros());
  return bytes == leaf_bytes ? whole : digest_of(zeros().first(bytes));
}

RootDigest::RootDigest() : state_(XXH3_createState()) {
  if (state_ == nullptr) throw std::bad_alloc();
  LH_CHECK(XXH3_128bits_reset(state_) == XXH_OK, "xxHash refused its own state");
}

RootDigest::~RootDigest() {
  XXH3_freeState(state_);
}

void RootDigest::add_node(const Digest& node) {
  const bool hashed = XXH3_128bits_update(state_, node.bytes.data(), node.bytes.size()) == XXH_OK;
  LH_CHECK(hashed, "xxHash refused its own state");
}

Digest RootDigest::finish(std::uint64_t size_bytes) {
  const auto size = big_endian(size_bytes);
  LH_CHECK(XXH3_128bits_update(state_, size.data(), size.size()) == XXH_OK, "xxHash refused its own state");
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_));
  Digest root;
  std::memcpy(root.bytes.data(), canonical.digest, sizeof canonical.digest);
  return root;
}

Digest file_digest(ConstBytes content) {
  if (content.size() <= node_bytes) {  // every small file of a bundle comes here: no hash state on the heap
    std::array<std::byte, sizeof(Digest) + 8> last;
    const std::size_t nodes_bytes = content.empty() ? 0 : sizeof(Digest);
    if (nodes_bytes > 0) store(last.data(), node_digest_of_content(content));
    store(last.data() + nodes_bytes, big_endian(content.size()));
    return digest_of(std::span(last).first(nodes_bytes + 8));
  }
  RootDigest root;
  for (ConstBytes rest = content; !rest.empty();) {
    const ConstBytes node = rest.first(std::min<std::size_t>(rest.size(), node_bytes));
    root.add_node(node_digest_of_content(node));
    rest = rest.subspan(node.size());
  }
  return root.finish(content.size());
}

void FileDigest::add(ConstBytes content) {
  size_ += content.size();
  while (!content.empty()) {
    if (leaf_.empty() && content.size() >= leaf_bytes) {  // whole leaves are not copied
      add_leaf(content.first(leaf_bytes));
      content = content.subspan(leaf_bytes);
      continue;
    }
    const ConstBytes piece = content.first(std::min<std::size_t>(content.size(), leaf_bytes - leaf_.size()));
    leaf_.insert(leaf_.end(), piece.begin(), piece.end());
    content = content.subspan(piece.size());
    if (leaf_.size() == leaf_bytes) {
      add_leaf(leaf_);
      leaf_.clear();
    }
  }
}

void FileDigest::add_zeros(std::uint64_t bytes) {
  while (bytes > 0) {
    std::uint64_t piece = std::min<std::uint64_t>(bytes, leaf_bytes - leaf_.size());
    if (leaf_.empty() && leaves_.empty() && bytes >= node_bytes) {
      piece = node_bytes;
      size_ += node_bytes;
      root_.add_node(zero_node());
    } else if (piece == leaf_bytes) {
      size_ += leaf_bytes;
      leaves_.push_back(zero_leaf(leaf_bytes));
      if (leaves_.size() == leaves_per_node) end_node();
    } else {
      add(zeros().first(piece));
    }
    bytes -= piece;
  }
}

Digest FileDigest::finish() {
  if (!leaf_.empty()) add_leaf(leaf_);
  if (!leaves_.empty()) end_node();
  return root_.finish(size_);
}

void FileDigest::add_leaf(ConstBytes leaf) {
  leaves_.push_back(digest_of(leaf));
  if (leaves_.size() == leaves_per_node) end_node();
}

void FileDigest::end_node() {
  root_.add_node(node_digest(leaves_));
  leaves_.clear();
}

}  // namespace longhaul::chunk
