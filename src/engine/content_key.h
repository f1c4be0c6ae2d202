// By what the content of two files is compared as a whole: --checksum.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/digest.h"
#include "chunk/digest_tree.h"
#include "longhaul/options.h"
#include "security/sha256.h"

namespace longhaul::engine {

/// Delta::sha256: SHA-256 over the SHA-256 of each MiB, and the size; so the zeros of a hole are digested once for all
/// of them. Delta::xxh3: the root of the digest tree, and zeros.
using ContentKey = security::Sha256;

struct ContentDigests {
  ContentKey key{};
  Digest root;  ///< as in manifests; only where it was asked for, or is the key
};

/// Makes them of content that comes in order. Used by one thread at a time.
class ContentHash {
 public:
  static constexpr std::size_t piece_bytes = std::size_t{1} << 20U;

  /// `by`: not Delta::none.
  ContentHash(Delta by, bool root_too);
  /// `piece_bytes`, but for the last one.
  void add(ConstBytes piece);
  /// So many pieces of nothing but zeros.
  void add_zeros(std::uint64_t pieces);
  /// Once, at the end.
  [[nodiscard]] ContentDigests finish();

 private:
  std::optional<chunk::FileDigest> tree_;
  std::optional<security::Sha256Stream> sha256_;
  std::optional<security::Sha256> zeros_;  ///< of a piece of them
  std::uint64_t size_ = 0;
};

}  // namespace longhaul::engine
