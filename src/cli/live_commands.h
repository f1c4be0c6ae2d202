// list, path, pause, resume, rate: commands that speak to others that run.
#pragma once

#include "cli/exit_codes.h"
#include "cli/options.h"

namespace longhaul::cli {

/// Carries out one of these commands, and prints what came of it.
[[nodiscard]] ExitCode run_live(const Command& command);

}  // namespace longhaul::cli
