// One Disk on a SimFileSystem: one per role, as on a real machine one per thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "disk/disk.h"
#include "sim_disk.h"

namespace longhaul::sim {

/// What an error says that was simulated.
[[nodiscard]] std::string words(std::string_view operation, std::string_view path);

class SimFile final : public disk::OpenFile {
 public:
  SimFile(InodePtr inode, std::string path, std::uint32_t alignment, bool writable)
      : inode_(std::move(inode)), path_(std::move(path)), alignment_(alignment), writable_(writable) {}
  ~SimFile() override {
    if (inode_->locked_by == this) inode_->locked_by = nullptr;
  }
  SimFile(const SimFile&) = delete;
  SimFile& operator=(const SimFile&) = delete;
  [[nodiscard]] std::uint32_t alignment() const override { return alignment_; }
  [[nodiscard]] Inode& inode() const { return *inode_; }
  [[nodiscard]] const InodePtr& shared_inode() const { return inode_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool writable() const { return writable_; }

 private:
  InodePtr inode_;
  std::string path_;
  std::uint32_t alignment_;
  bool writable_;
};

class SimDir final : public disk::OpenDir {
 public:
  explicit SimDir(InodePtr inode) : inode_(std::move(inode)) {}
  [[nodiscard]] const InodePtr& inode() const { return inode_; }

 private:
  InodePtr inode_;
};

class SimDisk final : public disk::Disk {
 public:
  SimDisk(SimFileSystem& fs, std::string process);
  ~SimDisk() override;  ///< what is in flight and has not reached the page cache never will
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  void submit(disk::Operation& operation) override;
  disk::Operation* reap() override;
  disk::Operation* wait() override;  ///< moves the virtual clock
  [[nodiscard]] unsigned in_flight() const override { return static_cast<unsigned>(flights_.size()); }
  void register_memory(std::span<std::byte> arena) override { (void)arena; }

  Result<disk::DirPtr> open_root(const std::string& path) override;
  Result<disk::DirPtr> open_dir(const disk::DirPtr& base, std::string_view path) override;
  Result<disk::FilePtr> open_file(const disk::DirPtr& base, std::string_view path, disk::Open how,
                                  bool direct) override;
  Result<disk::FilePtr> open_unnamed(const disk::DirPtr& dir) override;
  Result<> name_file(disk::OpenFile& file, const disk::DirPtr& base, std::string_view name) override;
  bool best_unnamed(const disk::DirPtr& dir) override;
  Result<> make_dir(const disk::DirPtr& base, std::string_view name, std::uint32_t mode) override;
  Result<> make_symlink(const std::string& target, const disk::DirPtr& base, std::string_view name) override;
  Result<> make_special(const Special& what, std::uint32_t mode, const disk::DirPtr& base,
                        std::string_view name) override;
  Result<> make_hard_link(const disk::DirPtr& from_base, std::string_view from, const disk::DirPtr& to_base,
                          std::string_view to) override;
  Result<std::string> read_link(const disk::DirPtr& base, std::string_view name) override;
  Result<disk::Stat> stat(const disk::DirPtr& base, std::string_view path) override;
  Result<disk::Stat> stat(disk::OpenFile& file) override;
  Result<disk::Range> next_data(disk::OpenFile& file, std::uint64_t offset) override;
  bool share_range(disk::OpenFile& from, disk::OpenFile& to, std::uint64_t offset, std::uint64_t bytes) override;
  Result<std::unique_ptr<disk::DirStream>> open_stream(const disk::DirPtr& dir, std::uint64_t position) override;
  Result<> rename(const disk::DirPtr& from_base, std::string_view from, const disk::DirPtr& to_base,
                  std::string_view to) override;
  Result<> rename_to_new(const disk::DirPtr& from_base, std::string_view from, const disk::DirPtr& to_base,
                         std::string_view to) override;
  Result<> exchange(const disk::DirPtr& one_base, std::string_view one, const disk::DirPtr& other_base,
                    std::string_view other) override;
  Result<bool> holds_mounts(const disk::DirPtr& dir) override;
  Result<> unlink(const disk::DirPtr& base, std::string_view name) override;
  Result<> remove_dir(const disk::DirPtr& base, std::string_view name) override;

