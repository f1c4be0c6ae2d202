// Owner, attributes, mode and time of an entry at the target.
#pragma once

#include "disk/disk.h"
#include "longhaul/entry.h"

namespace longhaul::engine {

/// What an entry has at its source, and the target would not take. Says so, fails nothing.
struct Unkept {
  bool owner = false;
  bool attributes = false;
};

/// All that `entry` says of the open file, its time last; nothing may be written afterwards. `entry.owner` has the
/// numbers of this machine. Errors are the disk's own; what it does not permit or not support is unkept.
Result<> set_properties(disk::Disk& disk, disk::OpenFile& file, const Entry& entry, Unkept& unkept);
/// As above: a directory (`name` empty), a symlink or a special file.
Result<> set_properties(disk::Disk& disk, const disk::DirPtr& base, std::string_view name, const Entry& entry,
                        Unkept& unkept);
/// Owner and attributes of an entry that is there already, where they differ. False: nothing had to be set.
Result<bool> match_properties(disk::Disk& disk, const disk::DirPtr& base, std::string_view name,
                              const disk::Stat& there, const Entry& entry, Unkept& unkept);
/// Whether match_properties() would leave its attributes as they are.
bool shows_attributes(disk::Disk& disk, const disk::DirPtr& base, std::string_view name, const Entry& entry);
/// Whether owner, attributes, and but for symlinks the mode, are other than `entry` says. Sets nothing.
[[nodiscard]] bool properties_differ(disk::Disk& disk, const disk::DirPtr& base, std::string_view name,
                                     const disk::Stat& there, const Entry& entry);

}  // namespace longhaul::engine
