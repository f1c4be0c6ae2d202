// `longhaul plan`: what a transfer would carry, how long it would take and what it would cost.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "cli/exit_codes.h"
#include "cli/options.h"
#include "longhaul/plan.h"
#include "longhaul/transfer.h"

namespace longhaul::cli {

/// Bytes per second of each path that carried something, by name. `text`: what --report wrote. Errors (Code::usage).
[[nodiscard]] Result<std::map<std::string, double>> rates_of_report(std::string_view text);

/// For people, several lines; what could not be looked at is at its end.
[[nodiscard]] std::string words_of(const TransferPlan& plan);
/// One line.
[[nodiscard]] std::string json_of(const TransferPlan& plan);

/// Exit codes: 0; 3 when some sources could not be looked at; 1, 2, 130 as everywhere.
[[nodiscard]] ExitCode run_plan(const Command& command, StopFlag& stop);

}  // namespace longhaul::cli
