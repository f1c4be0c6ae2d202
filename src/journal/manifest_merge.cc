// The end of a transfer: its log is cut into sorted runs that fit in memory, the runs and the old manifest are merged
// into the new one. A crash at any point leaves the old manifest or the new one, and the log until the new one is
// durable.
#include <algorithm>
#include <numeric>
#include <string_view>

#include "journal/journal_file.h"
#include "journal/manifest.h"
#include "journal/manifest_stream.h"

namespace longhaul::journal {
namespace {

constexpr std::string_view manifest_name = "manifest";
constexpr std::string_view new_name = "manifest.new";
constexpr std::string_view lock_name = "manifest.lock";
constexpr std::size_t fan_in_max = 64;
constexpr std::size_t buffer_bytes_min = 4096;
constexpr std::size_t buffer_bytes_max = 256 * 1024;

class Merge {
 public:
  Merge(disk::Disk& disk, const disk::DirPtr& root, const disk::DirPtr& directory, const std::string& log_name,
        std::size_t memory_bytes)
      : disk_(disk),
        root_(root),
        directory_(directory),
        log_name_(log_name),
        memory_bytes_(memory_bytes),
        fan_in_(std::clamp<std::size_t>(memory_bytes / (64 * 1024), 2, fan_in_max)),
        buffer_bytes_(std::clamp(memory_bytes / (fan_in_ + 2), buffer_bytes_min, buffer_bytes_max)) {}

  Result<> run();

 private:
  Result<> remove_old_runs();
  Result<> cut_into_runs();
  Result<> write_run(std::vector<ManifestRecord>& records);
  enum class Pass : std::uint8_t { intermediate, last };
  struct Input {
    std::unique_ptr<RecordReader> reader;
    std::optional<ManifestRecord> head;
  };
  Result<> merge_files(const std::vector<std::string>& inputs, const std::string& output, Pass pass);
  const ManifestRecord* choose(const std::vector<Input>& open, const std::string& path);
  unsigned likeness(const ManifestRecord& record);
  Result<> publish();
  [[nodiscard]] std::string next_run_name() { return log_name_ + ".run" + std::to_string(run_number_++); }

