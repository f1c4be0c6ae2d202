// A target directory on a simulated file system.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/bytes.h"
#include "disk/blocking.h"
#include "journal/landing.h"
#include "sim/sim_disk.h"

namespace longhaul::engine {

class Place {
 public:
  Place() {
    fs.put_dir("target");
    disk = fs.make_disk("test");
    data_disk = fs.make_disk("test");
    root = *disk->open_root("target");
    zone = *journal::LandingZone::open(*disk, root);
  }
  [[nodiscard]] std::vector<std::byte> content(const std::string& path) const {
    return fs.content("target/" + path).value_or(std::vector<std::byte>{});
  }
  void put(const std::string& path, std::string_view text) { fs.put_file(path, bytes_of(text)); }
  [[nodiscard]] bool exists(const std::string& path) const { return disk->stat(root, path).has_value(); }

  sim::SimClock clock;
  sim::Trace trace{clock};
  sim::SimFileSystem fs{clock, trace, 1};
  sim::SimRandom random{2};
  std::unique_ptr<disk::Disk> disk;
  std::unique_ptr<disk::Disk> data_disk;
  disk::DirPtr root;
  std::unique_ptr<journal::LandingZone> zone;
};

}  // namespace longhaul::engine
