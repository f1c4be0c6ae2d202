#include "base/repeats.h"

#include <utility>

namespace longhaul::log {

std::optional<unsigned> Repeats::show(std::string_view text, Time now) {
  const std::lock_guard lock(mutex_);
  if (const auto item = said_.find(std::string(text)); item != said_.end()) {
    Said& said = item->second;
    if (now - said.shown < repeat_after) {
      ++said.held_back;
      return std::nullopt;
    }
    said.shown = now;
    return std::exchange(said.held_back, 0);
  }
  if (said_.size() >= remembered_max) {
    std::erase_if(said_, [now](const auto& item) { return now - item.second.shown >= repeat_after; });
  }
  if (said_.size() >= remembered_max) said_.clear();
  said_.emplace(text, Said{now, 0});
  return 0;
}

}  // namespace longhaul::log
