// What one disk takes and gives, by the engine's own way to it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "base/slots.h"
#include "disk/blocking.h"
#include "disk/system_disk.h"
#include "engine/bench_measure.h"
#include "engine/manifest_input.h"
#include "longhaul/units.h"
#include "ring/ring.h"

namespace longhaul {
namespace {

using disk::Operation;

constexpr unsigned depth = 8;  // operations in flight, of one slot each
constexpr std::uint64_t step_bytes = slot_payload_bytes;
constexpr std::uint64_t room_kept_bytes = std::uint64_t{64} << 20U;  // others write there too
constexpr std::uint64_t block_bytes = 4096;
constexpr unsigned small_files_max = 1000;
constexpr double small_files_s = 1;
constexpr std::uint32_t small_bytes = 4096;

/// A name in the directory that nobody has, taken away again when this ends, whatever has become of it.
class ScratchName {
 public:
  ScratchName(disk::Disk& disk, disk::DirPtr directory) : disk_(disk), directory_(std::move(directory)) {
    std::array<std::byte, 8> unique{};
    system_random().fill(unique);
    name_ = ".longhaul-bench-" + to_hex(unique);
  }
  ~ScratchName() { (void)take_away(); }
  ScratchName(const ScratchName&) = delete;
  ScratchName& operator=(const ScratchName&) = delete;

  Result<disk::FilePtr> create(bool direct) {
    auto file = disk_.open_file(directory_, name_, disk::Open::create, direct);
    there_ = file.has_value();
    return file;
  }
  Result<> rename() {
    const std::string to = name_ + ".1";
    auto renamed = disk_.rename_to_new(directory_, name_, directory_, to);
    if (!renamed && renamed.error().code == Code::unsupported)
      renamed = disk_.rename(directory_, name_, directory_, to);
    if (renamed) name_ = to;
    return renamed;
  }
  Result<> take_away() {
    if (!std::exchange(there_, false)) return {};
    return disk_.unlink(directory_, name_);
  }

 private:
  disk::Disk& disk_;
  disk::DirPtr directory_;
  std::string name_;
  bool there_ = false;
};

/// The name of a file that came and went would tell nobody anything.
std::unexpected<Error> cannot_write_in(const std::string& directory, const Error& why) {
  const std::string reason = why.system_errno != 0 ? error_of_errno(why.system_errno, "").text.substr(2) : why.text;
  return fail(why.code,
              fmt::format("cannot write in '{}': {}; the bench makes a file there: name another directory, or only "
                          "measure reading, with --read FILE",
                          printable(directory), reason),
              why.system_errno);
}

class DiskRun {
 public:
  DiskRun(const DiskBenchOptions& options, const BenchProgress& progress, StopFlag* stop)
      : options_(options),
        progress_(progress),
        stop_(stop),
        total_((std::max<std::uint64_t>(options.bytes, 1) + step_bytes - 1) / step_bytes * step_bytes),
        pool_(depth),
        ring_(ring::Ring::make(system_clock())),
        disk_(disk::make_system_disk(ring_ ? ring_->get() : nullptr)) {
    disk_->register_memory(pool_.arena());
    bench_.io = ring_ ? "io_uring" : "plain calls: " + ring_.error().text;
  }

  Result<DiskBench> run();

 private:
  Result<> in_directory();
  Result<> look_at_room();
  Result<> look_at_abilities();
  Result<> write_and_read();
  Result<> write(disk::OpenFile& file);
  Result<> read(disk::OpenFile& file, std::uint64_t bytes);
  Result<> read_named();
  Result<> pass(disk::OpenFile& file, Operation::Kind kind, std::uint64_t bytes);
  Result<> small_files();
  Result<double> one_small_file();
  Result<disk::FilePtr> nameless(bool direct);
  void find_hints();
  void say(const std::string& what) const {
    if (progress_) progress_(what);
  }

