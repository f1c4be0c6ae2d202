#include "disk/system_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "base/bytes.h"

namespace longhaul::disk {

std::unexpected<Error> failed(const char* what, const std::string& name) {
  const int error = errno;
  if (error == ELOOP)
    return fail(
        Code::io,
        fmt::format("cannot {} {}: a symlink stands in the way, and symlinks are not followed", what, printable(name)),
        error);
  return fail_errno(error, fmt::format("cannot {} {}", what, printable(name)));
}

std::unexpected<Error> SystemFile::failed(const char* what) const {
  const int error = errno;
  const std::string name = this->name();
  errno = error;
  return disk::failed(what, name);
}

/// The descriptor's own position, which this moves, is used by nobody: reads and writes name theirs.
Result<Range> SystemFile::next_data(std::uint64_t offset) {
  const off_t begin = ::lseek(fd.get(), static_cast<off_t>(offset), SEEK_DATA);
  if (begin < 0 && errno == ENXIO) return Range{.begin = Disk::no_offset, .end = Disk::no_offset};
  if (begin < 0 && (errno == EINVAL || errno == EOPNOTSUPP)) return Range{.begin = offset, .end = Disk::no_offset};
  if (begin < 0) return failed("look for holes in");
  const off_t end = ::lseek(fd.get(), begin, SEEK_HOLE);
  // Cut off meanwhile: the read will tell.
  return Range{.begin = static_cast<std::uint64_t>(begin),
               .end = end < 0 ? Disk::no_offset : static_cast<std::uint64_t>(end)};
}

/// Why it is not possible is no matter, and often is not what errno says: XFS has no space for sharing while it has for
/// writing.
bool SystemFile::share_range(const SystemFile& from, std::uint64_t offset, std::uint64_t bytes) {
  struct file_clone_range range = {
      .src_fd = from.fd.get(), .src_offset = offset, .src_length = bytes, .dest_offset = offset};
  return ::ioctl(fd.get(), FICLONERANGE, &range) == 0;
}

Result<> SystemFile::set_size(std::uint64_t bytes) {
  int result = 0;
  do {
    result = ::ftruncate(fd.get(), static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  if (result != 0) return failed("set the size of");
  return {};
}

Result<> SystemFile::allocate(std::uint64_t bytes) {
  if (bytes == 0) return {};
  int result = 0;
  do {
    result = ::fallocate(fd.get(), 0, 0, static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  if (result != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) return {};
  if (result != 0) return failed("reserve space for");
  return {};
}

Result<bool> SystemFile::try_lock() {
  int result = 0;
  do {
    result = ::flock(fd.get(), LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  return failed("lock");
}

}  // namespace longhaul::disk
