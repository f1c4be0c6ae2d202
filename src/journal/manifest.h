// The manifest: published files with their digests. While a transfer runs it appends to its own log; at the end the log
// is sorted by path bytes (external merge: bounded memory) and merged into the target's manifest (a newer record wins).
//
// Both files: header "LHMANIF1" | u32 version | u32 order (logs: a later one says what is newer; else 0) | records:
//   u32 record_bytes | u8 type (1 file, 2 end, 3 tree, 4 gone, 5 and 6 below, 0 never) | 3 reserved | u32 path_bytes |
//   u64 size | i64 mtime_ns | Digest root | path | u64 check = XXH3-64 of all before it
// Version 1 is what transfers write: logs, and the target's manifest. Version 2 is a sorted manifest that a scan has
// written (`longhaul manifest`). It has no records of types 3 and 4, and these beside 1 and 2:
//   5, a file: as 1, with 32 bytes between root and path, the SHA-256 of its content. All files of a manifest, or none.
//   6, the seal, one, right before the end: no path, size = number of files, mtime_ns = 0, root = the root of the tree,
//      and between root and check nothing, or the SHA-256 root (32 bytes), or that, an Ed25519 public key (32) and its
//      signature (64). SHA-256 root: if and only if the files have SHA-256, or there is no file. manifest_roots.h says
//      what the roots are over.
// Logs only: a record of type 3 names a directory that was published as a whole, with '/' behind its name. What was
// there before is gone, so that no record of what is beneath it, this log's or an older one, goes into the manifest
// unless a file of its size and time stands there. A record of type 4, there and in what is made of logs on the way to
// a manifest: no file is at this path any more.
// A sorted manifest ends with a record of type 2: no path, zeros, size = number of records before it.
// A torn tail (zeros, or the first record with a wrong check) ends a log; in a sorted manifest it is damage, and so are
// paths out of order and a missing end record.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"
#include "disk/disk.h"
#include "longhaul/status.h"
#include "security/sha256.h"

namespace longhaul::journal {

struct ManifestRecord {
  std::string path;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  Digest root;
  bool is_tree = false;                         ///< type 3: only the path counts
  bool gone = false;                            ///< logs: it was deleted; size, time and root mean nothing
  std::optional<security::Sha256> sha256 = {};  ///< of the content; only where a scan was asked for it
  bool operator==(const ManifestRecord&) const = default;
};

void encode_manifest_record(const ManifestRecord& record, std::vector<std::byte>& out);
/// That nothing is known of `path` any more.
void encode_gone(std::string path, std::vector<std::byte>& out);

/// The log of one transfer. The storage role writes encoded records at `end_offset` and syncs them, as data operations
/// of its own, before the files of these records are renamed.
class ManifestLog {
 public:
  /// Opens or creates `directory`/`name`, locks it for as long as this lives (Code::busy when somebody else has it),
  /// and finds its end behind the last whole record (a torn tail is cut off).
  static Result<std::unique_ptr<ManifestLog>> open(disk::Disk& disk, const disk::DirPtr& directory,
                                                   const std::string& name);
  [[nodiscard]] disk::OpenFile& file() { return *file_; }
  [[nodiscard]] const disk::FilePtr& file_ptr() const { return file_; }
  [[nodiscard]] std::uint64_t end_offset() const { return end_; }
  void written(std::uint64_t bytes) { end_ += bytes; }
  /// Writes encoded records at the end, by a plain call. Syncs nothing.
  Result<> append_now(disk::Disk& disk, std::span<std::byte> records);
  /// Reserves space for what will be written next, where there is some: files that have landed fill a target to its
  /// last block, and without a record none of them could be published.
  void keep_room(disk::Disk& disk);

 private:
  disk::FilePtr file_;
  std::uint64_t end_ = 0;
  std::uint64_t reserved_ = 0;  ///< zeros behind the end, up to here
};

/// Streams the records of a log or a manifest in file order.
/// `visit` returns false to stop. Errors: not_found; corrupt (bad header; damage in a sorted manifest).
Result<> read_manifest(disk::Disk& disk, const disk::DirPtr& directory, const std::string& name, bool is_log,
                       const std::function<bool(const ManifestRecord&)>& visit);

/// The log of a transfer that runs, or of one whose receiver was killed.
struct LogName {
  std::uint32_t order = 0;
  std::string name;
  auto operator<=>(const LogName&) const = default;
};
/// The logs (manifest.*.log) in `directory`, in the order in which they were begun; those that go away meanwhile are
/// left out. Errors: a log that cannot be read.
Result<std::vector<LogName>> list_logs(disk::Disk& disk, const disk::DirPtr& directory);

/// Sorts the log `log_name` and merges it into `directory`/manifest: written as a new file, synced, renamed, directory
/// synced; then the log is removed. Holds an exclusive lock on `directory`/manifest.lock, so that two transfers that
/// end at the same time follow each other; waiting for it is retried by the caller (Code::busy). Memory: at most
/// `memory_bytes`; more spills to sorted runs beside the log. A log that is not there has been merged already: success.
/// `root`: the target, in which files of trees are looked at.
Result<> merge_manifest(disk::Disk& disk, const disk::DirPtr& root, const disk::DirPtr& directory,
                        const std::string& log_name, std::size_t memory_bytes = 32 * 1024 * 1024);

/// Merges the logs that killed receivers left behind (manifest.*.log that nobody locks). Before one's own log, so that
/// what is newer wins: of two left-over logs the one that was begun later. Errors: as merge_manifest.
Result<> merge_left_over_logs(disk::Disk& disk, const disk::DirPtr& root, const disk::DirPtr& directory);

}  // namespace longhaul::journal
