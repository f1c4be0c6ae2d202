#include "far_side.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "protocol/bounds.h"

namespace longhaul::sim {
namespace {

constexpr Time gather = 100 * millisecond;  // of the receiver's group commit
constexpr Time syncs = 20 * millisecond;
constexpr Time noticed_after = 500 * millisecond;  // the kernel gives a dead connection up
constexpr Time publish_takes = 5 * millisecond;
constexpr unsigned complaints_max = 10;

Time time_of(double seconds) {
  return static_cast<Time>(seconds * static_cast<double>(second));
}

double seconds_of(Time time) {
  return static_cast<double>(time) / static_cast<double>(second);
}

protocol::Chunks list_of(std::uint64_t file, std::uint64_t chunk) {
  protocol::Chunks list;
  list.add_file(file);
  list.add_chunk(chunk);
  return list;
}

}  // namespace

FarSide::FarSide(SimClock& clock, const std::vector<PathModel>& paths, Faults faults, std::uint64_t chunk_bytes,
                 std::uint64_t seed)
    : clock_(clock), faults_(faults), random_(seed), chunk_bytes_(chunk_bytes) {
  for (const auto& model : paths) paths_.push_back({.model = model});
}

double FarSide::rate_of_all() const {
  double rate = 0;
  for (const auto& path : paths_) rate += path.model.bytes_per_s;
  return rate;
}

void FarSide::complain(const std::string& what) {
  if (++complaints_ <= complaints_max) ADD_FAILURE() << what;
}

void FarSide::at(Time when, Kind kind, std::uint64_t what) {
  events_.push({when, order_++, kind, what});
}

bool FarSide::next_event() {
  if (events_.empty()) return false;
  const Event event = events_.top();
  events_.pop();
  clock_.advance_to(event.at);
  happen(event);
  return true;
}

void FarSide::happen(const Event& event) {
  switch (event.kind) {
    case Kind::answer:
      return answer(static_cast<std::uint32_t>(event.what));
    case Kind::verdicts:
      return decide();
    case Kind::commit:
      return commit();
    case Kind::durable:
      return deliver_durable();
    case Kind::published:
      return published(event.what);
    case Kind::path_dies:
      return path_dies(event.what);
    case Kind::path_noticed:
      return path_noticed(event.what);
    case Kind::path_heals:
      return bring_up(event.what);
  }
}

// --- sessions and paths ---------------------------------------------------------------------------------------------

void FarSide::meet(engine::Planner& planner) {
  planner_ = &planner;
  protocol::AcceptTransfer accept;
  accept.set_transfer(1);
  accept.set_frame_bytes(protocol::frame_bytes_usual);
  planner.accepted(accept);
  for (std::size_t path = 0; path < paths_.size(); ++path) bring_up(path);
}

void FarSide::part() {
  events_ = {};
  for (auto& path : paths_) {
    if (path.up) books_.capacity_bytes += seconds_of(clock_.now() - path.up_since) * path.model.bytes_per_s;
    path.streams.clear();
  }
  streams_.clear();
  announced_.clear();
  bundles_.clear();
  landed_.clear();
  groups_.clear();
  commit_due_ = false;
  next_bundle_ = 0;
  entries_.reset();
  dealt_with_ = 0;
  for (auto& [id, file] : files_) {
    file.restarts = 0;
    file.end_told = false;
    for (Page& page : file.pages) page = {.durable = page.durable};
  }
}

void FarSide::bring_up(std::size_t number) {
  Path& path = paths_[number];
  path.up = true;
  path.up_since = clock_.now();
  path.dead_since = time_never;
  for (unsigned i = 0; i < path.model.streams; ++i) {
    const std::uint32_t id = next_stream_++;
    streams_[id] = {.path = number, .free_at = clock_.now(), .copies = {}};
    path.streams.push_back(id);
    planner_->stream_up(id, id);
  }
  if (faults_.path_dies_every == 0) return;
  at(clock_.now() + static_cast<Time>(random_.below(static_cast<std::uint64_t>(2 * faults_.path_dies_every))),
     Kind::path_dies, number);
}

/// From now on nothing arrives, either way; the sender learns of it later.
void FarSide::path_dies(std::size_t number) {
  Path& path = paths_[number];
  ++books_.paths_died;
  books_.capacity_bytes += seconds_of(clock_.now() - path.up_since) * path.model.bytes_per_s;
  path.up = false;
  path.dead_since = clock_.now();
  for (const std::uint32_t id : path.streams)
    for (const Copy& copy : streams_.at(id).copies)
      if (copy.lands <= clock_.now()) land(copy);  // here, but its answer is lost
  at(clock_.now() + noticed_after, Kind::path_noticed, number);
}

void FarSide::path_noticed(std::size_t number) {
  Path& path = paths_[number];
  for (const std::uint32_t id : path.streams) {
    for (const Copy& copy : streams_.at(id).copies) {
      Page* page = page_of(copy);
      if (page == nullptr || page->durable || turn(copy) + 1U != page->allowed) continue;
      ++page->allowed;
      books_.may_resend_bytes += copy.bytes;
    }
    streams_.erase(id);
    planner_->stream_down(id);
  }
  path.streams.clear();
  at(clock_.now() + second + static_cast<Time>(random_.below(9 * second)), Kind::path_heals, number);
}

// --- what the sender says -------------------------------------------------------------------------------------------

void FarSide::tell(const protocol::Message& message) {
  if (message.has_announce()) {
    announced_.push_back(message.announce());
    at(clock_.now() + 2 * control_way(), Kind::verdicts, 0);
  } else if (message.has_file_end()) {
    file_end(message.file_end());
  } else if (message.has_end_of_entries()) {
    entries_ = message.end_of_entries().entries();
  }
}

void FarSide::decide() {
  const protocol::Announce batch = std::move(announced_.front());
  announced_.pop_front();
  protocol::Verdicts verdicts;
  verdicts.set_first(batch.first());
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(batch.entries_size()); ++i) {
    const std::uint64_t id = batch.first() + i;
    auto& verdict = *verdicts.add_verdicts();
    if (published_.contains(id)) {
      verdict.set_action(protocol::Verdict::SKIP);
      ++dealt_with_;
    } else {
      verdict.set_action(protocol::Verdict::SEND);
      decide_file(id, batch.entries(static_cast<int>(i)), verdict);
    }
  }
  planner_->verdicts(verdicts);
}

