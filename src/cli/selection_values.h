// The options that say which files are sent, as rules and limits.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/options.h"
#include "longhaul/selection.h"

namespace longhaul::cli {

/// One of --include, --exclude, --filter, --include-from, --exclude-from, and its value.
using RuleOption = std::pair<std::string, std::string>;

/// Rules of `given`, which stand in the order of the command line; reads the files that they name, in which each rule
/// ends with `line_end`. Errors: usage - no rule, with file and line; a file that cannot be read.
[[nodiscard]] Result<std::vector<std::string>> read_rules(const std::vector<RuleOption>& given, char line_end = '\n');

/// "file", "tree". Errors: Code::usage.
[[nodiscard]] Result<Publish> parse_publish(std::string_view text);

/// Whether what is asked for can be published as a whole. Looks at no file. Errors: Code::usage.
[[nodiscard]] Result<> check_publish(const Command& command);

/// "24h" (within the last 24 hours), "2026-12-01", "2026-12-01T06:00" (local time), "@SECONDS" since 1970. `now_unix_s`
/// and the value: seconds since 1970. Errors: Code::usage.
[[nodiscard]] Result<std::int64_t> parse_newer(std::string_view text, std::int64_t now_unix_s);

}  // namespace longhaul::cli
