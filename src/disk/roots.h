// The places that a user named, taken apart. Inside this folder only.
#pragma once

#include <string>
#include <vector>

#include "disk/disk.h"
#include "longhaul/status.h"

namespace longhaul::disk {

/// The landing zone of receives, at the top of a target, wherever that is: never sent.
constexpr std::string_view landing_zone_name = ".longhaul";
/// It is one, or beneath one.
[[nodiscard]] bool is_in_landing_zone(std::string_view path);

/// One named place. Paths of its entries are relative to `base` in the source and to the target root alike.
struct Root {
  std::string given;   ///< as the user wrote it
  std::string prefix;  ///< goes before an entry's path for messages: "a/b/"; empty when `given` is one name
  std::string name;    ///< what lands, beneath `base`; empty: the content of `base` itself
  DirPtr base;
};

/// What a source path lands by; empty: its content lands ("a/", ".", "..", "/" have no name).
[[nodiscard]] std::string name_of_root(const std::string& path);

/// Errors: usage (empty path, two that land under one name, something that cannot be sent), not_found.
Result<std::vector<Root>> open_roots(Disk& disk, const std::vector<std::string>& paths);

}  // namespace longhaul::disk
