// What this process may still touch of the file system and the network, held by the kernel (landlock(7), since Linux
// 5.19). It cannot be taken back.
#pragma once

#include <string>
#include <vector>

#include "longhaul/status.h"

namespace longhaul::cli {

struct Reach {
  std::vector<std::string> write;    ///< directories: everything beneath may be read, made, changed, moved, removed
  std::vector<std::string> read;     ///< files or directories with all beneath; those that are not there are left out
  std::vector<std::string> devices;  ///< directories of device nodes that may be used; absent ones are left out
  bool dials = true;                 ///< false: no TCP connection may be made (since Linux 6.7)
};

/// For the calling thread and those that it starts from now on; what is open already stays usable. Nothing may be
/// executed. Errors: unsupported - the kernel has none, or too old a one; a directory of
/// `write` cannot be opened.
[[nodiscard]] Result<> restrict_reach(const Reach& reach);

}  // namespace longhaul::cli
