// What is in the cache, what is on the medium, and what a loss of power leaves.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "sim_disk.h"
#include "sim_disk_view.h"

namespace longhaul::sim {
namespace {

constexpr std::size_t sector_bytes = 512;

std::string join(std::string_view base, std::string_view name) {
  return base.empty() ? std::string(name) : std::string(base) + "/" + std::string(name);
}

void visit_names(const Inode& dir, const std::string& base, std::string_view except,
                 const std::function<void(const std::string&, const Inode&)>& visit) {
  for (const auto& [name, entry] : dir.names) {
    if (name == except) continue;
    const std::string path = join(base, name);
    visit(path, *entry.inode);
    if (entry.inode->type == disk::FileType::directory) visit_names(*entry.inode, path, except, visit);
  }
}

}  // namespace

SimFileSystem::SimFileSystem(SimClock& clock, Trace& trace, std::uint64_t seed)
    : clock_(clock), trace_(trace), random_(seed) {
  root_ = make_inode(disk::FileType::directory, 0755, next_device_++);
  root_->links = 1;
}

SimFileSystem::~SimFileSystem() {
  LH_CHECK(disks_.empty(), "a SimDisk outlives its file system");
}

std::unique_ptr<disk::Disk> SimFileSystem::make_disk(std::string process) {
  return std::make_unique<SimDisk>(*this, std::move(process));
}

InodePtr SimFileSystem::make_inode(disk::FileType type, std::uint32_t mode, std::uint64_t device) {
  auto inode = std::make_shared<Inode>();
  inode->number = next_inode_++;
  inode->device = device;
  inode->type = type;
  inode->cached =
      inode->durable = {.mode = mode, .mtime_ns = clock_.wall_ns(), .user = 0, .group = 0, .attributes = {}};
  inode->ctime_ns = clock_.wall_ns();
  inodes_.push_back(inode);
  return inode;
}

/// Every change shows in ctime, even two at one virtual instant.
void SimFileSystem::touch(Inode& inode) {
  inode.ctime_ns = std::max(inode.ctime_ns + 1, clock_.wall_ns());
}

void SimFileSystem::add_name(const InodePtr& in, std::string_view name, const InodePtr& inode,
                             std::uint64_t* sequence) {
  Inode& dir = *in;
  inode->named_in = in;
  inode->last_name = name;
  const Name entry{inode, 1 + (random_.draw() >> 2)};
  if (const auto old = dir.names.find(name); old != dir.names.end()) --old->second.inode->links;
  ++inode->links;
  dir.names.insert_or_assign(std::string(name), entry);
  dir.unsynced.push_back({next_sequence_++, std::string(name), entry, 0});
  if (sequence != nullptr) *sequence = dir.unsynced.back().sequence;
  dir.cached.mtime_ns = clock_.wall_ns();
  touch(dir);
  if (watcher != nullptr) watcher->named(path_of(*inode), *inode);
}

void SimFileSystem::remove_name(Inode& dir, std::string_view name, std::uint64_t needs) {
  const auto entry = dir.names.find(name);
  --entry->second.inode->links;
  dir.names.erase(entry);
  dir.unsynced.push_back({next_sequence_++, std::string(name), {}, needs});
  dir.cached.mtime_ns = clock_.wall_ns();
  touch(dir);
}

void SimFileSystem::exchange_names(const InodePtr& one_dir, std::string_view one, const InodePtr& other_dir,
                                   std::string_view other) {
  const InodePtr first = one_dir->names.find(one)->second.inode;
  const InodePtr second = other_dir->names.find(other)->second.inode;
  const auto put = [this](const InodePtr& in, std::string_view name, const InodePtr& inode) {
    const Name entry{inode, 1 + (random_.draw() >> 2)};
    in->names.insert_or_assign(std::string(name), entry);
    in->unsynced.push_back({.sequence = next_sequence_++, .name = std::string(name), .to = entry});
    inode->named_in = in;
    inode->last_name = name;
    in->cached.mtime_ns = clock_.wall_ns();
    touch(*in);
    touch(*inode);
  };
  put(one_dir, one, second);
  put(other_dir, other, first);
  if (one_dir != other_dir) tie(one_dir, other_dir);
  if (watcher == nullptr) return;
  watcher->named(path_of(*first), *first);
  watcher->named(path_of(*second), *second);
}

void SimFileSystem::tie(const InodePtr& one, const InodePtr& other) {
  if (one == other) return;
  NameChange& first = one->unsynced.back();
  NameChange& second = other->unsynced.back();
  first.tied_to = other;
  first.tied_sequence = second.sequence;
  second.tied_to = one;
  second.tied_sequence = first.sequence;
}

bool SimFileSystem::holds_mounts(const Inode& dir) {
  const InodePtr above = dir.named_in.lock();
  if (above != nullptr && above->device != dir.device) return true;
  return std::ranges::any_of(dir.names, [](const auto& each) {
    return each.second.inode->type == disk::FileType::directory && holds_mounts(*each.second.inode);
  });
}

/// Of what is grown no page has been written.
void SimFileSystem::resize(Inode& file, std::uint64_t bytes) {
  const std::uint64_t first = (file.bytes.size() + page_bytes - 1) / page_bytes;
  const std::uint64_t end = (bytes + page_bytes - 1) / page_bytes;
  for (std::uint64_t page = first; page < end; ++page) file.holes.insert(file.holes.end(), page);
  file.holes.erase(file.holes.lower_bound(end), file.holes.end());
  file.bytes.resize(bytes);
}

void SimFileSystem::sync_names(Inode& dir) {
  dir.durable_names = dir.names;
  const std::vector<NameChange> synced = std::exchange(dir.unsynced, {});
  dir.durable = dir.cached;
  // The other half of what was one step is in the same commit, and what came before it in that directory.
  for (const NameChange& change : synced)
    if (const InodePtr other = change.tied_to.lock(); other != nullptr && !other->unsynced.empty()) sync_names(*other);
  // A symlink or a pipe cannot be synced by itself.
  for (const auto& [name, entry] : dir.names)
    if (entry.inode->type == disk::FileType::symlink || entry.inode->special)
      entry.inode->durable = entry.inode->cached;
}

void SimFileSystem::release_locks(const std::string& process) {
  for (const auto& weak : inodes_) {
    const auto inode = weak.lock();
    if (inode != nullptr && inode->locking_process == process) inode->locked_by = nullptr;
  }
}

/// Pages of the cache reach the medium, as far as the file is that long there.
void SimFileSystem::write_back(Inode& file, const std::vector<std::uint64_t>& pages) {
  const std::size_t size = std::min(file.bytes.size(), file.durable_bytes.size());
  for (const std::uint64_t page : pages) {
    const std::size_t begin = page * page_bytes;
    file.dirty_pages.erase(page);
    if (begin >= size) continue;
    std::memcpy(file.durable_bytes.data() + begin, file.bytes.data() + begin, std::min(page_bytes, size - begin));
  }
}

void SimFileSystem::sync_pages(Inode& file, const std::vector<std::uint64_t>& pages, bool metadata_too) {
  file.durable_bytes.resize(file.bytes.size());
  write_back(file, pages);
  if (metadata_too) file.durable = file.cached;
}

/// Some have been written, the others never will be.
void SimFileSystem::lose_pages(Inode& file, const std::vector<std::uint64_t>& pages) {
  std::vector<std::uint64_t> written;
  for (const std::uint64_t page : pages) {
    if (page * page_bytes < file.durable_bytes.size() && random_.one_in(2)) written.push_back(page);
    file.dirty_pages.erase(page);
  }
  write_back(file, written);
}

void SimFileSystem::sync_all(std::uint64_t device) {
  for (const auto& weak : inodes_) {
    const auto inode = weak.lock();
    if (inode == nullptr || inode->device != device) continue;
    if (inode->type == disk::FileType::directory) sync_names(*inode);
    if (inode->type == disk::FileType::file)
      sync_pages(*inode, {inode->dirty_pages.begin(), inode->dirty_pages.end()}, true);
    inode->durable = inode->cached;
  }
}

void SimFileSystem::fail_sync_of_all(std::uint64_t device, int error) {
  for (const auto& weak : inodes_) {
    const auto inode = weak.lock();
    if (inode == nullptr || inode->device != device || inode->dirty_pages.empty() || random_.one_in(2)) continue;
    lose_pages(*inode, {inode->dirty_pages.begin(), inode->dirty_pages.end()});
    inode->untold_error = error;
  }
}

void SimFileSystem::crash() {
  std::erase_if(inodes_, [](const auto& inode) { return inode.expired(); });
  crash_names();
  for (const auto& weak : inodes_) {
    const auto inode = weak.lock();
    if (inode == nullptr) continue;
    if (random_.one_in(2)) inode->durable = inode->cached;
    inode->cached = inode->durable;
    inode->locked_by = nullptr;
    if (inode->type == disk::FileType::file) crash_file(*inode);
  }
  count_links();
  trace_.note("crash", used_bytes());
}

/// Of two changes that are one step, none is kept when the other is lost.
void SimFileSystem::keep_ties(std::map<const Inode*, std::size_t>& kept) const {
  for (bool changed = true; changed;) {
    changed = false;
    for (const auto& weak : inodes_) {
      const auto dir = weak.lock();
      if (dir == nullptr) continue;
      for (std::size_t i = 0; i < kept[dir.get()]; ++i) {
        const NameChange& change = dir->unsynced[i];
        const auto other = change.tied_to.lock();
        if (other == nullptr) continue;
        const auto at = std::ranges::find(other->unsynced, change.tied_sequence, &NameChange::sequence);
        if (at == other->unsynced.end() || static_cast<std::size_t>(at - other->unsynced.begin()) < kept[other.get()])
          continue;
        kept[dir.get()] = i;
        changed = true;
      }
    }
  }
}

void SimFileSystem::crash_names() {
  std::map<const Inode*, std::size_t> kept;
  std::set<std::uint64_t> lost;
  for (const auto& weak : inodes_) {
    const auto dir = weak.lock();
    if (dir == nullptr || dir->unsynced.empty()) continue;
    const std::size_t cut = random_.below(dir->unsynced.size() + 1);
    kept[dir.get()] = cut;
  }
  keep_ties(kept);
  for (const auto& weak : inodes_) {
    const auto dir = weak.lock();
    if (dir == nullptr || dir->unsynced.empty()) continue;
    for (std::size_t i = kept[dir.get()]; i < dir->unsynced.size(); ++i) lost.insert(dir->unsynced[i].sequence);
  }
  // Hold all of them: an inode may lose its last name in one directory before another one gives it back.
  std::vector<InodePtr> held;
  for (const auto& weak : inodes_) held.push_back(weak.lock());
  for (const auto& dir : held) {
    if (dir == nullptr || dir->type != disk::FileType::directory) continue;
    dir->names = dir->durable_names;
    for (std::size_t i = 0; i < kept[dir.get()]; ++i) {
      const NameChange& change = dir->unsynced[i];
      if (change.needs != 0 && lost.contains(change.needs)) continue;
      if (change.to.inode == nullptr) {
        dir->names.erase(change.name);
      } else {
        dir->names.insert_or_assign(change.name, change.to);
      }
    }
    dir->durable_names = dir->names;
    dir->unsynced.clear();
  }
}

void SimFileSystem::crash_file(Inode& file) {
  const std::size_t size = random_.one_in(2) ? file.bytes.size() : file.durable_bytes.size();
  file.durable_bytes.resize(std::max(size, file.durable_bytes.size()));
  for (const std::uint64_t page : file.dirty_pages) {
    const std::size_t begin = page * page_bytes;
    const std::size_t end = std::min({begin + page_bytes, file.bytes.size(), size});
    if (begin >= end) continue;
    // Lost, written, or torn: sectors of it in any combination.
    const std::uint64_t sectors = random_.below(4) == 0 ? random_.draw() : random_.one_in(2) ? ~std::uint64_t{0} : 0;
    for (std::size_t at = begin; at < end; at += sector_bytes)
      if ((sectors >> ((at - begin) / sector_bytes) & 1U) != 0)
        std::memcpy(file.durable_bytes.data() + at, file.bytes.data() + at, std::min(sector_bytes, end - at));
  }
  file.durable_bytes.resize(size);
  file.bytes = file.durable_bytes;
  file.dirty_pages.clear();
  file.holes.clear();  // old bytes of the medium may show there again
}

void SimFileSystem::count_links() {
  for (const auto& weak : inodes_) {
    if (const auto inode = weak.lock(); inode != nullptr) inode->links = 0;
  }
  root_->links = 1;
  for (const auto& weak : inodes_) {
    const auto dir = weak.lock();
    if (dir == nullptr) continue;
    for (const auto& [name, entry] : dir->names) ++entry.inode->links;
  }
}

InodePtr SimFileSystem::find(std::string_view path) const {
  InodePtr at = root_;
  while (!path.empty() && at != nullptr) {
    const auto slash = path.find('/');
    const auto name = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
    if (name.empty()) continue;
    const auto entry = at->names.find(name);
    at = entry == at->names.end() ? nullptr : entry->second.inode;
  }
  return at;
}

InodePtr SimFileSystem::parent_for_put(std::string_view path, std::string& name) {
  const auto slash = path.rfind('/');
  name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  const auto parent = slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
  if (find(parent) == nullptr) put_dir(parent);
  return find(parent);
}

void SimFileSystem::put_file(std::string_view path, std::span<const std::byte> bytes, std::uint32_t mode,
                             std::int64_t mtime_ns) {
  std::string name;
  const auto parent = parent_for_put(path, name);
  const auto file = make_inode(disk::FileType::file, mode, parent->device);
  file->bytes.assign(bytes.begin(), bytes.end());
  file->durable_bytes = file->bytes;
  file->cached = file->durable = {mode, mtime_ns};
  add_name(parent, name, file);
  sync_names(*parent);
}

void SimFileSystem::dig(std::string_view path) {
  Inode& file = *find(path);
  for (std::size_t begin = 0; begin < file.bytes.size(); begin += page_bytes) {
    const auto page = std::span(file.bytes).subspan(begin, std::min(page_bytes, file.bytes.size() - begin));
    if (std::ranges::all_of(page, [](std::byte each) { return each == std::byte{}; }))
      file.holes.insert(begin / page_bytes);
  }
}

void SimFileSystem::put_dir(std::string_view path) {
  if (find(path) != nullptr) return;
  std::string name;
  const auto parent = parent_for_put(path, name);
  add_name(parent, name, make_inode(disk::FileType::directory, 0755, parent->device));
  sync_names(*parent);
}

void SimFileSystem::put_symlink(std::string_view path, std::string target) {
  std::string name;
  const auto parent = parent_for_put(path, name);
  const auto link = make_inode(disk::FileType::symlink, 0777, parent->device);
  link->link_target = std::move(target);
  add_name(parent, name, link);
  sync_names(*parent);
}

void SimFileSystem::mount(std::string_view path) {
  put_dir(path);
  find(path)->device = ++next_device_;
}

void SimFileSystem::bind(std::string_view path) {
  put_dir(path);
  const std::uint64_t shown = find(path)->device;
  mount(path);
  bound_[find(path)->device] = shown;
}

std::optional<std::vector<std::byte>> SimFileSystem::content(std::string_view path) const {
  const auto inode = find(path);
  if (inode == nullptr || inode->type != disk::FileType::file) return std::nullopt;
  return inode->bytes;
}

Tree SimFileSystem::tree(std::string_view path, std::string_view except) const {
  Tree out;
  for_each(path, except, [&](const std::string& name, const Inode& inode) {
    out[name] = {inode.type, inode.cached.mode, inode.cached.mtime_ns, inode.link_target, inode.bytes};
  });
  return out;
}

void SimFileSystem::for_each(std::string_view path, std::string_view except,
                             const std::function<void(const std::string& path, const Inode& inode)>& visit) const {
  if (const auto dir = find(path); dir != nullptr) visit_names(*dir, "", except, visit);
}

bool SimFileSystem::name_survives(std::string_view path) const {
  InodePtr at = root_;
  while (!path.empty()) {
    const auto slash = path.find('/');
    const auto name = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
    const auto here = at->names.find(name);
    const auto there = at->durable_names.find(name);
    if (here == at->names.end() || there == at->durable_names.end()) return false;
    if (here->second.inode != there->second.inode) return false;
    for (const NameChange& change : at->unsynced)
      if (change.name == name) return false;
    at = here->second.inode;
  }
  return true;
}

bool SimFileSystem::survives(std::string_view path) const {
  if (!name_survives(path)) return false;
  const auto at = find(path);
  const bool content = at->type != disk::FileType::file || same_bytes(at->bytes, at->durable_bytes);
  return content && at->cached == at->durable;
}

std::string SimFileSystem::path_of(const Inode& inode) {
  std::string path;
  const Inode* at = &inode;
  for (InodePtr in = at->named_in.lock(); in != nullptr; in = at->named_in.lock()) {
    path = path.empty() ? at->last_name : join(at->last_name, path);
    at = in.get();
  }
  return path;
}

void SimFileSystem::rewrite(std::string_view path, std::span<const std::byte> bytes, std::int64_t mtime_ns) {
  const auto file = find(path);
  LH_CHECK(file != nullptr && file->type == disk::FileType::file, "a rewrite of something that is no file");
  file->bytes.assign(bytes.begin(), bytes.end());
  file->durable_bytes = file->bytes;
  file->dirty_pages.clear();
  file->holes.clear();
  file->cached.mtime_ns = file->durable.mtime_ns = mtime_ns;
  touch(*file);
  trace_.note("rewrite", bytes.size());
}

void SimFileSystem::rot(std::string_view path, std::uint64_t bit) {
  const auto file = find(path);
  if (file == nullptr || file->bytes.empty()) return;
  const auto turn = [bit](std::vector<std::byte>& bytes) {
    if (const std::uint64_t at = bit / 8; at < bytes.size()) bytes[at] ^= std::byte(1U << (bit % 8));
  };
  turn(file->bytes);
  turn(file->durable_bytes);
  trace_.note("rot", bit);
}

std::uint64_t SimFileSystem::used_bytes() const {
  std::uint64_t used = 0;
  for (const auto& weak : inodes_) {
    if (const auto inode = weak.lock(); inode != nullptr && inode->links > 0) used += inode->bytes.size();
  }
  return used;
}

Time SimFileSystem::next_due(Time now) const {
  Time due = time_never;
  for (const SimDisk* disk : disks_) due = std::min(due, disk->next_due(now));
  return due;
}

}  // namespace longhaul::sim
