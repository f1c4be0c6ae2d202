// Manifest files as streams of records, with one bounded buffer each.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "disk/disk.h"
#include "journal/manifest.h"
#include "longhaul/status.h"

namespace longhaul::journal {

constexpr std::size_t manifest_header_bytes = 16;
constexpr std::size_t manifest_fixed_bytes = 52;  ///< of one record: everything but the path

enum class ManifestKind : std::uint8_t {
  log,     ///< in the order of publishing; may have a torn tail
  sorted,  ///< ascending paths, each once, an end record that counts them; anything else is damage
};

class RecordReader {
 public:
  /// Errors: not_found; corrupt: not a manifest. A log whose header was never synced is an empty one.
  static Result<std::unique_ptr<RecordReader>> open(disk::Disk& disk, const disk::DirPtr& directory,
                                                    const std::string& name, ManifestKind kind,
                                                    std::size_t buffer_bytes);
  /// As `open`, on a file that is open already.
  static Result<std::unique_ptr<RecordReader>> begin(disk::Disk& disk, disk::FilePtr file, std::string name,
                                                     ManifestKind kind, std::size_t buffer_bytes);
  /// The next record, or nothing at the end. Errors: corrupt (sorted only); io.
  Result<std::optional<ManifestRecord>> next();
  /// File offset behind the last record that `next` gave.
  [[nodiscard]] std::uint64_t offset() const { return begin_offset_ + begin_; }
  /// There is a whole header.
  [[nodiscard]] bool has_header() const { return has_header_; }
  /// Of a log: the place in the order in which logs were begun.
  [[nodiscard]] std::uint32_t order() const { return order_; }

 private:
  RecordReader(disk::Disk& disk, disk::FilePtr file, std::string name, ManifestKind kind, std::size_t buffer_bytes)
      : disk_(disk), file_(std::move(file)), name_(std::move(name)), kind_(kind), buffer_(buffer_bytes) {}
  Result<> read_header();
  Result<bool> need(std::size_t bytes);
  Result<std::optional<ManifestRecord>> check_order(ManifestRecord record);
  Result<std::optional<ManifestRecord>> check_end(std::uint64_t counted);
  [[nodiscard]] std::unexpected<Error> damaged(const char* how) const;

  disk::Disk& disk_;
  disk::FilePtr file_;
  std::string name_;
  ManifestKind kind_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;  // of what is unread in the buffer
  std::size_t end_ = 0;
  std::uint64_t begin_offset_ = 0;  // file offset of the buffer's first byte
  bool has_header_ = false;
  std::uint32_t order_ = 0;
  bool ended_ = false;
  std::uint64_t records_ = 0;
  std::string last_path_;
};

/// Writes a sorted manifest as a new file; an old one of that name is removed first.
class RecordWriter {
 public:
  static Result<std::unique_ptr<RecordWriter>> create(disk::Disk& disk, const disk::DirPtr& directory,
                                                      const std::string& name, std::size_t buffer_bytes);
  Result<> add(const ManifestRecord& record);
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
  std::uint64_t offset_ = 0;
  std::uint64_t records_ = 0;
};

void encode_manifest_header(std::vector<std::byte>& out, std::uint32_t order = 0);
/// Closes a sorted manifest of `records` records.
void encode_manifest_end(std::uint64_t records, std::vector<std::byte>& out);

}  // namespace longhaul::journal
