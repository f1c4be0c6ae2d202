// The seam to file systems. Everything that the engine does to a disk goes through `Disk`; the simulator brings its
// own.
//
// Data operations (read, write, sync) are submitted and reaped; names (open, rename, stat ...) are plain calls. One
// Disk belongs to one thread; OpenFile and OpenDir may be shared between threads and are closed when the last owner
// lets go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "longhaul/entry.h"
#include "longhaul/status.h"

namespace longhaul::disk {

/// What callers read and write at once is padded to the alignment, of which this is a multiple.
constexpr std::uint32_t direct_piece_bytes = 256 * 1024;

class OpenFile {
 public:
  virtual ~OpenFile() = default;
  /// Bytes that offset, length and memory of a data operation must be multiples of; 1 for buffered files. A divisor of
  /// direct_piece_bytes.
  [[nodiscard]] virtual std::uint32_t alignment() const = 0;
};
class OpenDir {
 public:
  virtual ~OpenDir() = default;
};
using FilePtr = std::shared_ptr<OpenFile>;
using DirPtr = std::shared_ptr<OpenDir>;

constexpr std::uint32_t same_id = ~std::uint32_t{0};

enum class FileType : std::uint8_t { file, directory, symlink, other };

struct Stat {
  FileType type = FileType::other;
  std::uint32_t mode = 0;  ///< permission bits (07777)
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::uint64_t inode = 0;
  std::uint64_t device = 0;
  std::uint32_t links = 1;
  std::uint32_t user = 0;
  std::uint32_t group = 0;
  std::optional<Special> special;     ///< of `other`: what it is
  std::uint64_t allocated_bytes = 0;  ///< less than size: there are holes
  std::uint64_t mount = 0;            ///< of one mount all have the same number; 0: the system does not tell
};

/// Bytes of a file, from `begin` to before `end`.
struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct Space {
  std::uint64_t free_bytes = 0;  ///< available to this user
  std::uint64_t total_bytes = 0;
  std::uint64_t file_system = 0;  ///< device number
};

struct DirEntry {
  std::string name;                 ///< never "." or ".."
  FileType type = FileType::other;  ///< `other` when the file system does not tell: ask stat
  std::uint64_t resume_at = 0;      ///< where a later stream of the same directory goes on after this name
};

/// A directory being read, in the file system's order. Used by one thread.
class DirStream {
 public:
  virtual ~DirStream() = default;
  /// Appends up to `max` names (`max` > 0); false when there are no more: then none were appended.
  virtual Result<bool> next(std::vector<DirEntry>& out, std::size_t max) = 0;
};

/// One data operation. Intrusive: it must stay where it is, with its memory, until `Disk::reap` has returned it.
struct Operation {
  enum class Kind : std::uint8_t {
    read,
    write,
    sync_data,  ///< fdatasync
    sync_file,  ///< fsync
  };
  Kind kind = Kind::read;
  OpenFile* file = nullptr;
  std::byte* data = nullptr;
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;
  /// Out, once reaped. Reads: bytes read, fewer than asked only at end of file. Writes: all bytes. Syncs: 0. Else
  /// -errno; EINTR, EAGAIN and short transfers have been dealt with inside.
  std::int64_t result = 0;
  /// Private to the Disk.
  std::uint32_t done_bytes = 0;
  Operation* next = nullptr;
  bool queued = false;
};

enum class Open : std::uint8_t {
  read,            ///< existing file, read only, not through a symlink as last component
  write,           ///< existing file, read and write
  create,          ///< new file, read and write, mode 0600; fails with EEXIST
  create_or_open,  ///< either
};

class Disk;
/// Makes a disk for one more thread. Any thread may ask.
using DiskMaker = std::function<std::unique_ptr<Disk>()>;

class Disk {
 public:
  virtual ~Disk() = default;

  /// Of disks like this one, on which plain calls see what this one sees. Empty: there is none (a simulated one).
  [[nodiscard]] virtual DiskMaker maker() const { return {}; }

  // --- data -------------------------------------------------------------------------------------------------
  /// May finish the operation at once (a plain call): reap before going to wait, no wake-up tells of it.
  virtual void submit(Operation& operation) = 0;
  /// A finished operation, or null when none has finished. Plain calls are finished at once.
  virtual Operation* reap() = 0;
  /// The next finished operation; waits for it. Null when nothing is in flight. For code that may wait (`blocking.h`).
  virtual Operation* wait() = 0;
  /// Operations submitted and not yet reaped.
  [[nodiscard]] virtual unsigned in_flight() const = 0;
  /// Tells of memory that many operations will use (a SlotPool's arena). Best effort.
  virtual void register_memory(std::span<std::byte> arena) = 0;

