// Where a file has holes, as far as it has been asked: one look for each of its extents.
#pragma once

#include <algorithm>
#include <cstdint>

#include "disk/disk.h"

namespace longhaul::engine {

/// Used by one thread; a copy goes on from what is known.
class HoleMap {
 public:
  /// Where the hole ends that `offset` lies in; `offset` itself where there is data. Behind the last data: no_offset. A
  /// disk that cannot say is read: there is data.
  std::uint64_t end_of_hole(disk::Disk& disk, disk::OpenFile& file, std::uint64_t offset) {
    if (offset < from_ || offset >= data_.end) {
      const auto found = disk.next_data(file, offset);
      from_ = offset;
      data_ = found ? *found : disk::Range{.begin = offset, .end = disk::Disk::no_offset};
    }
    return std::max(offset, data_.begin);
  }

 private:
  // From `from_` to data_.begin there is a hole, from there to data_.end data.
  std::uint64_t from_ = 0;
  disk::Range data_;
};

}  // namespace longhaul::engine
