// `longhaul bench`: what this machine, and the paths from it, can do by themselves.
#pragma once

#include "cli/exit_codes.h"
#include "cli/options.h"
#include "longhaul/transfer.h"

namespace longhaul::cli {

/// Exit codes: 0; 1, 2, 5, 6, 130 as everywhere.
[[nodiscard]] ExitCode run_bench(const Command& command, StopFlag& stop);

}  // namespace longhaul::cli
