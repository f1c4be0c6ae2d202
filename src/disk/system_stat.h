// What the kernel says of an entry, and how it wants to be told. Inside this folder only.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>

#include "disk/disk.h"

namespace longhaul::disk {

/// For utimensat(2): the time of the last access stays.
[[nodiscard]] std::array<timespec, 2> times_of(std::int64_t mtime_ns);
/// For mknod(2).
[[nodiscard]] mode_t format_of(Special::Kind kind);
[[nodiscard]] Stat stat_of(const struct statx& raw);
/// statx(2) of a name, of a symlink its own; "": of `fd` itself. False: see errno.
[[nodiscard]] bool look(int fd, const char* name, unsigned mask, struct statx& out);
/// What O_DIRECT asks for in this file; 0 where the file system does not do it, or asks for what `direct_piece_bytes`
/// is no multiple of (XFS may, of what lies on a realtime device).
[[nodiscard]] std::uint32_t direct_alignment(const struct statx& raw);

}  // namespace longhaul::disk
