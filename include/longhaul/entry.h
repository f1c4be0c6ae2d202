// One thing that a transfer carries: a file, a directory, a symlink.
#pragma once

#include <cstdint>
#include <string>

namespace longhaul {

enum class EntryType : std::uint8_t { file, directory, symlink };

/// What makes one version of a source file this version and no other. Any difference between two looks means that
/// the file changed. All zero for sources that are not files.
struct Identity {
  std::int64_t ctime_ns = 0;
  std::uint64_t inode = 0;
  std::uint64_t device = 0;
  bool operator==(const Identity&) const = default;
};

/// Metadata of one entry. `path` is relative to the target root, uses '/', holds any bytes but NUL, has no empty, "."
/// or ".." component. The empty path is the target root itself (only as a directory).
struct Entry {
  EntryType type = EntryType::file;
  std::string path;
  std::string link_target;    ///< symlink only: any bytes
  std::uint64_t size = 0;     ///< bytes; file only; 0 while `size_known` is false
  bool size_known = true;     ///< false for a stream of unknown length
  std::uint32_t mode = 0644;  ///< permission bits only (07777)
  std::int64_t mtime_ns = 0;  ///< since the epoch
  Identity identity;
  std::uint32_t origin = 0;  ///< opaque to the engine: which of its roots a source found it under
};

}  // namespace longhaul
