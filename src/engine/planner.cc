#include "engine/planner.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "disk/filter.h"
#include "engine/dry_run.h"
#include "engine/landing_ops.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

constexpr unsigned chunk_failures_max = 3;  // law 2
constexpr std::size_t errors_kept_max = 1000;

}  // namespace

Planner::Planner(disk::Disk& disk, PlannerHost& host, Setup setup, Time now)
    : disk_(disk),
      host_(host),
      setup_(std::move(setup)),
      packer_(setup_.transfer, setup_.feed),
      now_(now),
      progress_at_(now),
      held_(setup_.publish == Publish::tree) {
  if (!setup_.mirror) return;
  setup_.feed->mention_left_out();
  if (rules_need_name() && (setup_.peer_features & protocol::feature_mirror_name) == 0)
    failure_ = Error{Code::refused,
                     "what rules leave out must not be deleted at the target, and this receiver does not know how to "
                     "apply them to a source that has another name there (--name); update the receiver, leave out "
                     "--name or --delete, or say --delete-excluded",
                     0};
  std::size_t bytes = 0;
  for (const std::string& rule : rules_at_receiver()) bytes += rule.size();
  if (bytes > protocol::rule_bytes_max)
    failure_ = Error{Code::usage,
                     "the rules that say what is left out are too long to be told to the receiver, which must not "
                     "delete what they are about; with --delete-excluded it need not know them",
                     0};
}

Planner::~Planner() {
  tally_->ended = true;
}

std::uint32_t Planner::frame_bytes_most() const {
  return setup_.rails || setup_.delta != Delta::none ? protocol::frame_bytes_usual : protocol::frame_bytes_direct;
}

/// What must not be deleted by.
std::vector<std::string> Planner::rules_at_receiver() const {
  auto rules = setup_.feed->rules();
  return setup_.mirror.excluded_too ? disk::Filter::without_left_out(rules) : rules;
}

/// What the receiver finds must be called what it would be called at the source before rules are asked about it.
bool Planner::rules_need_name() const {
  if (rules_at_receiver().empty()) return false;
  const OtherName name = setup_.feed->other_name();
  return name.changes() && name.name_at_target() != name.name_at_source();
}

protocol::Message Planner::opening(const std::string& id) const {
  protocol::Message message;
  auto& open = *message.mutable_open_transfer();
  open.set_transfer(setup_.transfer);
  open.set_chunk_bytes(setup_.chunk_bytes);
  open.set_frame_bytes(frame_bytes_most());
  open.set_rereadable(setup_.feed->rereadable());
  open.set_id(id);
  open.set_update(setup_.leave_alone.newer);
  open.set_existing(setup_.leave_alone.missing);
  open.set_ignore_existing(setup_.leave_alone.existing);
  open.set_publish_tree(setup_.publish == Publish::tree);
  open.set_dry_run(setup_.dry_run);
  open.set_delta(to_wire(setup_.delta));
  open.set_checksum(to_wire(setup_.checksum));
  if (!setup_.mirror) return message;
  auto& mirror = *open.mutable_mirror();
  for (const std::string& rule : rules_at_receiver()) mirror.add_rule(rule);
  if (rules_need_name()) {
    const OtherName name = setup_.feed->other_name();
    mirror.mutable_name()->set_at_target(name.name_at_target());
    mirror.mutable_name()->set_at_source(name.name_at_source());
  }
  mirror.set_ignore_errors(setup_.mirror.ignore_errors);
  if (setup_.mirror.at_most != Mirror::no_limit) mirror.set_delete_max(setup_.mirror.at_most);
  mirror.set_tell(setup_.mirror.tell || setup_.dry_run);
  return message;
}

// --- from the peer ------------------------------------------------------------------------------------------------

void Planner::accepted(const protocol::AcceptTransfer& accept) {
  const std::uint32_t frame = accept.frame_bytes();
  if (frame != protocol::frame_bytes_usual && frame != frame_bytes_most()) {
    failure_ = Error{Code::protocol, "the receiver asks for frames of " + std::to_string(frame) + " bytes", 0};
    return;
  }
  if (frame_bytes_ != 0) {
    failure_ = Error{Code::protocol, "the receiver accepted the transfer twice", 0};
    return;
  }
  frame_bytes_ = frame;
  window_chunks_ = accept.window_chunks();
  durability_ = accept.durability();
  setup_.sparse = setup_.sparse && accept.holes();
}

