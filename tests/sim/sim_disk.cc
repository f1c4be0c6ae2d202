#include "sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "disk/judge.h"
#include "sim_disk_view.h"

namespace longhaul::sim {
namespace {

constexpr std::uint64_t step_cost_max = 2'000;  // ns
constexpr std::uint64_t preempted_max = 5'000'000;

Inode& inode_of(disk::OpenFile& file) {
  return static_cast<SimFile&>(file).inode();
}
const InodePtr& inode_of(const disk::DirPtr& dir) {
  return static_cast<const SimDir&>(*dir).inode();
}

}  // namespace

SimDisk::SimDisk(SimFileSystem& fs, std::string process) : fs_(fs), process_(std::move(process)) {
  fs_.disks_.insert(this);
}

SimDisk::~SimDisk() {
  fs_.disks_.erase(this);
}

int SimDisk::strike(std::string_view operation, std::string_view path, std::uint64_t offset, std::uint64_t bytes) {
  fs_.trace_.note(operation, offset, bytes);
  pass_time();
  return fs_.fault ? fs_.fault({process_, operation, path, offset, bytes}) : 0;
}

/// While a role works: what others wait for may come to pass in the middle of its step. Now and then another thread
/// gets the processor.
void SimDisk::pass_time() {
  const std::uint64_t at_most = fs_.random_.one_in(500) ? preempted_max : step_cost_max;
  fs_.clock_.advance(static_cast<Time>(fs_.random_.below(at_most)));
}

// --- data -------------------------------------------------------------------------------------------------------

void SimDisk::submit(disk::Operation& operation) {
  using Kind = disk::Operation::Kind;
  auto& file = static_cast<SimFile&>(*operation.file);
  const bool is_sync = operation.kind == Kind::sync_data || operation.kind == Kind::sync_file;
  const std::uint32_t alignment = file.alignment();
  LH_CHECK(is_sync || (operation.offset % alignment == 0 && operation.bytes % alignment == 0 &&
                       reinterpret_cast<std::uintptr_t>(operation.data) % alignment == 0),
           "an unaligned operation on a direct file");
  Flight flight;
  flight.operation = &operation;
  const char* kind = is_sync ? "sync" : operation.kind == Kind::read ? "read" : "write";
  flight.fault = strike(kind, file.path(), operation.offset, operation.bytes);
  flight.due = fs_.clock_.now() + delay(operation);
  flight.wakes = flight.due > fs_.clock_.now();
  if (is_sync) flight.pages.assign(file.inode().dirty_pages.begin(), file.inode().dirty_pages.end());
  operation.done_bytes = 0;
  if (operation.kind == Kind::write && flight.fault == 0 && fs_.random_.one_in(2)) {
    operation.result = apply_write(operation, operation.bytes);
    flight.applied = true;
  }
  operation.queued = true;
  flights_.push_back(std::move(flight));
}

Time SimDisk::delay(const disk::Operation& operation) {
  const bool is_sync =
      operation.kind == disk::Operation::Kind::sync_data || operation.kind == disk::Operation::Kind::sync_file;
  const Time at_least = is_sync ? fs_.sync_delay : 0;
  if (fs_.random_.one_in(4)) return at_least;
  return at_least + static_cast<Time>(fs_.random_.below(static_cast<std::uint64_t>(fs_.delay_max)));
}

disk::Operation* SimDisk::reap() {
  if (!flights_.empty()) pass_time();
  for (;;) {
    const auto first = std::min_element(flights_.begin(), flights_.end(),
                                        [](const Flight& a, const Flight& b) { return a.due < b.due; });
    if (first == flights_.end() || first->due > fs_.clock_.now()) return nullptr;
    if (!complete(*first)) {
      first->due = fs_.clock_.now() + 1 + delay(*first->operation);
      first->wakes = true;
      continue;
    }
    disk::Operation* operation = first->operation;
    flights_.erase(first);
    return operation;
  }
}

bool SimDisk::take_wake_up() {
  bool woken = false;
  for (Flight& flight : flights_)
    woken = (flight.due <= fs_.clock_.now() && std::exchange(flight.wakes, false)) || woken;
  return woken;
}

disk::Operation* SimDisk::wait() {
  while (!flights_.empty()) {
    Time due = time_never;
    for (const Flight& flight : flights_) due = std::min(due, flight.due);
    fs_.clock_.advance_to(due);
    if (disk::Operation* operation = reap()) return operation;
  }
  return nullptr;
}

Time SimDisk::next_due(Time now) const {
  Time due = time_never;
  for (const Flight& flight : flights_) {
    if (flight.due > now) due = std::min(due, flight.due);
  }
  return due;
}

/// One call of the kernel, and what the engine's own judge makes of its answer. False: it has to be called again.
bool SimDisk::complete(Flight& flight) {
  disk::Operation& operation = *flight.operation;
  const bool is_sync =
      operation.kind == disk::Operation::Kind::sync_data || operation.kind == disk::Operation::Kind::sync_file;
  while (!flight.applied) {
    const std::uint32_t wanted = is_sync ? 0 : operation.bytes - operation.done_bytes;
    const auto said = disk::judge(operation.kind, attempt(flight, wanted), wanted, operation.file->alignment());
    operation.done_bytes += said.progress_bytes;
    operation.result = said.error != 0 ? std::int64_t{said.error} : std::int64_t{operation.done_bytes};
    if (said.verdict != disk::Verdict::retry && said.verdict != disk::Verdict::resubmit_rest) break;
    if (fs_.hiccups) return false;
  }
  operation.queued = false;
  fs_.trace_.note("done", static_cast<std::uint64_t>(operation.kind), static_cast<std::uint64_t>(operation.result));
  return true;
}

/// What the kernel answers to a call for the next `bytes` of an operation.
std::int64_t SimDisk::attempt(Flight& flight, std::uint32_t bytes) {
  using Kind = disk::Operation::Kind;
  const disk::Operation& operation = *flight.operation;
  if (fs_.hiccups && fs_.random_.one_in(12)) return fs_.random_.one_in(2) ? -EINTR : -EAGAIN;
  if (operation.kind == Kind::sync_data || operation.kind == Kind::sync_file) return apply_sync(flight);
  if (flight.fault != 0) return -flight.fault;
  const std::uint32_t blocks = bytes / operation.file->alignment();
  if (fs_.hiccups && blocks > 1 && fs_.random_.one_in(8))
    bytes = (1 + static_cast<std::uint32_t>(fs_.random_.below(blocks - 1))) * operation.file->alignment();
  return operation.kind == Kind::read ? apply_read(operation, bytes) : apply_write(operation, bytes);
}

std::int64_t SimDisk::apply_read(const disk::Operation& operation, std::uint32_t bytes) {
  const Inode& inode = inode_of(*operation.file);
  const std::uint64_t from = operation.offset + operation.done_bytes;
  if (from >= inode.bytes.size()) return 0;
  bytes = static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes, inode.bytes.size() - from));
  std::memcpy(operation.data + operation.done_bytes, inode.bytes.data() + from, bytes);
  return bytes;
}

