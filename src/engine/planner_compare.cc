// The planner with --checksum: what the receiver has in the same size is read here too, by workers, and the receiver,
// which is told what was found, decides.
#include <utility>

#include "base/bytes.h"
#include "engine/dry_run.h"
#include "engine/outgoing.h"
#include "engine/planner.h"

namespace longhaul::engine {

void Planner::begin_comparing(std::uint64_t id, Entry entry) {
  if (setup_.checksum == Delta::none || entry.type != EntryType::file || !entry.size_known) {
    failure_ = Error{Code::protocol, "the receiver compares what it was not asked to compare", 0};
    return;
  }
  ContentJob job;
  job.by = setup_.checksum;
  job.size = entry.size;
  job.tally = tally_;
  job.open = [feed = setup_.feed, entry](disk::Disk& disk) { return feed->open(disk, entry, false); };
  job.check = [entry](const disk::Stat& found) -> Result<> {
    if (same_version(entry, found)) return {};
    return fail(Code::source_changed, "it is another version now");
  };
  comparing_.emplace(id, std::move(entry));
  host_.compare(setup_.transfer, id, std::move(job));
}

void Planner::compared_here(std::uint64_t file, Result<Compared> found) {
  constexpr int keys_most = 1024;
  const auto at = comparing_.find(file);
  if (at == comparing_.end()) return;  // the receiver has decided already
  if (found) {
    keys_.add_file(file);
    keys_.mutable_keys()->append(text_of(found->digests.key));
    if (keys_.file_size() >= keys_most) flush_keys();
    return;
  }
  const Entry entry = std::move(at->second);
  comparing_.erase(at);
  Error error = std::move(found.error());
  const std::string name = setup_.feed->words(entry);
  error.text = error.code == Code::source_changed
                   ? name + " changed while it was compared; send it again when it is at rest"
                   : "cannot compare " + name + " with what is at the target: " + error.text;
  bytes_lost_ += entry.size;
  if (is_journalled(entry)) --journalled_open_;
  source_failed(file, {name, std::move(error)});
  resolve(file);
}

void Planner::flush_keys() {
  if (keys_.file_size() == 0) return;
  protocol::Message message;
  message.mutable_compared()->Swap(&keys_);
  message.mutable_compared()->set_transfer(setup_.transfer);
  host_.tell(std::move(message));
}

void Planner::compared(const protocol::Compared& decided_files) {
  progress_at_ = now_;  // without files: it reads
  if (decided_files.file_size() != decided_files.verdicts_size()) {
    failure_ =
        Error{Code::protocol, "the receiver decided on files that were compared in a way that makes no sense", 0};
    return;
  }
  for (int i = 0; i < decided_files.file_size() && !failure_; ++i) {
    const protocol::Verdict& verdict = decided_files.verdicts(i);
    const auto at = comparing_.find(decided_files.file(i));
    if (at == comparing_.end()) continue;  // it could not be read here meanwhile
    if (verdict.action() == protocol::Verdict::COMPARE) {
      failure_ = Error{Code::protocol, "the receiver compares a file again and again", 0};
      return;
    }
    const std::uint64_t id = at->first;
    Entry entry = std::move(at->second);
    comparing_.erase(at);
    ++totals_.compared_files;
    totals_.compared_bytes += entry.size;
    if (is_same(verdict)) ++totals_.same_files;
    decided(id, std::move(entry), verdict);
  }
}

/// Reading is progress, here and there: nothing else moves while large files are compared.
void Planner::look_at_reading() {
  const std::uint64_t bytes = tally_->bytes.load(std::memory_order_relaxed);
  if (bytes != std::exchange(bytes_compared_, bytes)) progress_at_ = now_;
}

}  // namespace longhaul::engine
