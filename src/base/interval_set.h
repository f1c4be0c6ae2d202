// A set of numbers that mostly come in runs: small however many there are.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>

namespace longhaul {

class IntervalSet {
 public:
  /// False when it was there already.
  bool add(std::uint64_t number) {
    auto after = runs_.upper_bound(number);
    if (after != runs_.begin()) {
      auto before = std::prev(after);
      if (number < before->second) return false;
      if (number == before->second) {
        ++before->second;
        if (after != runs_.end() && after->first == before->second) {
          before->second = after->second;
          runs_.erase(after);
        }
        return true;
      }
    }
    if (after != runs_.end() && after->first == number + 1) {
      const std::uint64_t end = after->second;
      runs_.erase(after);
      runs_.emplace(number, end);
    } else {
      runs_.emplace(number, number + 1);
    }
    return true;
  }
  [[nodiscard]] bool contains(std::uint64_t number) const {
    auto after = runs_.upper_bound(number);
    return after != runs_.begin() && number < std::prev(after)->second;
  }
  /// Every number from 0 to before `end`.
  [[nodiscard]] bool contains_all_before(std::uint64_t end) const {
    return end == 0 || (!runs_.empty() && runs_.begin()->first == 0 && runs_.begin()->second >= end);
  }
  [[nodiscard]] std::size_t runs() const { return runs_.size(); }

 private:
  std::map<std::uint64_t, std::uint64_t> runs_;  // begin -> end
};

}  // namespace longhaul
