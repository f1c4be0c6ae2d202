// What this process has used so far.
#pragma once

#include <cstdint>

namespace longhaul {
/// User and system seconds of all threads.
[[nodiscard]] double process_cpu_seconds();
}  // namespace longhaul