  const DiskBenchOptions& options_;
  const BenchProgress& progress_;
  StopFlag* stop_;
  std::uint64_t total_;
  SlotPool pool_;  // the kernel may know it until the ring has gone
  Result<std::unique_ptr<ring::Ring>> ring_;
  std::unique_ptr<disk::Disk> disk_;
  disk::DirPtr directory_;
  DiskBench bench_;
};

Result<DiskBench> DiskRun::run() {
  if (options_.directory.empty() && options_.read_file.empty())
    return fail(Code::usage, "neither a directory to write in nor a file to read is named");
  if (!options_.directory.empty())
    if (auto done = in_directory(); !done) return std::unexpected(done.error());
  if (!options_.read_file.empty())
    if (auto done = read_named(); !done) return std::unexpected(done.error());
  find_hints();
  return std::move(bench_);
}

Result<> DiskRun::in_directory() {
  auto opened = disk_->open_root(options_.directory);
  if (!opened) return std::unexpected(opened.error());
  directory_ = *std::move(opened);
  if (auto room = look_at_room(); !room) return room;
  if (auto looked = look_at_abilities(); !looked) return looked;
  if (auto done = write_and_read(); !done) return done;
  return small_files();
}

Result<> DiskRun::look_at_room() {
  const auto space = disk_->space(directory_);
  if (!space) return std::unexpected(space.error());
  bench_.free_bytes = space->free_bytes;
  bench_.total_bytes = space->total_bytes;
  if (space->free_bytes >= room_kept_bytes && space->free_bytes - room_kept_bytes >= total_) return {};
  return fail(
      Code::no_space,
      fmt::format("'{}' has {} free, and the bench writes {} and leaves {} to others: name less with --size, or "
                  "make room",
                  printable(options_.directory), format_bytes(space->free_bytes), format_bytes(total_),
                  format_bytes(room_kept_bytes)));
}

/// It loses its name at once: whatever ends this process, nothing stays.
Result<disk::FilePtr> DiskRun::nameless(bool direct) {
  ScratchName name(*disk_, directory_);
  auto file = name.create(direct);
  if (!file) return file;
  if (auto gone = name.take_away(); !gone) return std::unexpected(gone.error());
  return file;
}

/// By trying: kernels and file systems differ.
Result<> DiskRun::look_at_abilities() {
  DiskAbilities can{.in_memory = disk_->best_unnamed(directory_)};
  const auto file = nameless(true);
  const auto other = nameless(false);
  if (!file) return cannot_write_in(options_.directory, file.error());
  if (!other) return cannot_write_in(options_.directory, other.error());
  can.direct = (*file)->alignment() > 1;
  can.unnamed = disk_->open_unnamed(directory_).has_value();
  const std::uint64_t bytes = disk::Disk::share_bytes;
  const Slot slot = pool_.take();
  engine::fill_incompressible({slot.payload(), bytes}, 1);
  const Bytes content(slot.payload(), bytes);
  if (auto written = disk::write_now(*disk_, **file, 3 * bytes, content); !written) return written;
  const auto data = disk_->next_data(**file, 0);
  can.holes = data && data->begin > 0;
  if (auto written = disk::write_now(*disk_, **other, 0, content); !written) return written;
  if (auto synced = disk::sync_now(*disk_, **file, false); !synced) return synced;
  can.reflink = disk_->share_range(**file, **other, 3 * bytes, bytes);
  const auto reserved = disk_->allocate(**other, 64 * bytes) ? disk_->stat(**other) : Result<disk::Stat>(disk::Stat());
  can.allocate = reserved && reserved->allocated_bytes >= 64 * bytes;
  bench_.can = can;
  return {};
}

Result<> DiskRun::write_and_read() {
  const auto file = nameless(options_.direct);
  if (!file) return std::unexpected(file.error());
  if (auto reserved = disk_->allocate(**file, total_); !reserved) return reserved;  // as a landing file is
  if (auto written = write(**file); !written) return written;
  if (!options_.read_file.empty()) return {};
  return read(**file, total_);
}

Result<> DiskRun::write(disk::OpenFile& file) {
  say(fmt::format("writing {}", format_bytes(total_)));
  const engine::Stopwatch all;
  if (auto passed = pass(file, Operation::Kind::write, total_); !passed) return passed;
  bench_.write = all.taken_for(total_);
  say("syncing");
  const engine::Stopwatch syncing;
  if (auto synced = disk::sync_now(*disk_, file, false); !synced) return synced;
  bench_.sync_s = syncing.seconds();
  bench_.durable = all.taken_for(total_);
  return {};
}

Result<> DiskRun::read(disk::OpenFile& file, std::uint64_t bytes) {
  say(fmt::format("reading {}", format_bytes(bytes)));
  const engine::Stopwatch watch;
  if (auto passed = pass(file, Operation::Kind::read, bytes); !passed) return passed;
  bench_.read = watch.taken_for(bytes);
  bench_.read_direct = file.alignment() > 1;
  return {};
}

Result<> DiskRun::read_named() {
  const auto place = engine::place_of(*disk_, options_.read_file);
  if (!place) return std::unexpected(place.error());
  const auto file = disk_->open_file(place->directory, place->name, disk::Open::read, options_.direct);
  if (!file) return std::unexpected(file.error());
  const auto found = disk_->stat(**file);
  if (!found) return std::unexpected(found.error());
  const std::uint64_t bytes = std::min(found->size, total_) / step_bytes * step_bytes;
  if (bytes == 0)
    return fail(Code::usage, fmt::format("--read: '{}' has {}, and takes no time to read: name a file of 1 GiB or more",
                                         printable(options_.read_file), format_bytes(found->size)));
  return read(**file, bytes);
}

/// No two blocks are the same, for those that keep each block once.
void stamp(Bytes content, std::uint64_t offset) {
  for (std::uint64_t at = 0; at < content.size(); at += block_bytes) store(content.data() + at, offset + at);
}

/// Over the first `bytes` of the file, `depth` operations in flight.
Result<> DiskRun::pass(disk::OpenFile& file, Operation::Kind kind, std::uint64_t bytes) {
  struct Flight {
    Operation operation;
    Slot slot;
  };
  std::array<Flight, depth> flights;
  std::uint64_t next = 0;
  Result<> outcome;
  const auto submit = [&](Operation& operation, std::byte* data) {
    if (kind == Operation::Kind::write) stamp({data, step_bytes}, next);
    operation = {
        .kind = kind, .file = &file, .data = data, .offset = next, .bytes = static_cast<std::uint32_t>(step_bytes)};
    next += step_bytes;
    disk_->submit(operation);
  };
  for (Flight& flight : flights) {
    flight.slot = pool_.take();
    engine::fill_incompressible({flight.slot.payload(), step_bytes}, next);
    if (next < bytes) submit(flight.operation, flight.slot.payload());
  }
  while (Operation* const done = disk_->wait()) {
    if (outcome && engine::is_set(stop_)) outcome = engine::bench_stopped();
    if (outcome && done->result < 0)
      outcome = std::unexpected(error_of_errno(static_cast<int>(-done->result), kind == Operation::Kind::read
                                                                                    ? "cannot read the bench's file"
                                                                                    : "cannot write the bench's file"));
    else if (outcome && done->result != static_cast<std::int64_t>(step_bytes))
      outcome = fail(Code::source_changed, "the file has become shorter while the bench read it");
    if (outcome && next < bytes) submit(*done, done->data);
  }
  return outcome;
}

/// Seconds.
Result<double> DiskRun::one_small_file() {
  std::array<std::byte, small_bytes> content{};
  engine::fill_incompressible(content, 1);
  ScratchName name(*disk_, directory_);
  const engine::Stopwatch watch;
  const auto file = name.create(false);
  if (!file) return std::unexpected(file.error());
  if (auto done = disk::write_now(*disk_, **file, 0, content); !done) return std::unexpected(done.error());
  if (auto done = disk::sync_now(*disk_, **file, true); !done) return std::unexpected(done.error());
  if (auto done = name.rename(); !done) return std::unexpected(done.error());
  const double took = watch.seconds();
  if (auto gone = name.take_away(); !gone) return std::unexpected(gone.error());
  return took;
}

Result<> DiskRun::small_files() {
  say("small files");
  std::vector<double> took;
  double all = 0;
  while (took.size() < small_files_max && all < small_files_s) {
    if (engine::is_set(stop_)) return engine::bench_stopped();
    const auto one = one_small_file();
    if (!one) return std::unexpected(one.error());
    took.push_back(*one);
    all += *one;
  }
  std::ranges::sort(took);
  bench_.small = SmallFiles{.files = static_cast<unsigned>(took.size()),
                            .bytes_each = small_bytes,
                            .per_s = static_cast<double>(took.size()) / std::max(all, 1e-9),
                            .median_s = took[took.size() / 2],
                            .slowest_s = took.back()};
  return {};
}

void DiskRun::find_hints() {
  std::vector<std::string>& hints = bench_.hints;
  constexpr double short_s = 1;
  if (!ring_) hints.push_back("no io_uring: " + ring_.error().text);
  if (bench_.can && bench_.can->in_memory)
    hints.emplace_back("this directory is in memory: nothing is synced, and nothing outlives a restart");
  else if (bench_.can && !bench_.can->direct)
    hints.emplace_back("no O_DIRECT here: what is written passes through the page cache, at several times the CPU");
  if (bench_.read && !bench_.read_direct)
    hints.emplace_back("what was read may have come from memory: O_DIRECT, which goes past it, was not used");
  if (bench_.can && !bench_.can->in_memory && bench_.durable && bench_.durable->seconds < short_s)
    hints.push_back(
        fmt::format("{} took {:.2f} s, which the memory of a disk or its host may have taken in: --size {}G "
                    "tells more",
                    format_bytes(total_), bench_.durable->seconds, std::max<std::uint64_t>(total_ >> 26U, 8)));
  if (bench_.small && bench_.small->median_s > 0.005)
    hints.emplace_back(
        "each sync takes milliseconds: many small files go as fast as syncs do; Longhaul syncs several at "
        "once, and large files hardly feel it");
}

}  // namespace

Result<DiskBench> bench_disk(const DiskBenchOptions& options, const BenchProgress& progress, StopFlag* stop) {
  return DiskRun(options, progress, stop).run();
}

}  // namespace longhaul
