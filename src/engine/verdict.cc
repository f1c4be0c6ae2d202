#include "engine/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <numeric>
#include <span>
#include <utility>

#include "paths/words.h"

namespace longhaul::engine {
namespace {

using Cause = LimitSum::Cause;

constexpr double share_least = 0.01;
constexpr double second_least = 0.25;    // a cause beside the largest is worth saying
constexpr double fed_most = 0.2;         // a receiver that waits less than that for data is what holds it up
constexpr double part_telling = 0.5;     // of the time in which a path was pressed
constexpr double loss_telling = 0.0005;  // of what was sent

constexpr std::array sender_work = {Stage::digest,  Stage::pack,   Stage::seal, Stage::send,
                                    Stage::receive, Stage::unseal, Stage::sync, Stage::other};
constexpr std::array receiver_work = {Stage::receive, Stage::unseal, Stage::unpack, Stage::verify,
                                      Stage::digest,  Stage::send,   Stage::seal,   Stage::other};

using Stages = std::span<const Stage>;

double sum_of(const StageTimes& times, Stages stages) {
  return std::accumulate(stages.begin(), stages.end(), 0.0,
                         [&](double sum, Stage each) { return sum + static_cast<double>(times[each]); });
}
double sum_of(const StageTimes& times, std::initializer_list<Stage> stages) {
  return sum_of(times, Stages(stages.begin(), stages.size()));
}

double ratio(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

/// "digest and seal (CPU of the sender)": of all, the two that take most.
std::string work_words(const StageTimes& times, Stages stages, const char* whose) {
  std::vector<Stage> by_time(stages.begin(), stages.end());
  std::ranges::sort(by_time, [&](Stage one, Stage other) { return times[one] > times[other]; });
  const auto words = [](Stage stage) { return stage == Stage::other ? "bookkeeping" : std::string(name_of(stage)); };
  std::string named = words(by_time[0]);
  if (times[by_time[1]] * 3 >= times[by_time[0]]) named += " and " + words(by_time[1]);
  return named + " (CPU of the " + whose + ")";
}

/// Gives `time` to all of them, to each as it has.
void divide(LimitSum& shares, double time, const LimitSum& parts) {
  const double whole = parts.time();
  for (const LimitSum::Part& part : parts.parts()) shares.add(part.cause, part.path, time * ratio(part.time, whole));
}

/// What storage does while others wait for it.
void add_storage(LimitSum& parts, const StageTimes& storage, double scale) {
  parts.add(Cause::target_sync, sum_of(storage, {Stage::sync, Stage::wait_sync}) * scale);
  parts.add(Cause::target_write, sum_of(storage, {Stage::write, Stage::wait_write}) * scale);
  parts.add(Cause::target_names, sum_of(storage, {Stage::names}) * scale);
}

/// The receiver took no more: whatever its workers did instead.
void blame_receiver(LimitSum& shares, double time, const EndTimes& receiver) {
  const StageTimes& workers = receiver.workers;
  LimitSum parts;
  parts.add(Cause::receiver_work, sum_of(workers, receiver_work));
  parts.add(Cause::target_write, sum_of(workers, {Stage::write, Stage::wait_write, Stage::sync}));
  parts.add(Cause::target_names, sum_of(workers, {Stage::names}));
  parts.add(Cause::older_read, sum_of(workers, {Stage::read, Stage::wait_read}));
  LimitSum storage;
  add_storage(storage, receiver.files, 1);
  if (storage.time() <= 0) storage.add(Cause::target_sync, 1);
  divide(parts, sum_of(workers, {Stage::wait_commit}), storage);
  divide(shares, time, parts);
}

/// The grant is what was on the way at that rate; what would raise it.
std::string slots_words(const PathTimes& path, double bytes_per_s) {
  const std::string remedy = path.slots_each < path_slots_max
                                 ? fmt::format("slots={} allows more", std::min(2 * path.slots_each, path_slots_max))
                                 : "more streams have more";
  return fmt::format(" (limited by slots: {} x 256 KiB for {} x {:.1f} ms; {})", path.slots,
                     paths::bits_per_s(bytes_per_s),
                     static_cast<double>(path.rtt_min) / static_cast<double>(millisecond), remedy);
}

/// Why it carries no more, over a time of `span`.
std::string path_words(const PathTimes& path, std::uint64_t cap_of_all_bits_per_s, Time span) {
  const auto part = [&](Time of) { return ratio(static_cast<double>(of), static_cast<double>(path.pressed)); };
  const auto rate = [](std::uint64_t bits_per_s) { return paths::bits_per_s(static_cast<double>(bits_per_s) / 8); };
  const double loss = ratio(static_cast<double>(path.resent_bytes), static_cast<double>(path.sent_bytes));
  std::string why;
  if (part(path.capped) >= part_telling)
    why = path.cap_bits_per_s > 0     ? " (cap " + rate(path.cap_bits_per_s) + ")"
          : cap_of_all_bits_per_s > 0 ? " (limit of all paths, " + rate(cap_of_all_bits_per_s) + ")"
                                      : " (cap)";
  else if (part(path.slots_held) >= part_telling)
    why = slots_words(
        path, ratio(static_cast<double>(path.sent_bytes) * static_cast<double>(second), static_cast<double>(span)));
  else if (part(path.window) >= part_telling)
    why = " (window)";
  else if (loss >= loss_telling)
    why = fmt::format(" (loss {:.1f} %)", 100 * loss);
  return "path " + path.name + why;
}

/// Of the time in which a receiver's workers are at work.
double part_of(const EndTimes& receiver, std::initializer_list<Stage> stages) {
  const double at_work = static_cast<double>(receiver.workers.sum()) - sum_of(receiver.workers, {Stage::idle});
  return ratio(sum_of(receiver.workers, stages), at_work);
}

bool takes_all_that_comes(const EndTimes& receiver) {
  return part_of(receiver, {Stage::wait_receive}) >= fed_most;
}

bool tells(const EndTimes& receiver) {
  return receiver.workers.sum() > 0;
}

void blame_connections(LimitSum& shares, double time, const Evidence& evidence) {
  if (tells(evidence.receiver) && !takes_all_that_comes(evidence.receiver))
    return blame_receiver(shares, time, evidence.receiver);
  LimitSum parts;
  for (std::size_t i = 0; i < evidence.paths.size(); ++i)
    parts.add(Cause::path, i, static_cast<double>(evidence.paths[i].pressed));
  // Nobody has seen one pressed, in so short a time.
  if (parts.time() <= 0) parts.add(evidence.paths.size() == 1 ? Cause::path : Cause::network, 1);
  divide(shares, time, parts);
}

/// Nothing to send: as far as the walk and the target were at work meanwhile it is for them, the rest is for answers.
void blame_feeding(LimitSum& shares, double time, const Evidence& evidence) {
  const auto part = [](double of, const StageTimes& times) { return ratio(of, static_cast<double>(times.sum())); };
  const StageTimes& feeder = evidence.sender.files;
  const StageTimes& storage = evidence.receiver.files;
  LimitSum parts;
  parts.add(Cause::source_walk, part(sum_of(feeder, {Stage::walk, Stage::names, Stage::other}), feeder));
  parts.add(Cause::source_read, part(sum_of(feeder, {Stage::read, Stage::wait_read}), feeder));
  add_storage(parts, storage, ratio(1, static_cast<double>(storage.sum())));
  parts.add(Cause::answers, std::max(0.0, 1 - parts.time()));
  divide(shares, time, parts);
}

std::string words_of(const LimitSum::Part& part, const Evidence& evidence) {
  switch (part.cause) {
    case Cause::source_walk:
      return "source walk";
    case Cause::source_read:
      return "source read";
    case Cause::source_names:
      return "small-file metadata (source)";
    case Cause::sender_work:
      return work_words(evidence.sender.workers, sender_work, "sender");
    case Cause::paused:
      return "paused";
    case Cause::path:
      return part.path < evidence.paths.size()
                 ? path_words(evidence.paths[part.path], evidence.cap_of_all_bits_per_s, evidence.span)
                 : "network";
    case Cause::network:
      return "network";
    case Cause::receiver_work:
      return work_words(evidence.receiver.workers, receiver_work, "receiver");
    case Cause::older_read:
      return "reading older versions (target)";
    case Cause::target_write:
      return "target write";
    case Cause::target_sync:
      return "target sync";
    case Cause::target_names:
      return "small-file metadata (target)";
    case Cause::answers:
      break;
  }
  return "answers of the receiver";
}

}  // namespace

bool waits_for_disk(const EndTimes& receiver) {
  return !takes_all_that_comes(receiver) &&
         part_of(receiver, {Stage::wait_write, Stage::wait_commit, Stage::wait_read}) >= part_telling;
}

EndTimes& EndTimes::operator+=(const EndTimes& other) {
  workers += other.workers;
  files += other.files;
  control += other.control;
  return *this;
}

EndTimes EndTimes::since(const EndTimes& earlier) const {
  return {workers.since(earlier.workers), files.since(earlier.files), control.since(earlier.control)};
}

PathTimes& PathTimes::operator+=(const PathTimes& other) {
  pressed += other.pressed;
  capped += other.capped;
  window += other.window;
  slots_held += other.slots_held;
  sent_bytes += other.sent_bytes;
  resent_bytes += other.resent_bytes;
  return *this;
}

PathTimes& PathTimes::operator-=(const PathTimes& earlier) {
  pressed -= earlier.pressed;
  capped -= earlier.capped;
  window -= earlier.window;
  slots_held -= earlier.slots_held;
  sent_bytes -= earlier.sent_bytes;
  resent_bytes -= earlier.resent_bytes;
  return *this;
}

Evidence Evidence::since(const Evidence& earlier) const {
  Evidence grown = *this;
  grown.sender = sender.since(earlier.sender);
  grown.receiver = receiver.since(earlier.receiver);
  grown.span -= earlier.span;
  if (starved >= earlier.starved) grown.starved -= earlier.starved;  // else a new session counts from nothing
  for (std::size_t i = 0; i < std::min(paths.size(), earlier.paths.size()); ++i) grown.paths[i] -= earlier.paths[i];
  return grown;
}

void Evidence::fade() {
  for (StageTimes* times :
       {&sender.workers, &sender.files, &sender.control, &receiver.workers, &receiver.files, &receiver.control})
    for (std::size_t i = 0; i < stage_count; ++i) (*times)[static_cast<Stage>(i)] /= 2;
  span /= 2;
  starved /= 2;
  for (PathTimes& path : paths) {
    path.pressed /= 2;
    path.capped /= 2;
    path.window /= 2;
    path.slots_held /= 2;
    path.sent_bytes /= 2;
    path.resent_bytes /= 2;
  }
}

void Evidence::add(const Evidence& later) {
  sender += later.sender;
  receiver += later.receiver;
  cap_of_all_bits_per_s = later.cap_of_all_bits_per_s;
  span += later.span;
  starved += later.starved;
  const std::vector<PathTimes> before = std::exchange(paths, later.paths);
  for (std::size_t i = 0; i < std::min(paths.size(), before.size()); ++i) paths[i] += before[i];
}

void LimitSum::add(Cause cause, std::size_t path, double time) {
  if (time <= 0) return;
  const auto at =
      std::ranges::find_if(parts_, [&](const Part& each) { return each.cause == cause && each.path == path; });
  if (at != parts_.end())
    at->time += time;
  else
    parts_.push_back({cause, path, time});
}

void LimitSum::add(const Evidence& span) {
  const StageTimes& workers = span.sender.workers;
  add(Cause::source_read, sum_of(workers, {Stage::read, Stage::wait_read}));
  add(Cause::source_names, sum_of(workers, {Stage::names}));
  add(Cause::sender_work, sum_of(workers, sender_work));
  add(Cause::paused, sum_of(workers, {Stage::wait_resume}));
  // A stream without a chunk while there are some has its share on the way already, or another path is given more.
  const double without = sum_of(workers, {Stage::wait_chunks, Stage::wait_receive});
  const double starved =
      without * std::min(1.0, ratio(static_cast<double>(span.starved), static_cast<double>(span.span)));
  blame_connections(*this, sum_of(workers, {Stage::wait_send}) + without - starved, span);
  blame_feeding(*this, starved, span);
}

double LimitSum::time() const {
  return std::accumulate(parts_.begin(), parts_.end(), 0.0,
                         [](double sum, const Part& part) { return sum + part.time; });
}

std::vector<LimitReport> LimitSum::limits(const Evidence& whole) const {
  const double all = time();
  std::vector<LimitReport> list;
  for (const Part& part : parts_) {
    const double share = part.time / all;
    std::string what = words_of(part, whole);
    const auto at = std::ranges::find(list, what, &LimitReport::what);
    if (at != list.end())
      at->share += share;
    else
      list.push_back({std::move(what), share});
  }
  std::erase_if(list, [](const LimitReport& each) { return each.share < share_least; });
  std::ranges::sort(list, [](const LimitReport& a, const LimitReport& b) {
    return a.share > b.share || (a.share == b.share && a.what < b.what);
  });
  return list;
}

std::vector<LimitReport> limits_of(const Evidence& evidence) {
  LimitSum sum;
  sum.add(evidence);
  return sum.limits(evidence);
}

std::string verdict_of(const std::vector<LimitReport>& limits) {
  const auto words = [](const LimitReport& limit) {
    return fmt::format("{}, {:.0f} %", limit.what, 100 * limit.share);
  };
  if (limits.empty()) return {};
  std::string verdict = words(limits[0]) + " of the time";
  if (limits.size() > 1 && limits[1].share >= second_least) verdict += "; " + words(limits[1]);
  return verdict;
}

std::vector<StageReport> stages_of(const EndTimes& sender, const EndTimes& receiver) {
  const auto seconds = [](Time time) { return static_cast<double>(time) / static_cast<double>(second); };
  std::vector<StageReport> list;
  for (std::size_t i = 0; i < stage_count; ++i) {
    const auto stage = static_cast<Stage>(i);
    if (sender.in(stage) + receiver.in(stage) <= 0) continue;
    list.push_back({std::string(name_of(stage)), seconds(sender.in(stage)), seconds(receiver.in(stage))});
  }
  return list;
}

}  // namespace longhaul::engine