std::int64_t SimDisk::apply_write(const disk::Operation& operation, std::uint32_t bytes) {
  if (!static_cast<SimFile&>(*operation.file).writable()) return -EBADF;
  Inode& inode = inode_of(*operation.file);
  if (bytes == 0) return 0;
  const std::uint64_t from = operation.offset + operation.done_bytes;
  const std::uint64_t end = from + bytes;
  if (const int error = grow(inode, end); error != 0) return -error;
  std::memcpy(inode.bytes.data() + from, operation.data + operation.done_bytes, bytes);
  for (std::uint64_t page = from / SimFileSystem::page_bytes; page <= (end - 1) / SimFileSystem::page_bytes; ++page)
    inode.dirty_pages.insert(page);
  if (!inode.holes.empty())
    inode.holes.erase(inode.holes.lower_bound(from / SimFileSystem::page_bytes),
                      inode.holes.upper_bound((end - 1) / SimFileSystem::page_bytes));
  inode.cached.mtime_ns = fs_.clock_.wall_ns();
  fs_.touch(inode);
  if (fs_.watcher != nullptr) fs_.watcher->written(inode, from, bytes);
  return bytes;
}

std::int64_t SimDisk::apply_sync(const Flight& flight) {
  Inode& inode = inode_of(*flight.operation->file);
  if (flight.fault != 0) {
    fs_.lose_pages(inode, flight.pages);
    return -flight.fault;
  }
  if (inode.untold_error != 0) return -std::exchange(inode.untold_error, 0);
  SimFileSystem::sync_pages(inode, flight.pages, flight.operation->kind == disk::Operation::Kind::sync_file);
  return 0;
}

