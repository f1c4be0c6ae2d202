#include "engine/commit.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/log.h"
#include "base/stages.h"
#include "disk/blocking.h"
#include "engine/desk.h"
#include "engine/landing_ops.h"

namespace longhaul::engine {
namespace {

constexpr Time whole_wait = 10 * millisecond;   // small files gather so long
constexpr Time chunk_wait = 250 * millisecond;  // chunks: bounds what a crash can cost
constexpr std::size_t group_files_max = 512;
constexpr std::size_t together_least = 8;  // fewer are synced one by one, which leaves alone what others have written
constexpr std::size_t group_chunks_max = 256;  // holes come by the thousand in no time; workers pause at twice as many

}  // namespace

Commit::Commit(disk::Disk& disk, journal::LandingZone& zone, journal::ManifestLog& manifest, CommitEvents& events,
               std::atomic<bool>& together)
    : disk_(disk), zone_(zone), manifest_(manifest), events_(events), together_(together) {}

bool Commit::empty() const {
  return gathering_.whole.empty() && gathering_.chunks.empty() && gathering_.finished.empty() &&
         gathering_.kept.empty() && gathering_.dirty.empty();
}

void Commit::add_whole(std::shared_ptr<InFile> file, const Digest& root, std::shared_ptr<InBundle> bundle, Time now) {
  {
    const std::lock_guard lock(file->mutex);
    file->close();
  }
  const std::uint64_t size = file->entry.size;
  gathering_.whole.push_back({std::move(file), root, std::move(bundle), size});
  oldest_whole_ = std::min(oldest_whole_, now);
}

void Commit::add_chunk(std::shared_ptr<InChunk> chunk, Time now) {
  gathering_.chunks.push_back(std::move(chunk));
  oldest_chunk_ = std::min(oldest_chunk_, now);
}

void Commit::add_finished(std::shared_ptr<InFile> file, Time now) {
  gathering_.finished.push_back(std::move(file));
  oldest_whole_ = std::min(oldest_whole_, now);
}

void Commit::add_kept(KeptFile kept, Time now) {
  gathering_.kept.push_back({.it = std::move(kept)});
  oldest_whole_ = std::min(oldest_whole_, now);
}

void Commit::add_dirty(disk::DirPtr dir) {
  if (gathering_.dirty.empty() || gathering_.dirty.back() != dir) gathering_.dirty.push_back(std::move(dir));
}

void Commit::drop(const InFile& file) {
  std::erase_if(gathering_.chunks, [&](const auto& chunk) { return chunk->file.get() == &file; });
  std::erase_if(gathering_.finished, [&](const auto& each) { return each.get() == &file; });
  if (phase_ != Phase::gather) lost_.insert(&file);
}

Time Commit::step(Time now, bool flush) {
  if (phase_ == Phase::gather) {
    const bool many = gathering_.whole.size() + gathering_.finished.size() >= group_files_max ||
                      gathering_.kept.size() >= group_files_max || gathering_.dirty.size() >= group_files_max ||
                      gathering_.chunks.size() >= group_chunks_max;
    const Time due = std::min(oldest_whole_ == time_never ? time_never : oldest_whole_ + whole_wait,
                              oldest_chunk_ == time_never ? time_never : oldest_chunk_ + chunk_wait);
    if (empty() || !(many || flush || due <= now)) return empty() ? time_never : due;
    start_group();
  }
  while (phase_ != Phase::gather && outstanding_ == 0) next_phase();
  if (phase_ == Phase::gather) return empty() ? time_never : now;
  return time_never;
}

Stage Commit::waits_for() const {
  switch (phase_) {
    case Phase::gather:
      return Stage::idle;
    case Phase::sync_data:
    case Phase::sync_journal:
    case Phase::sync_manifest:
      return Stage::wait_sync;
    case Phase::write_journal:
    case Phase::write_manifest:
      return Stage::wait_write;
  }
  return Stage::idle;
}

void Commit::start_group() {
  group_ = std::exchange(gathering_, {});
  oldest_whole_ = oldest_chunk_ = time_never;
  lost_.clear();
  begin_phase(Phase::sync_data);
}

void Commit::next_phase() {
  switch (phase_) {
    case Phase::gather:
      return;
    case Phase::sync_data:
      return begin_phase(Phase::write_journal);
    case Phase::write_journal:
      return begin_phase(Phase::sync_journal);
    case Phase::sync_journal:
      return begin_phase(Phase::write_manifest);
    case Phase::write_manifest:
      return begin_phase(Phase::sync_manifest);
    case Phase::sync_manifest:
      if (!manifest_failed_) publish();
      group_ = {};
      steps_.clear();
      phase_ = Phase::gather;
      return;
  }
}

void Commit::begin_phase(Phase phase) {
  phase_ = phase;
  steps_.clear();
  switch (phase) {
    case Phase::gather:
      break;
    case Phase::sync_data:
      sync_data();
      break;
    case Phase::write_journal:
      write_journals();
      break;
    case Phase::sync_journal:
      sync_journals();
      break;
    case Phase::write_manifest:
      if (!sync_journal_names()) break;
      answer_chunks();
      write_manifest();
      break;
    case Phase::sync_manifest:
      for (journal::ManifestLog* log : logs_of_group())
        submit(disk::Operation::Kind::sync_data, log->file_ptr(), nullptr);
      break;
  }
}

Commit::Step& Commit::submit(disk::Operation::Kind kind, disk::FilePtr file, std::shared_ptr<InFile> in_file) {
  Step& step = steps_.emplace_back();
  step.kind = kind;
  step.keep = std::move(file);
  step.file = step.keep.get();
  step.in_file = std::move(in_file);
  ++outstanding_;
  if (kind == disk::Operation::Kind::write) return step;  // gets its bytes first
  const StageScope scope(Stage::sync);
  disk_.submit(step);
  return step;
}

void Commit::completed(disk::Operation& operation) {
  auto& step = static_cast<Step&>(operation);
  --outstanding_;
  if (step.result >= 0) return;
  const bool is_sync = step.kind != disk::Operation::Kind::write;
  const int code = static_cast<int>(-step.result);
  if (step.kept != nullptr) {
    step.kept->lost = true;
    const std::string& path = step.kept->it.record.path;
    return events_.kept_lost(path, error_of_errno(code, "cannot sync " + printable(path) + " at the receiver"));
  }
  if (!step.in_file) {
    manifest_failed_ = true;
    events_.commit_failed(error_of_errno(code, "cannot write the manifest in the target's landing zone"));
    return;
  }
  lose(step.in_file, step.bundle,
       error_of_errno(code, std::string(is_sync ? "cannot sync " : "cannot journal ") +
                                printable(step.in_file->entry.path) + " at the receiver"));
}

void Commit::lose(const std::shared_ptr<InFile>& file, const std::shared_ptr<InBundle>& bundle, Error error) {
  if (!lost_.insert(file.get()).second) return;
  events_.landing_lost(file, bundle, std::move(error));
}

void Commit::sync_data() {
  std::erase_if(group_.finished, [&](const auto& file) { return !prepare_finished(file); });
  const auto together = sync_together();
  for (auto& whole : group_.whole) {
    if (together.contains(whole.file->zone.get())) continue;
    Step& step = submit(disk::Operation::Kind::sync_file, whole.file->landing_file.data, whole.file);
    step.bundle = whole.bundle;
  }
  for (Kept& kept : group_.kept) submit(disk::Operation::Kind::sync_file, kept.it.file, nullptr).kept = &kept;
  std::unordered_set<const InFile*> synced;
  for (auto& file : group_.finished) {
    synced.insert(file.get());
    if (!together.contains(file->zone.get())) submit(disk::Operation::Kind::sync_file, file->landing_file.data, file);
  }
  for (auto& chunk : group_.chunks)
    if (!lost(*chunk->file) && !together.contains(chunk->file->zone.get()) && synced.insert(chunk->file.get()).second)
      submit(disk::Operation::Kind::sync_data, chunk->file->landing_file.data, chunk->file);
}

/// The landing directories of which everything is synced now: all on one file system at once.
std::unordered_set<const disk::OpenDir*> Commit::sync_together() {
  std::unordered_set<const disk::OpenDir*> done;
  if (!together_) return done;
  std::vector<std::pair<disk::DirPtr, std::size_t>> files;
  const auto count_in = [&](const disk::DirPtr& zone) {
    const auto at = std::ranges::find(files, zone, [](const auto& each) { return each.first; });
    ++(at != files.end() ? *at : files.emplace_back(zone, 0)).second;
  };
  for (const auto& whole : group_.whole) count_in(whole.file->zone);
  for (const auto& file : group_.finished) count_in(file->zone);
  for (const auto& [zone, count] : files)
    if (count >= together_least && sync_all_with(zone)) done.insert(zone.get());
  return done;
}

/// Everything on the file system of a landing directory, which was opened before anything was written there, so that no
/// failure of a write is missed. The directory itself once more behind it: that tells of what syncfs does not, a file
/// system that has given up meanwhile, and empties the disk's cache where no journal does. False: one by one, please.
/// After one that failed it is not tried again: which files are hit, also of those that are still being written, only
/// their own syncs tell from then on.
bool Commit::sync_all_with(const disk::DirPtr& landing) {
  if (!together_ || !disk_.syncs_all(landing)) return false;
  const StageScope scope(Stage::sync);
  Result<> synced = disk_.sync_all(landing);
  if (synced) synced = disk_.sync_dir(landing);
  if (synced) return true;
  together_ = false;
  log::warn(synced.error().text + ": from now on each file is synced by itself");
  return false;
}

/// Everything that may touch the file before its last fsync.
bool Commit::prepare_finished(const std::shared_ptr<InFile>& file) {
  {
    const std::lock_guard lock(file->mutex);
    file->close();
  }
  const StageScope scope(Stage::names);
  disk::OpenFile& data = *file->landing_file.data;
  Result<> ready = disk_.set_size(data, file->entry.size);  // cuts O_DIRECT's padding
  if (ready) ready = set_metadata(disk_, data, *file);
  if (ready) return true;
  lost_.insert(file.get());
  events_.publish_failed(file, nullptr, std::move(ready.error()));
  return false;
}

void Commit::write_journals() {
  const StageScope scope(Stage::write);
  for (auto& chunk : group_.chunks) {
    if (lost(*chunk->file)) continue;
    const journal::LandingFile& landing = chunk->file->landing_file;
    const std::uint64_t first = chunk->index * (chunk->file->chunk_bytes / protocol::node_bytes);
    const std::vector<Digest> nodes = node_digests(*chunk);
    Step& step = submit(disk::Operation::Kind::write, landing.journal, chunk->file);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const auto record = journal::encode_record(landing, first + i, nodes[i]);
      step.buffer.insert(step.buffer.end(), record.begin(), record.end());
    }
    step.data = step.buffer.data();
    step.bytes = static_cast<std::uint32_t>(step.buffer.size());
    step.offset = journal::record_offset(landing, first);
    disk_.submit(step);
  }
}

