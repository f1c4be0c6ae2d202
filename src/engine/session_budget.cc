// Deadline and money of what this side sends: which paths carry now, and what will come of it. The decisions are
// paths::Budget's; here it is asked, and obeyed. Without a deadline or a limit of cost every path carries, and nothing
// of this runs.
#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "engine/local_time.h"
#include "engine/session_core.h"
#include "longhaul/units.h"

namespace longhaul::engine {
namespace {

constexpr Time keep_every = second;
constexpr Time keep_soon = 100 * millisecond;   // while sources are still being found
constexpr Time keep_least = 20 * millisecond;   // when the money runs out
constexpr Time tell_again_after = 10 * second;  // a forecast at the edge goes to and fro
constexpr double busy_least = 0.5;              // of its time: then what it carries is what it can
constexpr double stuck_from = 0.9;
constexpr Time stuck_least = second;  // without a byte; acknowledgements come in lumps
constexpr double stuck_rtts = 4;
// What a path was measured at before that is the start of its windows.
constexpr Time settled_after = 2 * second;
constexpr double settled_rtts = 12;
constexpr double bits_per_byte = 8;

double as_seconds(Time time) {
  return static_cast<double>(time) / static_cast<double>(second);
}

Time as_time(double seconds) {
  return static_cast<Time>(seconds * static_cast<double>(second));
}

}  // namespace

bool SessionCore::has_budget() const {
  return setup_.options.deadline_unix_s > 0 || setup_.options.max_cost >= 0;
}

/// Negative once it is over.
double SessionCore::deadline_left_s() const {
  return setup_.options.deadline_unix_s - as_seconds(world_.clock.wall_ns());
}

/// Once in every step. Looks once a second, and when a path has come, gone or changed its use.
void SessionCore::keep_budget(Time now) {
  if (!has_budget() || now < budget_due_ || is_held()) return;
  bool sends = false;
  bool unsent = false;
  for (const auto& [transfer, outgoing] : outgoing_) {
    sends = sends || outgoing.planner != nullptr;
    unsent = unsent || (outgoing.planner != nullptr && outgoing.planner->has_unsent());
  }
  if (!sends) return;
  bool walk_done = true;
  const paths::Budget::Ask ask = budget_ask(now, walk_done);
  const auto paths = budget_paths(now);
  auto answer = budget_.decide(without_spares(paths), ask);
  if (answer.spent) answer = budget_.decide(paths, ask);  // nobody can be paid any more: those that cost nothing may
  budget_due_ = now + std::min(walk_done ? keep_every : keep_soon, half_of_the_money(paths, answer));
  bool capped = false;
  for (const paths::Budget::Use& use : answer.paths) {
    // When everything is given out, what has begun goes on as fast as it can, for it costs the same. A path that is
    // spared may still be called in: to take over from one that collapses.
    if (unsent || use.used) put_to_use(use, now);
    const auto cap = unsent ? static_cast<std::uint64_t>(use.rate * bits_per_byte) : 0;
    const bool was_capped = std::exchange(paths_[use.id].duty.cap_bits_per_s, cap) != 0;
    capped = capped || was_capped != (cap != 0);
  }
  if (capped) share_caps();
  forecast_end_s_ = answer.end_s;
  forecast_ = answer.words;
  if (!walk_done) forecast_ += " (of what has been found so far)";
  tell_forecast(answer.met, now);
  if (answer.spent) end_if_spent(now);
}

paths::Budget::Ask SessionCore::budget_ask(Time now, bool& walk_done) const {
  paths::Budget::Ask ask;
  ask.now = now;
  for (const auto& [transfer, outgoing] : outgoing_) {
    if (!outgoing.planner) continue;
    ask.bytes += outgoing.planner->bytes_left();
    walk_done = walk_done && outgoing.planner->walk_done();
  }
  if (!walk_done) ask.bytes = std::max(ask.bytes, expected_left());
  ask.bytes = on_the_wire(ask.bytes);
  ask.bytes = std::max<std::uint64_t>(ask.bytes, 1);  // empty files want a path too
  if (setup_.options.deadline_unix_s > 0) ask.deadline_s = deadline_left_s();
  if (setup_.options.max_cost >= 0) ask.money = setup_.options.max_cost;
  ask.cap = static_cast<double>(cap_of_all()) / bits_per_byte;
  ask.local = local_time(world_.clock.wall_ns());
  return ask;
}

/// Rates and money are about what crosses: as much of what is left as of what has gone out, where frames are packed.
std::uint64_t SessionCore::on_the_wire(std::uint64_t content_bytes) const {
  Carried sum;
  for (std::size_t path = 0; path < paths_.size(); ++path) sum += carried(path);
  if (sum.wire_bytes == sum.content_bytes || sum.content_bytes == 0) return content_bytes;
  return static_cast<std::uint64_t>(static_cast<double>(content_bytes) * static_cast<double>(sum.wire_bytes) /
                                    static_cast<double>(sum.content_bytes));
}

/// Of what the sources were counted to hold before, if they were.
std::uint64_t SessionCore::expected_left() const {
  std::uint64_t gone = 0;
  for (const auto& [transfer, outgoing] : outgoing_) {
    if (!outgoing.planner) continue;
    Report report;
    outgoing.planner->fill(report);
    gone += report.bytes + report.skipped_bytes;
  }
  return setup_.options.expected_bytes - std::min(setup_.options.expected_bytes, gone);
}

/// The time in which half of what is left would be spent.
Time SessionCore::half_of_the_money(const std::vector<paths::Budget::Path>& paths,
                                    const paths::Budget::Answer& answer) const {
  if (setup_.options.max_cost < 0) return keep_every;
  double per_s = 0;
  for (const paths::Budget::Path& path : paths)
    per_s += std::max(path.measured, path.permitted ? budget_.expected(path.id) : 0) / 1e9 * path.cost_per_gb;
  const double left = std::max(0.0, setup_.options.max_cost - answer.cost);
  return per_s <= 0 ? keep_every
                    : as_time(std::clamp(left / per_s / 2, as_seconds(keep_least), as_seconds(keep_every)));
}

/// What each path has done since the last look, and whether that is all that it can.
std::vector<paths::Budget::Path> SessionCore::budget_paths(Time now) {
  const auto streams = metered_streams();
  std::vector<paths::Budget::Path> found;
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    Path& path = paths_[i];
    if (streams[i].empty() || path.duty.spared) path.duty.since = path.duty.moved_at = now;
    const PathMeter::Figures figures = path.duty.meter.take(streams[i]);
    const bool busy = figures.pressed >= busy_least && figures.peer_held < busy_least && !figures.capped;
    const bool waits = figures.rate > 0 || figures.pressed < stuck_from || figures.peer_held >= busy_least;
    if (waits) path.duty.moved_at = now;
    const bool young = now - path.duty.since < settled_after + as_time(settled_rtts * figures.rtt_s);
    const bool stuck = !young && now - path.duty.moved_at >= std::max(stuck_least, as_time(stuck_rtts * figures.rtt_s));
    paths::Budget::Path its;
    its.id = static_cast<std::uint32_t>(i);
    its.measured = figures.rate;
    its.held = !busy || young;
    its.cap = static_cast<double>(path.options.cap_bits_per_s) / bits_per_byte;
    its.estimate = its.cap;
    its.cost_per_gb = path.options.cost_per_gb;
    its.permitted = path.may_carry() && !streams[i].empty() && !stuck;
    its.sent_bytes = carried(i).wire_bytes;
    found.push_back(its);
  }
  return found;
}

