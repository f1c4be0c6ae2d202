// What is mounted in a tree. Inside this folder only.
#pragma once

#include <string>
#include <string_view>

#include "longhaul/status.h"

namespace longhaul::disk {

/// Whether something is mounted on the open directory, or on anything beneath it. Reads /proc/self/mountinfo, which
/// knows of bind mounts, too, that no device number shows.
[[nodiscard]] Result<bool> mounts_at_or_beneath(int directory);

/// As `mounts_at_or_beneath`, of the directory `path`, from the text of mountinfo.
[[nodiscard]] bool names_mount_beneath(std::string_view mountinfo, std::string_view path);

}  // namespace longhaul::disk
