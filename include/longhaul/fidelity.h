// What of the files beneath a source is kept beside content, permissions and times of modification.
#pragma once

namespace longhaul {

struct Fidelity {
  bool owners = false;       ///< user and group; by name where both machines know it
  bool numeric_ids = false;  ///< owners by number only
  bool xattrs = false;       ///< extended attributes that this process can read; never security.selinux
  bool acls = false;         ///< POSIX ACLs
  bool hard_links = false;   ///< several names of one file, where several are sent, are one file at the target too
  bool special = false;      ///< pipes, sockets, devices; the receiver must allow them (directory_sink)
};

}  // namespace longhaul
