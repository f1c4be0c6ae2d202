#include "engine/comparer.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/stages.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

constexpr std::size_t piece_bytes = ContentHash::piece_bytes;
constexpr std::uint64_t file_costs = 32 * 1024;  // to open it and to tell of it, in bytes that could be read meanwhile

std::unexpected<Error> changed() {
  return fail(Code::source_changed, "it changed while it was read");
}

}  // namespace

bool same_version(const disk::Stat& one, const disk::Stat& other) {
  return one.type == other.type && one.size == other.size && one.mtime_ns == other.mtime_ns &&
         one.ctime_ns == other.ctime_ns && one.inode == other.inode && one.device == other.device;
}

std::uint64_t Comparer::cost_of(const ContentJob& job) {
  return job.size + file_costs;
}

void Comparer::add(ContentJob job) {
  (job.size > protocol::whole_bytes_max ? large_ : small_).waiting.push_back(std::move(job));
}

void Comparer::stop() {
  stopped_ = true;
}

/// Of small ones as much as one step of a large one takes.
bool Comparer::step() {
  bool moved = advance(large_);
  for (spent_ = 0; spent_ < piece_bytes && advance(small_);) moved = true;
  return moved;
}

/// One piece, or the beginning or the end of a file. False: there is nothing to do before an operation has finished, or
/// at all.
bool Comparer::advance(Lane& lane) {
  if (lane.in_flight) reap_();
  if (lane.in_flight) return false;
  if (stopped_) {
    lane.waiting.clear();
    lane.reading.reset();
    return false;
  }
  if (!lane.reading) return begin(lane);
  Reading& reading = *lane.reading;
  if (reading.job.tally->ended) {
    load_.fetch_sub(cost_of(reading.job), std::memory_order_relaxed);
    lane.reading.reset();
    return true;
  }
  if (lane.read.bytes > 0) {
    digest_piece(lane);
  } else if (reading.offset == reading.job.size) {
    end(lane);
  } else if (!pass_over_hole(reading)) {
    read_piece(lane);
  }
  return true;
}

bool Comparer::begin(Lane& lane) {
  if (lane.waiting.empty()) return false;
  ContentJob job = std::move(lane.waiting.front());
  lane.waiting.pop_front();
  spent_ += file_costs;
  if (job.tally->ended) {
    load_.fetch_sub(cost_of(job), std::memory_order_relaxed);
    return true;
  }
  if (auto opened = open(lane, job); !opened) answer(job, std::unexpected(std::move(opened.error())));
  return true;
}

Result<> Comparer::open(Lane& lane, ContentJob& job) {
  const StageScope scope(Stage::names);
  auto content = job.open(disk_);
  if (!content) return std::unexpected(std::move(content.error()));
  disk::Stat version;
  if (content->file) {
    const auto found = disk_.stat(*content->file);
    if (!found) return std::unexpected(found.error());
    if (auto checked = job.check(*found); !checked) return checked;
    version = *found;
  }
  lane.reading.emplace(std::move(job), std::move(*content), version);
  lane.read.bytes = 0;
  lane.buffer.resize(piece_bytes);
  return {};
}

/// Whole pieces of it, up to a GiB: more is left to the next step.
bool Comparer::pass_over_hole(Reading& reading) {
  constexpr std::uint64_t pieces_at_once = 1024;
  if (!reading.content.file || reading.version.allocated_bytes >= reading.version.size) return false;
  const std::uint64_t end =
      std::min(reading.holes.end_of_hole(disk_, *reading.content.file, reading.offset), reading.job.size);
  const std::uint64_t pieces = std::min((end - reading.offset) / piece_bytes, pieces_at_once);
  reading.hash.add_zeros(pieces);
  reading.offset += pieces * piece_bytes;
  reading.job.tally->bytes.fetch_add(pieces * piece_bytes, std::memory_order_relaxed);
  return pieces > 0;
}

void Comparer::read_piece(Lane& lane) {
  const StageScope scope(Stage::read);
  Reading& reading = *lane.reading;
  disk::Operation& read = lane.read;
  read.kind = disk::Operation::Kind::read;
  read.data = lane.buffer.data();
  read.offset = reading.offset;
  read.bytes = static_cast<std::uint32_t>(std::min<std::uint64_t>(piece_bytes, reading.job.size - reading.offset));
  if (!reading.content.file) {
    const auto got = reading.content.reader->read_at(read.offset, {read.data, read.bytes});
    if (got) {
      read.result = static_cast<std::int64_t>(*got);
      return;
    }
    answer(reading.job, std::unexpected(got.error()));
    return lane.reading.reset();
  }
  read.file = reading.content.file.get();
  lane.in_flight = true;
  disk_.submit(read);
}

bool Comparer::take(const disk::Operation& operation) {
  for (Lane* lane : {&small_, &large_}) {
    if (&operation != &lane->read) continue;
    lane->in_flight = false;
    return true;
  }
  return false;
}

void Comparer::digest_piece(Lane& lane) {
  const StageScope scope(Stage::digest);
  Reading& reading = *lane.reading;
  const std::uint32_t bytes = std::exchange(lane.read.bytes, 0);
  spent_ += bytes;
  if (lane.read.result == static_cast<std::int64_t>(bytes)) {
    reading.hash.add({lane.read.data, bytes});
    reading.offset += bytes;
    reading.job.tally->bytes.fetch_add(bytes, std::memory_order_relaxed);
    return;
  }
  const bool failed = lane.read.result < 0;
  answer(reading.job, failed ? fail_errno(static_cast<int>(-lane.read.result), "cannot read") : changed());
  lane.reading.reset();
}

void Comparer::end(Lane& lane) {
  const StageScope scope(Stage::names);
  Reading& reading = *lane.reading;
  Result<Compared> found = Compared{reading.hash.finish(), reading.version};
  if (reading.content.file) {
    const auto after = disk_.stat(*reading.content.file);
    if (!after)
      found = std::unexpected(after.error());
    else if (!same_version(reading.version, *after))
      found = changed();
  }
  answer(reading.job, std::move(found));
  lane.reading.reset();
}

void Comparer::answer(ContentJob& job, Result<Compared> found) {
  load_.fetch_sub(cost_of(job), std::memory_order_relaxed);
  job.done(std::move(found));
}

}  // namespace longhaul::engine
