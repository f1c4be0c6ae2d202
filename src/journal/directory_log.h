// Directories to finish: modes and times come last, children before parents. Announced parents first, so reading the
// log backwards gives the right order with no memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "disk/disk.h"
#include "longhaul/status.h"

namespace longhaul::journal {

struct DirectoryRecord {
  std::string path;  ///< target path
  std::uint32_t mode = 0755;
  std::int64_t mtime_ns = 0;
};

/// A scratch file in the landing zone, begun anew by every session (directories are announced again). Buffered; not
/// synced.
class DirectoryLog {
 public:
  static Result<std::unique_ptr<DirectoryLog>> create(disk::Disk& disk, const disk::DirPtr& directory,
                                                      const std::string& name);
  Result<> append(const DirectoryRecord& record);
  /// Last appended first. `visit` gets every record.
  Result<> read_backwards(const std::function<void(const DirectoryRecord&)>& visit);
  [[nodiscard]] std::uint64_t count() const { return count_; }
  Result<> remove();

 private:
  DirectoryLog(disk::Disk& disk, disk::DirPtr directory, std::string name)
      : disk_(disk), directory_(std::move(directory)), name_(std::move(name)) {}
  Result<> flush();
  disk::Disk& disk_;
  disk::DirPtr directory_;
  std::string name_;
  disk::FilePtr file_;
  std::vector<std::byte> buffer_;
  std::uint64_t end_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace longhaul::journal
