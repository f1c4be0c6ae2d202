// The calls of SimDisk that are about owners and attributes. Everybody is root here.
#include "sim_disk_view.h"

namespace longhaul::sim {
namespace {

std::vector<Attribute> list_of(const Inode& inode) {
  std::vector<Attribute> list;
  for (const auto& [name, value] : inode.cached.attributes) list.push_back({name, value});
  return list;
}

/// Each gives a change of one inode.
auto owned_by(const Owner& owner) {
  return [&owner](Metadata& of) {
    if (owner.user != disk::same_id) of.user = owner.user;
    if (owner.group != disk::same_id) of.group = owner.group;
  };
}
auto with(const Attribute& attribute) {
  return [&attribute](Metadata& of) { of.attributes[attribute.name] = attribute.value; };
}
auto without(const std::string& attribute) {
  return [&attribute](Metadata& of) { of.attributes.erase(attribute); };
}

}  // namespace

template <class Change>
Result<> SimDisk::change_named(const disk::DirPtr& base, std::string_view name, std::string_view operation,
                               const Change& apply) {
  auto place = walk_existing(base, name, operation);
  if (!place) return std::unexpected(std::move(place.error()));
  apply(place->inode->cached);
  fs_.touch(*place->inode);
  return {};
}

template <class Change>
Result<> SimDisk::change_open(disk::OpenFile& file, std::string_view operation, const Change& apply) {
  Inode& inode = static_cast<SimFile&>(file).inode();
  auto done = change(inode, operation, static_cast<SimFile&>(file).path());
  if (done) apply(inode.cached);
  return done;
}

Result<> SimDisk::set_owner(disk::OpenFile& file, const Owner& owner) {
  return change_open(file, "set_owner", owned_by(owner));
}
Result<> SimDisk::set_owner(const disk::DirPtr& base, std::string_view name, const Owner& owner) {
  return change_named(base, name, "set_owner", owned_by(owner));
}
Result<> SimDisk::set_mode(const disk::DirPtr& base, std::string_view name, std::uint32_t mode) {
  return change_named(base, name, "set_mode", [mode](Metadata& of) { of.mode = mode; });
}
Result<> SimDisk::set_attribute(disk::OpenFile& file, const Attribute& attribute) {
  return change_open(file, "set_attribute", with(attribute));
}
Result<> SimDisk::set_attribute(const disk::DirPtr& base, std::string_view name, const Attribute& attribute) {
  return change_named(base, name, "set_attribute", with(attribute));
}
Result<> SimDisk::remove_attribute(disk::OpenFile& file, const std::string& attribute) {
  return change_open(file, "remove_attribute", without(attribute));
}
Result<> SimDisk::remove_attribute(const disk::DirPtr& base, std::string_view name, const std::string& attribute) {
  return change_named(base, name, "remove_attribute", without(attribute));
}

Result<std::vector<Attribute>> SimDisk::attributes(disk::OpenFile& file) {
  return list_of(static_cast<SimFile&>(file).inode());
}
Result<std::vector<Attribute>> SimDisk::attributes(const disk::DirPtr& base, std::string_view name) {
  auto place = walk_existing(base, name, "attributes");
  if (!place) return std::unexpected(std::move(place.error()));
  return list_of(*place->inode);
}

bool SimDisk::has_xattrs(const disk::DirPtr& base, std::string_view path) {
  const auto place = walk_existing(base, path, "has_xattrs");
  return place && !place->inode->cached.attributes.empty();
}

}  // namespace longhaul::sim
