// `longhaul diff`.
#pragma once

#include "cli/exit_codes.h"
#include "cli/options.h"
#include "longhaul/transfer.h"

namespace longhaul::cli {

/// See exit_code_of_diff.
[[nodiscard]] ExitCode run_diff(const Command& command, StopFlag& stop);

}  // namespace longhaul::cli
