#include "engine/local_time.h"

#include <algorithm>
#include <ctime>

#include "base/clock.h"

namespace longhaul::engine {

paths::LocalTime local_time(std::int64_t wall_ns) {
  constexpr unsigned day_s = 24 * 3600;
  const auto seconds = static_cast<std::time_t>(wall_ns / second);
  std::tm parts{};
  if (localtime_r(&seconds, &parts) == nullptr) return {};
  const auto of_day = static_cast<unsigned>(parts.tm_hour * 3600 + parts.tm_min * 60 + parts.tm_sec);
  return {static_cast<unsigned>(parts.tm_wday + 6) % 7, std::min(of_day, day_s - 1)};  // tm: 0 is Sunday; leap seconds
}

}  // namespace longhaul::engine
