// Directories to test in: one on a file system with a device, one in memory; gone afterwards.
#pragma once

#include <gtest/gtest.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "disk/system_disk.h"
#include "ring/ring.h"

namespace longhaul::disk {

enum class Where { device, memory };

class ScratchDir {
 public:
  explicit ScratchDir(Where where) {
    std::string path = std::string(where == Where::memory ? "/dev/shm" : "/var/tmp") + "/longhaul-disk-XXXXXX";
    if (::mkdtemp(path.data()) != nullptr) path_ = path;
  }
  ~ScratchDir() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;

  [[nodiscard]] bool made() const { return !path_.empty(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] bool in_memory() const {
    struct statfs found{};
    return ::statfs(path_.c_str(), &found) == 0 && found.f_type == TMPFS_MAGIC;
  }

 private:
  std::string path_;
};

inline void put_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
  ASSERT_TRUE(std::filesystem::exists(std::filesystem::symlink_status(path))) << path;
}

/// A disk with io_uring or without.
struct TestDisk {
  explicit TestDisk(bool with_ring) {
    if (with_ring) {
      auto made = ring::Ring::make(system_clock());
      if (!made) {
        reason = made.error().text;
        return;
      }
      ring = std::move(*made);
    }
    disk = make_system_disk(ring.get());
  }
  std::string reason;  ///< why there is no disk
  std::unique_ptr<ring::Ring> ring;
  std::unique_ptr<Disk> disk;
};

template <class T>
std::string text_of_error(const Result<T>& result) {
  return result ? "no error" : result.error().text;
}

}  // namespace longhaul::disk
