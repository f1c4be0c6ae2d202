#include "paths/scheduler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace longhaul::paths {
namespace {

constexpr std::size_t chunks_min = 2;  // always so many assigned: one on its way, one behind it
constexpr std::size_t chunks_max = 64;
// Holes, which weigh next to nothing: so many a round trip, or a tebibyte of them takes a minute at 100 ms.
constexpr std::size_t loads_max = 512;
// What may wait on a stream beyond that: enough to fill a window that doubles, and to live through a busy moment.
constexpr double rtts_ahead = 2;
constexpr double ahead_s = 0.1;
constexpr double ahead_blind_s = 0.25;  // where nothing is known of what the peer's kernel has
constexpr double rate_unknown = 1e9;    // optimistic: a new stream is tried soon
constexpr double fade_s = 1.0;          // what was measured so long (busy) ago counts a third
constexpr double trusted_s = 0.05;      // a first small chunk only fills a socket buffer: it says nothing of the path
constexpr double instant_s = 0.00001;   // answers come in lists
constexpr double end_slack_s = 0.05;
constexpr double faster_least = 1.2;
constexpr double weight_least = 0.001;
// A stream is not called slow while its window may still be growing.
constexpr double settled_s = 1.0;
constexpr double settled_rtts = 12;
// Rates are estimates: elsewhere it must be expected in so small a part of the time. A copy of what has begun costs
// bytes, and half a second at the end of a transfer is worth them; a stream that is slower than its sibling is no
// crawling one.
constexpr double ratio_unbegun = 1.5;
constexpr double ratio_unbegun_idle = 1.2;
constexpr double ratio_begun = 4;
constexpr double ratio_begun_idle = 1.5;
constexpr double slip_least = 2;  // times the time that was planned
constexpr double gain_unbegun_idle_s = 0.05;
constexpr double gain_begun_idle_s = 0.5;

double seconds_of(Time time) {
  return static_cast<double>(time) / static_cast<double>(second);
}

}  // namespace

// --- one stream ---------------------------------------------------------------------------------------------------

double Scheduler::Stream::rate() const {
  return bytes / std::max(busy_s, instant_s);
}

bool Scheduler::Stream::trusted() const {
  return busy_s >= trusted_s && bytes > 0;
}

/// Bytes over time, both fading: a long measurement corrects at once what a short one pretended.
void Scheduler::Stream::carried(std::uint64_t count, double over_s) {
  const double fade = std::exp(-over_s / std::max(fade_s, 4 * rtt_s()));
  bytes = bytes * fade + static_cast<double>(count);
  busy_s = busy_s * fade + over_s;
}

Scheduler::Place Scheduler::find(const Stream& stream, const Load& load) {
  return std::ranges::find_if(stream.queue, [&](const Queued& queued) { return queued.load.same_copy(load); });
}

/// Loads go out, and are acknowledged, in their order.
std::uint64_t Scheduler::acked_of(const Stream& stream, const Place& at) {
  std::uint64_t left = stream.acked;
  for (auto before = stream.queue.begin(); before != at; ++before) left -= std::min(left, before->load.bytes);
  return std::min(left, at->load.bytes);
}

/// `acked`: so much of what the peer's kernel has is of this load.
void Scheduler::taken_off(Stream& stream, const Place& at, std::uint64_t acked) {
  stream.queued_bytes -= at->load.bytes;
  if (at->load.hole) --stream.holes;
  stream.acked -= std::min(stream.acked, acked);
  stream.queue.erase(at);
}

Scheduler::Stream* Scheduler::find(StreamId stream) {
  return const_cast<Stream*>(std::as_const(*this).find(stream));
}

const Scheduler::Stream* Scheduler::find(StreamId stream) const {
  const auto at = std::lower_bound(streams_.begin(), streams_.end(), stream,
                                   [](const Stream& each, StreamId id) { return each.id < id; });
  return at != streams_.end() && at->id == stream ? &*at : nullptr;
}

const PathTerms& Scheduler::terms(const Stream& stream) const {
  static constexpr PathTerms plain;
  return stream.path < paths_.size() ? paths_[stream.path].terms : plain;
}

// --- what happens -------------------------------------------------------------------------------------------------

void Scheduler::set_path(PathId path, const PathTerms& terms) {
  if (paths_.size() <= path) paths_.resize(path + std::size_t{1});
  paths_[path].terms = terms;
}

void Scheduler::allow(PathId path, std::optional<double> bytes) {
  if (paths_.size() <= path) paths_.resize(path + std::size_t{1});
  if (bytes) *bytes -= static_cast<double>(queued_on(path));
  paths_[path].allowance = bytes;
}