void FarSide::decide_file(std::uint64_t id, const protocol::Entry& entry, protocol::Verdict& verdict) {
  if (entry.size() <= protocol::bundled_bytes_max) return;
  auto [found, is_new] = files_.try_emplace(id);
  File& file = found->second;
  if (is_new) {
    file.bytes = entry.size();
    file.pages.resize((entry.size() + chunk_bytes_ - 1) / chunk_bytes_);
    file.may_restart = file.pages.size() > 1 && faults_.file_restarts != 0 && random_.one_in(faults_.file_restarts);
  }
  books_.open_most = std::max<std::uint64_t>(books_.open_most, files_.size());
  for (std::size_t chunk = 0; chunk < file.pages.size();) {
    std::size_t end = chunk;
    while (end < file.pages.size() && file.pages[end].durable) ++end;
    if (end > chunk) {
      verdict.add_durable(chunk);
      verdict.add_durable(end - chunk);
    }
    chunk = end + 1;
  }
}

void FarSide::file_end(const protocol::FileEnd& end) {
  if (end.state() == protocol::FileEnd::FAILED && unreadable(end.file())) {
    ++books_.unreadable;
    return;
  }
  const auto found = files_.find(end.file());
  if (found == files_.end()) return complain(fmt::format("the end of file {}, which is not open", end.file()));
  if (end.state() != protocol::FileEnd::WHOLE) return complain("a file was given up: " + end.text());
  if (end.restarts() != found->second.restarts) return;
  found->second.end_told = true;
  publish_if_whole(end.file());
}

