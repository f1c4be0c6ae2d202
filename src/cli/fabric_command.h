// Fabrics (RDMA) for people: `path probe`, and what `version --verbose` says of them.
#pragma once

#include <string>

#include "cli/exit_codes.h"
#include "cli/options.h"
#include "longhaul/fabric.h"

namespace longhaul::cli {

/// One line for the library and one for each provider.
[[nodiscard]] std::string fabrics_text(const FabricReport& report);

/// All that is known of each place, as a table, and below it what is missing and why.
[[nodiscard]] std::string probe_text(const FabricReport& report);

/// The same as one JSON object in a line.
[[nodiscard]] std::string probe_json(const FabricReport& report);

/// Carries out `path probe`. Asked for one provider it fails when that cannot be used; else what is there is the
/// answer.
[[nodiscard]] ExitCode run_probe(const Command& command);

}  // namespace longhaul::cli
