#include "paths/words.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string_view>

namespace longhaul::paths {

std::string bits_per_s(double bytes_per_s) {
  constexpr std::array<std::string_view, 5> units = {"b/s", "kb/s", "Mb/s", "Gb/s", "Tb/s"};
  double bits = std::isfinite(bytes_per_s) && bytes_per_s > 0 ? bytes_per_s * 8 : 0;
  std::size_t unit = 0;
  while (unit + 1 < units.size() && bits >= 999.5) {
    bits /= 1000;
    ++unit;
  }
  // One digit behind the point where it says something: 3.1, but 40 and 335.
  if (bits >= 9.95 || std::abs(bits - std::round(bits)) < 0.05) return fmt::format("{:.0f} {}", bits, units[unit]);
  return fmt::format("{:.1f} {}", bits, units[unit]);
}

}  // namespace longhaul::paths
