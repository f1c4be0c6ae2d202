// The arguments of the commands that change another one that runs.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"

namespace longhaul::cli {

/// Reads `words`, the arguments that are no options, and the texts of --path into `command.live`. Errors (Code::usage).
[[nodiscard]] Result<> read_live(const std::vector<std::string>& words, const std::vector<std::string>& path_texts,
                                 Command& command);

}  // namespace longhaul::cli
