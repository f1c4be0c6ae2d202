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
/// What `stat_of` needs. Not the time of the last access: each read makes a file server's clients forget it, and asking
/// for it is then one more way there and back.
constexpr unsigned stat_mask = STATX_BASIC_STATS & ~STATX_ATIME;
/// statx(2) of a name, of a symlink its own; "": of `fd` itself. False: see errno.
[[nodiscard]] bool look(int fd, const char* name, unsigned mask, struct statx& out);
/// What O_DIRECT asks for in this file; 0 where the file system does not do it, or asks for what `direct_piece_bytes`
/// is no multiple of (XFS may, of what lies on a realtime device).
[[nodiscard]] std::uint32_t direct_alignment(const struct statx& raw);

}  // namespace longhaul::disk
