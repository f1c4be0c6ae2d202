// A simulated disk on which files of a terabyte cost nothing: sizes are agreed to and not kept. Names, journals and
// logs are as on any simulated disk.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "disk/disk.h"

namespace longhaul::sim {

class HollowDisk final : public disk::Disk {
 public:
  explicit HollowDisk(std::unique_ptr<disk::Disk> under) : under_(std::move(under)) {}

  Result<> set_size(disk::OpenFile& file, std::uint64_t bytes) override {
    return bytes >= hollow_from ? Result<>{} : under_->set_size(file, bytes);
  }
  Result<> allocate(disk::OpenFile& file, std::uint64_t bytes) override {
    return bytes >= hollow_from ? Result<>{} : under_->allocate(file, bytes);
  }

  void submit(disk::Operation& operation) override { under_->submit(operation); }
  disk::Operation* reap() override { return under_->reap(); }
  disk::Operation* wait() override { return under_->wait(); }
  [[nodiscard]] unsigned in_flight() const override { return under_->in_flight(); }
  void register_memory(std::span<std::byte> arena) override { under_->register_memory(arena); }
  Result<disk::DirPtr> open_root(const std::string& path) override { return under_->open_root(path); }
  Result<disk::DirPtr> open_dir(const disk::DirPtr& base, std::string_view path) override {
    return under_->open_dir(base, path);
  }
  Result<disk::FilePtr> open_file(const disk::DirPtr& base, std::string_view path, disk::Open how,
                                  bool direct) override {
    return under_->open_file(base, path, how, direct);
  }
  Result<disk::FilePtr> open_seen(const disk::DirPtr& base, std::string_view path, std::uint64_t device) override {
    return under_->open_seen(base, path, device);
  }
  Result<disk::FilePtr> open_unnamed(const disk::DirPtr& dir) override { return under_->open_unnamed(dir); }
  Result<> name_file(disk::OpenFile& file, const disk::DirPtr& base, std::string_view name) override {
    return under_->name_file(file, base, name);
  }
  bool best_unnamed(const disk::DirPtr& dir) override { return under_->best_unnamed(dir); }
  Result<> make_dir(const disk::DirPtr& base, std::string_view name, std::uint32_t mode) override {
    return under_->make_dir(base, name, mode);
  }
  Result<> make_symlink(const std::string& target, const disk::DirPtr& base, std::string_view name) override {
    return under_->make_symlink(target, base, name);
  }
  Result<> make_special(const Special& what, std::uint32_t mode, const disk::DirPtr& base,
                        std::string_view name) override {
    return under_->make_special(what, mode, base, name);
  }
  Result<> make_hard_link(const disk::DirPtr& from_base, std::string_view from, const disk::DirPtr& to_base,
                          std::string_view to) override {
    return under_->make_hard_link(from_base, from, to_base, to);
  }
  Result<std::string> read_link(const disk::DirPtr& base, std::string_view name) override {
    return under_->read_link(base, name);
  }
  Result<disk::Stat> stat(const disk::DirPtr& base, std::string_view path) override { return under_->stat(base, path); }
  Result<disk::Stat> stat(disk::OpenFile& file) override { return under_->stat(file); }
  Result<disk::Range> next_data(disk::OpenFile& file, std::uint64_t offset) override {
    return under_->next_data(file, offset);
  }
  Result<std::unique_ptr<disk::DirStream>> open_stream(const disk::DirPtr& dir, std::uint64_t position) override {
    return under_->open_stream(dir, position);
  }
  Result<> rename(const disk::DirPtr& from_base, std::string_view from, const disk::DirPtr& to_base,
                  std::string_view to) override {
    return under_->rename(from_base, from, to_base, to);
  }
  Result<> rename_to_new(const disk::DirPtr& from_base, std::string_view from, const disk::DirPtr& to_base,
                         std::string_view to) override {
    return under_->rename_to_new(from_base, from, to_base, to);
  }
  Result<> exchange(const disk::DirPtr& one_base, std::string_view one, const disk::DirPtr& other_base,
                    std::string_view other) override {
    return under_->exchange(one_base, one, other_base, other);
  }
  Result<bool> holds_mounts(const disk::DirPtr& dir) override { return under_->holds_mounts(dir); }
  Result<> unlink(const disk::DirPtr& base, std::string_view name) override { return under_->unlink(base, name); }
  Result<> remove_dir(const disk::DirPtr& base, std::string_view name) override {
    return under_->remove_dir(base, name);
  }
  Result<> set_mode(disk::OpenFile& file, std::uint32_t mode) override { return under_->set_mode(file, mode); }
  Result<> set_mtime(disk::OpenFile& file, std::int64_t time) override { return under_->set_mtime(file, time); }
  Result<> set_mode(const disk::DirPtr& dir, std::uint32_t mode) override { return under_->set_mode(dir, mode); }
  Result<> set_mode(const disk::DirPtr& base, std::string_view name, std::uint32_t mode) override {
    return under_->set_mode(base, name, mode);
  }
  Result<> set_mtime(const disk::DirPtr& dir, std::int64_t time) override { return under_->set_mtime(dir, time); }
  Result<> set_link_mtime(const disk::DirPtr& base, std::string_view name, std::int64_t time) override {
    return under_->set_link_mtime(base, name, time);
  }
  Result<> set_owner(disk::OpenFile& file, const Owner& owner) override { return under_->set_owner(file, owner); }
  Result<> set_owner(const disk::DirPtr& base, std::string_view name, const Owner& owner) override {
    return under_->set_owner(base, name, owner);
  }
  Result<std::vector<Attribute>> attributes(disk::OpenFile& file) override { return under_->attributes(file); }
  Result<std::vector<Attribute>> attributes(const disk::DirPtr& base, std::string_view name) override {
    return under_->attributes(base, name);
  }
  Result<> set_attribute(disk::OpenFile& file, const Attribute& attribute) override {
    return under_->set_attribute(file, attribute);
  }
  Result<> set_attribute(const disk::DirPtr& base, std::string_view name, const Attribute& attribute) override {
    return under_->set_attribute(base, name, attribute);
  }
  Result<> remove_attribute(disk::OpenFile& file, const std::string& attribute) override {
    return under_->remove_attribute(file, attribute);
  }
  Result<> remove_attribute(const disk::DirPtr& base, std::string_view name, const std::string& attribute) override {
    return under_->remove_attribute(base, name, attribute);
  }
  Owner with_names(Owner owner) override { return under_->with_names(std::move(owner)); }
  Owner with_numbers(Owner owner) override { return under_->with_numbers(std::move(owner)); }
  Result<> sync_dir(const disk::DirPtr& dir) override { return under_->sync_dir(dir); }
  Result<bool> try_lock(disk::OpenFile& file) override { return under_->try_lock(file); }
  Result<disk::Space> space(const disk::DirPtr& dir) override { return under_->space(dir); }
  bool has_xattrs(const disk::DirPtr& base, std::string_view path) override { return under_->has_xattrs(base, path); }

 private:
  static constexpr std::uint64_t hollow_from = 1'000'000'000;
  std::unique_ptr<disk::Disk> under_;
};

}  // namespace longhaul::sim