bool Scheduler::add(StreamId stream, PathId path, Time now) {
  if (Stream* known = find(stream)) {
    known->retired = false;
    return false;
  }
  Stream added;
  added.id = stream;
  added.path = path;
  added.busy_since = added.added_at = now;
  const auto at = std::lower_bound(streams_.begin(), streams_.end(), stream,
                                   [](const Stream& each, StreamId id) { return each.id < id; });
  streams_.insert(at, std::move(added));
  return true;
}

void Scheduler::remove(StreamId stream) {
  std::erase_if(streams_, [stream](const Stream& each) { return each.id == stream; });
}

void Scheduler::retire(StreamId stream) {
  if (Stream* it = find(stream)) it->retired = true;
}

void Scheduler::assigned(StreamId stream, const Load& load, Time now, bool copy) {
  Stream* it = find(stream);
  if (it == nullptr) return;
  if (it->queue.empty()) it->busy_since = now;
  it->queue.push_back({.load = load,
                       .copied = copy,
                       .since = now,
                       .planned_s = arrival_s(*it, static_cast<double>(load.bytes)),
                       .guessed = !it->trusted()});
  it->queued_bytes += load.bytes;
  if (load.hole) ++it->holes;
  if (it->path < paths_.size() && paths_[it->path].allowance)
    *paths_[it->path].allowance -= static_cast<double>(load.bytes);
}

bool Scheduler::answered(StreamId stream, const Load& load, Time now) {
  Stream* it = find(stream);
  if (it == nullptr) return false;
  const auto at = find(*it, load);
  if (at == it->queue.end()) return false;
  if (!it->sampled()) {
    it->carried(at->load.bytes, seconds_of(now - it->busy_since));
    it->busy_since = now;
  }
  taken_off(*it, at, at->load.bytes);
  return true;
}

std::uint64_t Scheduler::dropped(StreamId stream, const Load& load) {
  Stream* it = find(stream);
  if (it == nullptr) return 0;
  const auto at = find(*it, load);
  if (at == it->queue.end()) return 0;
  const std::uint64_t expected = at->load.bytes;
  taken_off(*it, at, acked_of(*it, at));
  return expected;
}

void Scheduler::forget_file(std::uint64_t file) {
  for (Stream& stream : streams_) {
    for (std::size_t i = stream.queue.size(); i-- > 0;) {
      const auto at = stream.queue.begin() + static_cast<std::ptrdiff_t>(i);
      if (at->load.file == file) taken_off(stream, at, acked_of(stream, at));
    }
  }
}

bool Scheduler::sampled(StreamId stream, const Sample& sample) {
  Stream* it = find(stream);
  if (it == nullptr || sample.at <= it->last.at) return false;
  const Sample before = std::exchange(it->last, sample);
  if (before.at == 0) {  // where counting begins
    it->quiet_since = sample.waiting ? sample.at : 0;
    return false;
  }
  const std::uint64_t bytes = sample.acked_bytes - std::min(before.acked_bytes, sample.acked_bytes);
  const bool moved = bytes > 0 || sample.acks != before.acks;
  if (moved || !sample.waiting) {
    it->quiet_since = sample.waiting ? sample.at : 0;
    it->stalled = it->told = false;
  } else if (it->quiet_since == 0) {
    it->quiet_since = sample.at;
  }
  if (it->quiet_since != 0 && sample.at - it->quiet_since >= std::max(silence_min, 4 * sample.rtt)) it->stalled = true;
  if (it->stalled || (it->queue.empty() && bytes == 0)) return false;
  // Time in which it had nothing to do, or the peer would not take more, says nothing of the path.
  const Time begun = std::max(before.at, std::min(it->busy_since, sample.at));
  const Time held = sample.held - std::min(before.held, sample.held);
  if (!resting_) it->carried(bytes, seconds_of(std::max<Time>(sample.at - begun - held, 0)));
  it->acked = std::min(it->queued_bytes, it->acked + bytes);
  return bytes > 0 && !it->queue.empty();
}

void Scheduler::alone(StreamId stream, const Load& load) {
  Stream* it = find(stream);
  if (it == nullptr) return;
  for (Queued& queued : it->queue)
    if (queued.load.same_copy(load)) queued.copied = false;
}

// --- choosing -----------------------------------------------------------------------------------------------------

