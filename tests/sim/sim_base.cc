#include "sim_base.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace longhaul::sim {

std::uint64_t SimRandom::draw() {
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

void SimRandom::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    const std::uint64_t value = draw();
    const std::size_t bytes = std::min(out.size(), sizeof value);
    std::memcpy(out.data(), &value, bytes);
    out = out.subspan(bytes);
  }
}

void Trace::mix(std::uint64_t value) {
  hash_ = std::rotl(hash_ ^ value, 27) * 0x3c79ac492ba7b653ULL + 0x1c69b3f74ac4ae35ULL;
}

void Trace::note(std::string_view what, std::uint64_t first, std::uint64_t second) {
  ++events_;
  mix(static_cast<std::uint64_t>(clock_.now()));
  for (const char letter : what) mix(static_cast<unsigned char>(letter));
  mix(first);
  mix(second);
  Event& event = recent_.at(events_ % recent_.size());
  event = {clock_.now(), {}, first, second};
  what.copy(event.what.data(), event.what.size());
  if (listener) listener(clock_.now(), what, first, second);
}

std::vector<std::string> Trace::last_events() const {
  std::vector<std::string> lines;
  for (std::size_t i = 1; i <= recent_.size(); ++i) {
    const Event& event = recent_.at((events_ + i) % recent_.size());
    if (event.when == 0) continue;
    const std::string_view what(event.what.data(), strnlen(event.what.data(), event.what.size()));
    lines.push_back(fmt::format("{:12.6f} s  {:<16} {} {}", static_cast<double>(event.when) / second, what, event.first,
                                event.second));
  }
  return lines;
}

}  // namespace longhaul::sim
