// Figures in words, as the decision modules say them.
#pragma once

#include <string>

namespace longhaul::paths {

/// Bytes per second as lines are sold: "335 Mb/s", "3.1 Gb/s", "40 Gb/s".
[[nodiscard]] std::string bits_per_s(double bytes_per_s);

}  // namespace longhaul::paths
