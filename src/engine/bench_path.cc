// What paths to another machine carry: ordinary sessions and transfers, of bytes that are made up to a sink that drops
// them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "disk/system_disk.h"
#include "engine/bench_measure.h"
#include "engine/bench_source.h"
#include "engine/network_settings.h"
#include "longhaul/transfer.h"
#include "longhaul/units.h"
#include "wire/wire.h"

namespace longhaul {
namespace {

constexpr double retry_for_s = 20;  // somebody sits before the screen
constexpr std::array meetings_s = {0.3, 5.0};
constexpr std::uint64_t window_usual_max = std::uint64_t{64} << 20U;

/// What the events of a transfer say of it while it runs.
class Watcher {
 public:
  void begin() {
    const std::lock_guard lock(mutex_);
    first_.reset();
    last_.reset();
  }
  void take(const Event& event) {
    const std::lock_guard lock(mutex_);
    if (event.type == Event::Type::path_down) why_down_[event.path] = event.error.text;
    if (event.type != Event::Type::progress || !event.report) return;
    if (!first_ && event.report->bytes > 0) first_ = event.report;
    last_ = event.report;
    note_round_trips(*event.report);
  }
  void take(const Report& end) {
    const std::lock_guard lock(mutex_);
    note_round_trips(end);
  }
  /// Between the first and the last look while it was under way, where they are far enough from each other; else all of
  /// it.
  [[nodiscard]] BenchRate rate(const Report& end) const {
    const std::lock_guard lock(mutex_);
    BenchRate rate{.bytes = end.bytes, .seconds = end.seconds, .cpu_seconds = end.cpu_seconds_sender};
    if (!first_ || last_->seconds - first_->seconds < 1.5 || last_->bytes <= first_->bytes) return rate;
    rate.cpu_seconds *= static_cast<double>(last_->bytes - first_->bytes) / static_cast<double>(end.bytes);
    rate.bytes = last_->bytes - first_->bytes;
    rate.seconds = last_->seconds - first_->seconds;
    return rate;
  }
  [[nodiscard]] std::uint64_t rtt_us_min(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto found = rtt_us_min_.find(path);
    return found == rtt_us_min_.end() ? 0 : found->second;
  }
  [[nodiscard]] std::uint64_t rtt_us(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    if (!last_) return 0;
    const auto found = std::ranges::find(last_->paths, path, &PathReport::name);
    return found == last_->paths.end() ? 0 : found->rtt_us;
  }
  [[nodiscard]] std::string why_down(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto found = why_down_.find(path);
    return found == why_down_.end() ? std::string() : found->second;
  }

 private:
  void note_round_trips(const Report& report) {
    for (const PathReport& path : report.paths) {
      if (path.rtt_us == 0) continue;
      std::uint64_t& least = rtt_us_min_.try_emplace(path.name, path.rtt_us).first->second;
      least = std::min(least, path.rtt_us);
    }
  }

  mutable std::mutex mutex_;
  std::shared_ptr<const Report> first_;
  std::shared_ptr<const Report> last_;
  std::map<std::string, std::uint64_t> rtt_us_min_;  ///< over all transfers: the first ones meet empty queues
  std::map<std::string, std::string> why_down_;
};

class PathRun {
 public:
  PathRun(const PathBenchOptions& options, const BenchProgress& progress, StopFlag* stop)
      : options_(options), progress_(progress), stop_(stop) {
    const auto disk = disk::make_system_disk(nullptr);
    settings_ = engine::network_settings(*disk);
    bench_.send_window_max = settings_.send.most;
  }
  Result<PathBench> run(const std::string& ticket);

 private:
  Result<> meet();
  Result<> alone(PathFigure& figure);
  Result<> all();
  Result<Report> send(double seconds, bool last);
  Result<> set_in_use(const std::string& path, bool in_use);
  bool note_who_is_up(const Report& report);
  [[nodiscard]] std::vector<std::string> measured() const;
  [[nodiscard]] std::string congestion_of(const PathReport& path) const;
  void find_hints();
  void hint_at_window(const PathFigure& path);
  void say(const std::string& what) const {
    if (progress_) progress_(what);
  }

