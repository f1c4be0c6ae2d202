// The session's figures: sampled once a second from counters that workers and storage own.
#include <algorithm>

#include "base/bytes.h"
#include "base/usage.h"
#include "engine/session_core.h"

namespace longhaul::engine {
namespace {

double as_seconds(Time time) {
  return static_cast<double>(time) / static_cast<double>(second);
}

/// Of `all`, as `part` is of `whole`.
std::uint64_t part_of(std::uint64_t all, std::uint64_t part, std::uint64_t whole) {
  if (part == whole) return all;
  return static_cast<std::uint64_t>(static_cast<double>(all) * static_cast<double>(part) / static_cast<double>(whole));
}

}  // namespace

const char* SessionCore::words_of(Use use) {
  switch (use) {
    case Use::in_use:
      return "in use";
    case Use::draining:
      return "draining";
    case Use::drained:
      return "drained";
    case Use::disabled:
      return "disabled";
    case Use::removed:
      return "removed";
  }
  return "";
}

Carried SessionCore::carried(std::size_t path) const {
  Carried sum = paths_[path].ended;
  for (const auto& [id, stream] : streams_)
    if (stream.path == path) sum += stream.counters->carried();
  return sum;
}

void SessionCore::sample(Time now) {
  const double seconds = std::max(as_seconds(now - sampled_at_), 1e-3);
  sampled_at_ = now;
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    const std::uint64_t bytes = carried(i).content_bytes;
    // A stream that ended took back what had not left this host.
    paths_[i].bytes_per_s = static_cast<double>(bytes - std::min(bytes, paths_[i].bytes_sampled)) / seconds;
    paths_[i].bytes_sampled = bytes;
  }
  for (const auto& [id, stream] : streams_) {
    if (!stream.sends) continue;
    const Time rtt = stream.counters->health().sample.rtt;
    if (rtt > 0) paths_[stream.path].rtt_us = static_cast<std::uint64_t>(rtt / 1000);
  }
  const auto rate = [&](auto& transfer, std::uint64_t bytes) {
    transfer.bytes_per_s = static_cast<double>(bytes - std::min(bytes, transfer.bytes_sampled)) / seconds;
    transfer.bytes_sampled = bytes;
  };
  for (auto& [transfer, outgoing] : outgoing_) {
    rate(outgoing, report_of(outgoing, now).bytes);
    look_at_evidence(outgoing, now);
  }
  for (auto& [transfer, incoming] : incoming_) rate(incoming, report_of(incoming, now).bytes);
}

/// With what only a transfer that runs has: the rate of the last second, and a forecast.
template <class Transfer>
Report SessionCore::running_report(const Transfer& transfer, Time now) const {
  Report report = report_of(transfer, now);
  report.bytes_per_s = transfer.bytes_per_s;
  const std::uint64_t found = report.bytes_found - std::min(report.bytes_found, report.skipped_bytes + report.bytes);
  if (report.walk_done && report.bytes > 0 && report.seconds > 0)
    report.eta_s = static_cast<double>(found) / (static_cast<double>(report.bytes) / report.seconds);
  if (report.walk_done && !report.forecast.empty() && forecast_end_s_) report.eta_s = *forecast_end_s_;
  return report;
}

void SessionCore::snapshot(std::function<void(Report)> done) {
  post([done = std::move(done)](SessionCore& self) {
    const auto running = std::find_if(self.incoming_.begin(), self.incoming_.end(),
                                      [](const auto& each) { return each.second.phase == Phase::running; });
    if (!self.outgoing_.empty()) return done(self.running_report(self.outgoing_.begin()->second, self.now_));
    if (running != self.incoming_.end()) return done(self.running_report(running->second, self.now_));
    if (!self.incoming_.empty()) return done(self.running_report(self.incoming_.begin()->second, self.now_));
    if (!self.waiting_receives_.empty()) return done(self.running_report(self.waiting_receives_.front(), self.now_));
    Report idle;
    idle.verdict = "nothing to do";
    self.add_paths(idle, 0);
    done(std::move(idle));
  });
}

void SessionCore::report_progress(Time now) {
  if (now - sampled_at_ < second) return;
  sample(now);
  tell_stages(now);
  tell_if_held_up(now);
  if (!setup_.observer) return;
  const auto tell = [&](const auto& transfer) {
    Event event;
    event.type = Event::Type::progress;
    event.report = std::make_shared<Report>(running_report(transfer, now));
    setup_.observer(event);
  };
  for (const auto& [transfer, outgoing] : outgoing_) tell(outgoing);
  for (const auto& [transfer, incoming] : incoming_)
    if (incoming.phase == Phase::running) tell(incoming);
}