void Commit::sync_journals() {
  std::unordered_set<const InFile*> synced;
  for (auto& chunk : group_.chunks)
    if (!lost(*chunk->file) && synced.insert(chunk->file.get()).second)
      submit(disk::Operation::Kind::sync_data, chunk->file->landing_file.journal, chunk->file);
}

/// Of files that are in a group for the first time: begun without a sync, so that announcing a thousand files does not
/// cost a thousand of them.
bool Commit::sync_journal_names() {
  const StageScope scope(Stage::sync);
  std::unordered_set<const disk::OpenDir*> synced;
  for (auto& chunk : group_.chunks) {
    journal::LandingFile& landing = chunk->file->landing_file;
    if (lost(*chunk->file) || landing.name_synced) continue;
    if (synced.insert(landing.zone.get()).second) {
      if (auto done = disk_.sync_dir(landing.zone); !done) {
        manifest_failed_ = true;
        events_.commit_failed(std::move(done.error()));
        return false;
      }
    }
    landing.name_synced = true;
  }
  return true;
}

void Commit::answer_chunks() {
  for (auto& chunk : group_.chunks) {
    InFile& file = *chunk->file;
    if (lost(file)) continue;
    {
      const std::lock_guard lock(file.mutex);
      file.set_durable(chunk->index);
    }
    events_.chunk_durable(chunk->file, chunk->index);
  }
  group_.chunks.clear();
}

