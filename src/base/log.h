// Events in words for people who look closely (--verbose). Never a line per chunk.
#pragma once

#include <string_view>

namespace longhaul::log {

enum class Level { quiet, normal, verbose };

/// To standard error. Default: normal (warnings only). Thread-safe.
void set_level(Level level);
void warn(std::string_view text);  ///< shown unless quiet; the same text is shown once a minute at most
void info(std::string_view text);  ///< shown when verbose

}  // namespace longhaul::log
