// Paths that get worse before they fail: noticed on the side that sends, told, and given less.
#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/session_core.h"

namespace longhaul::engine {
namespace {

constexpr Time watch_every = 100 * millisecond;
constexpr double factor_step = 0.02;  // a smaller change of what is expected is not worth telling

}  // namespace

/// By path. Without those that are on their way out: what they do says nothing of the path.
std::vector<std::vector<MeteredStream>> SessionCore::metered_streams() const {
  std::vector<std::vector<MeteredStream>> found(paths_.size());
  for (const auto& [id, stream] : streams_)
    if (stream.sends && !stream.closing && !stream.released)
      found[stream.path].push_back({id, stream.counters->health(), stream.pace_bytes_per_s});
  return found;
}

void SessionCore::watch_health(Time now) {
  if (now - watched_at_ < watch_every) return;
  const Time span = std::min(now - std::exchange(watched_at_, now), 2 * watch_every);
  const bool sending =
      std::any_of(outgoing_.begin(), outgoing_.end(), [](const auto& each) { return each.second.planner != nullptr; });
  if (!sending) return;
  const auto streams = metered_streams();
  for (std::size_t path = 0; path < paths_.size(); ++path)
    if (!streams[path].empty() && paths_[path].use == Use::in_use) watch_path(path, streams[path], now, span);
}

void SessionCore::watch_path(std::size_t path, const std::vector<MeteredStream>& streams, Time now, Time span) {
  PathWatch& watch = paths_[path].watch;
  const PathMeter::Figures figures = watch.meter.take(streams);
  if (is_held() || paths_[path].duty.spared) {
    watch.regime = {};  // what comes after it begins anew
    return;
  }
  note_pressure(paths_[path], figures, span);
  const PathWatch::Regime regime{streams.size(), cap_of(paths_[path]), cap_of_all()};
  if (std::exchange(watch.regime, regime) != regime) {
    watch.health.expect_new_rate();
    paths_[path].congestion.expect_new_rate();
  }
  const auto sample = health_sample(figures, now);
  if (paths_[path].options.congestion.empty()) choose_congestion(path, sample);
  const auto change = watch.health.feed(sample);
  if (change != paths::Health::Change::none) tell_health(path, change);
  const double factor = watch.health.factor();
  if (std::abs(factor - watch.factor_told) < factor_step && change == paths::Health::Change::none) return;
  watch.factor_told = factor;
  for (auto& [transfer, outgoing] : outgoing_)
    if (outgoing.planner) outgoing.planner->set_path(static_cast<paths::PathId>(path), terms_of(path));
}

void SessionCore::tell_health(std::size_t path, paths::Health::Change change) {
  PathWatch& watch = paths_[path].watch;
  const std::string& name = paths_[path].options.name;
  if (change == paths::Health::Change::recovered) return note(Event::Type::path_recovered, watch.health.words(), name);
  ++watch.times_degraded;
  watch.evidence = watch.health.words();
  note(Event::Type::path_degraded, watch.evidence, name);
}

/// Both must be permitted: an unprivileged user may have neither the usual one nor the one that would be tried.
void SessionCore::choose_congestion(std::size_t path, const paths::Health::Sample& sample) {
  using Choice = paths::CongestionChoice;
  Path& it = paths_[path];
  if (it.options.transport.starts_with("fabric:")) return;  // what it has of that is its own
  const auto step = it.congestion.feed(sample);
  if (step == Choice::Step::none) return;
  std::string text = "path " + it.options.name + ": ";
  bool changes = step == Choice::Step::go_back;
  if (step == Choice::Step::try_other) {
    auto permitted = world_.wire.offers_congestion(std::string(Choice::usual));
    if (permitted) permitted = world_.wire.offers_congestion(std::string(Choice::other));
    if (!permitted) it.congestion.refused(permitted.error().text);
    changes = permitted.has_value();
  }
  if (changes) use_congestion(path);
  note(Event::Type::note, text + it.congestion.words(), it.options.name);
}

void SessionCore::use_congestion(std::size_t path) {
  for (const auto& [id, stream] : streams_)
    if (stream.path == path && stream.sends)
      post_to_stream(id, [number = id, name = std::string(paths_[path].congestion.name())](Worker& worker) {
        worker.set_congestion(number, name);
      });
}

}  // namespace longhaul::engine
