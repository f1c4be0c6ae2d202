// One thing that a transfer carries: a file, a directory, a symlink, a further name of a file, a device.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace longhaul {

enum class EntryType : std::uint8_t {
  file,
  directory,
  symlink,
  hard_link,  ///< a further name of a file that came before
  special,    ///< a pipe, a socket, a device
  mention,    ///< it is not sent; a mirror keeps what the target has by this name
};

/// What makes one version of a source file this version and no other. Any difference between two looks means that
/// the file changed. All zero for sources that are not files.
struct Identity {
  std::int64_t ctime_ns = 0;
  std::uint64_t inode = 0;
  std::uint64_t device = 0;
  bool operator==(const Identity&) const = default;
};

/// Who owns an entry. On another machine a name says more than a number; empty: there is none, or only numbers count.
struct Owner {
  std::uint32_t user = 0;
  std::uint32_t group = 0;
  std::string user_name;
  std::string group_name;
  bool operator==(const Owner&) const = default;
};

/// An extended attribute: "user.comment", or an ACL: "system.posix_acl_access". Any bytes.
struct Attribute {
  std::string name;
  std::string value;
  bool operator==(const Attribute&) const = default;
};

/// All attributes of the kinds that are kept; what the target has of these kinds beside them is not the entry's.
struct Attributes {
  bool extended = false;
  bool acls = false;
  std::vector<Attribute> list;
};

/// What a special entry is.
struct Special {
  enum class Kind : std::uint8_t { pipe, socket, character_device, block_device };
  Kind kind = Kind::pipe;
  std::uint32_t major = 0;  ///< devices only
  std::uint32_t minor = 0;
  bool operator==(const Special&) const = default;
};

/// Metadata of one entry. `path` is relative to the target root, uses '/', holds any bytes but NUL, has no empty, "."
/// or ".." component. The empty path is the target root itself (only as a directory).
struct Entry {
  EntryType type = EntryType::file;
  std::string path;
  std::string link_target;    ///< symlink: any bytes; hard_link: the `path` of the file
  std::uint64_t size = 0;     ///< bytes; file and hard_link only; 0 while `size_known` is false
  bool size_known = true;     ///< false for a stream of unknown length
  bool sparse = false;        ///< file only: it has holes, which the target keeps; blocks of zeros become holes there
  bool content = false;       ///< directory only: every name in it is an entry too, so that a mirror may delete others
  std::uint32_t mode = 0644;  ///< permission bits only (07777)
  std::int64_t mtime_ns = 0;  ///< since the epoch
  Identity identity;
  std::optional<Owner> owner;            ///< none: it is not kept
  std::optional<Attributes> attributes;  ///< none: they are not kept
  std::optional<Special> special;        ///< special only
  std::uint32_t origin = 0;              ///< opaque to the engine: which of its roots a source found it under
};

}  // namespace longhaul