  // --- names: relative to a directory, one component or a path beneath it; symlinks are never followed --------
  // Every path must be relative, without "." or ".." or empty components; longer than PATH_MAX is dealt with inside.

  /// The user's own root: an ordinary path, symlinks allowed.
  virtual Result<DirPtr> open_root(const std::string& path) = 0;
  /// A directory beneath `base` (openat2 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS). "" is `base` itself.
  virtual Result<DirPtr> open_dir(const DirPtr& base, std::string_view path) = 0;
  /// `direct`: with O_DIRECT where the file system says that it does it; ask `alignment()`.
  virtual Result<FilePtr> open_file(const DirPtr& base, std::string_view path, Open how, bool direct) = 0;
  /// As `open_file` for reading, of what was seen on `device` (Stat::device). It is not looked at here: the caller asks
  /// `stat` whether it is the file that was seen, before or after reading, and means what was read only then.
  virtual Result<FilePtr> open_seen(const DirPtr& base, std::string_view path, std::uint64_t /*device*/) {
    return open_file(base, path, Open::read, false);
  }
  /// A new file, read and write, that no name leads to: gone with its last owner. On the file system of `dir`, in which
  /// nothing changes. Errors: not every file system has such files.
  virtual Result<FilePtr> open_unnamed(const DirPtr& dir) = 0;
  /// Names a file of `open_unnamed`. Fails with EEXIST when the name is there.
  virtual Result<> name_file(OpenFile& file, const DirPtr& base, std::string_view name) = 0;
  /// Whether files that are to appear whole in one step are best made without a name in `dir` and named then, instead
  /// of renamed. So in memory (tmpfs), where such a file costs a sixth less (measured: 23 against 28 us of CPU, behind
  /// landlock); where directories are journalled it costs several times more.
  virtual bool best_unnamed(const DirPtr& /*dir*/) { return false; }
  virtual Result<> make_dir(const DirPtr& base, std::string_view name, std::uint32_t mode) = 0;
  virtual Result<> make_symlink(const std::string& target, const DirPtr& base, std::string_view name) = 0;
  /// A pipe, a socket or a device, with exactly this mode.
  virtual Result<> make_special(const Special& what, std::uint32_t mode, const DirPtr& base, std::string_view name) = 0;
  /// A further name of the file `from`. Fails with EEXIST when `to` is there.
  virtual Result<> make_hard_link(const DirPtr& from_base, std::string_view from, const DirPtr& to_base,
                                  std::string_view to) = 0;
  virtual Result<std::string> read_link(const DirPtr& base, std::string_view name) = 0;
  virtual Result<Stat> stat(const DirPtr& base,
                            std::string_view path) = 0;  ///< of a symlink: the link's own; "": of base
  virtual Result<Stat> stat(OpenFile& file) = 0;
  /// The first data at or behind `offset` (SEEK_DATA, SEEK_HOLE): what lies between is a hole and reads as zeros. Both
  /// ends `no_offset`: there is none up to the end of the file. A file system that knows no holes says: all of it.
  static constexpr std::uint64_t no_offset = ~std::uint64_t{0};
  virtual Result<Range> next_data(OpenFile& file, std::uint64_t offset) = 0;
  /// The same place of `to` becomes what it is in `from`, both having the same blocks on the medium (FICLONERANGE).
  /// `offset` and `bytes`: multiples of share_bytes. False, whatever the reason is: that place of `to` is to be
  /// written.
  static constexpr std::uint64_t share_bytes = 64 * 1024;  // of all usual block sizes
  virtual bool share_range(OpenFile& /*from*/, OpenFile& /*to*/, std::uint64_t /*offset*/, std::uint64_t /*bytes*/) {
    return false;
  }
  /// Reads a directory's names. `position`: 0 for the beginning, or the `resume_at` of a name seen earlier. Names that
  /// come or go meanwhile may or may not be seen.
  virtual Result<std::unique_ptr<DirStream>> open_stream(const DirPtr& dir, std::uint64_t position) = 0;
  /// Replaces an existing file of that name (rename(2)).
  virtual Result<> rename(const DirPtr& from_base, std::string_view from, const DirPtr& to_base,
                          std::string_view to) = 0;
  /// As `rename`, but fails with EEXIST when `to` is there (RENAME_NOREPLACE).
  virtual Result<> rename_to_new(const DirPtr& from_base, std::string_view from, const DirPtr& to_base,
                                 std::string_view to) = 0;
  /// Both change places in one step (RENAME_EXCHANGE): each must be there. Code::unsupported, of this one and of
  /// `rename_to_new`: the file system does not do it.
  virtual Result<> exchange(const DirPtr& one_base, std::string_view one, const DirPtr& other_base,
                            std::string_view other) = 0;
  /// Whether something is mounted on `dir`, or on anything beneath it.
  virtual Result<bool> holds_mounts(const DirPtr& dir) = 0;
  virtual Result<> unlink(const DirPtr& base, std::string_view name) = 0;
  virtual Result<> remove_dir(const DirPtr& base, std::string_view name) = 0;

