// Which files beneath the sources of a transfer are sent.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "longhaul/status.h"

namespace longhaul {

struct Selection {
  /// rsync's filter rules: "+ PATTERN" takes, "- PATTERN" leaves out; the first whose pattern matches decides, and what
  /// none matches is taken. "S", "H" the same for the sender alone; "R", "P" for the receiver of a mirror alone. A
  /// directory that is left out is not looked into. See longhaul(1), FILTER RULES.
  std::vector<std::string> rules;
  // Of regular files only.
  std::uint64_t min_bytes = 0;
  std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max();
  std::int64_t newer_than_ns = std::numeric_limits<std::int64_t>::min();  ///< modified later than that, since the epoch
  bool one_file_system = false;  ///< directories on another file system than their source's root arrive empty
};

/// Whether `rule` is one that `Selection::rules` takes. Errors (Code::usage) say what a rule looks like.
[[nodiscard]] Result<> check_rule(const std::string& rule);

}  // namespace longhaul
