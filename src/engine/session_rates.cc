// What may be sent: the rules of both sides, by options and by timetable, and what was said while it ran; and the paces
// of streams that follow. What the streams that send really put on the wire goes into the allotter, and the paces that
// it says go to their workers. Without a cap nothing of this runs, and no stream has a pace.
#include <algorithm>
#include <cmath>

#include "base/bytes.h"
#include "engine/local_time.h"
#include "engine/session_core.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

constexpr Time allot_every = 100 * millisecond;
constexpr double change_told = 0.01;   // of a pace: less is not worth a call into the kernel
constexpr double spare_weight = 0.01;  // of a global cap, for a path that carries only while no other can
constexpr double bits_per_byte = 8;

bool is_ipv6(const std::string& address) {
  return address.starts_with('[') && !address.starts_with("[::ffff:");
}

/// 0: none.
std::uint64_t lower(std::uint64_t one, std::uint64_t other) {
  return one == 0 || (other != 0 && other < one) ? other : one;
}

}  // namespace

// --- rules
// ------------------------------------------------------------------------------------------------------------

SessionCore::Rule SessionCore::rule_of_now() const {
  Rule rule{.cap_bits_per_s = setup_.options.cap_bits_per_s, .holds = false, .words = {}};
  if (!timetable_) return rule;
  const auto now = local_time(world_.clock.wall_ns());
  const paths::Limit limit = timetable_->at(now);
  rule.holds = limit.kind == paths::Limit::Kind::paused;
  rule.cap_bits_per_s = lower(rule.cap_bits_per_s, limit.bits_per_s);
  rule.words = timetable_->words(now);
  return rule;
}

/// Once in every step; looks once a second, for clocks are set.
void SessionCore::look_at_timetable(Time now) {
  if (!timetable_ || now - timetable_seen_at_ < second) return;
  timetable_seen_at_ = now;
  Rule rule = rule_of_now();
  if (rule == rule_) return;
  if (!rule.same_limits(rule_)) live_rate_.reset();
  rule_ = std::move(rule);
  hold_or_go_on();
  share_caps();
  tell_standing();
  note(Event::Type::note, "the timetable says: " + rule_.words);
}

void SessionCore::take_rule(const protocol::SendingRule& told) {
  const auto before = std::pair(cap_of_all(), is_held());
  peer_rule_ = {.cap_bits_per_s = told.cap_bits_per_s(),
                .holds = told.holds(),
                .words = printable(told.words().substr(0, protocol::text_bytes_max))};
  const auto seen = std::exchange(peer_rule_seen_, peer_rule_);
  if (seen && !seen->same_limits(peer_rule_)) live_rate_.reset();  // not when it is only told again, to a new session
  hold_or_go_on();
  share_caps();
  if (before != std::pair(cap_of_all(), is_held())) tell_standing();
}

void SessionCore::hold_or_go_on() {
  for (auto& [transfer, outgoing] : outgoing_)
    if (outgoing.planner) outgoing.planner->pause(is_held());
}

bool SessionCore::is_held() const {
  return paused_ || (!live_rate_ && (rule_.holds || peer_rule_.holds));
}

std::string SessionCore::schedule_words() const {
  std::string words = rule_.words;
  if (!peer_rule_.words.empty()) words += (words.empty() ? "" : "; ") + peer_rule_.words + ", by the other side";
  if (live_rate_ && !words.empty()) words += "; overridden by hand until it changes";
  return words;
}

/// Bits per second that all paths together may carry of what this side sends; 0: any.
std::uint64_t SessionCore::cap_of_all() const {
  return live_rate_ ? *live_rate_ : lower(rule_.cap_bits_per_s, peer_rule_.cap_bits_per_s);
}

/// As its options and the budget say; 0: any.
std::uint64_t SessionCore::cap_of(const Path& path) {
  return lower(path.options.cap_bits_per_s, path.duty.cap_bits_per_s);
}

// --- paces
// ------------------------------------------------------------------------------------------------------------

