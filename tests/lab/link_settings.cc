#include <algorithm>
#include <utility>

#include "link.h"

namespace longhaul::lab {
namespace {

constexpr std::uint64_t queue_bytes_min = 16384;

std::pair<std::string, std::string> halves(const std::string& text, char separator) {
  const std::size_t at = text.find(separator);
  if (at == std::string::npos) return {text, ""};
  return {text.substr(0, at), text.substr(at + 1)};
}

bool apply_state(LinkState& state, const std::string& word) {
  constexpr std::pair<const char*, LinkState> states[] = {
      {"up", LinkState::up}, {"down", LinkState::down}, {"hold", LinkState::hold}, {"reset", LinkState::reset}};
  for (const auto& [name, value] : states) {
    if (word != name) continue;
    state = value;
    return true;
  }
  return false;
}

void apply_queue(LinkSettings& settings, const std::string& value) {
  settings.queue_time = -1;
  settings.queue_bytes = 0;
  if (value == "auto") return;
  if (value.back() == 's')
    settings.queue_time = parse_time(value);
  else
    settings.queue_bytes = parse_bytes(value);
  if (settings.queue_time < 0 && settings.queue_bytes == 0) throw LabError("a queue of 0 bytes");
}

void apply_jitter(LinkSettings& settings, const std::string& value) {
  const auto [most, period] = halves(value, '/');
  settings.jitter = parse_time(most);
  if (!period.empty()) settings.jitter_period = parse_time(period);
  if (settings.jitter_period < one_ms) throw LabError("jitter: a period under 1ms");
}

void apply_gap(LinkSettings& settings, const std::string& value) {
  const auto [every, length] = halves(value, '/');
  settings.gap_every = parse_time(every);
  settings.gap_for = length.empty() ? 0 : parse_time(length);
  if (settings.gap_for >= settings.gap_every) settings.gap_every = settings.gap_for = 0;  // gap=0s: none
}

void apply_burst(LinkSettings& settings, const std::string& value) {
  settings.burst = static_cast<double>(parse_bytes(value));
  if (settings.burst < 1 || settings.burst > 1e6) throw LabError("burst: from 1 to 1000000");
}

}  // namespace

bool LinkSettings::apply(const std::string& key, const std::string& value) {
  if (value.empty()) return apply_state(state, key);
  if (key == "delay") {
    delay = parse_time(value);
  } else if (key == "jitter") {
    apply_jitter(*this, value);
  } else if (key == "rate") {
    rate = parse_rate(value);
  } else if (key == "queue") {
    apply_queue(*this, value);
  } else if (key == "loss") {
    loss = parse_probability(value);
  } else if (key == "burst") {
    apply_burst(*this, value);
  } else if (key == "reorder") {
    const auto [probability, by] = halves(value, ':');
    reorder = parse_probability(probability);
    reorder_by = by.empty() ? 0 : parse_time(by);
  } else if (key == "dup") {
    duplicate = parse_probability(value);
  } else if (key == "corrupt") {
    corrupt = parse_probability(value);
  } else if (key == "gap") {
    apply_gap(*this, value);
  } else if (key == "maxpkt") {
    packet_bytes_max = static_cast<std::uint32_t>(std::min<std::uint64_t>(parse_bytes(value), 65536));
  } else {
    return false;
  }
  return true;
}

std::uint64_t LinkSettings::queue_limit_bytes() const {
  if (queue_bytes != 0) return queue_bytes;
  const Nanoseconds time = queue_time >= 0 ? queue_time : std::clamp<Nanoseconds>(2 * delay, 10 * one_ms, 250 * one_ms);
  return std::max(static_cast<std::uint64_t>(rate / 8 * static_cast<double>(time) / 1e9), queue_bytes_min);
}

}  // namespace longhaul::lab
