#include "engine/properties.h"

#include <algorithm>
#include <cerrno>

namespace longhaul::engine {
namespace {

/// An open file, or a name, to which the same calls are made.
struct OfFile {
  disk::Disk& disk;
  disk::OpenFile& file;
  Result<> set_owner(const Owner& owner) const { return disk.set_owner(file, owner); }
  Result<std::vector<Attribute>> attributes() const { return disk.attributes(file); }
  Result<> set_attribute(const Attribute& attribute) const { return disk.set_attribute(file, attribute); }
  Result<> remove_attribute(const std::string& name) const { return disk.remove_attribute(file, name); }
};
struct OfName {
  disk::Disk& disk;
  const disk::DirPtr& base;
  std::string_view name;
  Result<> set_owner(const Owner& owner) const { return disk.set_owner(base, name, owner); }
  Result<std::vector<Attribute>> attributes() const { return disk.attributes(base, name); }
  Result<> set_attribute(const Attribute& attribute) const { return disk.set_attribute(base, name, attribute); }
  Result<> remove_attribute(const std::string& attribute) const { return disk.remove_attribute(base, name, attribute); }
};

/// Whether a call failed for what the file system is or whom it serves, not for what the disk does. ENOSPC is among it:
/// that is what an attribute that does not fit into its inode gets.
bool refused(const Result<>& done) {
  return !done && done.error().system_errno != EIO;
}

template <class Spot>
Result<> set_owner(const Spot& spot, const Owner& owner, Unkept& unkept) {
  const Result<> done = spot.set_owner(owner);
  if (!refused(done)) return done;
  unkept.owner = true;
  // Who is not root may still have the group in common.
  const Result<> group =
      spot.set_owner({.user = disk::same_id, .group = owner.group, .user_name = {}, .group_name = {}});
  return refused(group) ? Result<>() : group;
}

/// Whether one that the target has, and the source has not, is taken away. What others have set to give or take powers
/// (security.*, trusted.*) stays: the sender need not have seen it.
bool is_stray(const Attributes& wanted, const std::string& name) {
  if (name.starts_with("system.")) return wanted.acls;
  return wanted.extended && name.starts_with("user.");
}

/// What is wanted is there, and nothing that would be taken away.
bool shows(const std::vector<Attribute>& there, const Attributes& wanted) {
  const auto has = [&](const Attribute& each) { return std::ranges::find(there, each) != there.end(); };
  const auto goes = [&](const Attribute& old) {
    const auto same_name = [&](const Attribute& each) { return each.name == old.name; };
    return is_stray(wanted, old.name) && std::ranges::none_of(wanted.list, same_name);
  };
  return std::ranges::all_of(wanted.list, has) && std::ranges::none_of(there, goes);
}

template <class Spot>
Result<> set_attributes(const Spot& spot, const Attributes& wanted, Unkept& unkept, bool* changed = nullptr) {
  const auto there = spot.attributes();
  if (!there && there.error().system_errno == EIO) return std::unexpected(there.error());
  if (!there) {
    unkept.attributes = unkept.attributes || !wanted.list.empty();
    return {};
  }
  const auto change = [&](const Result<>& done) {
    unkept.attributes = unkept.attributes || refused(done);
    if (changed != nullptr) *changed = true;
    return done || refused(done);
  };
  for (const Attribute& old : *there) {
    const auto same_name = [&](const Attribute& each) { return each.name == old.name; };
    if (!is_stray(wanted, old.name) || std::ranges::any_of(wanted.list, same_name)) continue;
    if (const Result<> done = spot.remove_attribute(old.name); !change(done)) return done;
  }
  for (const Attribute& each : wanted.list) {
    if (std::ranges::find(*there, each) != there->end()) continue;
    if (const Result<> done = spot.set_attribute(each); !change(done)) return done;
  }
  return {};
}

/// The owner first: a change of owner takes setuid bits and capabilities away. Attributes before the mode, which may
/// forbid them.
template <class Spot>
Result<> set_owner_and_attributes(const Spot& spot, const Entry& entry, Unkept& unkept) {
  Result<> done;
  if (entry.owner) done = set_owner(spot, *entry.owner, unkept);
  if (done && entry.attributes) done = set_attributes(spot, *entry.attributes, unkept);
  return done;
}

}  // namespace

Result<> set_properties(disk::Disk& disk, disk::OpenFile& file, const Entry& entry, Unkept& unkept) {
  Result<> done = set_owner_and_attributes(OfFile{disk, file}, entry, unkept);
  if (done) done = disk.set_mode(file, entry.mode);
  if (done) done = disk.set_mtime(file, entry.mtime_ns);
  return done;
}

Result<> set_properties(disk::Disk& disk, const disk::DirPtr& base, std::string_view name, const Entry& entry,
                        Unkept& unkept) {
  Result<> done = set_owner_and_attributes(OfName{disk, base, name}, entry, unkept);
  if (!name.empty()) return done ? disk.set_link_mtime(base, name, entry.mtime_ns) : done;
  if (done) done = disk.set_mode(base, entry.mode);
  if (done) done = disk.set_mtime(base, entry.mtime_ns);
  return done;
}

bool shows_attributes(disk::Disk& disk, const disk::DirPtr& base, std::string_view name, const Entry& entry) {
  if (!entry.attributes) return true;
  const auto there = disk.attributes(base, name);
  return there ? shows(*there, *entry.attributes) : entry.attributes->list.empty();
}

Result<bool> match_properties(disk::Disk& disk, const disk::DirPtr& base, std::string_view name,
                              const disk::Stat& there, const Entry& entry, Unkept& unkept) {
  const OfName spot{disk, base, name};
  bool changed = false;
  Result<> done;
  if (entry.owner && (entry.owner->user != there.user || entry.owner->group != there.group)) {
    done = set_owner(spot, *entry.owner, unkept);
    changed = true;
  }
  if (done && entry.attributes) done = set_attributes(spot, *entry.attributes, unkept, &changed);
  if (!done) return std::unexpected(done.error());
  return changed;
}

bool properties_differ(disk::Disk& disk, const disk::DirPtr& base, std::string_view name, const disk::Stat& there,
                       const Entry& entry) {
  if (entry.type != EntryType::symlink && there.mode != entry.mode) return true;
  if (entry.owner && (entry.owner->user != there.user || entry.owner->group != there.group)) return true;
  if (!entry.attributes) return false;
  const auto has = disk.attributes(base, name);
  return has && !shows(*has, *entry.attributes);  // else the target keeps none
}

}  // namespace longhaul::engine
