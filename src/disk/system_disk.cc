#include "disk/system_disk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <utility>

#include "base/bytes.h"
#include "disk/attributes.h"
#include "disk/beneath.h"
#include "disk/data_path.h"
#include "disk/dir_stream.h"
#include "disk/mounts.h"
#include "disk/owner_names.h"
#include "disk/system_file.h"
#include "disk/system_stat.h"
#include "ring/ring.h"

namespace longhaul::disk {
namespace {

SystemFile& real(OpenFile& file) {
  return static_cast<SystemFile&>(file);
}
SystemDir& real(const DirPtr& dir) {
  return static_cast<SystemDir&>(*dir);
}

using disk::failed;
std::unexpected<Error> failed(const char* what, const SystemDir& base, std::string_view path) {
  const int error = errno;
  const std::string name = full_name(base, path);
  errno = error;
  return failed(what, name);
}
Result<> outcome(int result, const char* what, const SystemDir& base, std::string_view path) {
  if (result != 0) return failed(what, base, path);
  return {};
}
Result<> outcome(int result, const char* what, const std::string& name) {
  if (result != 0) return failed(what, name);
  return {};
}
Result<> outcome(int result, const char* what, const SystemFile& file) {
  if (result != 0) return file.failed(what);
  return {};
}

bool is_kernel_since(int major, int minor) {
  utsname system{};
  int its_major = 0;
  int its_minor = 0;
  if (::uname(&system) != 0 || std::sscanf(system.release, "%d.%d", &its_major, &its_minor) != 2) return false;
  return std::pair(its_major, its_minor) >= std::pair(major, minor);
}

/// O_NONBLOCK, so that a pipe in a file's place cannot hold us up. What we make ourselves is no pipe.
int flags_of(Open how) {
  switch (how) {
    case Open::read:
      return O_RDONLY | O_NOCTTY | O_NONBLOCK;
    case Open::write:
      return O_RDWR | O_NOCTTY | O_NONBLOCK;
    case Open::create:
      return O_RDWR | O_NOCTTY | O_CREAT | O_EXCL;
    case Open::create_or_open:
      return O_RDWR | O_NOCTTY | O_NONBLOCK | O_CREAT;
  }
  return O_RDONLY;
}

bool is_in_memory(const struct statfs& found) {
  return found.f_type == TMPFS_MAGIC || found.f_type == RAMFS_MAGIC;
}

class SystemDisk final : public Disk {
 public:
  explicit SystemDisk(ring::Ring* ring) : ring_(ring), data_(ring) {}

  [[nodiscard]] DiskMaker maker() const override {
    return [] { return make_system_disk(nullptr); };
  }

  void submit(Operation& operation) override { data_.submit(operation); }
  Operation* reap() override { return data_.reap(); }
  Operation* wait() override { return data_.wait(); }
  [[nodiscard]] unsigned in_flight() const override { return data_.in_flight(); }
  void register_memory(std::span<std::byte> arena) override {
    if (ring_ != nullptr) ring_->register_memory(arena);
  }

