// Entries that are finished when all others are there: directories, whose modes and times come last, children before
// parents, and further names of files. Announced parents first, so reading the log backwards gives the right order with
// no memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "disk/disk.h"
#include "longhaul/entry.h"
#include "longhaul/status.h"

namespace longhaul::journal {

/// A scratch file in the landing zone, begun anew by every session (entries are announced again). Buffered; not
/// synced.
class EntryLog {
 public:
  static Result<std::unique_ptr<EntryLog>> create(disk::Disk& disk, const disk::DirPtr& directory,
                                                  const std::string& name);
  Result<> append(const Entry& entry);
  /// Last appended first. `visit` gets every entry.
  Result<> read_backwards(const std::function<void(const Entry&)>& visit);
  [[nodiscard]] std::uint64_t count() const { return count_; }
  Result<> remove();

 private:
  EntryLog(disk::Disk& disk, disk::DirPtr directory, std::string name)
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