void Planner::verdicts(const protocol::Verdicts& verdicts) {
  if (verdicts.first() != verdicts_seen_ || static_cast<std::size_t>(verdicts.verdicts_size()) > announced_.size()) {
    failure_ = Error{Code::protocol, "the receiver decided on entries that were not announced", 0};
    return;
  }
  progress_at_ = now_;
  for (const auto& verdict : verdicts.verdicts()) {
    const std::uint64_t id = verdicts_seen_++;
    Entry entry = std::move(announced_.front());
    announced_.pop_front();
    if (verdict.action() == protocol::Verdict::COMPARE)
      begin_comparing(id, std::move(entry));
    else
      decided(id, std::move(entry), verdict);
    if (failure_) return;
  }
}

void Planner::decided(std::uint64_t id, Entry entry, const protocol::Verdict& verdict) {
  if (setup_.dry_run && verdict.action() == protocol::Verdict::SEND) {
    failure_ = Error{Code::protocol, "the receiver asks for content in a dry run", 0};
    return;
  }
  if (verdict.action() == protocol::Verdict::SEND && entry.type == EntryType::file)
    return send_file(id, std::move(entry), verdict);
  if (is_journalled(entry)) --journalled_open_;
  resolve(id);
  if (setup_.dry_run && verdict.action() == protocol::Verdict::SKIP) return planned(entry, verdict);
  switch (verdict.action()) {
    case protocol::Verdict::SKIP:
      if (verdict.left_alone()) ++totals_.left_alone;
      if (entry.type != EntryType::file) break;
      ++totals_.skipped_files;
      totals_.skipped_bytes += entry.size;
      break;
    case protocol::Verdict::REFUSE:
      refused(entry, verdict);
      break;
    default:
      if (entry.type == EntryType::directory) ++totals_.directories;
      if (entry.type == EntryType::symlink) ++totals_.symlinks;
      if (entry.type == EntryType::hard_link) ++totals_.linked;
      if (entry.type == EntryType::special) ++totals_.specials;
  }
}

void Planner::planned(const Entry& entry, const protocol::Verdict& verdict) {
  const Would would = would_of(verdict);
  if (would == Would::leave_alone) ++totals_.left_alone;
  if (would == Would::set_properties) ++totals_.would_change;
  const bool made = would == Would::make || would == Would::change;
  if (entry.type == EntryType::file) {
    ++(made ? totals_.would_send_files : totals_.skipped_files);
    (made ? totals_.would_send_bytes : totals_.skipped_bytes) += entry.size;
    if (made) bytes_lost_ += entry.size;  // it does not remain to be sent
  }
  if (made && entry.type == EntryType::directory) ++totals_.directories;
  if (made && entry.type == EntryType::symlink) ++totals_.symlinks;
  if (made && entry.type == EntryType::hard_link) ++totals_.linked;
  if (made && entry.type == EntryType::special) ++totals_.specials;
  host_.would(setup_.transfer, would, name_below(entry));
}

void Planner::refused(const Entry& entry, const protocol::Verdict& verdict) {
  if (entry.type == EntryType::file) bytes_lost_ += entry.size;
  record_error(setup_.feed->words(entry), {static_cast<Code>(verdict.code()), verdict.text(), 0});
}

