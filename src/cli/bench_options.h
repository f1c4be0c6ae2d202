// The arguments of `longhaul bench`.
#pragma once

#include "cli/line.h"
#include "cli/options.h"

namespace longhaul::cli {

/// Errors: Code::usage.
[[nodiscard]] Result<> read_bench(const Line& line, Command& command, const Surroundings& surroundings);

}  // namespace longhaul::cli
