#include "journal/name_set.h"

#include <algorithm>
#include <iterator>
#include <queue>
#include <span>
#include <utility>

#include "base/bytes.h"

namespace longhaul::journal {
namespace {

constexpr std::size_t block_digests = 512;  // 8 KiB are read to find one name; their first digest is in memory
// So many are looked through rather than sorted: where names and questions take turns, each sorting serves as many
// names.
constexpr std::size_t unsorted_usual = 512;

}  // namespace

Result<> NameSet::add(std::string_view path) {
  gathered_.push_back(digest_of(bytes_of(path)));
  return gathered_.size() < run_digests_max_ ? Result<>() : write_run();
}

/// But for the last ones, if there are no more than `unsorted_max`.
void NameSet::sort_gathered(std::size_t unsorted_max) {
  if (gathered_.size() - sorted_ <= unsorted_max) return;
  const auto added = gathered_.begin() + static_cast<std::ptrdiff_t>(sorted_);
  std::sort(added, gathered_.end());
  std::vector<Digest> merged;
  merged.reserve(gathered_.size());
  std::merge(gathered_.begin(), added, added, gathered_.end(), std::back_inserter(merged));
  gathered_ = std::move(merged);
  sorted_ = gathered_.size();
}

bool NameSet::gathered_contains(const Digest& wanted) {
  sort_gathered(unsorted_usual);
  const auto added = gathered_.begin() + static_cast<std::ptrdiff_t>(sorted_);
  return std::binary_search(gathered_.begin(), added, wanted) ||
         std::find(added, gathered_.end(), wanted) != gathered_.end();
}

Result<> NameSet::write_run() {
  sort_gathered(0);
  if (auto written = runs_.append(std::as_bytes(std::span(gathered_))); !written) return written;
  run_ends_.push_back(runs_.bytes() / sizeof(Digest));
  gathered_.clear();
  sorted_ = 0;
  return {};
}

Result<> NameSet::settle() {
  if (std::exchange(settled_, true)) return {};
  sort_gathered(0);
  return run_ends_.empty() ? Result<>() : merge();
}

Result<bool> NameSet::refill(Run& run) {
  run.next = 0;
  run.read.resize(std::min<std::uint64_t>(block_digests, run.end - run.at));
  if (run.read.empty()) return false;
  if (auto got = runs_.read(run.at * sizeof(Digest), std::as_writable_bytes(std::span(run.read))); !got)
    return std::unexpected(got.error());
  run.at += run.read.size();
  return true;
}

Result<> NameSet::append_merged(std::vector<Digest>& block) {
  if (block.empty()) return {};
  firsts_.push_back(block.front());
  const auto written = merged_.append(std::as_bytes(std::span(block)));
  block.clear();
  return written;
}

/// The runs in one: a name would have to be looked for in each of them.
Result<> NameSet::merge() {
  std::vector<Run> runs;
  std::uint64_t begin = 0;
  for (const std::uint64_t end : run_ends_) runs.push_back({.at = std::exchange(begin, end), .end = end, .read = {}});
  const auto later = [&](std::size_t a, std::size_t b) {
    return runs[b].read[runs[b].next] < runs[a].read[runs[a].next];
  };
  std::priority_queue<std::size_t, std::vector<std::size_t>, decltype(later)> heads(later);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto filled = refill(runs[i]);
    if (!filled) return std::unexpected(filled.error());
    if (*filled) heads.push(i);
  }
  std::vector<Digest> block;
  while (!heads.empty()) {
    const std::size_t least = heads.top();
    heads.pop();
    Run& run = runs[least];
    block.push_back(run.read[run.next++]);
    if (block.size() == block_digests)
      if (auto written = append_merged(block); !written) return written;
    const auto more = run.next < run.read.size() ? Result<bool>(true) : refill(run);
    if (!more) return std::unexpected(more.error());
    if (*more) heads.push(least);
  }
  if (auto written = append_merged(block); !written) return written;
  run_ends_.clear();
  return runs_.remove();
}

Result<bool> NameSet::run_contains(std::uint64_t begin, std::uint64_t end, const Digest& wanted) {
  while (begin < end) {
    const std::uint64_t middle = begin + (end - begin) / 2;
    Digest found;
    if (auto got = runs_.read(middle * sizeof(Digest), found.bytes); !got) return std::unexpected(got.error());
    if (found == wanted) return true;
    if (found < wanted)
      begin = middle + 1;
    else
      end = middle;
  }
  return false;
}

Result<bool> NameSet::runs_contain(const Digest& wanted) {
  std::uint64_t begin = 0;
  for (const std::uint64_t end : run_ends_) {
    const auto found = run_contains(begin, end, wanted);
    if (!found || *found) return found;
    begin = end;
  }
  return false;
}

Result<bool> NameSet::contains(std::string_view path) {
  const Digest wanted = digest_of(bytes_of(path));
  if (gathered_contains(wanted)) return true;
  if (!settled_) return runs_contain(wanted);
  const auto after = std::ranges::upper_bound(firsts_, wanted);
  if (after == firsts_.begin()) return false;
  const auto number = static_cast<std::uint64_t>(after - firsts_.begin() - 1);
  if (number != block_number_) {
    const std::uint64_t first = number * block_digests;
    block_number_ = no_block;
    block_.resize(std::min<std::uint64_t>(block_digests, merged_.bytes() / sizeof(Digest) - first));
    if (auto got = merged_.read(first * sizeof(Digest), std::as_writable_bytes(std::span(block_))); !got)
      return std::unexpected(got.error());
    block_number_ = number;
  }
  return std::ranges::binary_search(block_, wanted);
}

Result<> NameSet::remove() {
  gathered_ = {};
  sorted_ = 0;
  run_ends_ = {};
  firsts_ = {};
  block_number_ = no_block;
  if (auto removed = runs_.remove(); !removed) return removed;
  return merged_.remove();
}

}  // namespace longhaul::journal
