// Manifest files as streams of records, with one bounded buffer each.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "disk/disk.h"
#include "journal/manifest.h"
#include "journal/manifest_roots.h"
#include "longhaul/status.h"

namespace longhaul::journal {

constexpr std::size_t manifest_header_bytes = 16;
constexpr std::size_t manifest_fixed_bytes = 52;  ///< of one record: everything but the path

// Versions of the format.
constexpr std::uint32_t manifest_of_transfers = 1;
constexpr std::uint32_t manifest_of_scans = 2;

enum class ManifestKind : std::uint8_t {
  log,     ///< in the order of publishing; may have a torn tail
  sorted,  ///< ascending paths, each once, an end record that counts them; anything else is damage
  run,     ///< a part of a file: nothing but ascending records, each path once
};

/// What to do about a target's manifest that is damaged.
constexpr const char* transfer_again = "move it away and transfer again with the same target to write a new one";

class RecordReader {
 public:
  /// Errors: not_found; corrupt: not a manifest. A log whose header was never synced is an empty one.
  static Result<std::unique_ptr<RecordReader>> open(disk::Disk& disk, const disk::DirPtr& directory,
                                                    const std::string& name, ManifestKind kind,
                                                    std::size_t buffer_bytes);
  /// As `open`, on a file that is open already.
  /// `advice`: what to do about damage, in words.
  static Result<std::unique_ptr<RecordReader>> begin(disk::Disk& disk, disk::FilePtr file, std::string name,
                                                     ManifestKind kind, std::size_t buffer_bytes,
                                                     const char* advice = transfer_again);
  /// The records from `begin_offset` to before `end_offset` of a file of our own.
  static std::unique_ptr<RecordReader> begin_run(disk::Disk& disk, disk::FilePtr file, std::uint64_t begin_offset,
                                                 std::uint64_t end_offset, std::size_t buffer_bytes);
  /// The next record, or nothing at the end. Errors: corrupt (not of logs): also, of version 2, at the end, where the
  /// seal does not fit what stood before it; io.
  Result<std::optional<ManifestRecord>> next();
  /// File offset behind the last record that `next` gave.
  [[nodiscard]] std::uint64_t offset() const { return begin_offset_ + begin_; }
  /// There is a whole header.
  [[nodiscard]] bool has_header() const { return has_header_; }
  /// Of a log: the place in the order in which logs were begun.
  [[nodiscard]] std::uint32_t order() const { return order_; }
  /// Of a sorted manifest, behind its end: what stands there (version 2), or what its records come to. The signature
  /// has not been checked.
  [[nodiscard]] const ManifestSeal& seal() const { return seal_; }
  [[nodiscard]] std::uint64_t bytes_of_files() const { return roots_.bytes(); }  ///< of a sorted manifest, so far

 private:
  RecordReader(disk::Disk& disk, disk::FilePtr file, std::string name, ManifestKind kind, std::size_t buffer_bytes)
      : disk_(disk), file_(std::move(file)), name_(std::move(name)), kind_(kind), buffer_(buffer_bytes) {}
  Result<> read_header();
  Result<bool> need(std::size_t bytes);
  Result<std::size_t> whole_record();
  [[nodiscard]] bool may_stand_here(const std::byte* record) const;
  Result<std::optional<ManifestRecord>> check_order(ManifestRecord record, std::size_t bytes);
  Result<> check_seal(const std::byte* record, std::size_t bytes);
  Result<std::optional<ManifestRecord>> check_end(std::uint64_t counted);
  [[nodiscard]] std::unexpected<Error> damaged(const char* how) const;

  disk::Disk& disk_;
  disk::FilePtr file_;
  std::string name_;
  ManifestKind kind_;
  const char* advice_ = transfer_again;
  std::uint64_t limit_ = ~std::uint64_t{0};  // where a run ends in its file
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;  // of what is unread in the buffer
  std::size_t end_ = 0;
  std::uint64_t begin_offset_ = 0;  // file offset of the buffer's first byte
  bool has_header_ = false;
  std::uint32_t version_ = manifest_of_transfers;
  std::uint32_t order_ = 0;
  bool ended_ = false;
  bool sealed_ = false;
  ManifestRoots roots_;  // of a sorted manifest
  ManifestSeal seal_;
  std::uint64_t records_ = 0;
  std::string last_path_;
};

/// Writes a sorted manifest as a new file.
class RecordWriter {
 public:
  /// Of version 1; an old file of that name is removed first.
  static Result<std::unique_ptr<RecordWriter>> create(disk::Disk& disk, const disk::DirPtr& directory,
                                                      const std::string& name, std::size_t buffer_bytes);
  /// Of version 2, into an empty file: `seal` comes before `finish`.
  static std::unique_ptr<RecordWriter> of_scan(disk::Disk& disk, disk::FilePtr file, std::size_t buffer_bytes);
  /// Version 1 leaves the SHA-256 out: a target's manifest has nowhere to say it.
  Result<> add(const ManifestRecord& record);
  Result<> seal(const ManifestSeal& seal);
  /// Adds the end record and writes what is buffered; `sync`: and makes it durable.
  Result<> finish(bool sync);

 private:
  RecordWriter(disk::Disk& disk, disk::FilePtr file, std::size_t buffer_bytes)
      : disk_(disk), file_(std::move(file)), flush_at_(buffer_bytes) {}
  Result<> flush();

  disk::Disk& disk_;
  disk::FilePtr file_;
  std::size_t flush_at_;
  std::vector<std::byte> buffer_;
  std::uint32_t version_ = manifest_of_transfers;
  std::uint64_t offset_ = 0;
  std::uint64_t records_ = 0;
};

void encode_manifest_header(std::vector<std::byte>& out, std::uint32_t order = 0,
                            std::uint32_t version = manifest_of_transfers);
/// Stands between the files and the end of version 2.
void encode_manifest_seal(const ManifestSeal& seal, std::vector<std::byte>& out);
/// Closes a sorted manifest of `records` records.
void encode_manifest_end(std::uint64_t records, std::vector<std::byte>& out);

}  // namespace longhaul::journal
