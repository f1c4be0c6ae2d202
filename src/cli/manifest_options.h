// The arguments of the commands that make manifests, show them and compare with them.
#pragma once

#include <string>
#include <vector>

#include "cli/line.h"
#include "cli/options.h"

namespace longhaul::cli {

// Errors: Code::usage.

/// `longhaul manifest`.
[[nodiscard]] Result<> read_manifest(const Line& line, Command& command);
/// `longhaul diff`. `words`: the arguments that are no options.
[[nodiscard]] Result<> read_diff(const std::vector<std::string>& words, Command& command);
/// --manifest of `longhaul verify`, and what belongs to it. Looks for a signer by name.
[[nodiscard]] Result<> read_manifest_to_verify(const Line& line, Command& command);
/// `longhaul send --manifest-only`: true, and `command` is a `manifest` of what would land. False: it is not asked for.
[[nodiscard]] Result<bool> read_manifest_only(const Line& line, Command& command);

}  // namespace longhaul::cli
