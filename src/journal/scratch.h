// A file for what does not fit into memory while a transfer runs: made when the first bytes are written, never synced,
// of no use to anybody after a crash.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "disk/disk.h"
#include "longhaul/status.h"

namespace longhaul::journal {

/// Used by one thread. All calls are plain calls on `disk`, which must have no data operation in flight meanwhile.
class Scratch {
 public:
  /// `name`: in `directory`, the landing zone, which sweeps it away when its transfer was killed. Empty: it has no
  /// name, and `directory`, any one of that file system, stays as it is.
  Scratch(disk::Disk& disk, disk::DirPtr directory, std::string name)
      : disk_(disk), directory_(std::move(directory)), name_(std::move(name)) {}

  Result<> append(ConstBytes bytes);
  /// Errors: there are fewer bytes.
  Result<> read(std::uint64_t offset, Bytes into);
  [[nodiscard]] std::uint64_t bytes() const { return end_; }
  /// Empty again, and gone.
  Result<> remove();

 private:
  disk::Disk& disk_;
  disk::DirPtr directory_;
  std::string name_;
  disk::FilePtr file_;
  std::uint64_t end_ = 0;
};

}  // namespace longhaul::journal