bool Scheduler::has_room(const Stream& stream, std::uint64_t bytes) const {
  if (stream.queue.size() < chunks_min) return true;
  if (stream.queue.size() - stream.holes >= chunks_max || stream.queue.size() >= loads_max) return false;
  const double ahead = stream.sampled() ? rtts_ahead * stream.rtt_s() + ahead_s : ahead_blind_s;
  const double expected = stream.rate() * terms(stream).factor;
  const double most = std::max(expected * ahead, stream.sampled() ? static_cast<double>(chunks_min * bytes) : 0);
  return stream.backlog() + static_cast<double>(bytes) <= most;
}

std::uint64_t Scheduler::queued_on(PathId path) const {
  std::uint64_t bytes = 0;
  for (const Stream& stream : streams_)
    if (stream.path == path) bytes += stream.queued_bytes;
  return bytes;
}

/// All of it; or it is the last one, without which the rest of the money would buy nothing.
bool Scheduler::is_allowed(const Stream& stream, std::uint64_t bytes) const {
  if (stream.path >= paths_.size() || !paths_[stream.path].allowance) return true;
  const double left = *paths_[stream.path].allowance;
  return left >= static_cast<double>(bytes) || (left > 0 && queued_on(stream.path) == 0);
}

double Scheduler::arrival_s(const Stream& stream, double bytes) const {
  const double rate = (stream.bytes > 0 ? stream.rate() : rate_unknown) * terms(stream).factor;
  return (stream.backlog() + bytes) / rate + stream.rtt_s() / 2;
}

/// Some path that is no spare can carry.
bool Scheduler::spares_wait() const {
  return std::any_of(streams_.begin(), streams_.end(),
                     [&](const Stream& stream) { return stream.open() && !terms(stream).spare; });
}

std::optional<StreamId> Scheduler::choose(std::uint64_t bytes, std::uint64_t remaining_bytes, StreamId not_on) const {
  const auto wanted = static_cast<double>(std::min(bytes, remaining_bytes));
  const bool spares_rest = spares_wait();
  const Stream* avoided = not_on == 0 ? nullptr : find(not_on);
  const Stream* best = nullptr;
  double best_s = 0;
  bool best_beside = false;
  for (const Stream& stream : streams_) {
    const PathTerms& its = terms(stream);
    if (!stream.open() || &stream == avoided || (its.spare && spares_rest)) continue;
    if (!has_room(stream, bytes) || !is_allowed(stream, bytes)) continue;
    const double s = arrival_s(stream, wanted) / std::max(its.weight, weight_least);
    const bool beside = avoided != nullptr && stream.path == avoided->path;
    if (best != nullptr && (beside != best_beside ? beside : s >= best_s)) continue;
    best = &stream;
    best_s = s;
    best_beside = beside;
  }
  if (best == nullptr || better_left_to_others(*best, wanted, remaining_bytes)) return std::nullopt;
  return best->id;
}

/// Near the end: those that are faster, and at work, will have carried everything, this chunk too, before it would
/// arrive here.
bool Scheduler::better_left_to_others(const Stream& stream, double bytes, std::uint64_t remaining_bytes) const {
  if (!stream.trusted()) return false;  // it is tried all the same: nothing is known of it
  double rate = 0;
  double backlog = 0;
  double fastest = 0;
  for (const Stream& other : streams_) {
    if (!other.open() || !other.trusted() || other.queue.empty() || other.rate() <= stream.rate() * faster_least)
      continue;
    rate += other.rate();
    backlog += other.backlog();
    fastest = std::max(fastest, other.rate());
  }
  if (rate <= 0) return false;
  const double others_s = (backlog + static_cast<double>(remaining_bytes)) / rate + bytes / fastest;
  return arrival_s(stream, bytes) > others_s + end_slack_s;
}

// --- sending again elsewhere --------------------------------------------------------------------------------------

std::vector<StreamId> Scheduler::newly_stalled() {
  std::vector<StreamId> found;
  if (resting_) return found;
  const bool others = std::any_of(streams_.begin(), streams_.end(), [](const Stream& each) { return each.open(); });
  if (!others) return found;
  for (Stream& stream : streams_)
    if (stream.stalled && !std::exchange(stream.told, true)) found.push_back(stream.id);
  return found;
}

std::vector<StreamId> Scheduler::hopeless() const {
  std::vector<StreamId> found;
  for (const Stream& stream : streams_)
    if (stream.stalled && stream.last.at - stream.quiet_since >= std::max(silence_max, 8 * stream.last.rtt))
      found.push_back(stream.id);
  return found;
}

bool Scheduler::open_beside(StreamId stream) const {
  return std::any_of(streams_.begin(), streams_.end(),
                     [&](const Stream& each) { return each.id != stream && each.open(); });
}