/// A worker or the storage role that hangs in one call (a dead network mount, a throttled disk): the peer should wait,
/// and know.
void SessionCore::tell_if_held_up(Time now) {
  // Told within 2.5 s: after 3 a rail on which nothing arrives would be given up.
  constexpr Time held_up_after = 1500 * millisecond;
  if (!control_.up()) return;
  const auto look = [&](const Role& role) {
    const Time since = role.in_step_since.load(std::memory_order_relaxed);
    if (since == 0 || now - since < held_up_after) return;
    protocol::Message message;
    message.mutable_busy()->set_text(role.name() + " has been held up by a disk for " +
                                     std::to_string((now - since) / second) + " s");
    control_.send(message);
  };
  for (const Worker* worker : workers_) look(*worker);
  for (const auto& [transfer, incoming] : incoming_)
    if (incoming.phase == Phase::running) look(*incoming.storage);
}

/// `over_s`: rates over the whole run of so many seconds; 0: over the last second.
void SessionCore::add_paths(Report& report, double over_s) const {
  if (!session_.empty()) report.cipher = name_of(cipher_);
  // At the end: of a copy that lost, the kernel may hold megabytes that no path has carried. All else is durable, and
  // was carried, though the last look at its stream may have been too early to see that.
  std::vector<std::uint64_t> not_carried(paths_.size());
  for (const auto& [id, stream] : streams_)
    if (over_s > 0 && stream.sends) not_carried[stream.path] += stream.counters->health().handed_content;
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    const Path& path = paths_[i];
    PathReport out;
    out.name = path.options.name;
    out.local = path.options.local;
    out.remote = path.options.remote;
    out.transport = path.options.transport.empty() ? std::string(transport_tcp) : path.options.transport;
    const bool final = over_s > 0;
    out.streams = final ? path.streams_most : path.streams_up;
    out.up = final ? path.streams_most > 0 && !path.broken && path.use == Use::in_use : path.streams_up > 0;
    out.state = path.use != Use::in_use ? words_of(path.use) : !out.up ? "down" : path.duty.spared ? "spared" : "up";
    out.cap_bits_per_s = path.options.cap_bits_per_s;
    out.rtt_us = path.rtt_us;
    const Carried sum = carried(i);
    out.bytes = sum.content_bytes - std::min({sum.content_bytes, not_carried[i], report.resent_bytes});
    out.wire_bytes = part_of(sum.wire_bytes, out.bytes, sum.content_bytes);
    report.wire_bytes += out.wire_bytes;
    report.packed_frames += sum.packed_frames;
    report.futile_frames += sum.futile_frames;
    report.matched_bytes += sum.matched_bytes;
    report.shared_bytes += sum.shared_bytes;
    out.bytes_per_s = over_s > 0 ? static_cast<double>(out.bytes) / over_s : path.bytes_per_s;
    out.tags = path.options.tags;
    out.cap_bits_per_s = path.options.cap_bits_per_s;
    out.dscp = path.options.dscp;
    out.weight = path.options.weight;
    out.cost_per_gb = path.options.cost_per_gb;
    out.cost = path.options.cost_per_gb * static_cast<double>(out.wire_bytes) / 1e9;
    out.excluded = path.excluded;
    out.streams_why = streams_why(path);
    out.congestion = path.congestion.words();
    out.slots = slots_words(path);
    out.degraded = path.watch.health.degraded();
    out.times_degraded = path.watch.times_degraded;
    out.evidence = path.watch.evidence;
    report.cost += out.cost;
    report.paths.push_back(std::move(out));
  }
  const bool chosen = setup_.options.streams != 0;
  report.streams_chosen = chosen ? std::to_string(setup_.options.streams) + " per path, as asked"
                          : setup_.options.try_streams
                              ? "auto: path by path"
                              : std::to_string(paths::streams_auto_start) + " per path, the usual number";
}

/// Final figures: rates over the whole run.
void SessionCore::close_report(Report& report) const {
  report.paths.clear();
  report.cost = 0;
  report.wire_bytes = report.packed_frames = report.futile_frames = report.matched_bytes = report.shared_bytes = 0;
  add_paths(report, std::max(report.seconds, 1e-3));
  report.bytes_per_s = static_cast<double>(report.bytes) / std::max(report.seconds, 1e-3);
  report.eta_s = 0;
  if (!report.forecast.empty()) report.forecast = deadline_words();
}

