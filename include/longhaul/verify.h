// Re-reads a target and compares it with the manifest that its transfers wrote.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

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
  std::vector<FileError> errors;     ///< the first 1000
  double seconds = 0;
};

/// Reads every file that the manifest in `directory` lists. `progress` is called about once a second.
/// Errors: no manifest there, manifest damaged.
Result<VerifyReport> verify(const std::string& directory, const std::function<void(const VerifyReport&)>& progress,
                            StopFlag* stop = nullptr);

/// Versions in words: of Longhaul, its protocol and formats.
std::string version_text();

}  // namespace longhaul
