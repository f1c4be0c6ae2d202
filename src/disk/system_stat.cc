#include "disk/system_stat.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <algorithm>

namespace longhaul::disk {
namespace {

std::int64_t ns_of(const struct statx_timestamp& time) {
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

FileType type_of(std::uint16_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return FileType::file;
    case S_IFDIR:
      return FileType::directory;
    case S_IFLNK:
      return FileType::symlink;
    default:
      return FileType::other;
  }
}

std::optional<Special> special_of(const struct statx& raw) {
  using Kind = Special::Kind;
  switch (raw.stx_mode & S_IFMT) {
    case S_IFIFO:
      return Special{.kind = Kind::pipe};
    case S_IFSOCK:
      return Special{.kind = Kind::socket};
    case S_IFCHR:
      return Special{.kind = Kind::character_device, .major = raw.stx_rdev_major, .minor = raw.stx_rdev_minor};
    case S_IFBLK:
      return Special{.kind = Kind::block_device, .major = raw.stx_rdev_major, .minor = raw.stx_rdev_minor};
    default:
      return std::nullopt;
  }
}

}  // namespace

std::array<timespec, 2> times_of(std::int64_t mtime_ns) {
  std::int64_t seconds = mtime_ns / 1'000'000'000;
  std::int64_t rest = mtime_ns % 1'000'000'000;
  if (rest < 0) {
    rest += 1'000'000'000;
    --seconds;
  }
  return {timespec{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, timespec{.tv_sec = seconds, .tv_nsec = rest}};
}

mode_t format_of(Special::Kind kind) {
  switch (kind) {
    case Special::Kind::pipe:
      return S_IFIFO;
    case Special::Kind::socket:
      return S_IFSOCK;
    case Special::Kind::character_device:
      return S_IFCHR;
    case Special::Kind::block_device:
      return S_IFBLK;
  }
  return S_IFIFO;
}

Stat stat_of(const struct statx& raw) {
  return {.type = type_of(raw.stx_mode),
          .mode = raw.stx_mode & 07777U,
          .size = raw.stx_size,
          .mtime_ns = ns_of(raw.stx_mtime),
          .ctime_ns = ns_of(raw.stx_ctime),
          .inode = raw.stx_ino,
          .device = makedev(raw.stx_dev_major, raw.stx_dev_minor),
          .links = raw.stx_nlink,
          .user = raw.stx_uid,
          .group = raw.stx_gid,
          .special = special_of(raw),
          .allocated_bytes = raw.stx_blocks * 512,
          .mount = (raw.stx_mask & STATX_MNT_ID) != 0 ? raw.stx_mnt_id : 0};
}

bool look(int fd, const char* name, unsigned mask, struct statx& out) {
  return ::statx(fd, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT, mask, &out) == 0;
}

std::uint32_t direct_alignment(const struct statx& raw) {
  if ((raw.stx_mask & STATX_DIOALIGN) == 0 || raw.stx_dio_mem_align == 0 || raw.stx_dio_offset_align == 0) return 0;
  const std::uint32_t alignment = std::max(raw.stx_dio_mem_align, raw.stx_dio_offset_align);
  return direct_piece_bytes % alignment == 0 ? alignment : 0;
}

}  // namespace longhaul::disk