Report SessionCore::report_of(const Outgoing& outgoing, Time now) const {
  Report report;
  if (outgoing.planner) outgoing.planner->fill(report);
  report.transfer = to_hex(bytes_of(outgoing.id));
  report.role = "sender";
  report.compression = name_of(setup_.options.compression);
  report.files += outgoing.before_files;
  report.bytes += outgoing.before_bytes;
  report.seconds = as_seconds(now - outgoing.began);
  if (setup_.reports_cpu) report.cpu_seconds_sender = process_cpu_seconds() - outgoing.cpu_began;
  report.resent_bytes = outgoing.before_resent + (outgoing.planner ? outgoing.planner->resent_bytes() : 0);
  report.paused = is_held();
  report.cap_bits_per_s = cap_of_all();
  report.schedule = schedule_words();
  report.forecast = forecast_;
  report.dry_run = setup_.options.dry_run;
  judge(report, outgoing, now);
  if (!outgoing.opened) report.verdict = "waiting for the receiver";
  if (outgoing.opened && !is_held() && !any_path_in_use()) report.verdict = "no path is in use";
  if (outgoing.opened && !is_held() && all_spared()) report.verdict = forecast_;
  if (!report.schedule.empty()) report.verdict += " (timetable: " + report.schedule + ")";
  add_paths(report, 0);
  return report;
}

Report SessionCore::report_of(const Incoming& incoming, Time now) const {
  Report report;
  report.transfer = incoming.id;
  report.role = "receiver";
  report.files = incoming.before_files;
  report.bytes = incoming.before_bytes;
  report.dry_run = incoming.dry_run;
  report.durability = incoming.dry_run                                         ? ""
                      : incoming.sink && incoming.sink->directory().empty()    ? "none (stream)"
                      : incoming.storage && incoming.storage->syncs_together() ? "syncfs"
                                                                               : "fsync";
  if (incoming.storage != nullptr) {
    const ReceiveCounters& counters = incoming.storage->counters();
    report.files += counters.files.load(std::memory_order_relaxed);
    report.bytes += counters.bytes.load(std::memory_order_relaxed);
    report.files_found = counters.files_found.load(std::memory_order_relaxed);
    report.bytes_found = counters.bytes_found.load(std::memory_order_relaxed);
    report.skipped_files = counters.skipped_files.load(std::memory_order_relaxed);
    report.skipped_bytes = counters.skipped_bytes.load(std::memory_order_relaxed);
    report.left_alone = counters.left_alone.load(std::memory_order_relaxed);
    report.compared_files = counters.compared_files.load(std::memory_order_relaxed);
    report.compared_bytes = counters.compared_bytes.load(std::memory_order_relaxed);
    report.same_files = counters.same_files.load(std::memory_order_relaxed);
    report.directories = counters.directories.load(std::memory_order_relaxed);
    report.symlinks = counters.symlinks.load(std::memory_order_relaxed);
    report.linked = counters.hard_links.load(std::memory_order_relaxed);
    report.specials = counters.specials.load(std::memory_order_relaxed);
    report.owners_not_kept = counters.owners_not_kept.load(std::memory_order_relaxed);
    report.attributes_not_kept = counters.attributes_not_kept.load(std::memory_order_relaxed);
    report.modes_not_kept = counters.modes_not_kept.load(std::memory_order_relaxed);
    report.deleted_files = counters.mirror.files.load(std::memory_order_relaxed);
    report.deleted_directories = counters.mirror.directories.load(std::memory_order_relaxed);
    report.deletions_over = counters.mirror.over.load(std::memory_order_relaxed);
    report.mounts_kept = counters.mirror.mounts_kept.load(std::memory_order_relaxed);
    report.deletions_held = counters.mirror.held.load(std::memory_order_relaxed);
    report.would_send_files = counters.would_send_files.load(std::memory_order_relaxed);
    report.would_send_bytes = counters.would_send_bytes.load(std::memory_order_relaxed);
    report.would_change = counters.would_change.load(std::memory_order_relaxed);
  }
  report.walk_done = incoming.entries_known;
  report.failed_files = incoming.failed_files;
  report.resent_bytes = incoming.resent_bytes;
  report.errors = incoming.errors;
  report.seconds = as_seconds(now - incoming.began);
  if (setup_.reports_cpu) report.cpu_seconds_receiver = process_cpu_seconds() - incoming.cpu_began;
  report.cpu_seconds_sender = incoming.cpu_sender;
  report.paused = peer_standing_.paused();
  report.cap_bits_per_s = peer_standing_.cap_bits_per_s();
  report.schedule = schedule_words();
  report.verdict = !control_.up() || incoming.phase == Phase::waiting ? "waiting for the sender"
                   : report.paused                                    ? "paused"
                                                                      : "";
  judge(report, incoming, now);
  if (!report.schedule.empty()) report.verdict += " (timetable: " + report.schedule + ")";
  add_paths(report, 0);
  return report;
}

}  // namespace longhaul::engine
