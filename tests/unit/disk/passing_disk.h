// A disk that hands every call on to another: for those of tests that do one thing in another way.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "disk/disk.h"

namespace longhaul::disk {

class PassingDisk : public Disk {
 public:
  explicit PassingDisk(std::unique_ptr<Disk> under) : under_(std::move(under)) {}

  Result<> set_size(OpenFile& file, std::uint64_t bytes) override { return under_->set_size(file, bytes); }
  Result<> allocate(OpenFile& file, std::uint64_t bytes) override { return under_->allocate(file, bytes); }
  void submit(Operation& operation) override { under_->submit(operation); }
  Operation* reap() override { return under_->reap(); }
  Operation* wait() override { return under_->wait(); }
  [[nodiscard]] unsigned in_flight() const override { return under_->in_flight(); }
  void register_memory(std::span<std::byte> arena) override { under_->register_memory(arena); }
  Result<DirPtr> open_root(const std::string& path) override { return under_->open_root(path); }
  Result<DirPtr> open_dir(const DirPtr& base, std::string_view path) override { return under_->open_dir(base, path); }
  Result<FilePtr> open_file(const DirPtr& base, std::string_view path, Open how, bool direct) override {
    return under_->open_file(base, path, how, direct);
  }
  Result<FilePtr> open_seen(const DirPtr& base, std::string_view path, std::uint64_t device) override {
    return under_->open_seen(base, path, device);
  }
  Result<FilePtr> open_unnamed(const DirPtr& dir) override { return under_->open_unnamed(dir); }
  Result<> name_file(OpenFile& file, const DirPtr& base, std::string_view name) override {
    return under_->name_file(file, base, name);
  }
  bool best_unnamed(const DirPtr& dir) override { return under_->best_unnamed(dir); }
  Result<> make_dir(const DirPtr& base, std::string_view name, std::uint32_t mode) override {
    return under_->make_dir(base, name, mode);
  }
  Result<> make_symlink(const std::string& target, const DirPtr& base, std::string_view name) override {
    return under_->make_symlink(target, base, name);
  }
  Result<> make_special(const Special& what, std::uint32_t mode, const DirPtr& base, std::string_view name) override {
    return under_->make_special(what, mode, base, name);
  }
  Result<> make_hard_link(const DirPtr& from_base, std::string_view from, const DirPtr& to_base,
                          std::string_view to) override {
    return under_->make_hard_link(from_base, from, to_base, to);
  }
  Result<std::string> read_link(const DirPtr& base, std::string_view name) override {
    return under_->read_link(base, name);
  }
  Result<Stat> stat(const DirPtr& base, std::string_view path) override { return under_->stat(base, path); }
  Result<Stat> stat(OpenFile& file) override { return under_->stat(file); }
  Result<Range> next_data(OpenFile& file, std::uint64_t offset) override { return under_->next_data(file, offset); }
  Result<std::unique_ptr<DirStream>> open_stream(const DirPtr& dir, std::uint64_t position) override {
    return under_->open_stream(dir, position);
  }
  Result<> rename(const DirPtr& from_base, std::string_view from, const DirPtr& to_base, std::string_view to) override {
    return under_->rename(from_base, from, to_base, to);
  }
  Result<> rename_to_new(const DirPtr& from_base, std::string_view from, const DirPtr& to_base,
                         std::string_view to) override {
    return under_->rename_to_new(from_base, from, to_base, to);
  }
  Result<> exchange(const DirPtr& one_base, std::string_view one, const DirPtr& other_base,
                    std::string_view other) override {
    return under_->exchange(one_base, one, other_base, other);
  }
  Result<bool> holds_mounts(const DirPtr& dir) override { return under_->holds_mounts(dir); }
  Result<> unlink(const DirPtr& base, std::string_view name) override { return under_->unlink(base, name); }
  Result<> remove_dir(const DirPtr& base, std::string_view name) override { return under_->remove_dir(base, name); }
  Result<> set_mode(OpenFile& file, std::uint32_t mode) override { return under_->set_mode(file, mode); }
  Result<> set_mtime(OpenFile& file, std::int64_t time) override { return under_->set_mtime(file, time); }
  Result<> set_mode(const DirPtr& dir, std::uint32_t mode) override { return under_->set_mode(dir, mode); }
  Result<> set_mode(const DirPtr& base, std::string_view name, std::uint32_t mode) override {
    return under_->set_mode(base, name, mode);
  }
  Result<> set_mtime(const DirPtr& dir, std::int64_t time) override { return under_->set_mtime(dir, time); }
  Result<> set_link_mtime(const DirPtr& base, std::string_view name, std::int64_t time) override {
    return under_->set_link_mtime(base, name, time);
  }
  Result<> set_owner(OpenFile& file, const Owner& owner) override { return under_->set_owner(file, owner); }
  Result<> set_owner(const DirPtr& base, std::string_view name, const Owner& owner) override {
    return under_->set_owner(base, name, owner);
  }
  Result<std::vector<Attribute>> attributes(OpenFile& file) override { return under_->attributes(file); }
  Result<std::vector<Attribute>> attributes(const DirPtr& base, std::string_view name) override {
    return under_->attributes(base, name);
  }
  Result<> set_attribute(OpenFile& file, const Attribute& attribute) override {
    return under_->set_attribute(file, attribute);
  }
  Result<> set_attribute(const DirPtr& base, std::string_view name, const Attribute& attribute) override {
    return under_->set_attribute(base, name, attribute);
  }
  Result<> remove_attribute(OpenFile& file, const std::string& attribute) override {
    return under_->remove_attribute(file, attribute);
  }
  Result<> remove_attribute(const DirPtr& base, std::string_view name, const std::string& attribute) override {
    return under_->remove_attribute(base, name, attribute);
  }
  Owner with_names(Owner owner) override { return under_->with_names(std::move(owner)); }
  Owner with_numbers(Owner owner) override { return under_->with_numbers(std::move(owner)); }
  Result<> sync_dir(const DirPtr& dir) override { return under_->sync_dir(dir); }
  Result<bool> try_lock(OpenFile& file) override { return under_->try_lock(file); }
  Result<Space> space(const DirPtr& dir) override { return under_->space(dir); }
  bool has_xattrs(const DirPtr& base, std::string_view path) override { return under_->has_xattrs(base, path); }

 protected:
  std::unique_ptr<Disk> under_;
};

}  // namespace longhaul::disk
