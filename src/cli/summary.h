// The last words of a command, for people.
#pragma once

#include <string>

#include "cli/exit_codes.h"
#include "cli/options.h"
#include "longhaul/transfer.h"
#include "longhaul/verify.h"

namespace longhaul::cli {

/// What was moved, skipped, not kept and not sent, over which paths, how safe it is, and how to continue. Lines.
[[nodiscard]] std::string summary_of(const Command& command, const Outcome& outcome);
/// Only what went wrong, for --quiet and --json: empty when all is well.
[[nodiscard]] std::string troubles_of(const Command& command, const Outcome& outcome);

[[nodiscard]] std::string summary_of(const Command& command, const VerifyReport& report);
[[nodiscard]] std::string troubles_of(const Command& command, const VerifyReport& report);

/// Roots and signer of a manifest; nothing while they are not known. Looks into the file of trusted peers for the
/// signer's name.
[[nodiscard]] std::string manifest_lines(const Command& command, const ManifestSummary& manifest);

/// What a dry run says of one name: "WORD NAME", a line. Control characters are made harmless.
[[nodiscard]] std::string would_line(const Event& event);

/// Cents where that says something, and what a small transfer costs in full.
[[nodiscard]] std::string format_money(double cost);
/// "longhaul: TEXT" with control characters made harmless and secrets removed.
[[nodiscard]] std::string error_line(const Error& error);

}  // namespace longhaul::cli