  Result<DirPtr> open_root(const std::string& path) override;
  Result<DirPtr> open_dir(const DirPtr& base, std::string_view path) override;
  Result<FilePtr> open_file(const DirPtr& base, std::string_view path, Open how, bool direct) override;
  Result<FilePtr> open_seen(const DirPtr& base, std::string_view path, std::uint64_t device) override;
  Result<FilePtr> open_unnamed(const DirPtr& dir) override;
  Result<> name_file(OpenFile& file, const DirPtr& base, std::string_view name) override;
  bool best_unnamed(const DirPtr& dir) override;
  Result<> make_dir(const DirPtr& base, std::string_view name, std::uint32_t mode) override;
  Result<> make_symlink(const std::string& target, const DirPtr& base, std::string_view name) override;
  Result<> make_special(const Special& what, std::uint32_t mode, const DirPtr& base, std::string_view name) override;
  Result<> make_hard_link(const DirPtr& from_base, std::string_view from, const DirPtr& to_base,
                          std::string_view to) override;
  Result<std::string> read_link(const DirPtr& base, std::string_view name) override;
  Result<Stat> stat(const DirPtr& base, std::string_view path) override;
  Result<Stat> stat(OpenFile& file) override;
  Result<Range> next_data(OpenFile& file, std::uint64_t offset) override { return real(file).next_data(offset); }
  bool share_range(OpenFile& from, OpenFile& to, std::uint64_t offset, std::uint64_t bytes) override {
    return real(to).share_range(real(from), offset, bytes);
  }
  Result<std::unique_ptr<DirStream>> open_stream(const DirPtr& dir, std::uint64_t position) override;
  Result<> rename(const DirPtr& from_base, std::string_view from, const DirPtr& to_base, std::string_view to) override;
  Result<> rename_to_new(const DirPtr& from_base, std::string_view from, const DirPtr& to_base,
                         std::string_view to) override {
    return rename(from_base, from, to_base, to, RENAME_NOREPLACE);
  }
  Result<> exchange(const DirPtr& one_base, std::string_view one, const DirPtr& other_base,
                    std::string_view other) override {
    return rename(one_base, one, other_base, other, RENAME_EXCHANGE);
  }
  Result<bool> holds_mounts(const DirPtr& dir) override { return mounts_at_or_beneath(real(dir).fd.get()); }
  Result<> unlink(const DirPtr& base, std::string_view name) override;
  Result<> remove_dir(const DirPtr& base, std::string_view name) override;

  Result<> set_mode(OpenFile& file, std::uint32_t mode) override;
  Result<> set_mtime(OpenFile& file, std::int64_t mtime_ns) override;
  Result<> set_mode(const DirPtr& dir, std::uint32_t mode) override;
  Result<> set_mode(const DirPtr& base, std::string_view name, std::uint32_t mode) override;
  Result<> set_mtime(const DirPtr& dir, std::int64_t mtime_ns) override;
  Result<> set_link_mtime(const DirPtr& base, std::string_view name, std::int64_t mtime_ns) override;
  Result<> set_owner(OpenFile& file, const Owner& owner) override;
  Result<> set_owner(const DirPtr& base, std::string_view name, const Owner& owner) override;
  Result<std::vector<Attribute>> attributes(OpenFile& file) override;
  Result<std::vector<Attribute>> attributes(const DirPtr& base, std::string_view name) override;
  Result<> set_attribute(OpenFile& file, const Attribute& attribute) override;
  Result<> set_attribute(const DirPtr& base, std::string_view name, const Attribute& attribute) override;
  Result<> remove_attribute(OpenFile& file, const std::string& attribute) override;
  Result<> remove_attribute(const DirPtr& base, std::string_view name, const std::string& attribute) override;
  Owner with_names(Owner owner) override;
  Owner with_numbers(Owner owner) override;
  Result<> set_size(OpenFile& file, std::uint64_t bytes) override { return real(file).set_size(bytes); }
  Result<> allocate(OpenFile& file, std::uint64_t bytes) override { return real(file).allocate(bytes); }
  Result<> sync_dir(const DirPtr& dir) override;
  bool syncs_all(const DirPtr& dir) override;
  Result<> sync_all(const DirPtr& dir) override;
  Result<bool> try_lock(OpenFile& file) override { return real(file).try_lock(); }
  Result<Space> space(const DirPtr& dir) override;
  bool has_xattrs(const DirPtr& base, std::string_view path) override;

 private:
  template <class Call>
  Result<> at(const DirPtr& base, std::string_view path, const char* what, Call call);
  template <class Call>
  Result<> on(const DirPtr& base, std::string_view name, const char* what, Call call);
  template <class Call>
  Result<> on(OpenFile& file, const char* what, Call call);
  Result<> rename(const DirPtr& from_base, std::string_view from, const DirPtr& to_base, std::string_view to,
                  unsigned flags);
  Result<> prepare(SystemFile& file, bool direct);
  Fd open_in_last_parent(const DirPtr& base, std::string_view path);
  bool has_device(int fd, std::uint64_t device);
  static bool has_device(SystemDir& dir);

