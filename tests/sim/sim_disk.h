// A file system that forgets what was not synced, and any number of Disks that look at it.
//
// Page-cache content and durable content of a file are two things, and so are the names of a directory. kill() of a
// process needs no call here: its handles and locks go with its objects, the page cache stays. crash() is loss of
// power:
//   - every 4 KiB page written since the last good sync is kept or lost, at random; so is a new size, mode, mtime;
//   - of a directory's changes since its last sync_dir a random beginning is kept. A rename to another directory never
//   loses
//     the file as long as neither directory was synced; whoever syncs the old one first may lose it.
//   - a directory that is renamed to another one, and two names that change places, do so as one: no file system shows
//   a directory in two places.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "disk/disk.h"
#include "sim_base.h"

namespace longhaul::sim {

class SimDisk;
struct Inode;
using InodePtr = std::shared_ptr<Inode>;

struct Name {
  InodePtr inode;
  std::uint64_t cookie = 0;  ///< place in the listing's order
};

/// One change of a directory that no sync has covered yet.
struct NameChange {
  std::uint64_t sequence = 0;
  std::string name;
  Name to;                  ///< no inode: the name went away
  std::uint64_t needs = 0;  ///< the other half of a rename, which must survive too; 0: none
  /// The directory of the other half, and its change: of a rename of a directory, or an exchange, both survive or none.
  std::weak_ptr<Inode> tied_to = {};  // NOLINT(readability-redundant-member-init): may be left out of initialisers
  std::uint64_t tied_sequence = 0;
};

struct Metadata {
  std::uint32_t mode = 0;
  std::int64_t mtime_ns = 0;
  std::uint32_t user = 0;
  std::uint32_t group = 0;
  std::map<std::string, std::string> attributes;
  bool operator==(const Metadata&) const = default;
};

struct Inode {
  std::uint64_t number = 0;
  std::uint64_t device = 1;
  disk::FileType type = disk::FileType::file;
  Metadata cached;
  Metadata durable;
  std::int64_t ctime_ns = 0;
  std::uint32_t links = 0;
  std::string link_target;
  std::optional<Special> special;
  // the name that it was given last, for telling about it
  std::weak_ptr<Inode> named_in;
  std::string last_name;
  // files
  std::vector<std::byte> bytes;
  std::vector<std::byte> durable_bytes;
  std::set<std::uint64_t> dirty_pages;
  int untold_error = 0;           ///< of a write back that the next sync of it tells
  std::set<std::uint64_t> holes;  ///< pages that nobody has written: they read as zeros
  const void* locked_by = nullptr;
  std::string locking_process;
  // directories
  std::map<std::string, Name, std::less<>> names;
  std::map<std::string, Name, std::less<>> durable_names;
  std::vector<NameChange> unsynced;
};

/// As std::vector's own comparison of bytes, a hundred times as fast.
[[nodiscard]] inline bool same_bytes(const std::vector<std::byte>& one, const std::vector<std::byte>& other) {
  return one.size() == other.size() && (one.empty() || std::memcmp(one.data(), other.data(), one.size()) == 0);
}

/// Where a fault may strike.
struct FaultPoint {
  std::string_view process;
  std::string_view operation;  ///< "read", "write", "sync", "open", "rename", "sync_dir", "allocate", ...
  std::string_view path;       ///< as it was given to the call (data operations: when the file was opened)
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// Hears what is done to a file system, right after it was done. For a checker.
class FileWatcher {
 public:
  virtual ~FileWatcher() = default;
  /// It has a new name: made, or renamed to.
  virtual void named(const std::string& path, const Inode& inode) = 0;
  /// Its content was written, cut or grown between `offset` and `offset + bytes`.
  virtual void written(const Inode& inode, std::uint64_t offset, std::uint64_t bytes) = 0;
  virtual void metadata_set(const Inode& inode) = 0;
};

/// One path's content, for comparing trees.
struct TreeEntry {
  disk::FileType type = disk::FileType::file;
  std::uint32_t mode = 0;
  std::int64_t mtime_ns = 0;
  std::string link_target;
  std::vector<std::byte> bytes;
  bool operator==(const TreeEntry&) const = default;
};
using Tree = std::map<std::string, TreeEntry>;

class SimFileSystem {
 public:
  static constexpr std::size_t page_bytes = 4096;

  SimFileSystem(SimClock& clock, Trace& trace, std::uint64_t seed);
  ~SimFileSystem();

