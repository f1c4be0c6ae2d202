// "Did you mean ...?"
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace longhaul::cli {

/// The candidate that `word` was most likely meant to be, or empty when none is near.
[[nodiscard]] std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// "; did you mean 'receive'?" or "".
[[nodiscard]] std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace longhaul::cli
