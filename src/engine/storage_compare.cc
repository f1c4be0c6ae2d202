// Storage with --checksum: files that are there in the size of their source are read, by workers, and by what was found
// at both ends the desk decides.
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "engine/storage.h"
#include "protocol/bounds.h"
#include "protocol/entry.h"

namespace longhaul::engine {
namespace {

constexpr std::size_t kept_max = 512;  // files open until what was set of them is durable

Result<> check_size(std::uint64_t size, const disk::Stat& found) {
  if (found.type == disk::FileType::file && found.size == size) return {};
  return longhaul::fail(Code::source_changed, "it is another file now");
}

}  // namespace

/// Books of what was decided about an entry.
void Storage::take(std::uint64_t id, Decision& decision) {
  if (decision.compare) return begin_comparing(id, std::move(*decision.compare), std::move(decision.compare_in));
  if (decision.dirty) commit_->add_dirty(std::move(decision.dirty));
  if (decision.kept) commit_->add_kept(std::move(*decision.kept), now_);
  if (decision.file && decision.file->older) assay_->add(decision.file);
  if (decision.file)
    attribute_bytes_ += protocol::attribute_bytes(decision.file->entry);
  else
    ++resolved_;
}

/// By its path, so that no directory stays open for each file that waits.
void Storage::begin_comparing(std::uint64_t id, Entry entry, disk::DirPtr in) {
  attribute_bytes_ += protocol::attribute_bytes(entry);
  ContentJob job;
  job.by = setup_.checksum;
  job.root_too = true;
  job.size = entry.size;
  job.tally = tally_;
  job.open = [root = in ? std::move(in) : root_, path = entry.path](disk::Disk& disk) -> Result<Content> {
    auto file = disk.open_file(root, path, disk::Open::read, false);
    if (!file) return std::unexpected(std::move(file.error()));
    return Content{.file = std::move(*file), .reader = nullptr};
  };
  job.check = [size = entry.size](const disk::Stat& found) { return check_size(size, found); };
  job.done = [this, id](Result<Compared> found) {
    post([id, found = std::move(found)](Storage& self) { self.take_own(id, found); });
  };
  comparing_[id].entry = std::move(entry);
  setup_.compare(std::move(job));
}

/// What cannot be read here, or changes, is sent whatever the source has.
void Storage::take_own(std::uint64_t id, Result<Compared> found) {
  const auto at = comparing_.find(id);
  if (at == comparing_.end()) return;
  Comparing& file = at->second;
  if (found) {
    file.ours = *found;
  } else {
    file.unreadable = true;
    log::info(printable(file.entry.path) + " at the target cannot be compared, and is sent: " + found.error().text);
  }
  if (file.ready()) ready_.push_back(id);
}

void Storage::compared(const protocol::Compared& keys) {
  if (failed_ || closing_) return;
  const auto files = static_cast<std::size_t>(keys.file_size());
  if (keys.keys().size() != files * sizeof(ContentKey))
    return fail({Code::protocol, "the sender told of what it has in a way that makes no sense", 0});
  for (std::size_t i = 0; i < files; ++i) {
    const std::uint64_t id = keys.file(static_cast<int>(i));
    const auto at = comparing_.find(id);
    if (at == comparing_.end() || at->second.ready()) continue;  // it could not be read here
    at->second.theirs = load<ContentKey>(bytes_of(keys.keys()).data() + i * sizeof(ContentKey));
    if (at->second.ready()) ready_.push_back(id);
  }
}

bool Storage::may_keep() const {
  return !commit_ || commit_->kept_waiting() < kept_max;
}

bool Storage::may_decide() const {
  return !failed_ && !closing_ && may_keep() && !(ready_.empty() && held_.empty());
}

/// What had to wait until fewer files were open.
void Storage::decide_held() {
  while (!held_.empty() && may_decide()) {
    protocol::Announce batch = std::move(held_.front());
    held_.pop_front();
    decide_batch(std::move(batch));
  }
}

/// Copies are made in passing: what has landed does not wait for more than a few of them.
void Storage::decide_compared() {
  constexpr std::uint64_t copied_most = protocol::whole_bytes_max;
  for (std::uint64_t copied = 0; !ready_.empty() && may_decide() && copied < copied_most;) {
    const std::uint64_t id = ready_.front();
    ready_.pop_front();
    if (comparing_.contains(id)) copied += decide_compared(id);
  }
}

/// Returns what had to be copied for it, in bytes.
std::uint64_t Storage::decide_compared(std::uint64_t id) {
  constexpr std::size_t bytes_most = 64 * 1024;  // words or ranges; far below the limit of a message
  constexpr int files_most = 1024;
  const Comparing& both = comparing_.at(id);
  ComparedContent found;
  if (!both.unreadable) found = {*both.theirs == both.ours->digests.key, both.ours->version, both.ours->digests.root};
  Entry entry = end_comparing(id);
  counters_.compared_files.fetch_add(1, std::memory_order_relaxed);
  counters_.compared_bytes.fetch_add(entry.size, std::memory_order_relaxed);
  Decision decision =
      dry_run_ ? dry_run_->decide_compared(entry, found) : desk_->decide_compared(id, std::move(entry), found);
  if (decision.fatal) {
    fail(std::move(*decision.fatal));
    return 0;
  }
  if (decision.verdict.action() == protocol::Verdict::REFUSE) ++errors_;
  if (is_same(decision.verdict)) counters_.same_files.fetch_add(1, std::memory_order_relaxed);
  const std::uint64_t copied = decision.kept && decision.kept->copy ? decision.kept->record.size : 0;
  take(id, decision);
  compared_bytes_ += decision.verdict.ByteSizeLong();
  compared_.add_file(id);
  *compared_.add_verdicts() = std::move(decision.verdict);
  if (compared_bytes_ >= bytes_most || compared_.file_size() >= files_most) flush_compared();
  return copied;
}

Entry Storage::end_comparing(std::uint64_t id) {
  const auto at = comparing_.find(id);
  Entry entry = std::move(at->second.entry);
  comparing_.erase(at);
  attribute_bytes_ -= protocol::attribute_bytes(entry);
  return entry;
}

/// Its content and its name are right, and so is its time until power is lost. Or it is a copy, and has no name.
void Storage::kept_lost(const std::string& path, Error error) {
  if (error.code == Code::no_space || error.code == Code::read_only) return fail(std::move(error));
  ++errors_;
  late_failures_.add(path, std::move(error));
}

void Storage::flush_compared() {
  if (compared_.file_size() == 0) return;
  protocol::Message message;
  message.mutable_compared()->Swap(&compared_);
  message.mutable_compared()->set_transfer(setup_.transfer);
  compared_bytes_ = 0;
  compared_told_at_ = now_;
  setup_.tell(std::move(message));
}

/// One large file may take longer to read than the sender waits without a word.
void Storage::tell_of_reading(Time now) {
  const std::uint64_t bytes = tally_->bytes.load(std::memory_order_relaxed);
  if (comparing_.empty() || bytes == bytes_told_ || now - compared_told_at_ < second) return;
  bytes_told_ = bytes;
  compared_told_at_ = now;
  protocol::Message message;
  message.mutable_compared()->set_transfer(setup_.transfer);
  setup_.tell(std::move(message));
}

}  // namespace longhaul::engine