void Planner::send_file(std::uint64_t id, Entry entry, const protocol::Verdict& verdict) {
  if (entry.size_known && entry.size <= protocol::bundled_bytes_max) {
    bytes_uncut_ += entry.size;
    return packer_.add(id, std::move(entry));
  }
  Large large;
  large.file = std::make_shared<OutgoingFile>();
  OutgoingFile& file = *large.file;
  file.transfer = setup_.transfer;
  file.id = id;
  file.feed = setup_.feed;
  file.chunk_bytes = verdict.chunk_bytes() != 0 ? verdict.chunk_bytes() : setup_.chunk_bytes;
  file.direct = setup_.direct;
  file.one_chunk = entry.size_known && entry.size <= protocol::whole_bytes_max;
  file.entry = std::move(entry);
  if (file.chunk_bytes % protocol::node_bytes != 0 || file.chunk_bytes > protocol::chunk_bytes_max ||
      verdict.durable_size() % 2 != 0) {
    failure_ = Error{Code::protocol, "the receiver asks for impossible chunks", 0};
    return;
  }
  large.chunks = (file.entry.size + file.chunk_bytes - 1) / file.chunk_bytes;
  for (int i = 0; i + 1 < verdict.durable_size(); i += 2) {
    const std::uint64_t last = std::min(verdict.durable(i) + verdict.durable(i + 1), large.chunks);
    for (std::uint64_t chunk = verdict.durable(i); chunk < last; ++chunk) {
      if (!large.durable.add(chunk)) continue;
      large.bytes_skipped += chunk_content_bytes(file.entry.size, file.chunk_bytes, chunk);
    }
  }
  if (verdict.older()) large.older.emplace();
  totals_.skipped_bytes += large.bytes_skipped;
  count_uncut(large);
  if (!file.entry.size_known) {
    auto content = setup_.feed->open(disk_, file.entry, false);
    if (content) large.stream = std::dynamic_pointer_cast<StreamReader>(content->reader);
    if (!large.stream) {
      failure_ = content ? Error{Code::usage, "a source of unknown length must be a stream", 0} : content.error();
      return;
    }
    file.content = std::move(*content);
    setup_.feeder->fill(large.stream);
  }
  (large.file->one_chunk ? whole_queue_ : large_queue_).push_back(id);
  if (large.stream) pipes_.insert(id);
  auto [at, added] = large_.emplace(id, std::move(large));
  tell_end_if_read(at->second);
}

void Planner::old_chunk(const protocol::OldChunk& chunk) {
  const auto at = large_.find(chunk.file());
  if (at == large_.end() || !at->second.older) return;  // done, or begun anew
  progress_at_ = now_;
  if (!at->second.older->take(chunk, at->second.chunks))
    failure_ = Error{Code::protocol, "the receiver told of an older version in a way that makes no sense", 0};
}

void Planner::received(std::uint32_t stream, const protocol::Chunks& list) {
  for (int i = 0; i < std::min(list.file_size(), list.chunk_size()); ++i) {
    const ChunkKey key{list.file(i), list.chunk(i)};
    const Copy copy{stream, i < list.attempt_size() ? list.attempt(i) : 0};
    // The stream has carried this copy to its end, whatever became of the chunk meanwhile.
    scheduler_.answered(stream, {key.first, key.second, copy.attempt, 0}, now_);
    const auto at = in_flight_.find(key);
    if (at == in_flight_.end() || at->second.received) continue;
    InFlight& in_flight = at->second;
    if (in_flight.before == copy) std::swap(in_flight.before, in_flight.now);
    if (in_flight.now != copy) continue;  // another copy counts
    progress_at_ = now_;
    in_flight.received = true;
    cancel(in_flight, in_flight.before);
    if (const auto large = large_.find(key.first); large != large_.end()) {
      --large->second.in_flight;
      tell_end_if_read(large->second);
    }
  }
}

void Planner::durable(const protocol::Chunks& list) {
  progress_at_ = now_;
  for (int i = 0; i < std::min(list.file_size(), list.chunk_size()); ++i) chunk_durable({list.file(i), list.chunk(i)});
}

void Planner::chunk_durable(const ChunkKey& key) {
  if (key.second == protocol::published_chunk) return file_published(key.first);
  const auto at = in_flight_.find(key);
  if (at == in_flight_.end()) return;
  InFlight& in_flight = at->second;
  const std::uint64_t bytes = in_flight.task.extent.bytes;
  totals_.bytes += bytes;
  const bool was_received = in_flight.received;
  cancel(in_flight, in_flight.before);
  // The copy that arrived may be the other one. Of this one the stream tells, if it is at its end already.
  if (!was_received) cancel(in_flight, in_flight.now);
  const auto bundle = in_flight.task.bundle;
  in_flight_bytes_ -= bytes;
  in_flight_.erase(at);
  if (bundle) return bundle_durable(*bundle);
  const auto found = large_.find(key.first);
  if (found == large_.end()) return;
  Large& large = found->second;
  if (!was_received) --large.in_flight;
  large.durable.add(key.second);
  large.bytes_sent += bytes;
  while (large.durable.contains(large.first_open)) ++large.first_open;
  if (large.stream) large.stream->release_before(large.first_open * large.file->chunk_bytes);
  if (large.file->one_chunk) return file_published(key.first);
  tell_end_if_read(large);
}

void Planner::file_published(std::uint64_t file) {
  const auto at = large_.find(file);
  if (at == large_.end()) return;
  file_durable(at->second.file->entry);
  forget_large(file);
}

