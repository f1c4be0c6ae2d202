// Opening what lies beneath a directory, and nothing else: no symlink, no "..", no absolute path leads out, whoever
// wrote the path and whatever is changed in the tree meanwhile. Inside this folder only.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/fd.h"
#include "longhaul/status.h"

namespace longhaul::disk {

/// Refuses the empty path and every path with an empty, "." or ".." component or a NUL.
[[nodiscard]] Result<> check_path(std::string_view path);

/// open(2) of a checked path beneath `base`, of any length. O_NOFOLLOW and O_CLOEXEC are added. Not valid: see errno.
[[nodiscard]] Fd open_beneath(int base, std::string_view path, int flags, mode_t mode = 0);

/// Where the last component of a checked path lives: for the *at calls that take one name.
struct Place {
  int directory = -1;
  std::string name;
  Fd owned;  ///< holds `directory` open when it is not the base itself
};
/// `directory` is -1 when it cannot be opened: see errno.
[[nodiscard]] Place place_beneath(int base, std::string_view path);

/// A directory opened with O_PATH, because it may not be read, takes some calls only by this name, and so do calls that
/// know no descriptors.
[[nodiscard]] std::string magic_path(int fd);

}  // namespace longhaul::disk
