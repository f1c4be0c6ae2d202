// streams=auto: how many streams a path gets while this side dials and sends, and which of them are dialled anew.
#include <algorithm>
#include <utility>

#include "engine/session_core.h"

namespace longhaul::engine {
namespace {

constexpr Time decide_every = second;
constexpr double work_least = 0.8;             // of a second
constexpr unsigned streams_together_max = 64;  // of all paths: what one worker at the peer has slots for

}  // namespace

/// Neither its own options nor the session's say a number, and trying is wished.
bool SessionCore::counts_streams(const Path& path) const {
  return dialler_ && setup_.options.try_streams && path.options.streams == 0 && setup_.options.streams == 0;
}

/// Of streams that this side dials. Where the peer sends on them it alone could measure: they stay as few as at first.
unsigned SessionCore::streams_of(const Path& path, bool sends) const {
  if (path.options.streams != 0) return path.options.streams;
  if (setup_.options.streams != 0) return setup_.options.streams;
  if (!sends || !setup_.options.try_streams) return paths::streams_auto_start;
  const auto each = static_cast<unsigned>(streams_together_max / std::max<std::size_t>(paths_in_use(), 1));
  return std::min({path.streams_auto, paths::streams_auto_max, std::max(each, paths::streams_auto_start)});
}

std::string SessionCore::streams_why(const Path& path) const {
  if (!dialler_) return {};
  if (!counts_streams(path)) {
    const unsigned number = path.options.streams != 0 ? path.options.streams : setup_.options.streams;
    if (number == 0) return std::to_string(paths::streams_auto_start) + ": the usual number";
    return std::to_string(number) + ": as asked";
  }
  if (!path.streams_words.empty()) return path.streams_words;
  if (!outgoing_.empty()) return path.count.words();
  return std::to_string(paths::streams_auto_start) + ": fixed where the side that listens sends";
}

void SessionCore::decide_streams(Time now) {
  finish_released();
  if (now - streams_decided_at_ < decide_every) return;
  streams_decided_at_ = now;
  const bool sending =
      std::any_of(outgoing_.begin(), outgoing_.end(), [](const auto& each) { return each.second.planner != nullptr; });
  if (!sending || !control_.up()) return;
  const auto streams = metered_streams();
  for (std::size_t path = 0; path < paths_.size(); ++path)
    if (paths_[path].may_carry() && counts_streams(paths_[path])) decide_streams_of(path, streams[path], now);
}

void SessionCore::decide_streams_of(std::size_t path, const std::vector<MeteredStream>& streams, Time now) {
  Path& it = paths_[path];
  const PathMeter::Figures figures = it.count_meter.take(streams);
  if (is_held()) return;
  paths::StreamCount::Sample sample;
  sample.now = now;
  sample.streams = figures.streams;
  sample.goodput = figures.rate;
  sample.rtt_s = figures.rtt_s;
  sample.busy = figures.pressed;
  sample.sndbuf_limited = figures.buffer_held;
  sample.receiver_limited = figures.peer_held;
  sample.capped = figures.capped;
  sample.peer_slow = std::ranges::any_of(outgoing_, [](const auto& each) { return each.second.target_holds_up; });
  const auto choice = it.count.decide(sample);
  it.streams_auto = choice.streams;
  // At the end there is always too little work to find anything out: nobody asks about that.
  if (it.streams_words.empty() || sample.busy >= work_least) it.streams_words = it.count.words();
  if (choice.redial) release_stream(*choice.redial, now);
  release_surplus(path, now);
}

/// The newest go first: what the others reached is known best.
void SessionCore::release_surplus(std::size_t path, Time now) {
  Path& it = paths_[path];
  const unsigned most = streams_of(it, true);
  const auto sends = [](const StreamSlot& slot) { return slot.sends && slot.wanted; };
  auto count = static_cast<unsigned>(std::count_if(it.slots.begin(), it.slots.end(), sends));
  for (auto slot = it.slots.rbegin(); slot != it.slots.rend() && count > most; ++slot) {
    if (!sends(*slot) || slot->dialling) continue;
    slot->wanted = false;
    --count;
    if (slot->stream != 0) release_stream(slot->stream, now);
  }
}

/// It gets nothing new, and closes when what it carries has arrived. Its slot is free at once.
void SessionCore::release_stream(std::uint32_t id, Time now) {
  const auto at = streams_.find(id);
  if (at == streams_.end()) return;
  at->second.released = true;
  for (StreamSlot& slot : paths_[at->second.path].slots) {
    if (slot.stream != id) continue;
    slot.stream = 0;
    slot.next_try = now;
  }
  for (auto& [transfer, outgoing] : outgoing_)
    if (outgoing.planner) outgoing.planner->retire_stream(id);
}

void SessionCore::finish_released() {
  for (auto& [id, stream] : streams_) {
    if (!stream.released || stream.closing) continue;
    const bool carries = std::any_of(outgoing_.begin(), outgoing_.end(), [number = id](const auto& each) {
      return each.second.planner && each.second.planner->carries(number);
    });
    if (carries) continue;
    stream.closing = true;
    post_to_stream(id, [number = id](Worker& worker) { worker.close_stream(number); });
  }
}

}  // namespace longhaul::engine