void Planner::bundle_durable(const BundlePlan& bundle) {
  for (const auto& file : bundle.files) {
    if (!settled_.contains(file.id))
      file_durable(file.entry);
    else
      totals_.bytes -= std::min(totals_.bytes, file.entry.size);
    resolve(file.id);
  }
}

void Planner::chunk_failed(const protocol::ChunkFailed& failed) {
  const ChunkKey key{failed.file(), failed.chunk()};
  const auto at = in_flight_.find(key);
  if (at == in_flight_.end()) return;
  InFlight& in_flight = at->second;
  const bool any = failed.attempt() == protocol::any_attempt;
  if (any && in_flight.now.stream == 0 && in_flight.before.stream == 0) return;  // waits to be sent again already
  const std::uint32_t attempt = any ? in_flight.task.attempt : failed.attempt();
  if (attempt > in_flight.task.attempt || (in_flight.failed && attempt <= *in_flight.failed))
    return;  // counted already
  in_flight.failed = attempt;
  in_flight.task.older.reset();  // it may have changed since it was compared
  if (++in_flight.failures >= chunk_failures_max)
    return give_up_chunk(key, {static_cast<Code>(failed.code()), failed.text() + " (three times)", 0});
  // Its stream may have gone down with it, and the next copy be on its way: then it counts, and that is all. But of two
  // copies that are on their way none counts any more: each may have left out what the other one wrote.
  const bool before = in_flight.before.stream != 0 && in_flight.before.attempt == attempt;
  if (any || before || attempt == in_flight.now.attempt) resend(in_flight);
}

/// All of it, and no earlier copy counts.
void Planner::resend(InFlight& in_flight) {
  if (in_flight.received) {
    if (const auto large = large_.find(in_flight.task.file_id()); large != large_.end()) ++large->second.in_flight;
    in_flight.received = false;
  }
  cancel(in_flight, in_flight.before);
  in_flight.now = {0, ++in_flight.task.attempt};
  again_.emplace_back(in_flight.task.file_id(), in_flight.task.chunk);
}

/// One more copy, on another stream; the one that arrives first counts.
void Planner::resend_elsewhere(const paths::Load& copy) {
  const ChunkKey key{copy.file, copy.chunk};
  const auto at = in_flight_.find(key);
  if (at == in_flight_.end()) return;
  InFlight& in_flight = at->second;
  if (in_flight.received || in_flight.now.stream == 0 || in_flight.now.attempt != copy.attempt) return;
  cancel(in_flight, in_flight.before);
  in_flight.before = in_flight.now;
  resend_first(key, in_flight);
}

void Planner::resend_first(const ChunkKey& key, InFlight& in_flight) {
  in_flight.now = {0, ++in_flight.task.attempt};
  again_.push_front(key);
}

void Planner::cancel(InFlight& in_flight, Copy& copy) {
  const Copy gone = std::exchange(copy, {});
  if (gone.stream == 0) return;
  host_.cancel(gone.stream, setup_.transfer,
               {in_flight.task.file_id(), in_flight.task.chunk, gone.attempt, in_flight.task.extent.bytes});
}

void Planner::task_dropped(std::uint32_t stream, const paths::Load& load) {
  const std::uint64_t expected = scheduler_.dropped(stream, load);
  resent_bytes_ -= static_cast<std::int64_t>(expected - std::min(expected, load.bytes));
  const auto at = in_flight_.find({load.file, load.chunk});
  if (at == in_flight_.end() || at->second.received) return;
  InFlight& in_flight = at->second;
  const Copy copy{stream, load.attempt};
  if (in_flight.before == copy) forget_before(in_flight);
  if (in_flight.now != copy) return;
  if (in_flight.before.stream == 0) return resend(in_flight);
  // The other copy may be all but there, or on a stream that stalls: it goes on, and one more goes out.
  resend_first(at->first, in_flight);
}

/// Of two copies one is left: should its stream crawl, it goes out once more.
void Planner::forget_before(InFlight& in_flight) {
  in_flight.before = {};
  const ChunkTask& task = in_flight.task;
  scheduler_.alone(in_flight.now.stream, {task.file_id(), task.chunk, in_flight.now.attempt, 0});
}

void Planner::go_on_with_before(InFlight& in_flight) {
  in_flight.now = in_flight.before;
  forget_before(in_flight);
}

