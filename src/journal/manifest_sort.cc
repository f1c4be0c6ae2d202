#include "journal/manifest_sort.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "disk/blocking.h"
#include "journal/manifest_stream.h"

namespace longhaul::journal {
namespace {

constexpr std::size_t fan_in_max = 64;
constexpr std::size_t buffer_bytes_min = 4096;
constexpr std::size_t buffer_bytes_max = std::size_t{256} * 1024;
constexpr std::size_t write_bytes = std::size_t{1} << 20U;

/// One run being merged.
struct Input {
  std::unique_ptr<RecordReader> reader;
  std::optional<ManifestRecord> head;
  std::size_t age = 0;  ///< younger ones have more
};

Result<> advance(Input& input) {
  auto next = input.reader->next();
  if (!next) return std::unexpected(std::move(next.error()));
  input.head = std::move(*next);
  return {};
}

}  // namespace

std::unexpected<Error> ManifestSorter::cannot_keep(const Error& why) const {
  return fail(why.code,
              fmt::format("the list of files is too long for memory, and cannot be kept in {} meanwhile (TMPDIR names "
                          "another place): {}",
                          printable(spool_directory_), why.text),
              why.system_errno);
}

/// Without a name, or, where the file system has no such files, with one that is taken away at once.
Result<> ManifestSorter::open_file() {
  if (file_) return {};
  auto directory = disk_.open_root(spool_directory_);
  if (!directory) return cannot_keep(directory.error());
  auto file = disk_.open_unnamed(*directory);
  if (!file) {
    std::array<std::byte, 16> unique{};
    random_.fill(unique);
    const std::string name = ".longhaul-sort-" + to_hex(unique);
    file = disk_.open_file(*directory, name, disk::Open::create, false);
    if (!file) return cannot_keep(file.error());
    if (Result<> gone = disk_.unlink(*directory, name); !gone) return cannot_keep(gone.error());
  }
  file_ = std::move(*file);
  return {};
}

Result<> ManifestSorter::add(ManifestRecord record) {
  // Twice the record: the vector grows by doubling, and sorting takes an index.
  bytes_ += 2 * sizeof(ManifestRecord) + record.path.size();
  records_.push_back(std::move(record));
  return bytes_ < memory_bytes_ ? Result<>() : spill();
}

/// What is in memory.
Result<> ManifestSorter::visit_sorted(const Visit& visit) {
  std::vector<std::size_t> order(records_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [this](std::size_t a, std::size_t b) {
    const int compared = records_[a].path.compare(records_[b].path);
    return compared != 0 ? compared < 0 : a < b;
  });
  for (std::size_t i = 0; i < order.size(); ++i) {
    const ManifestRecord& record = records_[order[i]];
    if (i + 1 < order.size() && record.path == records_[order[i + 1]].path) continue;  // a newer one follows
    if (auto visited = visit(record); !visited) return visited;
  }
  return {};
}

Result<> ManifestSorter::spill() {
  if (auto opened = open_file(); !opened) return opened;
  auto written = write_run(0, [this](const Visit& visit) { return visit_sorted(visit); });
  if (!written) return written;
  records_.clear();
  bytes_ = 0;
  const auto full = [this] {
    return runs_.size() >= fan_in_max && runs_[runs_.size() - fan_in_max].level == runs_.back().level;
  };
  while (full())
    if (auto merged = merge_last_runs(fan_in_max); !merged) return merged;
  return {};
}

/// They become one, behind all the others in the file; where they were is not used again.
Result<> ManifestSorter::merge_last_runs(std::size_t count) {
  const std::size_t first = runs_.size() - count;
  const unsigned level = runs_[first].level + 1;
  auto written = write_run(level, [&](const Visit& visit) { return merge(first, visit); });
  if (!written) return written;
  runs_.erase(runs_.begin() + static_cast<std::ptrdiff_t>(first), runs_.end() - 1);
  return {};
}

/// Adds a run of what `records` visits.
Result<> ManifestSorter::write_run(unsigned level, const std::function<Result<>(const Visit&)>& records) {
  Run run{.begin = end_, .end = end_, .level = level};
  std::vector<std::byte> buffer;
  const auto put = [&]() -> Result<> {
    if (auto written = disk::write_now(disk_, *file_, run.end, buffer); !written) return cannot_keep(written.error());
    run.end += buffer.size();
    buffer.clear();
    return {};
  };
  auto visited = records([&](const ManifestRecord& record) {
    encode_manifest_record(record, buffer);
    return buffer.size() < write_bytes ? Result<>() : put();
  });
  if (visited) visited = put();
  if (!visited) return visited;
  end_ = run.end;
  runs_.push_back(run);
  return {};
}

/// The runs from `first` on.
Result<> ManifestSorter::merge(std::size_t first, const Visit& visit) {
  const std::size_t count = runs_.size() - first;
  const std::size_t buffer_bytes = std::clamp(memory_bytes_ / (count + 2), buffer_bytes_min, buffer_bytes_max);
  std::vector<Input> inputs;
  std::vector<Input*> heap;  // those that have a record; the first in order at the front
  inputs.reserve(count);
  for (std::size_t i = first; i < first + count; ++i) {
    const Run& run = runs_[i];
    inputs.push_back(
        {.reader = RecordReader::begin_run(disk_, file_, run.begin, run.end, buffer_bytes), .head = {}, .age = i});
    if (auto begun = advance(inputs.back()); !begun) return begun;
    if (inputs.back().head) heap.push_back(&inputs.back());
  }
  const auto later = [](const Input* a, const Input* b) {
    const int compared = a->head->path.compare(b->head->path);
    return compared != 0 ? compared > 0 : a->age < b->age;  // of one path, the youngest first
  };
  std::ranges::make_heap(heap, later);
  std::optional<std::string> last;
  while (!heap.empty()) {
    std::ranges::pop_heap(heap, later);
    Input& least = *heap.back();
    if (last != least.head->path) {
      if (auto visited = visit(*least.head); !visited) return visited;
      last = std::move(least.head->path);
    }
    if (auto next = advance(least); !next) return next;
    if (least.head)
      std::ranges::push_heap(heap, later);
    else
      heap.pop_back();
  }
  return {};
}

Result<> ManifestSorter::each(const Visit& visit) {
  if (runs_.empty()) return visit_sorted(visit);
  if (!records_.empty())
    if (auto spilled = spill(); !spilled) return spilled;
  records_ = {};
  while (runs_.size() > fan_in_max)
    if (auto merged = merge_last_runs(fan_in_max); !merged) return merged;
  return merge(0, visit);
}

}  // namespace longhaul::journal
