// Re-reads a target and compares it with the manifest that its transfers wrote, or with one from elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "longhaul/manifest.h"
#include "longhaul/status.h"
#include "longhaul/transfer.h"

namespace longhaul {

struct VerifyReport {
  std::uint64_t files = 0;       ///< compared and equal
  std::uint64_t bytes = 0;       ///< read
  std::uint64_t mismatched = 0;  ///< content differs from its digest
  std::uint64_t missing = 0;     ///< in the manifest, not in the directory
  std::uint64_t changed = 0;     ///< size or mtime differ from the manifest: changed after the transfer
  std::uint64_t unreadable = 0;
  std::uint64_t without_digest = 0;  ///< in the directory, not in the manifest
  std::vector<std::string> extra;    ///< VerifyOptions::manifest: which these are; the first 1000, in order
  bool exact = false;                ///< VerifyOptions::exact: they count as differences
  ManifestSummary manifest;          ///< what it was compared with; at the end
  std::vector<FileError> errors;     ///< the first 1000
  double seconds = 0;
};

struct VerifyOptions {
  std::string manifest;  ///< a file (or a directory that transfers have landed in); empty: the directory's own
  std::string signer;  ///< the fingerprint of the key that must have signed it; empty: it may be anybody's, or nobody's
  bool exact = false;  ///< with `manifest`: the directory is to have nothing beside
  unsigned threads = 0;                      ///< that read files; 0: one a core, at most 8
  std::string spool_directory = "/var/tmp";  ///< where long lists of names are sorted
};

/// Reads every file that the manifest lists: with `options.manifest` after all of that has been read and found whole,
/// with its signature. `progress` is called on this thread about once a second. Memory is bounded, whatever there is.
/// Errors: not_found - no manifest; corrupt - it is damaged, or its signature does not hold; refused - it is not signed
/// by options.signer; interrupted.
Result<VerifyReport> verify(const std::string& directory, const VerifyOptions& options,
                            const std::function<void(const VerifyReport&)>& progress, StopFlag* stop = nullptr);

/// Reads every file that the manifest in `directory` lists. `progress` is called about once a second.
/// Errors: no manifest there, manifest damaged.
Result<VerifyReport> verify(const std::string& directory, const std::function<void(const VerifyReport&)>& progress,
                            StopFlag* stop = nullptr);

/// Versions in words: of Longhaul, its protocol and formats, and what this machine can do. The first line is for
/// programs: "longhaul 0.1.0". Fabrics: longhaul/fabric.h.
std::string version_text();

}  // namespace longhaul
