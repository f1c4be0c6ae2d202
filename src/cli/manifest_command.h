// `longhaul manifest`, `longhaul send --manifest-only`.
#pragma once

#include "cli/exit_codes.h"
#include "cli/options.h"
#include "longhaul/transfer.h"

namespace longhaul::cli {

/// Exit codes: 0; 3 when some files could not be read whole and have no record; 1, 2, 4 (--show: damaged, or a
/// signature that does not hold), 6, 130 as everywhere.
[[nodiscard]] ExitCode run_manifest(const Command& command, StopFlag& stop);

/// For people: what was read, what was not, roots and signer. Lines.
[[nodiscard]] std::string summary_of(const Command& command, const ManifestReport& report);

}  // namespace longhaul::cli
