// What a command sends, from its options.
#pragma once

#include <memory>
#include <string>

#include "cli/options.h"
#include "longhaul/source.h"
#include "longhaul/status.h"
#include "longhaul/transfer.h"

namespace longhaul::cli {

/// Where lists go that are too long for memory: $TMPDIR, or /var/tmp.
[[nodiscard]] std::string spool_directory();

/// Whether the sources of a command that has --files-from are what a list can be about. Errors: usage.
[[nodiscard]] Result<> check_files_from(const Command& command);

/// Reads the list that --files-from names, if there is one, into `command.names`; waits for stdin until `stop` is
/// raised. Errors: usage - the list, or a name in it; interrupted.
[[nodiscard]] Result<> read_names(Command& command, const StopFlag& stop);

/// The sources of the command, or stdin. Errors: as tree_source.
[[nodiscard]] Result<std::unique_ptr<Source>> source_of(const Command& command);

}  // namespace longhaul::cli