bool SessionCore::is_capped(const Stream& stream) const {
  return cap_of_all() != 0 || cap_of(paths_[stream.path]) != 0;
}

void SessionCore::set_pace(std::uint32_t id, Stream& stream, std::uint64_t bytes_per_s, bool held) {
  const auto before = static_cast<double>(stream.pace_bytes_per_s);
  const auto next = static_cast<double>(bytes_per_s);
  const bool same = std::abs(next - before) <= change_told * before && (bytes_per_s == 0) == (before == 0);
  if (same && stream.held == held) return;
  if (!same) stream.pace_bytes_per_s = bytes_per_s;
  stream.held = held;
  workers_[stream.worker]->post(
      [id, pace = stream.pace_bytes_per_s, held](Worker& worker) { worker.set_pace(id, pace, held); });
}

/// Called whenever a cap, the pause or the set of streams changes. A stream under a cap sends nothing before it has a
/// pace, for which it waits 100 ms at most.
void SessionCore::share_caps() {
  const bool held = is_held();
  for (auto& [id, stream] : streams_) {
    if (!stream.sends) continue;
    const std::uint64_t pace = is_capped(stream) ? stream.pace_bytes_per_s : 0;
    set_pace(id, stream, pace, held || (pace == 0 && is_capped(stream)));
  }
}

/// Once in every step. Returns when it is to be called again.
Time SessionCore::step_rates(Time now) {
  const bool capped = std::any_of(streams_.begin(), streams_.end(),
                                  [this](const auto& each) { return each.second.sends && is_capped(each.second); });
  if (!capped) {
    if (std::exchange(allotted_at_, 0) != 0) allotter_ = {};
    return time_never;
  }
  if (allotted_at_ == 0 || now - allotted_at_ >= allot_every) {
    allotted_at_ = now;
    allot(now);
  }
  return allotted_at_ + allot_every;
}

void SessionCore::allot(Time now) {
  struct Group {
    std::vector<paths::Allotter::Stream> streams;
    std::uint32_t segment_bytes = 0;
  };
  std::map<std::size_t, Group> groups;  // by path
  for (auto& [id, stream] : streams_) {
    if (!stream.sends) continue;
    const StreamHealth health = stream.counters->health();
    // Between the worker's own looks, not between these calls: their distance is known exactly.
    if (const Time over = health.sample.at - stream.measured_at; over > 0) {
      const std::uint64_t sent = health.sent_bytes - std::min(health.sent_bytes, stream.sent_bytes);
      const bool first = stream.measured_at == 0;
      stream.bytes_per_s =
          first ? 0 : static_cast<double>(sent) * static_cast<double>(second) / static_cast<double>(over);
      stream.measured_at = health.sample.at;
      stream.sent_bytes = health.sent_bytes;
    } else if (now - stream.measured_at > allot_every) {
      stream.bytes_per_s = 0;  // its worker does not even look: it has nothing to send
    }
    Group& group = groups[stream.path];
    group.streams.push_back({id, stream.bytes_per_s});
    if (health.segment_bytes != 0) group.segment_bytes = health.segment_bytes;
  }
  std::vector<paths::Allotter::Path> paths;
  for (const auto& [number, group] : groups) {
    const PathOptions& options = paths_[number].options;
    // TCP paces payload by itself. Where the queueing discipline fq does it, whole packets are counted, and up to 5 %
    // of a cap stay unused.
    const double wire = paths::wire_per_payload(group.segment_bytes, is_ipv6(options.remote));
    paths.push_back({.id = static_cast<std::uint32_t>(number),
                     .cap = static_cast<double>(cap_of(paths_[number])) / bits_per_byte,
                     .weight = options.weight > 0 ? options.weight : spare_weight,
                     .wire = wire,
                     .wire_of_pace = wire,
                     .streams = group.streams});
  }
  for (const auto& pace : allotter_.allot(paths, static_cast<double>(cap_of_all()) / bits_per_byte))
    set_pace(pace.stream, streams_.at(pace.stream), pace.rate, is_held());
}

}  // namespace longhaul::engine