  // --- metadata -------------------------------------------------------------------------------------------------
  virtual Result<> set_mode(OpenFile& file, std::uint32_t mode) = 0;
  virtual Result<> set_mtime(OpenFile& file, std::int64_t mtime_ns) = 0;
  virtual Result<> set_mode(const DirPtr& dir, std::uint32_t mode) = 0;
  /// Of what cannot be opened: a file of one's own that its mode keeps one from reading. Not of a symlink: unsupported.
  virtual Result<> set_mode(const DirPtr& base, std::string_view name, std::uint32_t mode) = 0;
  virtual Result<> set_mtime(const DirPtr& dir, std::int64_t mtime_ns) = 0;
  virtual Result<> set_link_mtime(const DirPtr& base, std::string_view name, std::int64_t mtime_ns) = 0;
  // Of the entry `name` in `base`, of a symlink its own; "": of `base` itself.
  /// `Owner::user` and `group` only; `same_id`: that one stays.
  virtual Result<> set_owner(OpenFile& file, const Owner& owner) = 0;
  virtual Result<> set_owner(const DirPtr& base, std::string_view name, const Owner& owner) = 0;
  /// Extended attributes and POSIX ACLs that this process may read, but for security.selinux, by name.
  virtual Result<std::vector<Attribute>> attributes(OpenFile& file) = 0;
  virtual Result<std::vector<Attribute>> attributes(const DirPtr& base, std::string_view name) = 0;
  virtual Result<> set_attribute(OpenFile& file, const Attribute& attribute) = 0;
  virtual Result<> set_attribute(const DirPtr& base, std::string_view name, const Attribute& attribute) = 0;
  virtual Result<> remove_attribute(OpenFile& file, const std::string& attribute) = 0;
  virtual Result<> remove_attribute(const DirPtr& base, std::string_view name, const std::string& attribute) = 0;
  /// With the names that this machine has for the numbers.
  virtual Owner with_names(Owner owner) = 0;
  /// With the numbers that this machine has for the names; 0, and names that it does not know, keep their numbers.
  virtual Owner with_numbers(Owner owner) = 0;

  virtual Result<> set_size(OpenFile& file, std::uint64_t bytes) = 0;  ///< ftruncate
  virtual Result<> allocate(OpenFile& file, std::uint64_t bytes) = 0;  ///< fallocate; unsupported: success
  virtual Result<> sync_dir(const DirPtr& dir) = 0;                    ///< fsync of a directory; waits
  /// Whether `sync_all` of what `dir` is on does as much as a sync of every file and directory there.
  virtual bool syncs_all(const DirPtr& /*dir*/) { return false; }
  /// Everything on the file system of `dir` (syncfs), of whoever has written it; waits. Errors: of any write there
  /// since `dir` was opened. They are told once: afterwards only a sync of each file tells whether it is among those
  /// that are lost. Success says nothing of a file system that has become read-only for an error: a `sync_dir` does.
  virtual Result<> sync_all(const DirPtr& /*dir*/) {
    return fail(Code::unsupported, "this disk syncs files one by one");
  }
  /// An exclusive lock on the file held until it is closed. False when somebody else holds it.
  virtual Result<bool> try_lock(OpenFile& file) = 0;
  virtual Result<Space> space(const DirPtr& dir) = 0;
  /// Whether an entry has any of `attributes`, without reading them.
  virtual bool has_xattrs(const DirPtr& base, std::string_view path) = 0;
};

}  // namespace longhaul::disk
