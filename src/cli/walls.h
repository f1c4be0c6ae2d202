// The walls that a peer of strangers puts up around itself before it speaks with any: a flaw in it should not be worth
// more to them than what they may have anyway, a receiver's target above all.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"

namespace longhaul::cli {

/// What stands, in words, and what could not be put up.
struct Walls {
  std::string standing;  ///< "landlock, capabilities, seccomp"; empty: none
  std::vector<std::string> missing;
};

/// For the whole process, for good; called before its session has threads. A receiver's target must be there, and is
/// all that it can write to, beside the report and ticket that it was asked for. A sender may go on reading everything.
[[nodiscard]] Walls put_up_walls(const Command& command);

}  // namespace longhaul::cli
