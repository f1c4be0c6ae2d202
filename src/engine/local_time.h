// The wall clock as people read it.
#pragma once

#include <cstdint>

#include "paths/timetable.h"

namespace longhaul::engine {

/// In the time zone of this process. `wall_ns`: since 1970, as Clock::wall_ns tells it.
[[nodiscard]] paths::LocalTime local_time(std::int64_t wall_ns);

}  // namespace longhaul::engine
