// Two digests over all that a sorted manifest says. Files in the order of their paths, integers little-endian:
//
//   tree root     XXH3-128 over, for each file: u32 path_bytes | path | u64 size | Digest root; then u64 number of
//   files SHA-256 root  SHA-256 over "longhaul manifest 2 sha256", NUL; for each file: u32 path_bytes | path | u64 size
//   |
//                 i64 mtime_ns | Digest root | SHA-256 of the content; then u64 number of files
//   signed        Ed25519 over "longhaul manifest 2 signature", NUL, the SHA-256 root
//
// The tree root is without times: two trees of the same names and content have the same, on whatever file systems they
// are. It finds accidents. The SHA-256 root stands for every word of the manifest, and finds attackers as well, if it
// is signed or known from elsewhere. tests/manifest.py says all of this again.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/digest.h"
#include "base/digest_stream.h"
#include "journal/manifest.h"
#include "longhaul/status.h"
#include "security/identity.h"
#include "security/sha256.h"
#include "security/signature.h"

namespace longhaul::journal {

/// What stands at the end of a manifest of version 2.
struct ManifestSeal {
  std::uint64_t files = 0;
  Digest root;
  std::optional<security::Sha256> sha256_root;
  std::optional<security::Signature> signature;  ///< only with sha256_root
  bool operator==(const ManifestSeal&) const = default;
};

/// Sums up files that come in the order of their paths. Used by one thread.
class ManifestRoots {
 public:
  ManifestRoots();
  void add(const ManifestRecord& file);
  [[nodiscard]] std::uint64_t files() const { return files_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }  ///< of all files
  /// Of all files, or none, the SHA-256 is known; both, when there is no file.
  [[nodiscard]] bool all_have_sha256() const { return with_sha256_ == files_; }
  [[nodiscard]] bool none_has_sha256() const { return with_sha256_ == 0; }
  /// Once, behind the last file. `sha256`: with that root, which asks for all_have_sha256. Not signed.
  [[nodiscard]] ManifestSeal finish(bool sha256);

 private:
  DigestStream tree_;
  security::Sha256Stream all_;
  std::vector<std::byte> words_;  // of one file
  std::uint64_t files_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t with_sha256_ = 0;
};

/// Signs the SHA-256 root, which must be there.
void sign(ManifestSeal& seal, const security::Identity& identity);

/// Whether a signature that is there holds. Errors: corrupt.
Result<> check_signature(const ManifestSeal& seal);

}  // namespace longhaul::journal
