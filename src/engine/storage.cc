#include "engine/storage.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "base/stages.h"
#include "engine/landing_ops.h"
#include "protocol/bounds.h"
#include "protocol/entry.h"

namespace longhaul::engine {
namespace {

/// What a sender that keeps to the agreed limits would say.
bool within_limits(const Entry& entry) {
  if (entry.owner && std::max(entry.owner->user_name.size(), entry.owner->group_name.size()) > protocol::name_bytes_max)
    return false;
  return !entry.attributes || (protocol::attribute_bytes(entry) <= protocol::attribute_bytes_max &&
                               entry.attributes->list.size() <= protocol::attributes_max);
}

/// It lands whole and has landed: a complete, verified version is about to be published, whatever a later copy says.
bool in_commit(InFile& file) {
  const std::lock_guard lock(file.mutex);
  return file.landing == Landing::whole && file.closed;
}

/// Law 4: what is durable of a file stays for the next run to go on from, whatever has failed, unless its source is
/// another version now; or has no identity by which that could be told.
bool is_worth_keeping(InFile& file, Code why) {
  if (file.landing != Landing::journalled || !file.landing_file.data || why == Code::source_changed) return false;
  if (!file.entry.size_known || file.entry.identity == Identity{}) return false;
  const std::lock_guard lock(file.mutex);
  return file.durable.runs() > 0;
}

}  // namespace

Storage::Storage(Kit kit, World& world, Setup setup)
    : world_(world),
      kit_(std::move(kit)),
      setup_(std::move(setup)),
      mailbox_(kit_.poller.get()),
      files_(std::make_shared<IncomingFiles>(setup_.transfer, setup_.frame_bytes)),
      manifest_name_("manifest." + setup_.id + ".log") {
  durable_.set_transfer(setup_.transfer);
}

Storage::~Storage() = default;

/// On the role's own thread: a slow disk takes its time to sync what is made here, and control must not wait for it.
/// False: not yet. Another transfer that ends looks into every log of the landing zone for a moment, a new one too.
bool Storage::open_once(Time now) {
  constexpr Time patience = 2 * second;
  if (opened_) return true;
  const StageScope scope(Stage::names);
  if (open_by_ == 0) open_by_ = now + patience;
  auto opened = open();
  if (!opened && opened.error().code == Code::busy && now < open_by_) return false;
  opened_ = true;
  if (opened)
    setup_.ready();
  else
    fail(std::move(opened.error()));
  return true;
}

// --- mail from control ------------------------------------------------------------------------------------------

Decision Storage::decide(std::uint64_t id, Entry entry) {
  if (mirror_)
    if (auto noted = mirror_->announced(entry); !noted) {
      Decision none;
      none.fatal = std::move(noted.error());
      return none;
    }
  const StageScope scope(Stage::names);
  Decision decision;
  if (dry_run_)
    decision = dry_run_->decide(std::move(entry));
  else
    decision = desk_->decide(id, std::move(entry));
  if (decision.verdict.action() == protocol::Verdict::REFUSE) ++errors_;
  return decision;
}

void Storage::announce(protocol::Announce batch) {
  if (failed_ || closing_) return;
  const auto count = static_cast<std::uint64_t>(batch.entries_size());
  if (batch.first() != announced_ || count > protocol::entries_per_announce_max ||
      announced_ + count - resolved_ > protocol::entries_open_max + protocol::entries_per_announce_max)
    return fail({Code::protocol, "the sender announced more at once than was agreed, or out of order", 0});
  announced_ += count;
  files_->announced(announced_);
  if (!held_.empty() || !may_keep()) return held_.push_back(std::move(batch));
  decide_batch(std::move(batch));
}

void Storage::decide_batch(protocol::Announce batch) {
  constexpr Time verdicts_wait_most = 2 * millisecond;   // large files take a while each, and the first can begin
  constexpr std::size_t verdict_bytes_most = 64 * 1024;  // with words or ranges; far below the limit of a message
  if (desk_) desk_->look_ahead(batch);
  std::size_t verdict_bytes = 0;
  Time told_at = world_.clock.now();
  protocol::Message answer;
  for (int i = 0; i < batch.entries_size(); ++i) {
    const std::uint64_t id = batch.first() + static_cast<std::uint64_t>(i);
    Entry entry = protocol::from_wire(std::move(*batch.mutable_entries(i)));
    if (!within_limits(entry))
      return fail({Code::protocol, "the sender announced more attributes of an entry than was agreed", 0});
    Decision decision = decide(id, std::move(entry));
    if (decision.fatal) return fail(std::move(*decision.fatal));
    take(id, decision);
    if (attribute_bytes_ > protocol::attribute_bytes_open_max + protocol::attribute_bytes_max)
      return fail({Code::protocol, "the sender announced more attributes at once than was agreed", 0});
    auto& verdicts = *answer.mutable_verdicts();
    if (verdicts.verdicts_size() == 0) verdicts.set_first(id);
    verdicts.set_transfer(setup_.transfer);
    verdict_bytes += decision.verdict.ByteSizeLong();
    *verdicts.add_verdicts() = std::move(decision.verdict);
    const Time now = world_.clock.now();
    if (verdict_bytes < verdict_bytes_most && now - told_at < verdicts_wait_most) continue;
    setup_.tell(std::exchange(answer, {}));
    verdict_bytes = 0;
    told_at = now;
  }
  if (answer.has_verdicts()) setup_.tell(std::move(answer));
}

void Storage::file_end(const protocol::FileEnd& end) {
  const bool source_failed = end.state() == protocol::FileEnd::FAILED;
  if (source_failed) ++errors_;
  if (failed_) return;
  if (source_failed && comparing_.contains(end.file())) {
    (void)end_comparing(end.file());
    ++resolved_;
    return;
  }
  const auto file = files_->find(end.file());
  if (!file) return;
  if (source_failed) {
    file->source_gone = true;
    if (!in_commit(*file)) end_file(file, is_worth_keeping(*file, static_cast<Code>(end.code())));
    return;
  }
  if (end.restarts() < file->restarts) return;  // of before its landing file was lost
  const bool known = file->entry.size_known;
  if (file->landing == Landing::whole || std::exchange(file->ended, true) ||
      (known && end.size() != file->entry.size) || end.size() > protocol::file_bytes_max)
    return fail({Code::protocol, "the sender ended a file in a way that makes no sense", 0});
  if (!known) file->entry.size = end.size();  // workers read the size of all others
  final_sizes_[file->id] = end.size();
  flush_ = true;  // its last chunks would only wait for company
  finish_if_whole(file);
}

void Storage::end_of_entries(const protocol::EndOfEntries& end) {
  entries_ = end.entries();
  errors_ += end.failed();
}

// --- mail from workers ------------------------------------------------------------------------------------------

void Storage::chunk_written(std::shared_ptr<InChunk> chunk) {
  files_->chunks_mailed.fetch_add(1, std::memory_order_relaxed);
  post([chunk = std::move(chunk)](Storage& self) {
    self.files_->chunks_mailed.fetch_sub(1, std::memory_order_relaxed);
    self.take_chunk(chunk, self.now_);
  });
}

void Storage::landed(std::vector<LandedFile> files) {
  post([files = std::move(files)](Storage& self) {
    for (const LandedFile& each : files) self.take_landed(each);
  });
}

void Storage::take_landed(const LandedFile& landed) {
  if (failed_) return;
  const auto& [file, root, bundle] = landed;
  const bool again = in_commit(*file);  // a second copy of one that waits to be published
  if (files_->find(file->id) != file || again || file->landing == Landing::sink)
    files_->backlog.fetch_sub(1, std::memory_order_relaxed);
  if (again) return resolve_in_bundle(bundle);
  if (files_->find(file->id) != file) {  // given up meanwhile
    if (zone_ && file->landing_file.data) (void)zone_->drop(file->landing_file);
    return resolve_in_bundle(bundle);
  }
  if (file->landing != Landing::sink) return commit_->add_whole(file, root, bundle, now_);
  final_sizes_[file->id] = file->entry.size;
  write_to_sink(*file);
  finish_if_whole(file);
  resolve_in_bundle(bundle);
}

void Storage::bundle_landed(std::shared_ptr<InBundle> bundle) {
  post([bundle = std::move(bundle)](Storage& self) {
    if (bundle->failed) return;
    self.files_->bundle_done(bundle->number);
    self.tell_durable(protocol::bundle_file, bundle->number);
  });
}

void Storage::chunk_failed(std::shared_ptr<InFile> file, std::uint64_t chunk, std::uint32_t attempt, Error error) {
  post([file = std::move(file), chunk, attempt, error = std::move(error)](Storage& self) {
    if (self.failed_) return;
    if (error.code == Code::no_space || error.code == Code::read_only) return self.fail(error);
    if (file) return self.tell_chunk_failed(file->id, chunk, attempt, error);
    // A bundle is answered once the files of it that did land are settled, and then taken from its beginning.
    self.fail_bundle(self.files_->bundle(chunk, 1), error);
  });
}

void Storage::file_failed(std::shared_ptr<InFile> file, std::shared_ptr<InBundle> bundle, Error error) {
  post([file = std::move(file), bundle = std::move(bundle), error = std::move(error)](Storage& self) {
    if (self.failed_) return;
    if (error.code == Code::no_space || error.code == Code::read_only) return self.fail(error);
    if (!in_commit(*file)) self.give_up_file(file, error, is_worth_keeping(*file, error.code));
    self.resolve_in_bundle(bundle);
  });
}

// --- large files ------------------------------------------------------------------------------------------------

void Storage::take_chunk(std::shared_ptr<InChunk> chunk, Time now) {
  if (failed_) return;
  const auto file = chunk->file;
  if (files_->find(file->id) != file) return;  // given up or started anew meanwhile
  if (file->landing == Landing::sink) {
    write_to_sink(*file);
    finish_if_whole(file);
  } else {
    commit_->add_chunk(std::move(chunk), now);
  }
}

Result<> Storage::write_at(InFile& file, const InChunk& chunk) {
  const StageScope scope(Stage::write);
  return file.writer->write_at(chunk.index * file.chunk_bytes, chunk.memory);
}

/// Gives the sink what is complete and next in order.
void Storage::write_to_sink(InFile& file) {
  for (;;) {
    std::shared_ptr<InChunk> next;
    {
      const std::lock_guard lock(file.mutex);
      if (file.chunks.empty()) return;
      auto& [index, chunk] = *file.chunks.begin();
      const bool in_turn = index == 0 ? file.durable.runs() == 0 : file.durable.contains(index - 1);
      if (!in_turn || chunk->claims.done_count() != chunk->claims.frame_count()) return;
      next = chunk;
    }
    if (auto written = write_at(file, *next); !written) return fail(std::move(written.error()));
    {
      const std::lock_guard lock(file.mutex);
      file.set_durable(next->index);
    }
    counters_.bytes.fetch_add(next->memory.size(), std::memory_order_relaxed);
    tell_durable(file.id, next->index);
  }
}

void Storage::chunk_durable(const std::shared_ptr<InFile>& file, std::uint64_t chunk) {
  const std::uint64_t bytes =
      file->entry.size_known ? chunk_content_bytes(file->entry.size, file->chunk_bytes, chunk) : file->chunk_bytes;
  counters_.bytes.fetch_add(bytes, std::memory_order_relaxed);
  tell_durable(file->id, chunk);
  finish_if_whole(file);
}

/// Its source was whole to the end, and all its chunks are durable: it can be published.
void Storage::finish_if_whole(const std::shared_ptr<InFile>& file) {
  const auto end = final_sizes_.find(file->id);
  const bool sink_in_one =
      file->landing == Landing::sink && file->entry.size_known && file->entry.size <= protocol::whole_bytes_max;
  if (end == final_sizes_.end() && !sink_in_one) return;
  const std::uint64_t size = end == final_sizes_.end() ? file->entry.size : end->second;
  const std::uint64_t chunks = (size + file->chunk_bytes - 1) / file->chunk_bytes;
  {
    const std::lock_guard lock(file->mutex);
    if (!file->durable.contains_all_before(chunks)) return;
  }
  if (end != final_sizes_.end()) final_sizes_.erase(end);
  if (file->landing == Landing::sink) return finish_sink(file);
  commit_->add_finished(file, now_);
}

void Storage::finish_sink(const std::shared_ptr<InFile>& file) {
  if (auto finished = file->writer->finish(file->entry.size); !finished) return fail(std::move(finished.error()));
  counters_.files.fetch_add(1, std::memory_order_relaxed);
  tell_durable(file->id, protocol::published_chunk);
  forget(file);
}

// --- after a group ------------------------------------------------------------------------------------------------

void Storage::published(const std::shared_ptr<InFile>& file, const std::shared_ptr<InBundle>& bundle) {
  counters_.files.fetch_add(1, std::memory_order_relaxed);
  counters_.count(file->unkept);
  if (file->landing == Landing::whole) {
    files_->backlog.fetch_sub(1, std::memory_order_relaxed);
    counters_.bytes.fetch_add(file->entry.size, std::memory_order_relaxed);
    if (!bundle) tell_durable(file->id, 0);
  } else {
    tell_durable(file->id, protocol::published_chunk);
  }
  forget(file);
  resolve_in_bundle(bundle);
}

void Storage::publish_failed(const std::shared_ptr<InFile>& file, const std::shared_ptr<InBundle>& bundle,
                             Error error) {
  if (error.code == Code::interrupted) return;  // the transfer was given up: what has landed is for the next one
  if (file->landing == Landing::whole) files_->backlog.fetch_sub(1, std::memory_order_relaxed);
  give_up_file(file, error, is_worth_keeping(*file, error.code));
  resolve_in_bundle(bundle);
}

/// The sender hears of it. Of a large file all has been counted as it became durable.
void Storage::left_alone(const std::shared_ptr<InFile>& file, const std::shared_ptr<InBundle>& bundle) {
  counters_.left_alone.fetch_add(1, std::memory_order_relaxed);
  counters_.skipped_files.fetch_add(1, std::memory_order_relaxed);
  if (file->landing == Landing::whole) {
    files_->backlog.fetch_sub(1, std::memory_order_relaxed);
    counters_.skipped_bytes.fetch_add(file->entry.size, std::memory_order_relaxed);
  }
  tell_file_failed(*file, {Code::busy, "something has come to be at the target by its name, and is left alone", 0},
                   true);
  end_file(file, false);
  resolve_in_bundle(bundle);
}

/// Law 1: a failed sync is never repeated. What landed since the last good one counts for nothing, so the file starts
/// anew.
void Storage::landing_lost(const std::shared_ptr<InFile>& file, const std::shared_ptr<InBundle>& bundle, Error error) {
  if (file->landing == Landing::whole) files_->backlog.fetch_sub(1, std::memory_order_relaxed);
  if (error.code == Code::no_space || error.code == Code::read_only) return fail(std::move(error));
  log::warn(error.text + "; its landing file is given up and it is sent again");
  if (file->landing == Landing::journalled) return restart_file(file);
  if (auto dropped = zone_->drop(file->landing_file); !dropped) return fail(std::move(dropped.error()));
  {
    const std::lock_guard lock(file->mutex);
    file->landing_file = {};
    file->drop_chunks();
    file->closed = false;
  }
  if (file->source_gone) {  // there is nobody to send it again
    end_file(file, false);
    return resolve_in_bundle(bundle);
  }
  if (!bundle) return tell_chunk_failed(file->id, 0, protocol::any_attempt, error);
  fail_bundle(bundle, std::move(error));
  resolve_in_bundle(bundle);
}

void Storage::fail_bundle(const std::shared_ptr<InBundle>& bundle, Error error) {
  if (!bundle || bundle->failed.exchange(true)) return;
  failed_bundles_.emplace_back(bundle, std::move(error));
}

/// A new landing file under the same id; the sender cuts the file anew. One that was lost is of no use to another run
/// either.
void Storage::restart_file(const std::shared_ptr<InFile>& file) {
  constexpr unsigned restarts_max = 3;
  if (file->restarts + 1 >= restarts_max)
    return give_up_file(
        file,
        {Code::io,
         "the landing file of " + printable(file->entry.path) + " was lost three times; look at the target's disk", 0},
        false);
  commit_->drop(*file);
  final_sizes_.erase(file->id);
  {
    const std::lock_guard lock(file->mutex);
    file->closed = true;
    file->drop_chunks();
  }
  if (auto dropped = zone_->drop(file->landing_file); !dropped) return fail(std::move(dropped.error()));
  file->landing_file.data.reset();
  file->landing_file.journal.reset();
  auto landing = zone_->begin_large(file->entry, file->parent, file->chunk_bytes, file->direct, world_.random);
  if (!landing) return give_up_file(file, landing.error(), false);
  auto again = std::make_shared<InFile>();
  again->id = file->id;
  again->entry = file->entry;
  again->name = file->name;
  again->parent = file->parent;
  again->zone = file->zone;
  again->log = file->log;
  again->leave_alone = file->leave_alone;
  again->granularity_ns = file->granularity_ns;
  again->landing = Landing::journalled;
  again->chunk_bytes = file->chunk_bytes;
  again->direct = file->direct;
  again->displaces = file->displaces;
  again->restarts = file->restarts + 1;
  again->landing_file = std::move(*landing);
  files_->add(again);
  protocol::Message message;
  auto& failed = *message.mutable_file_failed();
  failed.set_transfer(setup_.transfer);
  failed.set_file(again->id);
  failed.set_restart(true);
  setup_.tell(std::move(message));
}

/// The sender hears of it.
void Storage::give_up_file(const std::shared_ptr<InFile>& file, const Error& error, bool keep) {
  if (files_->find(file->id) != file) return;
  ++errors_;
  const std::string_view next = keep ? "; what has landed of it is kept, and the same command goes on from there" : "";
  Error told = error;
  told.text = error.text.substr(0, protocol::text_bytes_max - next.size()).append(next);
  tell_file_failed(*file, told, false);
  end_file(file, keep);
}

/// It is not published. `keep`: its landing file stays, as after an interruption.
void Storage::end_file(const std::shared_ptr<InFile>& file, bool keep) {
  if (files_->find(file->id) != file) return;
  {
    const std::lock_guard lock(file->mutex);
    file->closed = true;
    file->drop_chunks();
  }
  if (commit_) commit_->drop(*file);
  final_sizes_.erase(file->id);
  if (!keep && zone_ && file->landing_file.data) (void)zone_->drop(file->landing_file);
  if (keep) {  // with its lock
    const std::lock_guard lock(file->mutex);
    file->landing_file.data.reset();
    file->landing_file.journal.reset();
  }
  forget(file);
}

void Storage::forget(const std::shared_ptr<InFile>& file) {
  if (files_->find(file->id) != file) return;
  {
    const std::lock_guard lock(file->mutex);
    file->drop_chunks();  // they hold the file, and it them
  }
  files_->remove(file->id);
  attribute_bytes_ -= protocol::attribute_bytes(file->entry);
  ++resolved_;
}

void Storage::resolve_in_bundle(const std::shared_ptr<InBundle>& bundle) {
  if (!bundle || bundle->files_pending.fetch_sub(1, std::memory_order_acq_rel) != 1 || bundle->failed) return;
  files_->bundle_done(bundle->number);
  tell_durable(protocol::bundle_file, bundle->number);
}

void Storage::answer_failed_bundles() {
  std::erase_if(failed_bundles_, [&](const auto& failed) {
    const auto& [bundle, error] = failed;
    if (!bundle->files_settled()) return false;
    files_->forget_bundle(bundle->number);
    tell_chunk_failed(protocol::bundle_file, bundle->number, protocol::any_attempt, error);
    return true;
  });
}

// --- words to the peer ----------------------------------------------------------------------------------------------

void Storage::tell_chunk_failed(std::uint64_t file, std::uint64_t chunk, std::uint32_t attempt, const Error& error) {
  protocol::Message message;
  auto& failed = *message.mutable_chunk_failed();
  failed.set_transfer(setup_.transfer);
  failed.set_file(file);
  failed.set_chunk(chunk);
  failed.set_attempt(attempt);
  failed.set_code(static_cast<std::uint32_t>(error.code));
  failed.set_text(error.text.substr(0, protocol::text_bytes_max));
  setup_.tell(std::move(message));
}

void Storage::tell_file_failed(const InFile& file, const Error& error, bool left_alone) {
  protocol::Message message;
  auto& failed = *message.mutable_file_failed();
  failed.set_transfer(setup_.transfer);
  failed.set_file(file.id);
  failed.set_code(static_cast<std::uint32_t>(error.code));
  failed.set_text(error.text.substr(0, protocol::text_bytes_max));
  failed.set_path(file.entry.path);
  failed.set_left_alone(left_alone);
  setup_.tell(std::move(message));
}

void Storage::tell_durable(std::uint64_t file, std::uint64_t chunk) {
  durable_.add_file(file);
  durable_.add_chunk(chunk);
}

void Storage::flush_durable() {
  if (durable_.file_size() == 0) return;
  protocol::Message message;
  message.mutable_durable()->Swap(&durable_);
  durable_.set_transfer(setup_.transfer);
  setup_.tell(std::move(message));
}

void Storage::fail(Error error) {
  if (std::exchange(failed_, true)) return;
  setup_.failed(std::move(error));
}

// --- life -------------------------------------------------------------------------------------------------------

Time Storage::step(Time now) {
  now_ = now;
  // Before any mail: a peer may announce before it was told that it may.
  if (!open_once(now)) return now + 20 * millisecond;
  for (auto& mail : mailbox_.take()) mail(*this);
  answer_failed_bundles();
  decide_compared();
  decide_held();
  // With everything announced and nothing on its way, waiting for more to gather would only delay the end.
  const Time again = commit_ ? step_commit(now, flush_ || closing_ || all_resolved()) : time_never;
  flush_ = flush_ && commit_ && !commit_->idle();
  if (commit_) stages.waits_for(commit_->waits_for());
  if (commit_) files_->chunks_waiting.store(commit_->chunks_waiting(), std::memory_order_relaxed);
  flush_durable();
  flush_compared();
  tell_of_reading(now);
  if (closing_ && (!commit_ || commit_->idle())) {
    constexpr std::size_t names_at_once = 256;
    if (!complete_ || !trash_ || !trash_->remove_some(names_at_once)) close_now();
    return now;
  }
  if (!failed_ && !complete_ && all_resolved() && (!commit_ || commit_->idle())) {
    finish_transfer(now);
    if (!complete_) return std::max(merge_again_, now + millisecond);
  }
  if (assay_ && !failed_ && assay_->step()) return now;
  const Time bundles = failed_bundles_.empty() ? time_never : now + 5 * millisecond;
  const Time reading = may_decide() ? now : comparing_.empty() ? time_never : now + second;
  return std::min({again, bundles, reading});
}

/// Operations of the ring, most of them syncs, are handed to the kernel here.
disk::Operation* Storage::reap_one() {
  const StageScope scope(Stage::sync);
  return kit_.disk->reap();
}

/// An operation may finish as it is submitted, with no wake-up to follow: so on until nothing has finished.
Time Storage::step_commit(Time now, bool flush) {
  for (;;) {
    const Time again = commit_->step(now, flush);
    disk::Operation* operation = reap_one();
    if (operation == nullptr) return again;
    for (; operation != nullptr; operation = reap_one()) commit_->completed(*operation);
  }
}

void Storage::finish_transfer(Time now) {
  if (now < merge_again_) return;
  const StageScope scope(Stage::names);
  if (!std::exchange(desk_finished_, true))
    if (auto finished = finish_desk(); !finished) return fail(std::move(finished.error()));
  if (const Result<> merged = zone_ ? merge_manifests() : Result<>(); !merged) {
    if (merged.error().code != Code::busy) return fail(merged.error());
    merge_again_ = now + 50 * millisecond;
    return;
  }
  complete_ = true;
  setup_.complete();
}

void Storage::close_now() {
  tally_->ended = true;
  comparing_.clear();
  for (const auto& file : files_->all()) {
    const std::lock_guard lock(file->mutex);
    file->closed = true;
    file->drop_chunks();
    if (zone_ && file->landing == Landing::whole && file->landing_file.data) (void)zone_->drop(file->landing_file);
    file->landing_file.data.reset();
    file->landing_file.journal.reset();
    files_->remove(file->id);
  }
  if (complete_ && trash_ && !trash_->stuck().empty())
    log::warn("what was replaced cannot be removed and stays in .longhaul/trash of the target: " + trash_->stuck());
  commit_.reset();
  assay_.reset();
  if (desk_) desk_->abandon();
  desk_.reset();
  dry_run_.reset();
  if (mirror_) mirror_->abandon();
  mirror_.reset();
  manifest_.reset();
  closed_ = true;
  setup_.closed();
}

}  // namespace longhaul::engine
