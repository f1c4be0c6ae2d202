#include "engine/path_meter.h"

#include <algorithm>

namespace longhaul::engine {
namespace {

constexpr double capped_from =
    0.85;  // of the pace: what it counts on the wire, and acknowledgements that come in lumps
// Workers look 40 times a second, and one that is late finds an empty buffer on a path that is full all the same.
constexpr double busy_from = 0.6;
constexpr double held_up_to = 0.1;

double ratio(Time part, Time whole) {
  return std::clamp(static_cast<double>(part) / static_cast<double>(whole), 0.0, 1.0);
}

/// A connection that has failed may tell nothing any more.
std::uint64_t grown(std::uint64_t from, std::uint64_t to) {
  return to - std::min(from, to);
}

}  // namespace

PathMeter::Figures PathMeter::take(std::span<const MeteredStream> streams) {
  Figures sum;
  std::map<std::uint32_t, StreamHealth> seen;
  double rtts = 0;
  double paces = 0;
  unsigned fresh = 0;
  for (const MeteredStream& stream : streams) {
    const StreamHealth& now = stream.health;
    seen[stream.id] = now;
    paths::StreamCount::Stream& each = sum.streams.emplace_back();
    each.id = stream.id;
    paces += static_cast<double>(stream.pace_bytes_per_s);
    sum.slots += now.slots;
    sum.slots_each = std::max(sum.slots_each, now.slots);
    sum.slot_trips = std::max(sum.slot_trips, now.slot_trips);
    if (now.rtt_min > 0 && (sum.rtt_min == 0 || now.rtt_min < sum.rtt_min)) sum.rtt_min = now.rtt_min;
    const auto at = before_.find(stream.id);
    if (at == before_.end() || at->second.sample.at == 0 || now.sample.at <= at->second.sample.at) continue;
    const StreamHealth& before = at->second;
    const Time span = now.sample.at - before.sample.at;
    ++fresh;
    rtts += static_cast<double>(now.sample.rtt) / static_cast<double>(second);
    each.rate = static_cast<double>(grown(before.sample.acked_bytes, now.sample.acked_bytes)) *
                static_cast<double>(second) / static_cast<double>(span);
    const double pressed = ratio(now.pressed - before.pressed, span);
    each.busy = pressed >= busy_from;
    sum.rate += each.rate;
    sum.pressed += pressed;
    sum.peer_held += ratio(now.sample.held - before.sample.held, span);
    sum.buffer_held += ratio(now.buffer_held - before.buffer_held, span);
    sum.slots_held += ratio(now.slots_held - before.slots_held, span);
    sum.sent_bytes += grown(before.sent_bytes, now.sent_bytes);
    sum.resent_bytes += grown(before.resent_bytes, now.resent_bytes);
  }
  before_ = std::move(seen);
  const auto count = static_cast<double>(std::max<std::size_t>(streams.size(), 1));
  sum.pressed /= count;
  sum.peer_held /= count;
  sum.buffer_held /= count;
  sum.slots_held /= count;
  if (fresh > 0) sum.rtt_s = rtts / fresh;
  sum.capped = paces > 0 && sum.rate >= capped_from * paces;
  return sum;
}

paths::Health::Sample health_sample(const PathMeter::Figures& figures, Time now) {
  paths::Health::Sample sample;
  sample.now = now;
  sample.rtt_s = figures.rtt_s;
  sample.rate = figures.rate;
  sample.busy = figures.pressed >= busy_from && figures.peer_held <= held_up_to && !figures.capped;
  sample.sent_bytes = figures.sent_bytes;
  sample.resent_bytes = figures.resent_bytes;
  return sample;
}

}  // namespace longhaul::engine