void Planner::give_up_chunk(const ChunkKey& key, const Error& error) {
  const auto bundle = in_flight_.at(key).task.bundle;
  if (!bundle) {
    const auto large = large_.find(key.first);
    return source_failed(key.first,
                         {large == large_.end() ? "" : setup_.feed->words(large->second.file->entry), error});
  }
  in_flight_bytes_ -= in_flight_.at(key).task.extent.bytes;
  in_flight_.erase(key);
  for (const auto& file : bundle->files) {
    if (!settled_.contains(file.id)) {
      const FileError failed{setup_.feed->words(file.entry), error};
      tell_file_end(file.id, 0, &failed);
      record_error(failed.path, error);
    }
    resolve(file.id);
  }
}

void Planner::file_failed(const protocol::FileFailed& failed) {
  const auto at = large_.find(failed.file());
  if (!failed.restart()) {
    if (failed.file() >= verdicts_seen_ || !settled_.add(failed.file())) return;
    if (failed.left_alone()) return left_alone(failed.file());
    Error error{static_cast<Code>(failed.code()), failed.text(), 0};
    // A bundled file is named as the receiver names it; its bundle goes on.
    record_error(at == large_.end() ? failed.path() : setup_.feed->words(at->second.file->entry), std::move(error));
    count_lost(failed.file());
    return forget_large(failed.file());
  }
  if (at == large_.end()) return;
  if (at->second.stream) {
    return source_failed(
        failed.file(),
        {failed.path(), {Code::io, "the receiver lost what had landed, and a stream cannot be sent again", 0}});
  }
  Large& large = at->second;
  drop_in_flight(failed.file());
  if (large.next_chunk == large.chunks) large_queue_.push_back(failed.file());
  // What was durable of it is so no more: the report must not count it twice, and it remains to be sent.
  totals_.bytes -= std::min(totals_.bytes, large.bytes_sent);
  totals_.skipped_bytes -= std::min(totals_.skipped_bytes, large.bytes_skipped);
  large.bytes_sent = large.bytes_skipped = 0;
  count_uncut(large);
  large.durable = {};
  large.first_open = large.next_chunk = large.in_flight = 0;
  large.end_told = false;
  large.older.reset();
  ++large.restarts;
}

/// It has been sent, and had a name no more when it was to be published.
void Planner::left_alone(std::uint64_t file) {
  ++totals_.left_alone;
  ++totals_.skipped_files;
  const auto at = large_.find(file);
  if (at == large_.end()) return;  // in a bundle, which goes on
  const std::uint64_t arrived = at->second.bytes_sent + at->second.bytes_skipped;
  totals_.skipped_bytes += at->second.file->entry.size - std::min(at->second.file->entry.size, arrived);
  forget_large(file);
}

/// Of entries that were accepted long ago. Not all are told, but all are counted.
void Planner::failed_late(const protocol::TransferEnd& end) {
  const std::uint64_t before = totals_.failed_files;
  for (const auto& failed : end.late())
    record_error(failed.path(), {static_cast<Code>(failed.code()), failed.text(), 0});
  totals_.failed_files = before + std::max(end.late_failures(), totals_.failed_files - before);
}

// --- from this side -----------------------------------------------------------------------------------------------

void Planner::stream_up(std::uint32_t stream, std::uint32_t path) {
  if (scheduler_.add(stream, path, now_)) progress_at_ = now_;  // one that comes back is no progress
}

void Planner::stream_down(std::uint32_t stream) {
  scheduler_.remove(stream);
  for (auto& [key, in_flight] : in_flight_) {
    if (in_flight.before.stream == stream) forget_before(in_flight);
    if (in_flight.now.stream != stream || in_flight.received) continue;
    if (in_flight.before.stream != 0)
      go_on_with_before(in_flight);
    else
      resend(in_flight);
  }
}

void Planner::retire_stream(std::uint32_t stream) {
  scheduler_.retire(stream);
  for (const paths::Load& load : scheduler_.loads(stream)) host_.call_back(stream, setup_.transfer, load);
}

std::uint64_t Planner::bytes_left() const {
  const std::uint64_t gone = totals_.skipped_bytes + totals_.bytes + bytes_lost_;
  return totals_.bytes_found - std::min(totals_.bytes_found, gone);
}

/// Small ones, which travel in bundles, are not worth counting.
void Planner::count_lost(std::uint64_t file) {
  const auto at = large_.find(file);
  if (at == large_.end()) return;
  const std::uint64_t arrived = at->second.bytes_sent + at->second.bytes_skipped;
  bytes_lost_ += at->second.file->entry.size - std::min(at->second.file->entry.size, arrived);
}

