// Where the time of this session's threads goes, what the peer tells of its own, and what both say of the limit.
#include <algorithm>
#include <cmath>

#include "base/bytes.h"
#include "engine/session_core.h"

namespace longhaul::engine {
namespace {

constexpr int limits_told_most = 8;
constexpr std::uint64_t us_most = std::uint64_t{1} << 40;  // what a peer may tell of one stage: twelve days of a thread
constexpr Time before_most =
    Time{us_most} * 1000 * static_cast<Time>(stage_count);  // of one that begins anew again and again

using Microseconds = google::protobuf::RepeatedField<std::uint64_t>;

void put(const StageTimes& times, Microseconds& out) {
  for (const Time spent : times.all()) out.Add(static_cast<std::uint64_t>(std::max<Time>(spent, 0) / 1000));
}

/// What this side knows of them: a newer peer may tell of further stages.
StageTimes from_wire(const Microseconds& told) {
  StageTimes times;
  const std::size_t known = std::min(stage_count, static_cast<std::size_t>(told.size()));
  for (std::size_t i = 0; i < known; ++i)
    times[static_cast<Stage>(i)] = static_cast<Time>(std::min(told[static_cast<int>(i)], us_most)) * 1000;
  return times;
}

std::vector<LimitReport> from_wire(const google::protobuf::RepeatedPtrField<protocol::Limit>& told) {
  std::vector<LimitReport> limits;
  for (const protocol::Limit& each : told) {
    if (limits.size() == limits_told_most) break;
    const double share = std::isfinite(each.share()) ? std::clamp(each.share(), 0.0, 1.0) : 0;
    limits.push_back({each.what().substr(0, protocol::text_bytes_max), share});
  }
  return limits;
}

}  // namespace

/// Since the session began, of all its threads. Roles outlive it, also those that have ended.
EndTimes SessionCore::own_times(Time now) const {
  EndTimes times;
  for (const Worker* worker : workers_) times.workers += worker->stages.times(now);
  for (const Role* role : file_roles_) times.files += role->stages.times(now);
  times.control = stages.times(now);
  return times;
}

Evidence SessionCore::evidence(const Outgoing& outgoing, Time now) const {
  Evidence found;
  found.sender = own_times(now);
  found.receiver = outgoing.peer_before;
  found.receiver += outgoing.peer;
  for (const Path& path : paths_) {
    PathTimes& times = found.paths.emplace_back(path.times);
    times.name = path.options.name;
    times.cap_bits_per_s = path.options.cap_bits_per_s;
  }
  found.cap_of_all_bits_per_s = cap_of_all();
  found.span = now - outgoing.began;
  if (outgoing.planner) found.starved = outgoing.planner->starved_for(now);
  return found;
}

void SessionCore::begin_evidence(Outgoing& outgoing, Time now) const {
  outgoing.evidence_began = outgoing.evidence_seen = outgoing.evidence_judged = evidence(outgoing, now);
}

/// Once a second: what was seen three seconds ago counts for an eighth.
void SessionCore::look_at_evidence(Outgoing& outgoing, Time now) const {
  Evidence found = evidence(outgoing, now);
  outgoing.evidence_recent.fade();
  outgoing.evidence_recent.add(found.since(outgoing.evidence_seen));
  // Each end tells by its own clock: a second in which nothing was heard of the receiver is judged with the next one.
  const bool heard = found.receiver.workers.sum() > outgoing.evidence_judged.receiver.workers.sum();
  if (heard || (peer_features_ & protocol::feature_stages) == 0) judge_span(outgoing, found);
  outgoing.evidence_seen = std::move(found);
}

void SessionCore::judge_span(Outgoing& outgoing, const Evidence& now) {
  const Evidence span = now.since(outgoing.evidence_judged);
  outgoing.limit_sum.add(span);
  outgoing.target_holds_up = waits_for_disk(span.receiver);
  outgoing.evidence_judged = now;
}

/// Over the whole run, which ends here.
std::vector<LimitReport> SessionCore::final_limits(Outgoing& outgoing, Time now) const {
  const Evidence found = evidence(outgoing, now);
  judge_span(outgoing, found);
  return outgoing.limit_sum.limits(found.since(outgoing.evidence_began));
}

void SessionCore::note_pressure(Path& path, const PathMeter::Figures& figures, Time span) {
  const auto part = [&](double of) { return static_cast<Time>(of * static_cast<double>(span)); };
  path.times.pressed += part(figures.pressed);
  if (figures.capped) path.times.capped += part(figures.pressed);
  path.times.window += part(std::min(figures.pressed, std::max(figures.peer_held, figures.buffer_held)));
  path.times.slots_held += part(std::min(figures.pressed, figures.slots_held));
  if (figures.slots > 0) {
    path.times.slots = figures.slots;
    path.times.slots_each = figures.slots_each;
    path.times.slot_trips = figures.slot_trips;
    path.times.rtt_min = figures.rtt_min;
  }
  path.times.sent_bytes += figures.sent_bytes;
  path.times.resent_bytes += figures.resent_bytes;
}

void SessionCore::tell_stages(Time now) {
  if (!control_.up()) return;
  const EndTimes own = own_times(now);
  for (const auto& [transfer, outgoing] : outgoing_)
    if (outgoing.accepted)
      tell_stages(transfer, own.since(outgoing.evidence_began.sender), limits_of(outgoing.evidence_recent));
  for (const auto& [transfer, incoming] : incoming_)
    if (incoming.phase == Phase::running) tell_stages(transfer, own.since(incoming.times_began), {});
}

void SessionCore::tell_stages(std::uint32_t transfer, const EndTimes& times, const std::vector<LimitReport>& limits) {
  if ((peer_features_ & protocol::feature_stages) == 0) return;
  protocol::Message message;
  auto& told = *message.mutable_stages();
  told.set_transfer(transfer);
  put(times.workers, *told.mutable_workers_us());
  put(times.files, *told.mutable_files_us());
  put(times.control, *told.mutable_control_us());
  for (const LimitReport& each : limits) {
    if (told.limits_size() == limits_told_most) break;
    auto& limit = *told.add_limits();
    limit.set_what(each.what.substr(0, protocol::text_bytes_max));
    limit.set_share(each.share);
  }
  control_.send(message);
}

void SessionCore::take_stages(const protocol::Stages& told) {
  const EndTimes times{from_wire(told.workers_us()), from_wire(told.files_us()), from_wire(told.control_us())};
  if (const auto at = outgoing_.find(told.transfer()); at != outgoing_.end()) {
    Outgoing& outgoing = at->second;
    const bool anew = times.workers.sum() < outgoing.peer.workers.sum();
    if (anew && outgoing.peer_before.workers.sum() < before_most) outgoing.peer_before += outgoing.peer;
    outgoing.peer = times;
  }
  if (const auto at = incoming_.find(told.transfer()); at != incoming_.end()) {
    at->second.peer = times;
    at->second.limits = from_wire(told.limits());
  }
}

/// A verdict that says why nothing moves stays.
void SessionCore::judge(Report& report, const Outgoing& outgoing, Time now) const {
  const Evidence whole = evidence(outgoing, now).since(outgoing.evidence_began);
  report.stages = stages_of(whole.sender, whole.receiver);
  report.limits = outgoing.limits.empty() ? limits_of(outgoing.evidence_recent) : outgoing.limits;
  if (!report.verdict.empty()) return;
  report.verdict = verdict_of(report.limits);
  if (report.verdict.empty()) report.verdict = "network or disks";
}

void SessionCore::judge(Report& report, const Incoming& incoming, Time now) const {
  report.stages = stages_of(incoming.peer, own_times(now).since(incoming.times_began));
  report.limits = incoming.limits;
  if (!report.verdict.empty()) return;
  report.verdict = verdict_of(report.limits);
  if (report.verdict.empty()) report.verdict = "network or sender";
}

}  // namespace longhaul::engine
