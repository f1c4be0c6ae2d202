// The same tests on a real directory and on a simulated file system.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "disk/blocking.h"
#include "disk/system_disk.h"
#include "sim/sim_disk.h"

namespace longhaul::journal {

class RealPlace {
 public:
  RealPlace() {
    std::string name = (std::filesystem::temp_directory_path() / "lh-journal-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~RealPlace() { std::filesystem::remove_all(path_); }
  RealPlace(const RealPlace&) = delete;
  RealPlace& operator=(const RealPlace&) = delete;
  std::unique_ptr<disk::Disk> make_disk() { return disk::make_system_disk(nullptr); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class SimPlace {
 public:
  SimPlace() { fs_.put_dir("target"); }
  std::unique_ptr<disk::Disk> make_disk() { return fs_.make_disk("test"); }
  [[nodiscard]] std::string path() const { return "target"; }
  sim::SimFileSystem& fs() { return fs_; }

 private:
  sim::SimClock clock_;
  sim::Trace trace_{clock_};
  sim::SimFileSystem fs_{clock_, trace_, 1};
};

/// In memory, where this machine has such a file system by its usual name.
class MemoryPlace {
 public:
  MemoryPlace() {
    const std::filesystem::path usual = "/dev/shm";
    std::error_code none;
    const auto base = std::filesystem::is_directory(usual, none) ? usual : std::filesystem::temp_directory_path();
    std::string name = (base / "lh-journal-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~MemoryPlace() { std::filesystem::remove_all(path_); }
  MemoryPlace(const MemoryPlace&) = delete;
  MemoryPlace& operator=(const MemoryPlace&) = delete;
  std::unique_ptr<disk::Disk> make_disk() { return disk::make_system_disk(nullptr); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class SimMemoryPlace : public SimPlace {
 public:
  SimMemoryPlace() { fs().best_unnamed = true; }
};

template <class Place>
class JournalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    disk_ = place_.make_disk();
    auto root = disk_->open_root(place_.path());
    ASSERT_TRUE(root) << root.error().text;
    root_ = *root;
  }
  bool exists(const disk::DirPtr& dir, std::string_view name) { return disk_->stat(dir, name).has_value(); }
  std::vector<std::byte> read_all(const disk::DirPtr& dir, std::string_view name) {
    auto file = disk_->open_file(dir, name, disk::Open::read, false);
    if (!file) return {};
    std::vector<std::byte> bytes(disk_->stat(**file)->size);
    EXPECT_EQ(disk::read_now(*disk_, **file, 0, bytes), bytes.size());
    return bytes;
  }
  void write_all(const disk::DirPtr& dir, std::string_view name, ConstBytes bytes) {
    auto file = disk_->open_file(dir, name, disk::Open::create_or_open, false);
    ASSERT_TRUE(file) << file.error().text;
    ASSERT_TRUE(disk_->set_size(**file, 0));
    ASSERT_TRUE(disk::write_now(*disk_, **file, 0, bytes));
  }
  std::vector<std::string> names_in(const disk::DirPtr& dir) {
    std::vector<std::string> names;
    auto stream = disk_->open_stream(dir, 0);
    std::vector<disk::DirEntry> entries;
    while ((*stream)->next(entries, 7).value_or(false)) continue;
    for (const auto& entry : entries) names.push_back(entry.name);
    return names;
  }

  Place place_;
  std::unique_ptr<disk::Disk> disk_;
  disk::DirPtr root_;
};

using Places = ::testing::Types<RealPlace, SimPlace>;

}  // namespace longhaul::journal
