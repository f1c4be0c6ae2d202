// Manifests as files: made by reading a tree, shown, compared with each other. `verify` compares one with a directory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "longhaul/source.h"
#include "longhaul/status.h"
#include "longhaul/transfer.h"

namespace longhaul {

/// One file of a manifest.
struct ManifestFile {
  std::string path;           ///< any bytes; relative, without "." and ".."
  std::uint64_t size = 0;     ///< bytes
  std::int64_t mtime_ns = 0;  ///< since the epoch
  std::string digest;         ///< 32 hex digits: the root of its digest tree (XXH3-128)
  std::string sha256;         ///< 64 hex digits, as sha256sum has them; empty: the manifest has none
};

/// A manifest as a whole.
struct ManifestSummary {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;  ///< of all files
  std::string root;         ///< 32 hex digits, over names, sizes and digests: what two equal trees have in common
  std::string sha256_root;  ///< 64 hex digits, over all that it says; empty: its files have no SHA-256
  std::string signer;       ///< the fingerprint of the key that has signed it ("SHA256:..."); empty: nobody has
};

struct ManifestOptions {
  bool sha256 = false;                       ///< of every file, beside XXH3, which does not withstand attackers
  std::string identity_pem;                  ///< of `new_identity`: signs; asks for `sha256`
  unsigned threads = 0;                      ///< that read files; 0: one a core, at most 8
  std::string spool_directory = "/var/tmp";  ///< where a long list is sorted, when no file is written
  std::uint32_t mode = 0644;                 ///< of a file that is written
};

/// What a scan found, so far or in the end.
struct ManifestReport {
  ManifestSummary manifest;          ///< its roots: at the end
  std::uint64_t bytes = 0;           ///< read, or known to be holes
  std::uint64_t unreadable = 0;      ///< files and directories that could not be read
  std::uint64_t changed = 0;         ///< files that changed or vanished while they were read; they have no record
  std::uint64_t without_record = 0;  ///< symlinks, further names (with Fidelity::hard_links), pipes, sockets, devices
  std::uint64_t left_out = 0;        ///< by the selection
  std::vector<FileError> errors;     ///< the first 1000
  double seconds = 0;
};
using ManifestProgress = std::function<void(const ManifestReport&)>;
/// Returns false to stop, as one whose reader has gone.
using ManifestVisitor = std::function<bool(const ManifestFile&)>;

/// Reads all files of `source` (tree_source or listed_source) once, and writes their manifest to `file`: whole and
/// durable, in place of what is there; `file` itself gets no record. Paths are as they would land. `progress` is called
/// on this thread about once a second. Memory: bounded, whatever there is to read. Errors: usage - `file` cannot be a
/// manifest's place; no file can be written there; interrupted: what was at `file` is still there.
Result<ManifestReport> make_manifest(std::unique_ptr<Source> source, const std::string& file,
                                     const ManifestOptions& options, const ManifestProgress& progress,
                                     StopFlag* stop = nullptr);
/// The same without a file: `visit` gets what would stand in it, in order, when all has been read.
Result<ManifestReport> list_manifest(std::unique_ptr<Source> source, const ManifestVisitor& visit,
                                     const ManifestOptions& options, const ManifestProgress& progress,
                                     StopFlag* stop = nullptr);

/// Shows a manifest: a file, or a directory that transfers have landed in. Errors: not_found; corrupt: damaged, or not
/// what was signed (`visit` may have seen some of it by then); interrupted.
Result<ManifestSummary> show_manifest(const std::string& path, const ManifestVisitor& visit, StopFlag* stop = nullptr);

enum class ManifestDifference : std::uint8_t {
  only_in_first,
  only_in_second,
  content,  ///< size, digest, or SHA-256 where both have one
  time,     ///< of the same content
};

struct ManifestComparison {
  ManifestSummary first;
  ManifestSummary second;
  std::uint64_t equal = 0;
  std::uint64_t only_in_first = 0;
  std::uint64_t only_in_second = 0;
  std::uint64_t content = 0;
  std::uint64_t time = 0;
  [[nodiscard]] bool same() const { return only_in_first + only_in_second + content + time == 0; }
};

/// Compares two manifests, each as `show_manifest` takes it, in one pass. `visit` gets each file that differs, in the
/// order of paths, with what either has of it (null: nothing); it returns false to stop. Times are the same also where
/// one file system keeps whole seconds only. Errors: as show_manifest.
Result<ManifestComparison> compare_manifests(
    const std::string& one, const std::string& other,
    const std::function<bool(ManifestDifference, const ManifestFile* in_one, const ManifestFile* in_other)>& visit,
    StopFlag* stop = nullptr);

}  // namespace longhaul
