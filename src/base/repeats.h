// What was said lately, so that a fault that repeats a million times does not fill a disk with its words.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"

namespace longhaul::log {

constexpr Time repeat_after = 60 * second;
constexpr std::size_t remembered_max = 256;  ///< different texts; more than these within a minute: all are forgotten

/// Thread-safe.
class Repeats {
 public:
  /// How often `text` was held back since it was last shown; nothing when it must be held back now.
  [[nodiscard]] std::optional<unsigned> show(std::string_view text, Time now);

 private:
  struct Said {
    Time shown;
    unsigned held_back;
  };
  std::mutex mutex_;
  std::unordered_map<std::string, Said> said_;
};

}  // namespace longhaul::log