int SimDisk::grow(Inode& inode, std::uint64_t bytes) {
  if (bytes <= inode.bytes.size()) return 0;
  if (fs_.capacity_bytes != 0 && fs_.used_bytes() - inode.bytes.size() + bytes > fs_.capacity_bytes) return ENOSPC;
  SimFileSystem::resize(inode, bytes);
  return 0;
}

Result<> SimDisk::set_size(disk::OpenFile& file, std::uint64_t bytes) {
  Inode& inode = inode_of(file);
  const auto& path = static_cast<SimFile&>(file).path();
  if (const int error = strike("set_size", path, 0, bytes); error != 0)
    return fail_errno(error, words("set_size", path));
  if (const int error = grow(inode, bytes); error != 0) return fail_errno(error, words("set_size", path));
  // What is cut off and grown again reads as zeros, on the medium too once that is synced.
  for (std::uint64_t page = bytes / SimFileSystem::page_bytes; page * SimFileSystem::page_bytes < inode.bytes.size();
       ++page) {
    inode.dirty_pages.insert(page);
  }
  const std::uint64_t before = inode.bytes.size();
  SimFileSystem::resize(inode, bytes);
  fs_.touch(inode);
  if (fs_.watcher != nullptr && before != bytes)
    fs_.watcher->written(inode, std::min(before, bytes), std::max(before, bytes) - std::min(before, bytes));
  return {};
}

Result<disk::Range> SimDisk::next_data(disk::OpenFile& file, std::uint64_t offset) {
  const Inode& inode = inode_of(file);
  const auto& path = static_cast<SimFile&>(file).path();
  if (const int error = strike("next_data", path, offset); error != 0)
    return fail_errno(error, words("next_data", path));
  constexpr std::uint64_t page_bytes = SimFileSystem::page_bytes;
  const std::uint64_t size = inode.bytes.size();
  std::uint64_t begin = offset;
  while (begin < size && inode.holes.contains(begin / page_bytes)) begin = (begin / page_bytes + 1) * page_bytes;
  if (begin >= size) return disk::Range{.begin = no_offset, .end = no_offset};
  const auto hole = inode.holes.lower_bound(begin / page_bytes);
  return disk::Range{.begin = begin, .end = hole == inode.holes.end() ? size : *hole * page_bytes};
}

/// As a write of what the other file has: the page cache of the two is not one, and a loss of power may take it.
bool SimDisk::share_range(disk::OpenFile& from, disk::OpenFile& to, std::uint64_t offset, std::uint64_t bytes) {
  LH_CHECK(offset % share_bytes == 0 && bytes % share_bytes == 0, "blocks are shared whole");
  if (strike("share", static_cast<SimFile&>(to).path(), offset, bytes) != 0) return false;
  const Inode& older = inode_of(from);
  if (!fs_.shares_blocks || older.device != inode_of(to).device || older.bytes.size() < offset + bytes) return false;
  std::vector<std::byte> content(older.bytes.begin() + static_cast<std::ptrdiff_t>(offset),
                                 older.bytes.begin() + static_cast<std::ptrdiff_t>(offset + bytes));
  const disk::Operation write{.kind = disk::Operation::Kind::write,
                              .file = &to,
                              .data = content.data(),
                              .offset = offset,
                              .bytes = static_cast<std::uint32_t>(bytes)};
  return apply_write(write, write.bytes) > 0;
}

