// Which paths may carry bytes at all. A hard rule, held by both sides for every connection: control, streams, probes.
#pragma once

#include <span>
#include <string>

namespace longhaul::paths {

using Tags = std::span<const std::string>;

/// A path is permitted when it has every required tag and no forbidden one. A path without tags (one that was
/// discovered, or that an older peer tells of) is therefore excluded by any requirement.
[[nodiscard]] bool permits(Tags require, Tags forbid, Tags tags);

/// Why a path with these tags is excluded, in words that name each tag that counts; empty when it is permitted.
[[nodiscard]] std::string why_excluded(Tags require, Tags forbid, Tags tags);

}  // namespace longhaul::paths