bool Planner::has_unsent() const {
  return !walk_done_ || !held_.empty() || !announced_.empty() || !comparing_.empty() || !again_.empty() ||
         !large_queue_.empty() || !whole_queue_.empty() || !packer_.empty();
}

bool Planner::at_rest() const {
  return std::ranges::none_of(in_flight_, [](const auto& each) {
    return each.second.received || each.second.now.stream != 0 || each.second.before.stream != 0;
  });
}

void Planner::source_failed(std::uint64_t file, FileError error) {
  if (!settled_.add(file)) return;  // several of its chunks may fail; a copy of a bundle that is durable too
  tell_file_end(file, 0, &error);
  record_error(error.path, std::move(error.error));
  count_lost(file);
  forget_large(file);
}

void Planner::fed(FeedBatch batch) {
  --batches_wanted_;
  walk_errors_ += batch.errors.size();
  for (auto& error : batch.errors) record_error(error.path, std::move(error.error));
  for (auto& entry : batch.entries) {
    if (entry.type == EntryType::file) {
      ++totals_.files_found;
      totals_.bytes_found += entry.size;
    }
    held_.add(std::move(entry));
  }
  not_kept_ = batch.not_kept;
  walk_done_ = walk_done_ || batch.end;
  if (batch.failed) failure_ = std::move(batch.failed);
}

void Planner::record_error(const std::string& path, Error error) {
  ++totals_.failed_files;
  FileError named{path, std::move(error)};
  host_.file_error(setup_.transfer, named);
  if (totals_.errors.size() < errors_kept_max) totals_.errors.push_back(std::move(named));
}

void Planner::drop_in_flight(std::uint64_t file) {
  scheduler_.forget_file(file);  // workers drop what is left of it: nobody will answer
  for (auto at = in_flight_.lower_bound({file, 0}); at != in_flight_.end() && at->first.first == file;) {
    in_flight_bytes_ -= at->second.task.extent.bytes;
    at = in_flight_.erase(at);
  }
}

void Planner::forget_large(std::uint64_t file) {
  const auto at = large_.find(file);
  if (at == large_.end()) return;
  drop_in_flight(file);
  bytes_uncut_ -= at->second.bytes_uncut;
  if (is_journalled(at->second.file->entry)) --journalled_open_;
  pipes_.erase(file);
  large_.erase(at);
  resolve(file);
}

/// Everything of the file has been read and has arrived: law 4's look after the last read.
void Planner::tell_end_if_read(Large& large) {
  OutgoingFile& file = *large.file;
  if (large.end_told || file.one_chunk || large.in_flight > 0) return;
  if (large.stream) {
    if (!large.stream->ended()) return;
    large.chunks = (large.stream->available() + file.chunk_bytes - 1) / file.chunk_bytes;
    file.entry.size = large.stream->available();
  }
  while (large.next_chunk < large.chunks && large.durable.contains(large.next_chunk)) ++large.next_chunk;
  if (large.next_chunk < large.chunks) return;
  large.end_told = true;
  Error error;
  bool whole = true;
  if (file.content.file) {
    const auto now = disk_.stat(*file.content.file);
    whole = now && now->size == file.entry.size && now->mtime_ns == file.entry.mtime_ns &&
            now->ctime_ns == file.entry.identity.ctime_ns;
    error = {Code::source_changed,
             setup_.feed->words(file.entry) + " changed while it was sent; send it again when it is at rest", 0};
  }
  if (!whole) return source_failed(file.id, {setup_.feed->words(file.entry), std::move(error)});
  tell_file_end(file.id, file.entry.size, nullptr);
}

void Planner::tell_file_end(std::uint64_t file, std::uint64_t size, const FileError* failed) {
  protocol::Message message;
  auto& end = *message.mutable_file_end();
  end.set_transfer(setup_.transfer);
  end.set_file(file);
  end.set_size(size);
  if (const auto large = large_.find(file); large != large_.end()) end.set_restarts(large->second.restarts);
  if (failed != nullptr) {
    end.set_path(failed->path);
    end.set_state(protocol::FileEnd::FAILED);
    end.set_code(static_cast<std::uint32_t>(failed->error.code));
    end.set_text(failed->error.text.substr(0, protocol::text_bytes_max));
  }
  host_.tell(std::move(message));
}

}  // namespace longhaul::engine
