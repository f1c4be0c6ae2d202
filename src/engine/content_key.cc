#include "engine/content_key.h"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

namespace longhaul::engine {

ContentHash::ContentHash(Delta by, bool root_too) {
  if (by == Delta::sha256) sha256_.emplace();
  if (by == Delta::xxh3 || root_too) tree_.emplace();
}

void ContentHash::add(ConstBytes piece) {
  if (sha256_) sha256_->add(security::sha256_of({piece}));
  if (tree_) tree_->add(piece);
  size_ += piece.size();
}

void ContentHash::add_zeros(std::uint64_t pieces) {
  if (sha256_ && !zeros_) zeros_ = security::sha256_of({std::vector<std::byte>(piece_bytes)});
  for (std::uint64_t piece = 0; sha256_ && piece < pieces; ++piece) sha256_->add(*zeros_);
  if (tree_) tree_->add_zeros(pieces * piece_bytes);
  size_ += pieces * piece_bytes;
}

ContentDigests ContentHash::finish() {
  ContentDigests digests;
  if (tree_) digests.root = tree_->finish();
  if (sha256_) {
    std::array<std::byte, sizeof(size_)> size{};
    store(size.data(), size_);
    sha256_->add(size);
    digests.key = sha256_->finish();
  } else {
    std::ranges::copy(digests.root.bytes, digests.key.begin());
  }
  return digests;
}

}  // namespace longhaul::engine