void FarSide::page_given(const engine::ChunkTask& task) {
  const Copy copy{task.file_id(), task.chunk, task.attempt, task.extent.bytes, 0};
  if (task.bundle && task.attempt == 0) {
    if (task.chunk != next_bundle_++) complain(fmt::format("bundle {} came out of turn", task.chunk));
    bundles_[task.chunk].plan = task.bundle;
    books_.open_most = std::max<std::uint64_t>(books_.open_most, bundles_.size());
  }
  Page* page = page_of(copy);
  if (page == nullptr) return complain(fmt::format("chunk {} of {} was dealt with long ago", copy.chunk, copy.file));
  if (page->given >= page->allowed || turn(copy) + 1U != page->allowed || page->durable) {
    complain(fmt::format("chunk {} of {}: copy {} was given, {} were allowed, {} given before, {}", copy.chunk,
                         copy.file, copy.attempt, page->allowed, page->given,
                         page->durable ? "durable" : "not durable"));
  }
  if (turn(copy) > 0) ++books_.again;
  page->given = page->allowed;
}

void FarSide::assign(std::uint32_t id, const engine::ChunkTask& task) {
  ++books_.assigned;
  page_given(task);
  const auto found = streams_.find(id);
  if (found == streams_.end()) return complain(fmt::format("stream {} is dead, and got a chunk", id));
  Stream& stream = found->second;
  const PathModel& model = paths_[stream.path].model;
  const double rate = model.bytes_per_s / model.streams;
  stream.free_at = std::max(stream.free_at, clock_.now()) + time_of(static_cast<double>(task.extent.bytes) / rate);
  const Time lands = stream.free_at + model.rtt / 2;
  stream.copies.push_back({task.file_id(), task.chunk, task.attempt, task.extent.bytes, lands});
  at(lands + model.rtt / 2, Kind::answer, id);
}

// --- answers
// ----------------------------------------------------------------------------------------------------------

FarSide::Page* FarSide::page_of(const Copy& copy) {
  if (copy.file == protocol::bundle_file) {
    const auto bundle = bundles_.find(copy.chunk);
    return bundle == bundles_.end() ? nullptr : &bundle->second.page;
  }
  const auto file = files_.find(copy.file);
  if (file == files_.end() || copy.attempt / attempts_per_restart != file->second.restarts) return nullptr;
  return &file->second.pages[copy.chunk];
}

bool FarSide::strikes(const Copy& copy) {
  return faults_.chunk_fails != 0 && turn(copy) == 0 && random_.one_in(2 * faults_.chunk_fails);
}

/// The oldest chunk of the stream has landed, and the word of it is back.
void FarSide::answer(std::uint32_t id) {
  const auto found = streams_.find(id);
  if (found == streams_.end() || !paths_[found->second.path].up) return;
  const Copy copy = found->second.copies.front();
  found->second.copies.pop_front();
  tell_unreadable(copy);
  // A chunk that came damaged: control says so before the stream has brought its `received`.
  if (strikes(copy))
    chunk_fails(copy);
  else
    land(copy);
  auto list = list_of(copy.file, copy.chunk);
  list.add_attempt(copy.attempt);
  planner_->received(id, list);
}

/// What the worker found when it came to read the bundle: each copy of it finds the same.
void FarSide::tell_unreadable(const Copy& copy) {
  const auto bundle = bundles_.find(copy.chunk);
  if (faults_.unreadable == 0 || copy.file != protocol::bundle_file || bundle == bundles_.end()) return;
  for (const auto& file : bundle->second.plan->files)
    if (unreadable(file.id)) planner_->source_failed(file.id, {file.entry.path, {Code::permission, "no", 0}});
}

void FarSide::land(const Copy& copy) {
  Page* page = page_of(copy);
  if (page == nullptr || page->durable) return;
  const bool second_copy = page->landed != 0;
  page->landed = static_cast<std::uint16_t>(turn(copy) + 1);
  if (second_copy) return;
  landed_.push_back(copy);
  if (!std::exchange(commit_due_, true)) at(clock_.now() + gather, Kind::commit, 0);
}

