#include "sim_rail.h"

#include <algorithm>

#include "base/check.h"

namespace longhaul::sim {

void SimRail::grant(std::uint32_t slot, std::uint32_t generation, std::span<std::byte> memory) {
  const bool twice = std::ranges::any_of(grants_, [slot](const Grant& each) { return each.name.slot == slot; });
  LH_CHECK(!twice, "a slot is granted again before its completion or a fence");
  grants_.push_back({{slot, generation}, memory});
}

void SimRail::write(std::uint32_t slot, std::span<const std::byte> bytes, Time late_max) {
  const auto at = std::ranges::find_if(grants_, [slot](const Grant& each) { return each.name.slot == slot; });
  if (at == grants_.end()) return;  // a remote access error at the peer
  LH_CHECK(bytes.size() <= at->memory.size(), "a write beyond what was granted");
  const auto late = static_cast<Time>(random_.below(static_cast<std::uint64_t>(late_max) + 1));
  under_way_.push_back({at->name, at->memory, {bytes.begin(), bytes.end()}, clock_.now() + late});
}

std::vector<SimRail::Completion> SimRail::poll() {
  std::vector<Completion> done;
  std::erase_if(under_way_, [&](const Write& write) {
    if (write.lands > clock_.now()) return false;
    std::ranges::copy(write.bytes, write.memory.begin());
    done.push_back(write.name);
    std::erase_if(grants_, [&](const Grant& each) { return each.name.slot == write.name.slot; });
    return true;
  });
  return done;
}

void SimRail::fence() {
  under_way_.clear();
  grants_.clear();
}

}  // namespace longhaul::sim
