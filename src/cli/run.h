// The program: parse, do, report, exit code.
#pragma once

#include "cli/options.h"

namespace longhaul::cli {

/// Carries out `command` and returns the exit code. Installs the signal handlers; once per process.
[[nodiscard]] int run(const Command& command);

/// All of main. Blanks tickets in `argv`. Never throws.
[[nodiscard]] int run_main(int argc, char** argv) noexcept;

}  // namespace longhaul::cli