void FarSide::commit() {
  commit_due_ = false;
  groups_.emplace_back(clock_.now(), std::exchange(landed_, {}));
  at(clock_.now() + syncs + control_way(), Kind::durable, 0);
}

void FarSide::deliver_durable() {
  const auto copies = std::move(groups_.front().second);
  groups_.pop_front();
  protocol::Chunks list;
  std::vector<Copy> durable;
  for (const Copy& copy : copies) {
    if (page_of(copy) == nullptr) continue;  // begun anew meanwhile
    if (strikes(copy)) {
      chunk_fails(copy);
      continue;
    }
    list.add_file(copy.file);
    list.add_chunk(copy.chunk);
    durable.push_back(copy);
  }
  for (const Copy& copy : durable) page_of(copy)->durable = true;
  planner_->durable(list);
  for (const Copy& copy : durable) chunk_durable(copy);
}

void FarSide::chunk_durable(const Copy& copy) {
  if (copy.file == protocol::bundle_file) {
    const auto bundle = bundles_.find(copy.chunk);
    for (const auto& file : bundle->second.plan->files) {
      if (!published_.add(file.id)) complain(fmt::format("file {} was published twice", file.id));
      if (!unreadable(file.id)) ++books_.published;
      ++dealt_with_;
    }
    bundles_.erase(bundle);
    return;
  }
  if (page_of(copy) == nullptr) return;  // another chunk of this group had its file begun anew
  File& file = files_.at(copy.file);
  ++file.durable;
  if (file.may_restart && file.durable >= file.pages.size() / 2) return restart(copy.file);
  publish_if_whole(copy.file);
}

void FarSide::chunk_fails(const Copy& copy) {
  Page* page = page_of(copy);
  if (page == nullptr || page->durable) return;
  const std::uint32_t latest = std::max<std::uint32_t>(turn(copy), page->landed == 0 ? 0 : page->landed - 1U);
  page->landed = 0;
  ++books_.chunks_failed;
  if (latest + 1U == page->allowed && page->given == page->allowed) {
    ++page->allowed;
    books_.may_resend_bytes += copy.bytes;
  }
  protocol::ChunkFailed failed;
  failed.set_transfer(1);
  failed.set_file(copy.file);
  failed.set_chunk(copy.chunk);
  failed.set_attempt(copy.attempt - turn(copy) + latest);
  failed.set_code(static_cast<std::uint32_t>(Code::io));
  failed.set_text("the disk is bad here");
  planner_->chunk_failed(failed);
}

void FarSide::restart(std::uint64_t id) {
  File& file = files_.at(id);
  file.may_restart = false;
  ++books_.files_restarted;
  books_.may_resend_bytes += file.bytes;
  file.durable = 0;
  file.end_told = false;
  ++file.restarts;
  file.pages.assign(file.pages.size(), {});
  protocol::FileFailed failed;
  failed.set_transfer(1);
  failed.set_file(id);
  failed.set_restart(true);
  failed.set_text("its landing file is lost");
  planner_->file_failed(failed);
}

void FarSide::publish_if_whole(std::uint64_t id) {
  const File& file = files_.at(id);
  if (file.durable < file.pages.size()) return;
  const bool one_chunk = file.bytes <= protocol::whole_bytes_max;
  if (one_chunk) return published(id);
  if (file.end_told) at(clock_.now() + publish_takes + control_way(), Kind::published, id);
}

void FarSide::published(std::uint64_t id) {
  const File& file = files_.at(id);
  if (!std::ranges::all_of(file.pages, [](const Page& page) { return page.durable; }))
    complain(fmt::format("file {} has holes", id));
  if (!published_.add(id)) complain(fmt::format("file {} was published twice", id));
  ++books_.published;
  ++dealt_with_;
  const bool one_chunk = file.bytes <= protocol::whole_bytes_max;
  files_.erase(id);
  if (!one_chunk) planner_->durable(list_of(id, protocol::published_chunk));
}

}  // namespace longhaul::sim
