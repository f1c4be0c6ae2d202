// The calls of SimDisk that are about names.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "sim_disk_view.h"

namespace longhaul::sim {
namespace {

constexpr std::size_t name_bytes_max = 255;

const InodePtr& inode_of(const disk::DirPtr& dir) {
  return static_cast<const SimDir&>(*dir).inode();
}

class SimDirStream final : public disk::DirStream {
 public:
  explicit SimDirStream(std::vector<disk::DirEntry> entries) : entries_(std::move(entries)) {}
  Result<bool> next(std::vector<disk::DirEntry>& out, std::size_t max) override {
    const std::size_t count = std::min(max, entries_.size() - at_);
    for (std::size_t i = 0; i < count; ++i) out.push_back(entries_[at_ + i]);
    at_ += count;
    return count > 0;
  }

 private:
  std::vector<disk::DirEntry> entries_;
  std::size_t at_ = 0;
};

}  // namespace

std::string words(std::string_view operation, std::string_view path) {
  return fmt::format("simulated {} of \"{}\"", operation, path);
}

/// Goes down from `base`, through directories only.
Result<SimDisk::Place> SimDisk::walk(const disk::DirPtr& base, std::string_view path, std::string_view operation) {
  const std::string_view whole = path;
  if (const int error = strike(operation, whole); error != 0) return fail_errno(error, words(operation, whole));
  Place place{inode_of(base), {}, inode_of(base)};
  if (path.empty()) return place;
  for (bool last = false; !last;) {
    const auto slash = path.find('/');
    last = slash == std::string_view::npos;
    const auto name = path.substr(0, slash);
    if (!last) path = path.substr(slash + 1);
    int error = 0;
    if (place.inode == nullptr)
      error = ENOENT;
    else if (place.inode->type == disk::FileType::symlink)
      error = ELOOP;
    else if (place.inode->type != disk::FileType::directory)
      error = ENOTDIR;
    else if (name.empty() || name == "." || name == "..")
      error = EINVAL;
    else if (name.size() > name_bytes_max)
      error = ENAMETOOLONG;
    if (error != 0) return fail_errno(error, words(operation, whole));
    const auto entry = place.inode->names.find(name);
    place.dir = place.inode;
    place.name = name;
    place.inode = entry == place.dir->names.end() ? nullptr : entry->second.inode;
  }
  return place;
}

Result<SimDisk::Place> SimDisk::walk_existing(const disk::DirPtr& base, std::string_view path,
                                              std::string_view operation) {
  auto place = walk(base, path, operation);
  if (place && place->inode == nullptr) return fail_errno(ENOENT, words(operation, path));
  return place;
}

Result<disk::DirPtr> SimDisk::open_root(const std::string& path) {
  const auto inode = fs_.find(path);
  if (inode == nullptr) return fail_errno(ENOENT, words("open", path));
  if (inode->type != disk::FileType::directory) return fail_errno(ENOTDIR, words("open", path));
  return std::make_shared<SimDir>(inode);
}

Result<disk::DirPtr> SimDisk::open_dir(const disk::DirPtr& base, std::string_view path) {
  auto place = walk_existing(base, path, "open_dir");
  if (!place) return std::unexpected(std::move(place.error()));
  if (place->inode->type == disk::FileType::symlink) return fail_errno(ELOOP, words("open_dir", path));
  if (place->inode->type != disk::FileType::directory) return fail_errno(ENOTDIR, words("open_dir", path));
  return std::make_shared<SimDir>(place->inode);
}

Result<disk::FilePtr> SimDisk::open_file(const disk::DirPtr& base, std::string_view path, disk::Open how, bool direct) {
  auto place = walk(base, path, "open");
  if (!place) return std::unexpected(std::move(place.error()));
  const bool may_create = how == disk::Open::create || how == disk::Open::create_or_open;
  int error = 0;
  if (place->inode == nullptr) {
    if (!may_create)
      error = ENOENT;
    else if (place->dir->links == 0)
      error = ENOENT;
  } else if (how == disk::Open::create) {
    error = EEXIST;
  } else if (place->inode->type == disk::FileType::symlink) {
    error = ELOOP;
  } else if (place->inode->type == disk::FileType::directory) {
    error = EISDIR;
  } else if (fs_.permissions && (place->inode->cached.mode & (how == disk::Open::read ? 0400U : 0600U)) == 0) {
    error = EACCES;
  } else if (fs_.permissions && how != disk::Open::read && (place->inode->cached.mode & 0200U) == 0) {
    error = EACCES;
  }
  if (error != 0) return fail_errno(error, words("open", path));
  if (place->inode == nullptr) {
    place->inode = fs_.make_inode(disk::FileType::file, 0600, place->dir->device);
    fs_.add_name(place->dir, place->name, place->inode);
  }
  const std::uint32_t alignment = direct && fs_.direct_alignment != 0 ? fs_.direct_alignment : 1;
  return std::make_shared<SimFile>(place->inode, std::string(path), alignment, how != disk::Open::read);
}

Result<disk::FilePtr> SimDisk::open_unnamed(const disk::DirPtr& dir) {
  if (const int error = strike("open_unnamed", ""); error != 0) return fail_errno(error, words("open_unnamed", ""));
  const auto inode = fs_.make_inode(disk::FileType::file, 0600, static_cast<const SimDir&>(*dir).inode()->device);
  return std::make_shared<SimFile>(inode, "(no name)", 1, true);
}

Result<> SimDisk::name_file(disk::OpenFile& file, const disk::DirPtr& base, std::string_view name) {
  auto place = walk(base, name, "name_file");
  if (!place) return std::unexpected(std::move(place.error()));
  const InodePtr inode = static_cast<SimFile&>(file).shared_inode();
  if (place->inode != nullptr) return fail_errno(EEXIST, words("name_file", name));
  if (inode->device != place->dir->device) return fail_errno(EXDEV, words("name_file", name));
  if (place->dir->links == 0) return fail_errno(ENOENT, words("name_file", name));
  fs_.add_name(place->dir, place->name, inode);
  fs_.touch(*inode);
  return {};
}

bool SimDisk::best_unnamed(const disk::DirPtr& /*dir*/) {
  return fs_.best_unnamed;
}

Result<> SimDisk::make_dir(const disk::DirPtr& base, std::string_view name, std::uint32_t mode) {
  auto place = walk(base, name, "make_dir");
  if (!place) return std::unexpected(std::move(place.error()));
  if (place->inode != nullptr) return fail_errno(EEXIST, words("make_dir", name));
  if (place->dir->links == 0) return fail_errno(ENOENT, words("make_dir", name));
  fs_.add_name(place->dir, place->name, fs_.make_inode(disk::FileType::directory, mode, place->dir->device));
  return {};
}

Result<> SimDisk::make_symlink(const std::string& target, const disk::DirPtr& base, std::string_view name) {
  auto place = walk(base, name, "make_symlink");
  if (!place) return std::unexpected(std::move(place.error()));
  if (place->inode != nullptr) return fail_errno(EEXIST, words("make_symlink", name));
  const auto link = fs_.make_inode(disk::FileType::symlink, 0777, place->dir->device);
  link->link_target = target;
  fs_.add_name(place->dir, place->name, link);
  return {};
}

Result<> SimDisk::make_special(const Special& what, std::uint32_t mode, const disk::DirPtr& base,
                               std::string_view name) {
  auto place = walk(base, name, "make_special");
  if (!place) return std::unexpected(std::move(place.error()));
  if (place->inode != nullptr) return fail_errno(EEXIST, words("make_special", name));
  const auto made = fs_.make_inode(disk::FileType::other, mode, place->dir->device);
  made->special = what;
  fs_.add_name(place->dir, place->name, made);
  return {};
}

Result<> SimDisk::make_hard_link(const disk::DirPtr& from_base, std::string_view from, const disk::DirPtr& to_base,
                                 std::string_view to) {
  auto source = walk_existing(from_base, from, "link");
  if (!source) return std::unexpected(std::move(source.error()));
  auto target = walk(to_base, to, "link_to");
  if (!target) return std::unexpected(std::move(target.error()));
  int error = 0;
  if (source->inode->type == disk::FileType::directory) error = EPERM;
  if (source->dir->device != target->dir->device) error = EXDEV;
  if (target->inode != nullptr) error = EEXIST;
  if (error != 0) return fail_errno(error, words("link", to));
  fs_.add_name(target->dir, target->name, source->inode);
  fs_.touch(*source->inode);
  return {};
}

Result<std::string> SimDisk::read_link(const disk::DirPtr& base, std::string_view name) {
  auto place = walk_existing(base, name, "read_link");
  if (!place) return std::unexpected(std::move(place.error()));
  if (place->inode->type != disk::FileType::symlink) return fail_errno(EINVAL, words("read_link", name));
  return place->inode->link_target;
}

disk::Stat SimDisk::stat_of(const Inode& inode) const {
  disk::Stat stat;
  stat.type = inode.type;
  stat.mode = inode.cached.mode;
  stat.size = inode.bytes.size();
  stat.mtime_ns = inode.cached.mtime_ns;
  stat.ctime_ns = inode.ctime_ns;
  stat.inode = inode.number;
  const auto bound = fs_.bound_.find(inode.device);
  stat.device = bound == fs_.bound_.end() ? inode.device : bound->second;
  stat.mount = fs_.tells_mounts ? inode.device : 0;
  stat.links = inode.links;
  stat.user = inode.cached.user;
  stat.group = inode.cached.group;
  stat.special = inode.special;
  const std::size_t pages = (inode.bytes.size() + SimFileSystem::page_bytes - 1) / SimFileSystem::page_bytes;
  stat.allocated_bytes = (pages - inode.holes.size()) * SimFileSystem::page_bytes;
  return stat;
}

Result<disk::Stat> SimDisk::stat(const disk::DirPtr& base, std::string_view path) {
  auto place = walk_existing(base, path, "stat");
  if (!place) return std::unexpected(std::move(place.error()));
  return stat_of(*place->inode);
}

Result<disk::Stat> SimDisk::stat(disk::OpenFile& file) {
  const auto& path = static_cast<SimFile&>(file).path();
  if (const int error = strike("stat", path); error != 0) return fail_errno(error, words("stat", path));
  return stat_of(static_cast<SimFile&>(file).inode());
}

Result<> SimDisk::rename(const disk::DirPtr& from_base, std::string_view from, const disk::DirPtr& to_base,
                         std::string_view to) {
  auto source = walk_existing(from_base, from, "rename");
  if (!source) return std::unexpected(std::move(source.error()));
  auto target = walk(to_base, to, "rename_to");
  if (!target) return std::unexpected(std::move(target.error()));
  int error = 0;
  const bool moves_dir = source->inode->type == disk::FileType::directory;
  if (source->dir->device != target->dir->device) error = EXDEV;
  if (target->dir->links == 0) error = ENOENT;
  if (target->inode != nullptr) {
    const bool onto_dir = target->inode->type == disk::FileType::directory;
    if (onto_dir && !moves_dir) error = EISDIR;
    if (!onto_dir && moves_dir) error = ENOTDIR;
    if (onto_dir && !target->inode->names.empty()) error = ENOTEMPTY;
  }
  if (error != 0) return fail_errno(error, words("rename", to));
  if (source->inode == target->inode) return {};
  std::uint64_t sequence = 0;
  fs_.add_name(target->dir, target->name, source->inode, &sequence);
  fs_.remove_name(*source->dir, source->name, sequence);
  if (moves_dir) SimFileSystem::tie(target->dir, source->dir);
  fs_.touch(*source->inode);
  return {};
}

namespace {

/// As SystemDisk has it: EINVAL means that the file system does not know the flag.
std::unexpected<Error> flag_refused(Error error) {
  if (error.system_errno == EINVAL) error.code = Code::unsupported;
  return std::unexpected(std::move(error));
}

}  // namespace

Result<> SimDisk::rename_to_new(const disk::DirPtr& from_base, std::string_view from, const disk::DirPtr& to_base,
                                std::string_view to) {
  auto target = walk(to_base, to, "rename_to_new");
  if (!target) return flag_refused(std::move(target.error()));
  if (target->inode != nullptr) return fail_errno(EEXIST, words("rename_to_new", to));
  return rename(from_base, from, to_base, to);
}

Result<> SimDisk::exchange(const disk::DirPtr& one_base, std::string_view one, const disk::DirPtr& other_base,
                           std::string_view other) {
  auto first = walk_existing(one_base, one, "exchange");
  if (!first) return flag_refused(std::move(first.error()));
  auto second = walk_existing(other_base, other, "exchange_with");
  if (!second) return std::unexpected(std::move(second.error()));
  if (first->dir->device != second->dir->device) return fail_errno(EXDEV, words("exchange", other));
  if (first->inode == second->inode) return {};
  fs_.exchange_names(first->dir, first->name, second->dir, second->name);
  return {};
}

Result<bool> SimDisk::holds_mounts(const disk::DirPtr& dir) {
  if (const int error = strike("holds_mounts", ""); error != 0) return fail_errno(error, words("holds_mounts", ""));
  return SimFileSystem::holds_mounts(*inode_of(dir));
}

Result<> SimDisk::unlink(const disk::DirPtr& base, std::string_view name) {
  auto place = walk_existing(base, name, "unlink");
  if (!place) return std::unexpected(std::move(place.error()));
  if (place->inode->type == disk::FileType::directory) return fail_errno(EISDIR, words("unlink", name));
  fs_.remove_name(*place->dir, place->name);
  return {};
}

Result<> SimDisk::remove_dir(const disk::DirPtr& base, std::string_view name) {
  auto place = walk_existing(base, name, "remove_dir");
  if (!place) return std::unexpected(std::move(place.error()));
  if (place->inode->type != disk::FileType::directory) return fail_errno(ENOTDIR, words("remove_dir", name));
  if (!place->inode->names.empty()) return fail_errno(ENOTEMPTY, words("remove_dir", name));
  fs_.remove_name(*place->dir, place->name);
  return {};
}

Result<std::unique_ptr<disk::DirStream>> SimDisk::open_stream(const disk::DirPtr& dir, std::uint64_t position) {
  if (const int error = strike("list", "", position); error != 0) return fail_errno(error, words("list", ""));
  std::vector<disk::DirEntry> entries;
  for (const auto& [name, entry] : inode_of(dir)->names) {
    if (entry.cookie > position) entries.push_back({name, entry.inode->type, entry.cookie});
  }
  std::ranges::sort(entries, {}, &disk::DirEntry::resume_at);
  return std::make_unique<SimDirStream>(std::move(entries));
}

}  // namespace longhaul::sim