  Result<> set_mode(disk::OpenFile& file, std::uint32_t mode) override;
  Result<> set_mtime(disk::OpenFile& file, std::int64_t mtime_ns) override;
  Result<> set_mode(const disk::DirPtr& dir, std::uint32_t mode) override;
  Result<> set_mode(const disk::DirPtr& base, std::string_view name, std::uint32_t mode) override;
  Result<> set_mtime(const disk::DirPtr& dir, std::int64_t mtime_ns) override;
  Result<> set_link_mtime(const disk::DirPtr& base, std::string_view name, std::int64_t mtime_ns) override;
  Result<> set_owner(disk::OpenFile& file, const Owner& owner) override;
  Result<> set_owner(const disk::DirPtr& base, std::string_view name, const Owner& owner) override;
  Result<std::vector<Attribute>> attributes(disk::OpenFile& file) override;
  Result<std::vector<Attribute>> attributes(const disk::DirPtr& base, std::string_view name) override;
  Result<> set_attribute(disk::OpenFile& file, const Attribute& attribute) override;
  Result<> set_attribute(const disk::DirPtr& base, std::string_view name, const Attribute& attribute) override;
  Result<> remove_attribute(disk::OpenFile& file, const std::string& attribute) override;
  Result<> remove_attribute(const disk::DirPtr& base, std::string_view name, const std::string& attribute) override;
  Owner with_names(Owner owner) override { return owner; }
  Owner with_numbers(Owner owner) override { return owner; }
  Result<> set_size(disk::OpenFile& file, std::uint64_t bytes) override;
  Result<> allocate(disk::OpenFile& file, std::uint64_t bytes) override;
  Result<> sync_dir(const disk::DirPtr& dir) override;
  bool syncs_all(const disk::DirPtr& dir) override;
  Result<> sync_all(const disk::DirPtr& dir) override;
  Result<bool> try_lock(disk::OpenFile& file) override;
  Result<disk::Space> space(const disk::DirPtr& dir) override;
  bool has_xattrs(const disk::DirPtr& base, std::string_view path) override;

  [[nodiscard]] Time next_due(Time now) const;
  /// Something has completed after it was submitted: what is complete at once wakes nobody.
  [[nodiscard]] bool take_wake_up();

 private:
  struct Flight {
    disk::Operation* operation = nullptr;
    Time due = 0;
    bool wakes = false;
    int fault = 0;
    bool applied = false;              // a write that reached the page cache when it was submitted
    std::vector<std::uint64_t> pages;  // a sync: what was dirty when it was submitted
  };
  /// A name and the directory that holds it.
  struct Place {
    InodePtr dir;
    std::string_view name;  // empty: the base itself
    InodePtr inode;         // null: not there
  };

  int strike(std::string_view operation, std::string_view path, std::uint64_t offset = 0, std::uint64_t bytes = 0);
  void pass_time();
  bool complete(Flight& flight);
  std::int64_t attempt(Flight& flight, std::uint32_t bytes);
  std::int64_t apply_read(const disk::Operation& operation, std::uint32_t bytes);
  std::int64_t apply_write(const disk::Operation& operation, std::uint32_t bytes);
  std::int64_t apply_sync(const Flight& flight);
  Time delay(const disk::Operation& operation);
  int grow(Inode& inode, std::uint64_t bytes);
  Result<Place> walk(const disk::DirPtr& base, std::string_view path, std::string_view operation);
  Result<Place> walk_existing(const disk::DirPtr& base, std::string_view path, std::string_view operation);
  Result<> change(Inode& inode, std::string_view operation, std::string_view path);
  template <class Change>
  Result<> change_named(const disk::DirPtr& base, std::string_view name, std::string_view operation,
                        const Change& apply);
  template <class Change>
  Result<> change_open(disk::OpenFile& file, std::string_view operation, const Change& apply);
  disk::Stat stat_of(const Inode& inode) const;

  SimFileSystem& fs_;
  std::string process_;
  std::vector<Flight> flights_;
};

}  // namespace longhaul::sim
