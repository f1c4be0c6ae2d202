// A simulated disk on which files of a terabyte cost nothing: sizes are agreed to and not kept. Names, journals and
// logs are as on any simulated disk.
#pragma once

#include "../../unit/disk/passing_disk.h"

namespace longhaul::sim {

class HollowDisk final : public disk::PassingDisk {
 public:
  using PassingDisk::PassingDisk;

  Result<> set_size(disk::OpenFile& file, std::uint64_t bytes) override {
    return bytes >= hollow_from ? Result<>{} : under_->set_size(file, bytes);
  }
  Result<> allocate(disk::OpenFile& file, std::uint64_t bytes) override {
    return bytes >= hollow_from ? Result<>{} : under_->allocate(file, bytes);
  }

 private:
  static constexpr std::uint64_t hollow_from = 1'000'000'000;
};

}  // namespace longhaul::sim