  const PathBenchOptions& options_;
  const BenchProgress& progress_;
  StopFlag* stop_;
  engine::NetworkSettings settings_;
  Watcher watcher_;
  std::unique_ptr<Session> session_;
  PathBench bench_;
};

Result<PathBench> PathRun::run(const std::string& ticket) {
  Options engine = options_.engine;
  engine.retry_for_s = retry_for_s;
  auto session = Session::dial(ticket, engine, [this](const Event& event) { watcher_.take(event); }, stop_);
  if (!session) return std::unexpected(session.error());
  session_ = *std::move(session);
  const auto there = session_->snapshot();
  if (!there) return std::unexpected(there.error());
  for (const PathReport& path : there->paths) bench_.paths.push_back({.name = path.name});
  if (auto met = meet(); !met) return std::unexpected(met.error());
  for (PathFigure& path : bench_.paths)
    if (path.why.empty())
      if (auto done = alone(path); !done) return std::unexpected(done.error());
  if (bench_.paths.size() > 1)
    if (auto done = all(); !done) return std::unexpected(done.error());
  find_hints();
  return std::move(bench_);
}

Result<> PathRun::set_in_use(const std::string& path, bool in_use) {
  using Kind = Adjustment::Kind;
  auto done = session_->adjust(
      {.kind = in_use ? Kind::enable_path : Kind::disable_path, .path = {.name = path}, .cap_bits_per_s = 0});
  if (!done) return std::unexpected(done.error());
  return {};
}

Result<Report> PathRun::send(double seconds, bool last) {
  watcher_.begin();
  const Outcome outcome = session_->send(engine::make_timed_source(seconds, last));
  if (!outcome.ok) return std::unexpected(outcome.error);
  watcher_.take(outcome.report);
  bench_.cipher = outcome.report.cipher;
  return outcome.report;
}

std::string PathRun::congestion_of(const PathReport& path) const {
  if (!path.congestion.empty()) return path.congestion;
  const auto asked = std::ranges::find(options_.engine.paths, path.name, &PathOptions::name);
  const bool named = asked != options_.engine.paths.end() && !asked->congestion.empty();
  return named ? asked->congestion : wire::usual_congestion;
}

/// Of each path that was not up: why. True: all were.
bool PathRun::note_who_is_up(const Report& report) {
  bool all = true;
  for (PathFigure& figure : bench_.paths) {
    const auto its = std::ranges::find(report.paths, figure.name, &PathReport::name);
    const bool up = its != report.paths.end() && (its->up || its->streams > 0 || its->bytes > 0);
    figure.why = up ? "" : watcher_.why_down(figure.name);
    if (!up && figure.why.empty())
      figure.why =
          "it did not come up: look whether the other end listens there, and whether a firewall drops what goes there";
    all = all && up;
  }
  return all;
}

/// Paths come up with a transfer: a short one finds out which do, and where some do not, a longer one.
Result<> PathRun::meet() {
  say("meeting the other end");
  if (bench_.paths.size() == 1) return {};
  for (const double seconds : meetings_s) {
    const auto sent = send(seconds, false);
    if (!sent) return std::unexpected(sent.error());
    if (note_who_is_up(*sent)) break;
  }
  return {};
}

Result<> PathRun::alone(PathFigure& figure) {
  say(fmt::format("path {} alone", figure.name));
  if (auto done = set_in_use(figure.name, true); !done) return done;
  for (const PathFigure& other : bench_.paths)
    if (other.name != figure.name)
      if (auto done = set_in_use(other.name, false); !done) return done;
  const auto report = send(options_.seconds, bench_.paths.size() == 1);
  if (!report) return std::unexpected(report.error());
  const auto found = std::ranges::find(report->paths, figure.name, &PathReport::name);
  if (found == report->paths.end()) return fail(Code::internal, "a path is not in the report of what it carried");
  figure.local = found->local;
  figure.remote = found->remote;
  figure.streams = found->streams;
  figure.rate = watcher_.rate(*report);
  figure.rtt_us_min = watcher_.rtt_us_min(figure.name);
  figure.rtt_us = watcher_.rtt_us(figure.name);
  figure.resent_bytes = report->resent_bytes;
  figure.congestion = congestion_of(*found);
  if (figure.rtt_us_min > 0)
    figure.window_bytes_per_s = static_cast<double>(settings_.send.most) * std::max(1U, figure.streams) * 1e6 /
                                static_cast<double>(figure.rtt_us_min);
  return {};
}

std::vector<std::string> PathRun::measured() const {
  std::vector<std::string> names;
  for (const PathFigure& path : bench_.paths)
    if (path.why.empty()) names.push_back(path.name);
  return names;
}

Result<> PathRun::all() {
  const std::vector<std::string> names = measured();
  if (names.empty()) return fail(Code::connection, "no path came up; the first one: " + bench_.paths.front().why);
  for (const std::string& name : names)
    if (auto done = set_in_use(name, true); !done) return done;
  if (names.size() == 1) {  // there is nothing more to find out: only the other end must hear that it is over
    const auto sent = send(meetings_s.front(), true);
    return sent ? Result<>() : std::unexpected(sent.error());
  }
  say("all paths together");
  const auto report = send(options_.seconds, true);
  if (!report) return std::unexpected(report.error());
  bench_.together = watcher_.rate(*report);
  return {};
}

/// Four times what it needs, so that it is no limit when the path is quicker at another time.
void PathRun::hint_at_window(const PathFigure& path) {
  const double rtt_s = static_cast<double>(path.rtt_us_min) * 1e-6;
  const double needed = path.rate.bytes_per_s() * rtt_s / std::max(1U, path.streams);
  const std::uint64_t wanted = std::max(window_usual_max, std::bit_ceil(static_cast<std::uint64_t>(4 * needed)));
  bench_.hints.push_back(
      fmt::format("path {}: {} of {} each carry at most {} over its {:.1f} ms, which is about what it did. As root, "
                  "here: {}; on the "
                  "other machine the same for tcp_rmem; or take more streams",
                  path.name, path.streams == 1 ? "1 window" : fmt::format("{} windows", path.streams),
                  format_bytes(settings_.send.most), format_rate(path.window_bytes_per_s), rtt_s * 1e3,
                  engine::sysctl_line("tcp_wmem", settings_.send, wanted)));
}

void PathRun::find_hints() {
  constexpr double close = 0.6;
  double sum = 0;
  for (const PathFigure& path : bench_.paths) {
    const double rate = path.rate.bytes_per_s();
    sum += rate;
    if (path.window_bytes_per_s > 0 && rate > close * path.window_bytes_per_s) hint_at_window(path);
    if (path.rtt_us > 3 * path.rtt_us_min && path.rtt_us > path.rtt_us_min + 20'000)
      bench_.hints.push_back(
          fmt::format("path {}: its round trip grows from {:.0f} to {:.0f} ms under load: what stands "
                      "in a queue there delays others; cap= of the path, a little below its rate, "
                      "or cc=bbr keeps it short",
                      path.name, static_cast<double>(path.rtt_us_min) * 1e-3, static_cast<double>(path.rtt_us) * 1e-3));
  }
  if (bench_.together && bench_.together->bytes_per_s() < 0.85 * sum)
    bench_.hints.push_back(
        fmt::format("together the paths carry {:.0f} % of what each carried alone: they share a link, "
                    "or one of the machines is at its limit ('longhaul bench wire' on each tells)",
                    100 * bench_.together->bytes_per_s() / sum));
}

}  // namespace

Result<PathBench> bench_path(const std::string& ticket, const PathBenchOptions& options, const BenchProgress& progress,
                             StopFlag* stop) {
  return PathRun(options, progress, stop).run(ticket);
}

Result<PathServed> serve_path_bench(const PathBenchOptions& options,
                                    const std::function<Result<>(const std::string& ticket)>& show, StopFlag* stop) {
  Options engine = options.engine;
  engine.retry_for_s = retry_for_s;
  const auto session = Session::listen(engine, {}, stop);
  if (!session) return std::unexpected(session.error());
  if (auto shown = show((*session)->ticket()); !shown) return std::unexpected(shown.error());
  PathServed served;
  for (bool last = false; !last;) {
    auto sink = engine::make_dropping_sink();
    const auto was_last = sink.last;
    const Outcome outcome = (*session)->receive(std::move(sink.sink));
    if (!outcome.ok) return std::unexpected(outcome.error);
    ++served.measurements;
    served.bytes += outcome.report.bytes;
    last = was_last->load();
  }
  const auto disk = disk::make_system_disk(nullptr);
  const engine::NetworkSettings settings = engine::network_settings(*disk);
  served.receive_window_max = settings.receive.most;
  if (settings.receive.most > 0 && settings.receive.most < window_usual_max)
    served.hints.push_back(fmt::format("for long paths: receive windows end at {} here. As root: {}",
                                       format_bytes(settings.receive.most),
                                       engine::sysctl_line("tcp_rmem", settings.receive, window_usual_max)));
  return served;
}

}  // namespace longhaul