/// Also a stream of which nothing is known, and that has nothing to do (a path that joins when all chunks are given
/// out). For want of a better guess it is as fast as this one; for what has begun, as fast as this one was when it was
/// given the load: should it have collapsed since, a copy goes there.
double Scheduler::best_elsewhere_s(const Stream& from, const Queued& queued, bool begun) const {
  const std::uint64_t bytes = queued.load.bytes;
  const bool spares_rest = spares_wait();
  double best = std::numeric_limits<double>::infinity();
  for (const Stream& stream : streams_) {
    if (&stream == &from || !stream.open() || (terms(stream).spare && spares_rest)) continue;
    if (!begun && !(has_room(stream, bytes) && is_allowed(stream, bytes))) continue;
    if (stream.trusted() || (stream.bytes > 0 && !begun))  // as choose() will reckon
      best = std::min(best, arrival_s(stream, static_cast<double>(bytes)));
    else if (!begun && stream.queue.empty())
      best = std::min(best, static_cast<double>(bytes) / (from.rate() * terms(stream).factor) + stream.rtt_s() / 2);
    else if (!queued.guessed && stream.queue.empty() && is_allowed(stream, bytes))
      best = std::min(best, queued.planned_s);
  }
  return best;
}

/// None: it is too early to say anything of this stream.
std::optional<Scheduler::Gain> Scheduler::gain_wanted(const Stream& stream, bool idle, bool begun, Time now) {
  const double takeover_s = std::max(seconds_of(silence_min), 4 * stream.rtt_s());  // law 6
  if (idle && !stream.retired) {
    const double least_s = std::max(begun ? gain_begun_idle_s : gain_unbegun_idle_s, stream.rtt_s() / 2);
    return Gain{least_s, begun ? ratio_begun_idle : ratio_unbegun_idle};
  }
  if (seconds_of(now - stream.added_at) < std::max(settled_s, settled_rtts * stream.rtt_s())) return std::nullopt;
  // One that is drained carries what it has.
  return Gain{takeover_s, begun || stream.retired ? ratio_begun : ratio_unbegun};
}

/// All in all it takes far longer than it was given to this stream for.
bool Scheduler::slipped(const Queued& queued, double here_s, double least_s, Time now) {
  return seconds_of(now - queued.since) + here_s >= slip_least * queued.planned_s + least_s;
}

std::optional<Late> Scheduler::late(bool idle, Time now) {
  if (resting_) return std::nullopt;
  Queued* worst = nullptr;
  Late late;
  double most = 0;
  for (Stream& stream : streams_) {
    if (stream.stalled || !stream.sampled() || !stream.trusted()) continue;
    // The last one: while it goes out elsewhere, the stream gets on with those before it.
    const auto last =
        std::find_if(stream.queue.rbegin(), stream.queue.rend(), [](const Queued& queued) { return !queued.copied; });
    if (last == stream.queue.rend()) continue;
    double behind = 0;
    for (auto at = stream.queue.rbegin(); at != last; ++at) behind += static_cast<double>(at->load.bytes);
    const double left = std::max(stream.backlog() - behind, 0.0);  // to its end
    const double handed = static_cast<double>(stream.last.handed_bytes);
    const bool begun = last->called_back || left - static_cast<double>(last->load.bytes) < handed;
    const auto wanted = gain_wanted(stream, idle, begun, now);
    if (!wanted) continue;
    const double here_s = left / stream.rate() + stream.rtt_s() / 2;
    const double there_s = best_elsewhere_s(stream, *last, begun);
    if (begun && !idle && !slipped(*last, here_s, wanted->least_s, now)) continue;
    const double gain = here_s - there_s;
    if (gain < std::max(wanted->least_s, most) || here_s < there_s * wanted->ratio) continue;
    worst = &*last;
    late = {stream.id, last->load, begun};
    most = gain;
  }
  if (worst == nullptr) return std::nullopt;
  (late.begun ? worst->copied : worst->called_back) = true;
  return late;
}

// --- figures ------------------------------------------------------------------------------------------------------

std::uint64_t Scheduler::bytes_in_flight() const {
  std::uint64_t bytes = 0;
  for (const Stream& stream : streams_) bytes += stream.queued_bytes;
  return bytes;
}

double Scheduler::rate(StreamId stream) const {
  const Stream* it = find(stream);
  return it == nullptr ? 0 : it->rate();
}

std::vector<Load> Scheduler::loads(StreamId stream) const {
  std::vector<Load> found;
  if (const Stream* it = find(stream))
    for (const Queued& queued : it->queue) found.push_back(queued.load);
  return found;
}

}  // namespace longhaul::paths
