// Paths in the order in which they came, any number of them in little memory.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "disk/disk.h"
#include "journal/scratch.h"
#include "longhaul/status.h"

namespace longhaul::journal {

/// Used by one thread. All of it is kept in memory while it is short, and then in a scratch file.
class PathList {
 public:
  PathList(disk::Disk& disk, disk::DirPtr directory, std::string name)
      : scratch_(disk, std::move(directory), std::move(name)) {}
  /// `mark` is the caller's.
  Result<> add(std::string_view path, bool mark);
  /// First added first. `visit` may end it with an error of its own, and add to other lists, not to this one.
  Result<> read(const std::function<Result<>(const std::string& path, bool mark)>& visit);
  [[nodiscard]] std::uint64_t count() const { return count_; }
  Result<> remove();

 private:
  Scratch scratch_;
  std::vector<std::byte> gathered_;  ///< behind what is in the file
  std::uint64_t count_ = 0;
};

}  // namespace longhaul::journal
