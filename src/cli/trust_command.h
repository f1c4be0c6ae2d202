// `longhaul trust add|list|remove`.
#pragma once

#include <string>
#include <vector>

#include "cli/exit_codes.h"
#include "cli/options.h"

namespace longhaul::cli {

/// Reads `words`, the arguments that are no options, into `command.trust`. Errors (Code::usage).
[[nodiscard]] Result<> read_trust(const std::vector<std::string>& words, Command& command);

[[nodiscard]] ExitCode run_trust(const Command& command);

}  // namespace longhaul::cli