  disk::Disk& disk_;
  const disk::DirPtr& root_;
  const disk::DirPtr& directory_;
  const std::string& log_name_;
  const std::size_t memory_bytes_;
  const std::size_t fan_in_;
  const std::size_t buffer_bytes_;
  std::vector<std::string> runs_;  // oldest first
  std::uint64_t run_number_ = 0;
  std::string tree_;  // last pass: the tree beneath which records are held against the files, "NAME/"
};

Result<> Merge::run() {
  if (auto removed = remove_old_runs(); !removed) return removed;
  auto cut = cut_into_runs();
  if (!cut && cut.error().code == Code::not_found) return {};  // merged already
  if (!cut) return cut;
  auto old = disk_.stat(directory_, manifest_name);
  if (!old && old.error().code != Code::not_found) return std::unexpected(std::move(old.error()));
  if (old) runs_.insert(runs_.begin(), std::string(manifest_name));
  // Neighbours are merged, so that the order of the list stays the order of age.
  while (runs_.size() > fan_in_) {
    std::vector<std::string> merged;
    std::size_t first = 0;
    if (old) merged.push_back(runs_[first++]);  // the old manifest is large: it is read once, in the last pass
    while (first < runs_.size()) {
      const std::size_t count = std::min(fan_in_, runs_.size() - first);
      const std::vector<std::string> group(runs_.begin() + static_cast<std::ptrdiff_t>(first),
                                           runs_.begin() + static_cast<std::ptrdiff_t>(first + count));
      merged.push_back(next_run_name());
      if (auto done = merge_files(group, merged.back(), Pass::intermediate); !done) return done;
      for (const auto& name : group) {
        if (auto removed = unlink_if_there(disk_, directory_, name); !removed) return removed;
      }
      first += count;
    }
    runs_ = std::move(merged);
  }
  if (!old || runs_.size() > 1) {
    if (auto done = merge_files(runs_, std::string(new_name), Pass::last); !done) return done;
    if (auto done = publish(); !done) return done;
  }
  if (auto removed = remove_old_runs(); !removed) return removed;
  if (auto removed = unlink_if_there(disk_, directory_, log_name_); !removed) return removed;
  return disk_.sync_dir(directory_);
}

/// Runs of this merge, or of one that was killed: we hold the lock, so nobody else is using any.
Result<> Merge::remove_old_runs() {
  Result<> result;
  auto listed = each_name(disk_, directory_, [&](const std::string& name) {
    if (name.find(".log.run") != std::string::npos || name.starts_with(log_name_ + ".run")) {
      result = unlink_if_there(disk_, directory_, name);
    }
    return result.has_value();
  });
  return listed ? result : listed;
}

Result<> Merge::cut_into_runs() {
  auto reader = RecordReader::open(disk_, directory_, log_name_, ManifestKind::log, buffer_bytes_);
  if (!reader) return std::unexpected(std::move(reader.error()));
  std::vector<ManifestRecord> records;
  std::size_t bytes = 0;
  for (;;) {
    auto record = (*reader)->next();
    if (!record) return std::unexpected(std::move(record.error()));
    if (!record->has_value()) break;
    // Twice the record: the vector grows by doubling, and sorting takes an index.
    bytes += 2 * sizeof(ManifestRecord) + (*record)->path.size();
    records.push_back(std::move(**record));
    if (bytes < memory_bytes_) continue;
    if (auto written = write_run(records); !written) return written;
    bytes = 0;
  }
  return records.empty() ? Result<>{} : write_run(records);
}

Result<> Merge::write_run(std::vector<ManifestRecord>& records) {
  std::vector<std::size_t> order(records.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    const int compared = records[a].path.compare(records[b].path);
    return compared != 0 ? compared < 0 : a < b;
  });
  runs_.push_back(next_run_name());
  auto writer = RecordWriter::create(disk_, directory_, runs_.back(), buffer_bytes_);
  if (!writer) return std::unexpected(std::move(writer.error()));
  for (std::size_t i = 0; i < order.size(); ++i) {
    const ManifestRecord& record = records[order[i]];
    if (i + 1 < order.size() && record.path == records[order[i + 1]].path) continue;  // a newer one follows
    if (auto added = (*writer)->add(record); !added) return added;
  }
  records.clear();
  return (*writer)->finish(false);
}

/// `inputs`: oldest first; of records of one path the youngest stays. The last pass makes the manifest, durable, which
/// says nothing of what is gone.
Result<> Merge::merge_files(const std::vector<std::string>& inputs, const std::string& output, Pass pass) {
  std::vector<Input> open;
  for (const auto& name : inputs) {
    auto reader = RecordReader::open(disk_, directory_, name, ManifestKind::sorted, buffer_bytes_);
    if (!reader) return std::unexpected(std::move(reader.error()));
    auto head = (*reader)->next();
    if (!head) return std::unexpected(std::move(head.error()));
    open.push_back({std::move(*reader), std::move(*head)});
  }
  auto writer = RecordWriter::create(disk_, directory_, output, buffer_bytes_);
  if (!writer) return std::unexpected(std::move(writer.error()));
  for (;;) {
    const Input* least = nullptr;
    for (const auto& input : open) {
      if (input.head && (least == nullptr || input.head->path <= least->head->path)) least = &input;
    }
    if (least == nullptr) return (*writer)->finish(pass == Pass::last);
    const std::string path = least->head->path;
    const bool last_tree = least->head->is_tree && pass == Pass::last;
    if (last_tree) tree_ = path;
    const bool beneath = !tree_.empty() && path.starts_with(tree_);
    const ManifestRecord* chosen = last_tree ? nullptr : beneath ? choose(open, path) : &*least->head;
    if (chosen != nullptr && !(pass == Pass::last && chosen->gone))
      if (auto added = (*writer)->add(*chosen); !added) return added;
    for (auto& input : open) {
      if (!input.head || input.head->path != path) continue;
      auto next = input.reader->next();
      if (!next) return std::unexpected(std::move(next.error()));
      input.head = std::move(*next);
    }
  }
}

/// Of the records of a path beneath a tree, the youngest of those that are most like the file. Null: none of them is
/// about what stands there now.
const ManifestRecord* Merge::choose(const std::vector<Input>& open, const std::string& path) {
  const ManifestRecord* best = nullptr;
  unsigned best_likeness = 0;
  for (auto input = open.rbegin(); input != open.rend(); ++input) {
    if (!input->head || input->head->path != path) continue;
    const unsigned like = likeness(*input->head);
    if (like > best_likeness) best = &*input->head;
    best_likeness = std::max(best_likeness, like);
  }
  return best;
}

/// 0: another file, or none. A file system may keep times in whole seconds only.
unsigned Merge::likeness(const ManifestRecord& record) {
  constexpr std::int64_t ns_per_s = 1'000'000'000;
  if (record.gone) return 0;
  const auto stat = disk_.stat(root_, record.path);
  if (!stat || stat->type != disk::FileType::file || stat->size != record.size) return 0;
  if (stat->mtime_ns == record.mtime_ns) return 2;
  return stat->mtime_ns / ns_per_s == record.mtime_ns / ns_per_s ? 1 : 0;
}

Result<> Merge::publish() {
  if (auto renamed = disk_.rename(directory_, new_name, directory_, manifest_name); !renamed) return renamed;
  return disk_.sync_dir(directory_);
}

}  // namespace

Result<> merge_manifest(disk::Disk& disk, const disk::DirPtr& root, const disk::DirPtr& directory,
                        const std::string& log_name, std::size_t memory_bytes) {
  auto lock = disk.open_file(directory, lock_name, disk::Open::create_or_open, false);
  if (!lock) return std::unexpected(std::move(lock.error()));
  auto locked = disk.try_lock(**lock);
  if (!locked) return std::unexpected(std::move(locked.error()));
  if (!*locked) return fail(Code::busy, "another transfer to this target is writing the manifest now; try again soon");
  return Merge(disk, root, directory, log_name, memory_bytes).run();
}

Result<> merge_left_over_logs(disk::Disk& disk, const disk::DirPtr& root, const disk::DirPtr& directory) {
  auto logs = list_logs(disk, directory);
  if (!logs) return std::unexpected(std::move(logs.error()));
  for (const auto& [order, name] : *logs) {
    auto file = disk.open_file(directory, name, disk::Open::write, false);
    if (!file && file.error().code == Code::not_found) continue;  // merged by somebody else meanwhile
    if (!file) return std::unexpected(std::move(file.error()));
    const auto locked = disk.try_lock(**file);
    if (!locked || !*locked) continue;
    if (auto merged = merge_manifest(disk, root, directory, name); !merged) return merged;
  }
  return {};
}

}  // namespace longhaul::journal
