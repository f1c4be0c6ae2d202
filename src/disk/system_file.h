// What stands behind OpenFile and OpenDir on this machine. Inside this folder only.
#pragma once

#include <atomic>
#include <string>
#include <utility>

#include "base/fd.h"
#include "disk/disk.h"

namespace longhaul::disk {

class SystemFile final : public OpenFile {
 public:
  SystemFile(Fd its_fd, std::string its_name) : fd(std::move(its_fd)), name(std::move(its_name)) {}
  [[nodiscard]] std::uint32_t alignment() const override { return alignment_bytes; }

  Fd fd;
  std::string name;                   ///< for messages
  std::uint32_t alignment_bytes = 1;  ///< more than 1: opened with O_DIRECT
  bool has_device = false;            ///< operations may wait for one: everything but tmpfs and ramfs
  // Found out by trying, by whichever thread comes first.
  std::atomic<bool> refuses_nowait = false;
  std::atomic<bool> refuses_dontcache = false;
};

class SystemDir final : public OpenDir {
 public:
  SystemDir(Fd its_fd, std::string its_name) : fd(std::move(its_fd)), name(std::move(its_name)) {}

  Fd fd;
  std::string name;
};

}  // namespace longhaul::disk