void Commit::write_manifest() {
  const StageScope scope(Stage::write);
  for (auto& file : group_.finished) {
    if (lost(*file)) continue;
    auto root = zone_.root_digest(file->landing_file, file->entry.size);
    if (!root) {
      lose(file, nullptr, std::move(root.error()));
      continue;
    }
    group_.whole.push_back({file, *root, nullptr, file->entry.size});
  }
  std::erase_if(group_.whole, [&](const Whole& whole) { return lost(*whole.file); });
  for (journal::ManifestLog* log : logs_of_group()) {
    Step& step = submit(disk::Operation::Kind::write, log->file_ptr(), nullptr);
    for (const Whole& whole : group_.whole)
      if (&log_of(*whole.file) == log)
        journal::encode_manifest_record({whole.file->entry.path, whole.size, whole.file->entry.mtime_ns, whole.root},
                                        step.buffer);
    for (const Kept& kept : group_.kept)
      if (kept.to_note() && &log_of(kept.it) == log) journal::encode_manifest_record(kept.it.record, step.buffer);
    step.data = step.buffer.data();
    step.bytes = static_cast<std::uint32_t>(step.buffer.size());
    log->keep_room(disk_);
    step.offset = log->end_offset();
    log->written(step.bytes);
    disk_.submit(step);
  }
}

/// Each once: the transfer's own, or those of its trees.
std::vector<journal::ManifestLog*> Commit::logs_of_group() {
  std::vector<journal::ManifestLog*> logs;
  const auto add = [&](journal::ManifestLog& log) {
    if (std::ranges::find(logs, &log) == logs.end()) logs.push_back(&log);
  };
  for (const Kept& kept : group_.kept)
    if (kept.to_note()) add(log_of(kept.it));
  for (const Whole& whole : group_.whole) add(log_of(*whole.file));
  return logs;
}

