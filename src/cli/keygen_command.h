// longhaul keygen.
#pragma once

#include "cli/exit_codes.h"
#include "cli/options.h"

namespace longhaul::cli {

[[nodiscard]] ExitCode run_keygen(const Command& command);

}  // namespace longhaul::cli