Result<> SimDisk::allocate(disk::OpenFile& file, std::uint64_t bytes) {
  const auto& path = static_cast<SimFile&>(file).path();
  int error = strike("allocate", path, 0, bytes);
  if (error == 0) error = grow(inode_of(file), bytes);
  if (error == 0) inode_of(file).holes.clear();
  if (error != 0) return fail_errno(error, words("allocate", path));
  return {};
}

Result<bool> SimDisk::try_lock(disk::OpenFile& file) {
  Inode& inode = inode_of(file);
  const auto& path = static_cast<SimFile&>(file).path();
  if (const int error = strike("try_lock", path); error != 0) return fail_errno(error, words("try_lock", path));
  if (inode.locked_by == nullptr) {
    inode.locked_by = &file;
    inode.locking_process = process_;
  }
  return inode.locked_by == &file;
}

Result<> SimDisk::sync_dir(const disk::DirPtr& dir) {
  Inode& inode = *inode_of(dir);
  if (const int error = strike("sync_dir", ""); error != 0) return fail_errno(error, words("sync_dir", ""));
  SimFileSystem::sync_names(inode);
  return {};
}

bool SimDisk::syncs_all(const disk::DirPtr& /*dir*/) {
  return fs_.syncs_all;
}

Result<> SimDisk::sync_all(const disk::DirPtr& dir) {
  const std::uint64_t device = inode_of(dir)->device;
  if (const int error = strike("sync_all", ""); error != 0) {
    fs_.fail_sync_of_all(device, error);
    return fail_errno(error, words("sync_all", ""));
  }
  fs_.sync_all(device);
  return {};
}

// --- metadata ---------------------------------------------------------------------------------------------------

Result<> SimDisk::change(Inode& inode, std::string_view operation, std::string_view path) {
  if (const int error = strike(operation, path); error != 0) return fail_errno(error, words(operation, path));
  fs_.touch(inode);
  if (fs_.watcher != nullptr) fs_.watcher->metadata_set(inode);
  return {};
}

Result<> SimDisk::set_mode(disk::OpenFile& file, std::uint32_t mode) {
  auto done = change(inode_of(file), "set_mode", static_cast<SimFile&>(file).path());
  if (done) inode_of(file).cached.mode = mode;
  return done;
}

Result<> SimDisk::set_mtime(disk::OpenFile& file, std::int64_t mtime_ns) {
  auto done = change(inode_of(file), "set_mtime", static_cast<SimFile&>(file).path());
  if (done) inode_of(file).cached.mtime_ns = mtime_ns;
  return done;
}

Result<> SimDisk::set_mode(const disk::DirPtr& dir, std::uint32_t mode) {
  auto done = change(*inode_of(dir), "set_mode", "");
  if (done) inode_of(dir)->cached.mode = mode;
  return done;
}

Result<> SimDisk::set_mtime(const disk::DirPtr& dir, std::int64_t mtime_ns) {
  auto done = change(*inode_of(dir), "set_mtime", "");
  if (done) inode_of(dir)->cached.mtime_ns = mtime_ns;
  return done;
}

Result<> SimDisk::set_link_mtime(const disk::DirPtr& base, std::string_view name, std::int64_t mtime_ns) {
  auto place = walk_existing(base, name, "set_link_mtime");
  if (!place) return std::unexpected(std::move(place.error()));
  place->inode->cached.mtime_ns = mtime_ns;
  fs_.touch(*place->inode);
  return {};
}

Result<disk::Space> SimDisk::space(const disk::DirPtr& dir) {
  constexpr std::uint64_t plenty = 1ULL << 50;
  const std::uint64_t total = fs_.capacity_bytes != 0 ? fs_.capacity_bytes : plenty;
  return disk::Space{total - std::min(total, fs_.used_bytes()), total, inode_of(dir)->device};
}

}  // namespace longhaul::sim