std::vector<disk::DirPtr> Commit::directories_to_sync(const std::vector<Whole>& published) const {
  std::vector<disk::DirPtr> dirs = group_.dirty;
  for (const Whole& whole : published) dirs.push_back(whole.file->parent);
  for (const Whole& whole : published) dirs.push_back(whole.file->zone);
  std::vector<disk::DirPtr> unique;
  std::unordered_set<const disk::OpenDir*> seen;
  for (const Kept& kept : group_.kept)
    if (kept.it.copy && !kept.lost) dirs.insert(dirs.end(), {kept.it.copy->parent, kept.it.copy->zone});
  for (auto& dir : dirs)
    if (seen.insert(dir.get()).second) unique.push_back(dir);
  return unique;
}

Result<> Commit::sync_directories(const std::vector<Whole>& published) {
  const StageScope scope(Stage::sync);
  std::vector<disk::DirPtr> dirs = directories_to_sync(published);
  if (together_ && dirs.size() >= together_least) {
    std::set<std::uint64_t> synced;  // devices
    std::unordered_set<const disk::OpenDir*> seen;
    for (const Whole& whole : published) {
      if (!seen.insert(whole.file->zone.get()).second) continue;
      const auto zone = disk_.stat(whole.file->zone, "");
      if (zone && !synced.contains(zone->device) && sync_all_with(whole.file->zone)) synced.insert(zone->device);
    }
    std::erase_if(dirs, [&](const disk::DirPtr& dir) {
      const auto found = disk_.stat(dir, "");
      return found && synced.contains(found->device);
    });
  }
  for (const disk::DirPtr& dir : dirs)
    if (auto done = disk_.sync_dir(dir); !done) return done;
  return {};
}

/// One that is lost leaves its name as it was.
void Commit::publish_copies() {
  const StageScope scope(Stage::names);
  for (Kept& kept : group_.kept) {
    if (!kept.it.copy) continue;
    InFile& copy = *kept.it.copy;
    if (!kept.lost) {
      auto done = zone_.publish(copy.landing_file, copy.parent, copy.name);
      if (done) continue;
      kept.lost = true;
      events_.kept_lost(copy.entry.path, std::move(done.error()));
    }
    (void)zone_.drop(copy.landing_file);
  }
}

/// False: what has come to be there since it was announced is to be left alone.
Result<bool> Commit::put_in_place(const InFile& file) {
  const LeaveAlone& asked = file.leave_alone;
  if (asked) {
    const auto there = disk_.stat(file.parent, file.name);
    if (!there && there.error().code != Code::not_found) return std::unexpected(there.error());
    if (is_left_alone(asked, file.entry, there, file.granularity_ns)) return false;
  }
  const auto give = [&](const disk::DirPtr& in, std::string_view name) {
    using journal::Existing;
    return zone_.publish(file.landing_file, in, name, asked.existing ? Existing::left_alone : Existing::replaced);
  };
  const auto take_back = [&](const disk::DirPtr& in, std::string_view name) {
    zone_.take_back(file.landing_file, in, name);
  };
  const auto done =
      file.displaces ? events_.displace(file, {.give = give, .take_back = take_back}) : give(file.parent, file.name);
  if (done) return true;
  if (asked.existing && done.error().system_errno == EEXIST) return false;
  return std::unexpected(done.error());
}

/// Their records are durable by now, and would say of what others have made that it is not as it was sent.
Result<> Commit::take_back_records(const std::vector<Whole>& left_alone) {
  std::vector<std::byte> records;
  for (const Whole& whole : left_alone) journal::encode_gone(whole.file->entry.path, records);
  if (records.empty()) return {};
  if (auto written = manifest_.append_now(disk_, records); !written) return written;
  return disk::sync_now(disk_, manifest_.file(), false);
}

void Commit::publish() {
  publish_copies();
  const StageScope scope(Stage::names);
  std::vector<Whole> renamed;
  std::vector<Whole> left_alone;
  for (Whole& whole : group_.whole) {
    auto placed = put_in_place(*whole.file);
    if (!placed)
      events_.publish_failed(whole.file, whole.bundle, std::move(placed.error()));
    else
      (*placed ? renamed : left_alone).push_back(whole);
  }
  if (auto taken = take_back_records(left_alone); !taken) return events_.commit_failed(std::move(taken.error()));
  for (const Whole& whole : left_alone) events_.left_alone(whole.file, whole.bundle);
  if (auto synced = sync_directories(renamed); !synced) return events_.commit_failed(std::move(synced.error()));
  for (Whole& whole : renamed) {
    zone_.forget_journal(whole.file->landing_file);
    whole.file->landing_file.data.reset();
    whole.file->landing_file.journal.reset();
    events_.published(whole.file, whole.bundle);
  }
}

}  // namespace longhaul::engine