/// While any other path can carry.
std::vector<paths::Budget::Path> SessionCore::without_spares(std::vector<paths::Budget::Path> paths) const {
  const auto is_spare = [this](const paths::Budget::Path& its) { return paths_[its.id].options.weight <= 0; };
  if (std::ranges::any_of(paths, [&](const auto& its) { return its.permitted && !is_spare(its); }))
    for (paths::Budget::Path& its : paths) its.permitted = its.permitted && !is_spare(its);
  return paths;
}

/// With what it may carry for the money, by the transfers side by side.
void SessionCore::put_to_use(const paths::Budget::Use& use, Time now) {
  Path& it = paths_[use.id];
  if (it.duty.spared == use.used) {
    it.duty.spared = !use.used;
    it.duty.since = now;
    offer_or_retire(use.id);
  }
  std::optional<double> bytes = use.payable_bytes;
  if (bytes) *bytes /= static_cast<double>(std::max<std::size_t>(outgoing_.size(), 1));
  for (auto& [transfer, outgoing] : outgoing_)
    if (outgoing.planner) outgoing.planner->allow(use.id, bytes);
}

/// When it turns, and not in the first seconds, in which little is known.
void SessionCore::tell_forecast(bool met, Time now) {
  if (forecast_told_at_ == 0) forecast_told_at_ = now;
  if (forecast_met_ == met || now - forecast_told_at_ < tell_again_after) return;
  forecast_met_ = met;
  forecast_told_at_ = now;
  note(Event::Type::note, "forecast: " + forecast_);
}

/// A transfer that has something left to send, when what is on its way has arrived. A path that costs nothing may come
/// back: then it waits for that.
void SessionCore::end_if_spent(Time now) {
  const auto is_free = [](const Path& path) { return path.may_carry() && path.options.cost_per_gb <= 0; };
  if (std::any_of(paths_.begin(), paths_.end(), is_free)) return;
  for (auto at = outgoing_.begin(); at != outgoing_.end();) {
    const auto& [transfer, outgoing] = *at++;
    if (!outgoing.planner || !outgoing.planner->has_unsent() || !outgoing.planner->at_rest()) continue;
    const Error error{Code::stalled, forecast_ + "; the same command again goes on", 0};
    tell_stop(transfer, error);
    finish_outgoing(transfer, error, nullptr, now);
  }
}

/// Paths are there, and none may work: the money is spent, or they are not up.
bool SessionCore::all_spared() const {
  const auto may = [](const Path& path) { return path.may_carry() && path.streams_up > 0; };
  return has_budget() && std::any_of(paths_.begin(), paths_.end(), may) &&
         std::none_of(paths_.begin(), paths_.end(), [&](const Path& path) { return may(path) && path.works(); });
}

/// At the end.
std::string SessionCore::deadline_words() const {
  if (setup_.options.deadline_unix_s <= 0) return {};
  const double left_s = deadline_left_s();
  return left_s >= 0 ? "deadline met, " + format_duration(left_s) + " before it"
                     : "deadline missed by " + format_duration(-left_s);
}

}  // namespace longhaul::engine
