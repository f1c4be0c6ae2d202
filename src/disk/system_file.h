// What stands behind OpenFile and OpenDir on this machine. Inside this folder only.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "disk/disk.h"

namespace longhaul::disk {

class SystemDir final : public OpenDir {
 public:
  SystemDir(Fd its_fd, std::string its_name) : fd(std::move(its_fd)), name(std::move(its_name)) {}

  Fd fd;
  std::string name;
  /// Whether what is created in it has a device; found out by whichever thread comes first.
  enum class Device : std::uint8_t { unknown, none, some };
  std::atomic<Device> device = Device::unknown;
};

/// What a call that set errno could not do, in words: "cannot <what> <name>: ...".
[[nodiscard]] std::unexpected<Error> failed(const char* what, const std::string& name);

/// For messages.
inline std::string full_name(const SystemDir& base, std::string_view path) {
  std::string name = base.name;
  if (!path.empty() && !name.ends_with('/')) name += '/';
  return name += path;
}

class SystemFile final : public OpenFile {
 public:
  SystemFile(Fd its_fd, DirPtr its_base, std::string its_path)
      : fd(std::move(its_fd)), base(std::move(its_base)), path(std::move(its_path)) {}
  [[nodiscard]] std::uint32_t alignment() const override { return alignment_bytes; }
  /// For messages: put together only when one is needed, for most of a million small files need none.
  [[nodiscard]] std::string name() const { return full_name(static_cast<const SystemDir&>(*base), path); }
  [[nodiscard]] std::unexpected<Error> failed(const char* what) const;

  // As in Disk.
  Result<Range> next_data(std::uint64_t offset);
  bool share_range(const SystemFile& from, std::uint64_t offset, std::uint64_t bytes);
  Result<> set_size(std::uint64_t bytes);
  Result<> allocate(std::uint64_t bytes);
  Result<bool> try_lock();

  Fd fd;
  DirPtr base;
  std::string path;                       ///< beneath `base`
  std::uint32_t alignment_bytes = 1;      ///< more than 1: opened with O_DIRECT
  bool has_device = false;                ///< operations may wait for one: everything but tmpfs and ramfs
  std::atomic<bool> nonblocking = false;  ///< opened with O_NONBLOCK: a ring would not wait for its device
  // Found out by trying, by whichever thread comes first.
  std::atomic<bool> refuses_nowait = false;
  std::atomic<bool> refuses_dontcache = false;
};

}  // namespace longhaul::disk
