// What stands behind OpenFile and OpenDir on this machine. Inside this folder only.
#pragma once

#include <atomic>
#include <cstdint>
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
  std::string name;                       ///< for messages
  std::uint32_t alignment_bytes = 1;      ///< more than 1: opened with O_DIRECT
  bool has_device = false;                ///< operations may wait for one: everything but tmpfs and ramfs
  std::atomic<bool> nonblocking = false;  ///< opened with O_NONBLOCK: a ring would not wait for its device
  // Found out by trying, by whichever thread comes first.
  std::atomic<bool> refuses_nowait = false;
  std::atomic<bool> refuses_dontcache = false;
};

class SystemDir final : public OpenDir {
 public:
  SystemDir(Fd its_fd, std::string its_name) : fd(std::move(its_fd)), name(std::move(its_name)) {}

  Fd fd;
  std::string name;
  /// Whether what is created in it has a device; found out by whichever thread comes first.
  enum class Device : std::uint8_t { unknown, none, some };
  std::atomic<Device> device = Device::unknown;
};

}  // namespace longhaul::disk
