// Extended attributes and ACLs by the kernel's calls. Inside this folder only.
#pragma once

#include <string>
#include <vector>

#include "longhaul/entry.h"

namespace longhaul::disk {

// Of what `path` leads to; `follow` false: of a symlink at its end its own. 0, or -1 and errno.
/// By name, without what belongs to the machine: security.selinux, and of "system." all but POSIX ACLs.
[[nodiscard]] int read_attributes(const char* path, bool follow, std::vector<Attribute>& out);
[[nodiscard]] int write_attribute(const char* path, bool follow, const Attribute& attribute);
[[nodiscard]] int remove_attribute(const char* path, bool follow, const std::string& name);

/// Whether `name` in the open directory `dir`, of a symlink its own, has one that a user would miss.
[[nodiscard]] bool has_own_attributes(int dir, const char* name);

}  // namespace longhaul::disk