  // --- what a test sets -----------------------------------------------------------------------------------------
  Time delay_max = 2 * millisecond;    ///< of one data operation; a quarter of them have none
  std::uint64_t capacity_bytes = 0;    ///< 0: no limit
  std::uint32_t direct_alignment = 0;  ///< 0: O_DIRECT is not offered
  bool permissions = true;             ///< false: as root, mode bits refuse nothing
  bool best_unnamed = false;           ///< see Disk::best_unnamed
  bool shares_blocks = false;          ///< see Disk::share_range
  bool syncs_all = false;              ///< see Disk::syncs_all
  Time sync_delay = 0;                 ///< of every data sync, on top
  bool hiccups = false;  ///< the kernel is interrupted (EINTR, EAGAIN) and does less than it was asked, now and then
  /// Returns an errno for an operation that shall fail, 0 to let it pass. A failed sync also forgets which pages were
  /// dirty, as Linux does: they stay readable; some have been written, the others never will be. A failed sync of all
  /// forgets them of some files, each of which tells so at its own next sync.
  std::function<int(const FaultPoint&)> fault;
  FileWatcher* watcher = nullptr;

  /// A Disk for one thread of `process`.
  std::unique_ptr<disk::Disk> make_disk(std::string process);
  void crash();
  /// `process` is gone: so are its locks, even of handles that something still holds.
  void release_locks(const std::string& process);

  // --- helpers: everything they make is durable, with its parents -----------------------------------------------
  void put_file(std::string_view path, std::span<const std::byte> bytes, std::uint32_t mode = 0644,
                std::int64_t mtime_ns = 1);
  /// The pages of a file that hold nothing but zeros become holes.
  void dig(std::string_view path);
  void put_dir(std::string_view path);
  void put_symlink(std::string_view path, std::string target);
  /// Makes the directory `path` the root of another device.
  void mount(std::string_view path);
  /// The same device once more, by another mount: no rename leads there, whatever the device number says.
  void bind(std::string_view path);
  bool tells_mounts = true;  ///< old kernels do not
  [[nodiscard]] std::optional<std::vector<std::byte>> content(std::string_view path) const;
  /// Everything beneath `path`, with paths relative to it, without what lies beneath a name `except`.
  [[nodiscard]] Tree tree(std::string_view path, std::string_view except = {}) const;
  [[nodiscard]] std::uint64_t used_bytes() const;
  /// Every name beneath `path`, with paths relative to it, without what lies beneath a name `except`.
  void for_each(std::string_view path, std::string_view except,
                const std::function<void(const std::string& path, const Inode& inode)>& visit) const;
  /// Null when there is no such name.
  [[nodiscard]] std::shared_ptr<const Inode> look(std::string_view path) const { return find(path); }
  /// A loss of power now would not take the name, nor those of the directories above it.
  [[nodiscard]] bool name_survives(std::string_view path) const;
  /// And would change nothing about it: content, metadata.
  [[nodiscard]] bool survives(std::string_view path) const;
  [[nodiscard]] static std::string path_of(const Inode& inode);
  /// What somebody who is no part of the test's transfer writes: a new version of an existing file, durable at once.
  void rewrite(std::string_view path, std::span<const std::byte> bytes, std::int64_t mtime_ns);
  /// One bit of a file turns, on the medium and in the cache.
  void rot(std::string_view path, std::uint64_t bit);

  /// The earliest completion after `now`, over all disks.
  [[nodiscard]] Time next_due(Time now) const;

 private:
  friend class SimDisk;
  InodePtr make_inode(disk::FileType type, std::uint32_t mode, std::uint64_t device);
  void add_name(const InodePtr& in, std::string_view name, const InodePtr& inode, std::uint64_t* sequence = nullptr);
  void remove_name(Inode& dir, std::string_view name, std::uint64_t needs = 0);
  void exchange_names(const InodePtr& one_dir, std::string_view one, const InodePtr& other_dir, std::string_view other);
  /// The last changes of both directories are one: they survive a crash together or not at all.
  static void tie(const InodePtr& one, const InodePtr& other);
  [[nodiscard]] static bool holds_mounts(const Inode& dir);
  static void resize(Inode& file, std::uint64_t bytes);
  static void sync_names(Inode& dir);
  static void write_back(Inode& file, const std::vector<std::uint64_t>& pages);
  static void sync_pages(Inode& file, const std::vector<std::uint64_t>& pages, bool metadata_too);
  void lose_pages(Inode& file, const std::vector<std::uint64_t>& pages);
  void sync_all(std::uint64_t device);
  void fail_sync_of_all(std::uint64_t device, int error);
  void crash_names();
  void keep_ties(std::map<const Inode*, std::size_t>& kept) const;
  void crash_file(Inode& file);
  void count_links();
  void touch(Inode& inode);
  InodePtr parent_for_put(std::string_view path, std::string& name);
  [[nodiscard]] InodePtr find(std::string_view path) const;

  SimClock& clock_;
  Trace& trace_;
  SimRandom random_;
  std::uint64_t next_inode_ = 1;
  std::uint64_t next_device_ = 1;
  std::map<std::uint64_t, std::uint64_t> bound_;  // what is a device of its own here, and the one that it shows
  std::uint64_t next_sequence_ = 1;
  std::vector<std::weak_ptr<Inode>> inodes_;  // in the order of their making
  InodePtr root_;
  std::set<SimDisk*> disks_;
};

}  // namespace longhaul::sim
