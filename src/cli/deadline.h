// Moments as people write them.
#pragma once

#include <cstdint>
#include <string_view>

#include "longhaul/status.h"

namespace longhaul::cli {

/// "+4h" (from now), "06:00" (the next time that it is so late here), "2026-12-01T06:00" or with a blank (local time).
/// `now_unix_s` and the value: seconds since 1970. Errors (Code::usage): not of this kind, or over already.
[[nodiscard]] Result<double> parse_deadline(std::string_view text, std::int64_t now_unix_s);

/// "2026-12-01" (when that day begins), "2026-12-01T06:00" or with a blank, local time; seconds since 1970. Errors
/// (Code::usage) say what it is not, and leave it to others to name it.
[[nodiscard]] Result<std::int64_t> parse_moment(std::string_view text);

}  // namespace longhaul::cli
