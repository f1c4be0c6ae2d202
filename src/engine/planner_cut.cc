// The planner's way of giving work: announcing entries, cutting chunks, choosing streams.
#include <algorithm>
#include <utility>

#include "engine/landing_ops.h"
#include "engine/planner.h"
#include "protocol/bounds.h"
#include "protocol/entry.h"

namespace longhaul::engine {
namespace {

constexpr unsigned journalled_open_max = 64;  // large files at once: two descriptors each at the receiver
// What small files leave of the agreed bounds to large ones, and to all that is done with at once.
constexpr std::uint64_t open_beside_small = 1024;
constexpr std::size_t attribute_bytes_beside_small = journalled_open_max * protocol::attribute_bytes_max;
constexpr unsigned lanes = 3;
constexpr unsigned batches_ahead = 4;
constexpr std::size_t held_max = 2048;
constexpr std::uint32_t attempts_per_restart = 1 << 16;  // no copy from before a restart has the number of one after it
constexpr std::uint64_t stream_window_chunks = 8;        // of a source that cannot be read again
constexpr std::uint64_t unlimited_bytes = ~std::uint64_t{0} / 4;

}  // namespace

// --- announcing ---------------------------------------------------------------------------------------------------

AnnounceRoom Planner::room_to_announce() const {
  const std::uint64_t open = next_id_ - resolved_;
  AnnounceRoom room;
  room.other = open < protocol::entries_open_max && attribute_bytes_open_ < protocol::attribute_bytes_open_max;
  room.small = open < protocol::entries_open_max - open_beside_small &&
               attribute_bytes_open_ < protocol::attribute_bytes_open_max - attribute_bytes_beside_small;
  room.large = journalled_open_ < journalled_open_max;
  return room;
}

/// False: nothing may be announced now.
bool Planner::announce_batch() {
  protocol::Message message;
  auto& batch = *message.mutable_announce();
  batch.set_transfer(setup_.transfer);
  batch.set_first(next_id_);
  std::size_t bytes = 0;
  while (bytes < protocol::announce_bytes_soft &&
         static_cast<std::size_t>(batch.entries_size()) < protocol::entries_per_announce_max) {
    auto entry = held_.take(room_to_announce());
    if (!entry) break;
    if (!setup_.sparse && std::exchange(entry->sparse, false)) ++filled_files_;
    const std::size_t attribute_bytes = protocol::attribute_bytes(*entry);
    bytes += entry->path.size() + entry->link_target.size() + attribute_bytes + 64;
    if (is_journalled(*entry)) ++journalled_open_;
    *batch.add_entries() = protocol::to_wire(*entry);
    if (attribute_bytes > 0) attributes_open_[next_id_] = attribute_bytes;
    attribute_bytes_open_ += attribute_bytes;
    entry->attributes.reset();  // they are the receiver's now
    announced_.push_back(*std::move(entry));
    ++next_id_;
  }
  if (batch.entries_size() == 0) return false;
  host_.tell(std::move(message));
  return true;
}

void Planner::announce() {
  const bool accepted = frame_bytes_ != 0;  // before that nobody listens
  while (accepted && announce_batch()) {
  }
  if (accepted && walk_done_ && held_.empty() && !std::exchange(end_told_, true)) {
    protocol::Message message;
    message.mutable_end_of_entries()->set_transfer(setup_.transfer);
    message.mutable_end_of_entries()->set_entries(next_id_);
    message.mutable_end_of_entries()->set_failed(walk_errors_);
    host_.tell(std::move(message));
  }
  if (!walk_done_ && batches_wanted_ < batches_ahead && held_.ahead() < held_max) {
    setup_.feeder->want(batches_ahead - batches_wanted_);
    batches_wanted_ = batches_ahead;
  }
}

// --- large files ----------------------------------------------------------------------------------------------------

bool Planner::chunk_ready(Large& large) const {
  while (large.next_chunk < large.chunks && large.durable.contains(large.next_chunk)) ++large.next_chunk;
  const std::uint64_t window = large.stream ? stream_window_chunks : window_chunks_;
  if (window != 0 && large.next_chunk >= large.first_open + window) return false;
  if (large.older && !large.older->knows(large.next_chunk)) return false;
  if (!large.stream) return large.next_chunk < large.chunks;
  const std::uint64_t begin = large.next_chunk * large.file->chunk_bytes;
  const std::uint64_t available = large.stream->available();
  return large.stream->ended() ? available > begin : available >= begin + large.file->chunk_bytes;
}

/// From its first chunk on.
void Planner::count_uncut(Large& large) {
  bytes_uncut_ -= large.bytes_uncut;
  const Entry& entry = large.file->entry;
  large.bytes_uncut = entry.size_known ? entry.size - large.bytes_skipped : 0;
  bytes_uncut_ += large.bytes_uncut;
}

ChunkTask Planner::cut(Large& large) {
  ChunkTask task;
  task.file = large.file;
  task.chunk = large.next_chunk++;
  task.extent.offset = task.chunk * large.file->chunk_bytes;
  const std::uint64_t size = large.stream ? large.stream->available() : large.file->entry.size;
  task.extent.bytes = chunk_content_bytes(size, large.file->chunk_bytes, task.chunk);
  task.frame_bytes = frame_bytes_;
  task.attempt = large.restarts * attempts_per_restart;  // more than 0: its end is looked at again
  if (large.stream) large.chunks = std::max(large.chunks, large.next_chunk);
  if (large.file->entry.sparse) look_for_holes(large, task);
  if (large.older) {
    task.older = large.older->keys_of(task.chunk);
    task.delta = setup_.delta;
  }
  const std::uint64_t counted = std::min(large.bytes_uncut, task.extent.bytes);
  large.bytes_uncut -= counted;
  bytes_uncut_ -= counted;
  ++large.in_flight;
  return task;
}

/// A chunk that is all hole weighs next to nothing: were it taken for its size, a stream would wait for the answer to
/// two of them before it gets the next ones. The file stays open for the workers, which look for themselves.
void Planner::look_for_holes(Large& large, ChunkTask& task) {
  OutgoingFile& file = *large.file;
  const std::lock_guard lock(file.mutex);
  if (!file.content) {
    auto content = file.feed->open(disk_, file.entry, file.direct);
    if (!content || !content->file) return;  // whoever reads it says what is wrong
    const auto now = disk_.stat(*content->file);
    if (!now || !same_version(file.entry, *now)) return;
    file.content = std::move(*content);
  }
  if (!file.content.file) return;
  const std::uint64_t end = large.holes.end_of_hole(disk_, *file.content.file, task.extent.offset);
  task.hole = end >= task.extent.offset + task.extent.bytes;
  task.holes = large.holes;
}

std::optional<ChunkTask> Planner::next_of(std::deque<std::uint64_t>& queue) {
  for (std::size_t looked = queue.size(); looked > 0; --looked) {
    const std::uint64_t id = queue.front();
    const auto at = large_.find(id);
    if (at == large_.end() || (!at->second.stream && at->second.next_chunk >= at->second.chunks)) {
      queue.pop_front();
      continue;
    }
    if (chunk_ready(at->second)) return cut(at->second);
    queue.pop_front();
    if (at->second.stream || at->second.next_chunk < at->second.chunks) queue.push_back(id);
  }
  return std::nullopt;
}

// --- assigning ------------------------------------------------------------------------------------------------------

std::optional<ChunkTask> Planner::next_bundle() {
  auto plan = packer_.take();
  if (!plan) return std::nullopt;
  ChunkTask task;
  task.bundle = std::move(plan);
  task.chunk = task.bundle->number;
  task.extent = {0, task.bundle->bytes};
  task.frame_bytes = frame_bytes_;
  bytes_uncut_ -= std::min(bytes_uncut_, task.extent.bytes);
  return task;
}

std::optional<ChunkTask> Planner::next_task() {
  while (!again_.empty()) {
    const auto at = in_flight_.find(again_.front());
    again_.pop_front();
    if (at != in_flight_.end() && !at->second.received && at->second.now.stream == 0) return at->second.task;
  }
  // Three lanes in turn, so that neither large files nor small ones wait for the others.
  std::optional<ChunkTask> task;
  for (unsigned lane = 0; lane < lanes && !task; ++lane) {
    turn_ = (turn_ + 1) % lanes;
    if (turn_ == 0) task = next_bundle();
    if (turn_ == 1) task = next_of(whole_queue_);
    if (turn_ == 2) task = next_of(large_queue_);
  }
  return task;
}

/// The walk and the receiver's decisions are through.
bool Planner::all_decided() const {
  return walk_done_ && verdicts_seen_ == next_id_ && held_.empty() && comparing_.empty();
}

/// Nothing can be given out but after what is on its way: a pipe that keeps no more waits for what is late, too.
bool Planner::waits_for_what_is_out() const {
  const auto closed = [this](std::uint64_t id) {
    const Large& large = large_.at(id);
    return large.next_chunk >= large.first_open + stream_window_chunks;
  };
  return starved_ && all_decided() && std::ranges::all_of(pipes_, closed);
}

/// Not given to any stream yet.
std::uint64_t Planner::remaining_bytes() const {
  return all_decided() && pipes_.empty() ? bytes_uncut_ : unlimited_bytes;
}

/// The stream that carries a copy of the chunk that is to be sent again next; 0: none.
std::uint32_t Planner::avoided_stream() {
  while (!again_.empty()) {
    const auto at = in_flight_.find(again_.front());
    const bool waits = at != in_flight_.end() && !at->second.received && at->second.now.stream == 0;
    const bool alone = waits && at->second.before.stream != 0 && !scheduler_.open_beside(at->second.before.stream);
    if (waits && !alone) return at->second.before.stream;
    if (alone) go_on_with_before(at->second);  // nobody is left to take the copy
    again_.pop_front();
  }
  return 0;
}

void Planner::note_starving(Time now) {
  if (starved_) starved_time_ += now - starved_seen_;
  starved_seen_ = now;
  if (paused_) starved_ = false;
}

void Planner::pump(Time now) {
  note_starving(now);
  if (frame_bytes_ == 0 || paused_) return;
  for (;;) {
    const std::uint32_t avoided = avoided_stream();
    const bool again = !again_.empty();
    starved_ = false;
    const auto stream = scheduler_.choose(setup_.chunk_bytes, again ? unlimited_bytes : remaining_bytes(), avoided);
    if (!stream) return;
    auto task = next_task();
    starved_ = !task;
    if (!task) return;
    const auto [at, fresh] = in_flight_.try_emplace({task->file_id(), task->chunk});
    if (fresh) in_flight_bytes_ += task->extent.bytes;
    InFlight& in_flight = at->second;
    in_flight.task = *task;
    in_flight.now = {*stream, task->attempt};
    in_flight.received = false;
    if (task->attempt > 0) resent_bytes_ += static_cast<std::int64_t>(task->load_bytes());
    const bool copy = in_flight.before.stream != 0;
    scheduler_.assigned(*stream, {task->file_id(), task->chunk, task->attempt, task->load_bytes(), task->hole}, now,
                        copy);
    host_.assign(*stream, std::move(*task));
  }
}

/// Law 6: what is on a stream that stalls or crawls goes out again where it is expected earlier.
void Planner::relieve_streams(Time now) {
  constexpr Time look_every = 20 * millisecond;
  constexpr unsigned copies_at_once_max = 64;
  if (now - relieved_at_ < look_every) return;
  relieved_at_ = now;
  for (const std::uint32_t stream : scheduler_.newly_stalled()) {
    for (const paths::Load& load : scheduler_.loads(stream)) {
      resend_elsewhere(load);
      host_.cancel(stream, setup_.transfer, load);
    }
  }
  for (const std::uint32_t stream : scheduler_.hopeless()) host_.give_up_stream(stream);
  const bool nothing_else = waits_for_what_is_out();
  for (unsigned copies = 0; copies < copies_at_once_max; ++copies) {
    const auto late = scheduler_.late(nothing_else, now);
    if (!late) return;
    if (!late->begun) {
      host_.call_back(late->stream, setup_.transfer, late->load);
      continue;
    }
    resend_elsewhere(late->load);
    pump(now);
  }
}

void Planner::check_stall(Time now) {
  if (setup_.stall_after <= 0 || now - progress_at_ < setup_.stall_after) return;
  std::string who = "the receiver answered nothing";
  if (scheduler_.streams() == 0)
    who = "no path to the receiver was up";
  else if (in_flight_.empty() && !comparing_.empty())
    who = "nothing was read of " + std::to_string(comparing_.size()) + " files that are to be compared";
  else if (in_flight_.empty() && !walk_done_)
    who = "the source gave nothing more to send";
  else if (!in_flight_.empty())
    who = "the receiver acknowledged none of " + std::to_string(in_flight_.size()) + " chunks on their way";
  failure_ = Error{Code::stalled, "no progress for " + std::to_string(setup_.stall_after / second) + " s: " + who, 0};
}

Time Planner::step(Time now) {
  now_ = now;
  // Only these: there may be ten thousand files of one chunk beside them, and this is done for every message.
  bool waits_for_source = false;
  for (auto at = pipes_.begin(); at != pipes_.end();) {
    Large& large = large_.at(*at++);  // may be forgotten below
    if (large.stream->ended())
      tell_end_if_read(large);
    else
      waits_for_source = true;
  }
  if (paused_) progress_at_ = now;
  if (waits_for_source && in_flight_.empty()) progress_at_ = now;  // a pipe may be quiet as long as it likes
  look_at_reading();
  flush_keys();
  announce();
  pump(now);
  relieve_streams(now);
  check_stall(now);
  return now + second;
}

void Planner::fill(Report& report) const {
  report.files = totals_.files;
  report.bytes = totals_.bytes;
  report.files_found = totals_.files_found;
  report.bytes_found = totals_.bytes_found;
  report.walk_done = walk_done_;
  report.skipped_files = totals_.skipped_files;
  report.skipped_bytes = totals_.skipped_bytes;
  report.left_alone = totals_.left_alone;
  report.would_send_files = totals_.would_send_files;
  report.would_send_bytes = totals_.would_send_bytes;
  report.would_change = totals_.would_change;
  report.compared_files = totals_.compared_files;
  report.compared_bytes = totals_.compared_bytes;
  report.same_files = totals_.same_files;
  report.directories = totals_.directories;
  report.symlinks = totals_.symlinks;
  report.linked = totals_.linked;
  report.specials = totals_.specials;
  report.failed_files = totals_.failed_files;
  report.errors = totals_.errors;
  report.durability = durability_;
  report.hard_links = not_kept_.hard_links;
  report.sparse_files = filled_files_;
  report.xattr_files = not_kept_.xattr_files;
  report.special_files = not_kept_.special_files;
  report.landing_zones = not_kept_.landing_zones;
  report.left_out = not_kept_.left_out;
  report.paused = paused_;
  if (paused_)
    report.verdict = "paused";
  else if (scheduler_.streams() == 0)
    report.verdict = "no path is up";
  else if (in_flight_.empty() && !comparing_.empty())
    report.verdict = "disks (comparing content)";
}

}  // namespace longhaul::engine