  struct KnownDevice {
    std::uint64_t device = 0;
    bool has_device = false;
  };
  struct LastParent {
    DirPtr base;
    std::string path;
    Fd opened;
  };
  ring::Ring* ring_;
  DataPath data_;
  LastParent last_parent_;  ///< of `open_seen`
  std::vector<KnownDevice> known_devices_;
  OwnerNames owner_names_;
};

/// Runs `call(directory, name)` for the last component of `path`.
template <class Call>
Result<> SystemDisk::at(const DirPtr& base, std::string_view path, const char* what, Call call) {
  if (auto fine = check_path(path); !fine) return fine;
  const Place place = place_beneath(real(base).fd.get(), path);
  if (place.directory < 0) return failed(what, real(base), path);
  return outcome(call(place.directory, place.name.c_str()), what, real(base), path);
}

// --- opening ------------------------------------------------------------------------------------------------------

Result<DirPtr> SystemDisk::open_root(const std::string& path) {
  Fd opened(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened && errno == EACCES) opened = Fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!opened) return failed("open directory", path);
  return std::make_shared<SystemDir>(std::move(opened), path);
}

Result<DirPtr> SystemDisk::open_dir(const DirPtr& base, std::string_view path) {
  if (path.empty()) return base;
  if (auto fine = check_path(path); !fine) return std::unexpected(fine.error());
  const int root = real(base).fd.get();
  Fd opened = open_beneath(root, path, O_RDONLY | O_DIRECTORY);
  // A directory that may be entered but not read can still be passed through.
  if (!opened && errno == EACCES) opened = open_beneath(root, path, O_PATH | O_DIRECTORY);
  if (!opened) return failed("open directory", real(base), path);
  return std::make_shared<SystemDir>(std::move(opened), full_name(real(base), path));
}

Result<FilePtr> SystemDisk::open_file(const DirPtr& base, std::string_view path, Open how, bool direct) {
  if (auto fine = check_path(path); !fine) return std::unexpected(fine.error());
  const int flags = flags_of(how);
  Fd opened = open_beneath(real(base).fd.get(), path, flags, (flags & O_CREAT) != 0 ? 0600 : 0);
  if (!opened) return failed((flags & O_EXCL) != 0 ? "create" : "open", real(base), path);
  auto file = std::make_shared<SystemFile>(std::move(opened), base, std::string(path));
  if (how == Open::create && !direct && path.find('/') == std::string_view::npos) {
    file->has_device = has_device(real(base));  // a new file of ours: nothing else needs to be known of it
    return file;
  }
  file->nonblocking = (flags & O_NONBLOCK) != 0;
  if (auto prepared = prepare(*file, direct); !prepared) return std::unexpected(prepared.error());
  return file;
}

/// A new file of ours: nothing needs to be known of it but where it is.
Result<FilePtr> SystemDisk::open_unnamed(const DirPtr& dir) {
  Fd opened(::openat(real(dir).fd.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!opened) return failed("make a file without a name in", real(dir).name);
  auto file = std::make_shared<SystemFile>(std::move(opened), dir, "(no name)");
  file->has_device = has_device(real(dir));
  return file;
}

/// Without privileges, kernels before 6.10 name a file by its magic path only.
Result<> SystemDisk::name_file(OpenFile& file, const DirPtr& base, std::string_view name) {
  const int fd = real(file).fd.get();
  return at(base, name, "name the new file", [fd](int dir, const char* last) {
    const int named = ::linkat(fd, "", dir, last, AT_EMPTY_PATH);
    if (named == 0 || errno != ENOENT) return named;
    return ::linkat(AT_FDCWD, magic_path(fd).c_str(), dir, last, AT_SYMLINK_FOLLOW);
  });
}

bool SystemDisk::best_unnamed(const DirPtr& dir) {
  return !has_device(real(dir));
}

Result<FilePtr> SystemDisk::open_seen(const DirPtr& base, std::string_view path, std::uint64_t device) {
  if (auto fine = check_path(path); !fine) return std::unexpected(fine.error());
  Fd opened = open_in_last_parent(base, path);
  if (!opened) opened = open_beneath(real(base).fd.get(), path, flags_of(Open::read));
  if (!opened) return failed("open", real(base), path);
  auto file = std::make_shared<SystemFile>(std::move(opened), base, std::string(path));
  file->has_device = has_device(file->fd.get(), device);
  file->nonblocking = true;
  return file;
}

/// What was seen in one directory is opened one after the other: the way to it is walked once. A directory that was
/// moved meanwhile still has the files that were seen in it. Not valid: to be opened by its whole path.
Fd SystemDisk::open_in_last_parent(const DirPtr& base, std::string_view path) {
  const std::size_t cut = path.rfind('/');
  if (cut == std::string_view::npos) return {};
  if (last_parent_.base != base || last_parent_.path != path.substr(0, cut))
    last_parent_ = {.base = base,
                    .path = std::string(path.substr(0, cut)),
                    .opened = open_beneath(real(base).fd.get(), path.substr(0, cut), O_PATH | O_DIRECTORY)};
  if (!last_parent_.opened) return {};
  return open_beneath(last_parent_.opened.get(), path.substr(cut + 1), flags_of(Open::read));
}

/// Makes sure that it is a file, and finds out what it can do.
Result<> SystemDisk::prepare(SystemFile& file, bool direct) {
  struct statx raw{};
  const int fd = file.fd.get();
  if (!look(fd, "", STATX_TYPE | (direct ? unsigned{STATX_DIOALIGN} : 0U), raw)) return file.failed("look at");
  if (!S_ISREG(raw.stx_mode))
    return fail(Code::io, fmt::format("cannot open {}: it is not a regular file", printable(file.name())),
                S_ISDIR(raw.stx_mode) ? EISDIR : EINVAL);
  file.has_device = has_device(fd, makedev(raw.stx_dev_major, raw.stx_dev_minor));
  const std::uint32_t alignment = direct ? direct_alignment(raw) : 0;
  if (alignment != 0 && ::fcntl(fd, F_SETFL, O_DIRECT) == 0) {
    file.alignment_bytes = alignment;
    file.nonblocking = false;
  }
  return {};
}

bool SystemDisk::has_device(SystemDir& dir) {
  using Device = SystemDir::Device;
  if (dir.device == Device::unknown) {
    struct statfs found{};
    dir.device = ::fstatfs(dir.fd.get(), &found) == 0 && is_in_memory(found) ? Device::none : Device::some;
  }
  return dir.device == Device::some;
}

bool SystemDisk::has_device(int fd, std::uint64_t device) {
  for (const KnownDevice& known : known_devices_)
    if (known.device == device) return known.has_device;
  struct statfs found{};
  if (::fstatfs(fd, &found) != 0) return true;
  known_devices_.push_back({.device = device, .has_device = !is_in_memory(found)});
  return !is_in_memory(found);
}

Result<std::unique_ptr<DirStream>> SystemDisk::open_stream(const DirPtr& dir, std::uint64_t position) {
  // Its own description: the position in the directory must not be shared.
  Fd opened(::openat(real(dir).fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened) return failed("read directory", real(dir).name);
  if (position != 0 && ::lseek(opened.get(), static_cast<off_t>(position), SEEK_SET) < 0)
    return failed("go on reading directory", real(dir).name);
  return make_dir_stream(std::move(opened), real(dir).name);
}

// --- names --------------------------------------------------------------------------------------------------------

Result<> SystemDisk::make_dir(const DirPtr& base, std::string_view name, std::uint32_t mode) {
  return at(base, name, "make directory", [mode](int dir, const char* last) { return ::mkdirat(dir, last, mode); });
}

Result<> SystemDisk::make_symlink(const std::string& target, const DirPtr& base, std::string_view name) {
  return at(base, name, "make symlink",
            [&target](int dir, const char* last) { return ::symlinkat(target.c_str(), dir, last); });
}

Result<> SystemDisk::make_special(const Special& what, std::uint32_t mode, const DirPtr& base, std::string_view name) {
  return at(base, name, "make", [&](int dir, const char* last) {
    const int made = ::mknodat(dir, last, format_of(what.kind) | 0600, makedev(what.major, what.minor));
    return made != 0 ? made : ::fchmodat(dir, last, mode, 0);  // which no umask takes part in
  });
}

Result<> SystemDisk::make_hard_link(const DirPtr& from_base, std::string_view from, const DirPtr& to_base,
                                    std::string_view to) {
  if (auto fine = check_path(to); !fine) return fine;
  const Place target = place_beneath(real(to_base).fd.get(), to);
  if (target.directory < 0) return failed("make hard link", real(to_base), to);
  return at(from_base, from, "make a hard link to", [&target](int dir, const char* last) {
    return ::linkat(dir, last, target.directory, target.name.c_str(), 0);
  });
}

Result<std::string> SystemDisk::read_link(const DirPtr& base, std::string_view name) {
  std::string target(PATH_MAX, '\0');
  ssize_t bytes = 0;
  auto done = at(base, name, "read symlink", [&](int dir, const char* last) {
    bytes = ::readlinkat(dir, last, target.data(), target.size());
    if (bytes == static_cast<ssize_t>(target.size())) errno = ENAMETOOLONG;
    return bytes >= 0 && bytes < static_cast<ssize_t>(target.size()) ? 0 : -1;
  });
  if (!done) return std::unexpected(done.error());
  target.resize(static_cast<std::size_t>(bytes));
  return target;
}

Result<Stat> SystemDisk::stat(const DirPtr& base, std::string_view path) {
  struct statx raw{};
  if (path.empty()) {
    if (!look(real(base).fd.get(), "", stat_mask | STATX_MNT_ID, raw)) return failed("look at", real(base).name);
    return stat_of(raw);
  }
  auto done = at(base, path, "look at",
                 [&raw](int dir, const char* last) { return look(dir, last, stat_mask | STATX_MNT_ID, raw) ? 0 : -1; });
  if (!done) return std::unexpected(done.error());
  return stat_of(raw);
}

Result<Stat> SystemDisk::stat(OpenFile& file) {
  struct statx raw{};
  if (!look(real(file).fd.get(), "", stat_mask, raw)) return real(file).failed("look at");
  return stat_of(raw);
}

Result<> SystemDisk::rename(const DirPtr& from_base, std::string_view from, const DirPtr& to_base,
                            std::string_view to) {
  return rename(from_base, from, to_base, to, 0);
}

Result<> SystemDisk::rename(const DirPtr& from_base, std::string_view from, const DirPtr& to_base, std::string_view to,
                            unsigned flags) {
  if (auto fine = check_path(to); !fine) return fine;
  const Place target = place_beneath(real(to_base).fd.get(), to);
  if (target.directory < 0) return failed("rename to", real(to_base), to);
  Result<> done = at(from_base, from, "rename", [&target, flags](int dir, const char* last) {
    return ::renameat2(dir, last, target.directory, target.name.c_str(), flags);
  });
  const bool odd_flag =
      flags != 0 && !done && (done.error().system_errno == EINVAL || done.error().system_errno == ENOSYS);
  if (odd_flag) done.error().code = Code::unsupported;
  return done;
}

Result<> SystemDisk::unlink(const DirPtr& base, std::string_view name) {
  return at(base, name, "remove", [](int dir, const char* last) { return ::unlinkat(dir, last, 0); });
}

Result<> SystemDisk::remove_dir(const DirPtr& base, std::string_view name) {
  return at(base, name, "remove directory",
            [](int dir, const char* last) { return ::unlinkat(dir, last, AT_REMOVEDIR); });
}

// --- metadata -----------------------------------------------------------------------------------------------------

Result<> SystemDisk::set_mode(OpenFile& file, std::uint32_t mode) {
  return outcome(::fchmod(real(file).fd.get(), mode), "set the mode of", real(file));
}

Result<> SystemDisk::set_mtime(OpenFile& file, std::int64_t mtime_ns) {
  return outcome(::futimens(real(file).fd.get(), times_of(mtime_ns).data()), "set the time of", real(file));
}

Result<> SystemDisk::set_mode(const DirPtr& dir, std::uint32_t mode) {
  const int fd = real(dir).fd.get();
  int result = ::fchmod(fd, mode);
  if (result != 0 && errno == EBADF) result = ::chmod(magic_path(fd).c_str(), mode);
  return outcome(result, "set the mode of", real(dir).name);
}

/// By a descriptor that reads nothing: older kernels have no fchmodat that follows no symlink.
Result<> SystemDisk::set_mode(const DirPtr& base, std::string_view name, std::uint32_t mode) {
  return at(base, name, "set the mode of", [mode](int dir, const char* last) {
    const Fd found(::openat(dir, last, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    return found ? ::chmod(magic_path(found.get()).c_str(), mode) : -1;
  });
}

Result<> SystemDisk::set_mtime(const DirPtr& dir, std::int64_t mtime_ns) {
  const int fd = real(dir).fd.get();
  int result = ::futimens(fd, times_of(mtime_ns).data());
  if (result != 0 && errno == EBADF)
    result = ::utimensat(AT_FDCWD, magic_path(fd).c_str(), times_of(mtime_ns).data(), 0);
  return outcome(result, "set the time of", real(dir).name);
}

Result<> SystemDisk::set_link_mtime(const DirPtr& base, std::string_view name, std::int64_t mtime_ns) {
  return at(base, name, "set the time of", [mtime_ns](int dir, const char* last) {
    return ::utimensat(dir, last, times_of(mtime_ns).data(), AT_SYMLINK_NOFOLLOW);
  });
}

/// Runs `call(path, follow)` for a name beneath `base`, or for `base` itself: there are no *xattrat calls before 6.13.
template <class Call>
Result<> SystemDisk::on(const DirPtr& base, std::string_view name, const char* what, Call call) {
  if (name.empty()) return outcome(call(magic_path(real(base).fd.get()).c_str(), true), what, real(base).name);
  return at(base, name, what, [&call](int dir, const char* last) {
    return call(fmt::format("{}/{}", magic_path(dir), last).c_str(), false);
  });
}

template <class Call>
Result<> SystemDisk::on(OpenFile& file, const char* what, Call call) {
  return outcome(call(magic_path(real(file).fd.get()).c_str(), true), what, real(file));
}

Result<> SystemDisk::set_owner(OpenFile& file, const Owner& owner) {
  return outcome(::fchown(real(file).fd.get(), owner.user, owner.group), "set the owner of", real(file));
}

Result<> SystemDisk::set_owner(const DirPtr& base, std::string_view name, const Owner& owner) {
  return on(base, name, "set the owner of", [&owner](const char* path, bool follow) {
    return ::fchownat(AT_FDCWD, path, owner.user, owner.group, follow ? 0 : AT_SYMLINK_NOFOLLOW);
  });
}

Result<std::vector<Attribute>> SystemDisk::attributes(OpenFile& file) {
  std::vector<Attribute> found;
  const auto read = on(file, "read the attributes of",
                       [&](const char* path, bool follow) { return read_attributes(path, follow, found); });
  if (!read) return std::unexpected(read.error());
  return found;
}

Result<std::vector<Attribute>> SystemDisk::attributes(const DirPtr& base, std::string_view name) {
  std::vector<Attribute> found;
  const auto read = on(base, name, "read the attributes of",
                       [&](const char* path, bool follow) { return read_attributes(path, follow, found); });
  if (!read) return std::unexpected(read.error());
  return found;
}

Result<> SystemDisk::set_attribute(OpenFile& file, const Attribute& attribute) {
  return on(file, "set an attribute of",
            [&](const char* path, bool follow) { return write_attribute(path, follow, attribute); });
}

Result<> SystemDisk::set_attribute(const DirPtr& base, std::string_view name, const Attribute& attribute) {
  return on(base, name, "set an attribute of",
            [&](const char* path, bool follow) { return write_attribute(path, follow, attribute); });
}

Result<> SystemDisk::remove_attribute(OpenFile& file, const std::string& attribute) {
  return on(file, "remove an attribute of",
            [&](const char* path, bool follow) { return disk::remove_attribute(path, follow, attribute); });
}

Result<> SystemDisk::remove_attribute(const DirPtr& base, std::string_view name, const std::string& attribute) {
  return on(base, name, "remove an attribute of",
            [&](const char* path, bool follow) { return disk::remove_attribute(path, follow, attribute); });
}

Owner SystemDisk::with_names(Owner owner) {
  owner.user_name = owner_names_.user_name(owner.user);
  owner.group_name = owner_names_.group_name(owner.group);
  return owner;
}

/// 0 is root whatever it is called, as rsync has it.
Owner SystemDisk::with_numbers(Owner owner) {
  if (owner.user != 0 && !owner.user_name.empty())
    owner.user = owner_names_.user_id(owner.user_name).value_or(owner.user);
  if (owner.group != 0 && !owner.group_name.empty())
    owner.group = owner_names_.group_id(owner.group_name).value_or(owner.group);
  return owner;
}

Result<> SystemDisk::sync_dir(const DirPtr& dir) {
  int result = 0;
  do {
    result = ::fsync(real(dir).fd.get());
  } while (result != 0 && errno == EINTR);
  return outcome(result, "sync directory", real(dir).name);
}

/// Not of all file systems: FUSE, for one, says yes and tells its server nothing. Kernels before 5.8 tell of no failed
/// write.
bool SystemDisk::syncs_all(const DirPtr& dir) {
  static const bool kernel_tells = is_kernel_since(5, 8);
  if (!kernel_tells) return false;
  constexpr std::array<long, 3> known{EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC};
  struct statfs found{};
  return ::fstatfs(real(dir).fd.get(), &found) == 0 && std::ranges::find(known, found.f_type) != known.end();
}

Result<> SystemDisk::sync_all(const DirPtr& dir) {
  return outcome(::syncfs(real(dir).fd.get()), "sync the file system of", real(dir).name);
}

Result<Space> SystemDisk::space(const DirPtr& dir) {
  struct statvfs found{};
  struct statx raw{};
  if (::fstatvfs(real(dir).fd.get(), &found) != 0 || !look(real(dir).fd.get(), "", STATX_TYPE, raw))
    return failed("ask for the free space of", real(dir).name);
  return Space{.free_bytes = std::uint64_t{found.f_bavail} * found.f_frsize,
               .total_bytes = std::uint64_t{found.f_blocks} * found.f_frsize,
               .file_system = makedev(raw.stx_dev_major, raw.stx_dev_minor)};
}

bool SystemDisk::has_xattrs(const DirPtr& base, std::string_view path) {
  bool found = false;
  const auto done = at(base, path, "list the attributes of", [&found](int dir, const char* last) {
    found = has_own_attributes(dir, last);
    return 0;
  });
  return done.has_value() && found;
}

}  // namespace

std::unique_ptr<Disk> make_system_disk(ring::Ring* ring) {
  return std::make_unique<SystemDisk>(ring);
}

void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace longhaul::disk
