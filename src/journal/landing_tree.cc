#include "journal/landing_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "disk/blocking.h"
#include "journal/journal_file.h"
#include "journal/manifest_stream.h"

namespace longhaul::journal {
namespace {

constexpr std::string_view trees_name = "tree";
constexpr std::string_view ready_suffix = ".ready";
constexpr std::size_t trees_max = 64;  // of one transfer: each holds a log open

std::string log_stem(std::string_view name) {
  return "manifest." + digest_of(bytes_of(name)).hex();
}

/// `name` begins "manifest.HASH.INODE"; nothing when it is none of these.
std::optional<std::uint64_t> inode_in(std::string_view name) {
  if (!name.starts_with("manifest.") || !name.ends_with(ready_suffix)) return std::nullopt;
  name.remove_suffix(ready_suffix.size());
  name.remove_prefix(name.rfind('.') + 1);
  std::uint64_t inode = 0;
  const auto [stopped, error] = std::from_chars(name.data(), name.data() + name.size(), inode, 16);
  if (error != std::errc() || stopped != name.data() + name.size()) return std::nullopt;
  return inode;
}

/// 0: there is nothing.
std::uint64_t inode_of(disk::Disk& disk, const disk::DirPtr& in, std::string_view name) {
  const auto stat = disk.stat(in, name);
  return stat ? stat->inode : 0;
}

/// The tree that a log is about; empty: none.
std::string tree_of(disk::Disk& disk, const disk::DirPtr& zone, const std::string& log) {
  std::string name;
  (void)read_manifest(disk, zone, log, true, [&](const ManifestRecord& record) {
    if (record.is_tree) name = record.path.substr(0, record.path.size() - 1);
    return false;
  });
  return name;
}

/// A crash in the middle of an earlier rename may have left both names of one file, which another rename leaves alone.
Result<> rename_for_good(disk::Disk& disk, const disk::DirPtr& directory, const std::string& from,
                         const std::string& to) {
  const Result<> renamed = disk.rename(directory, from, directory, to);
  return renamed ? unlink_if_there(disk, directory, from) : renamed;
}

/// Of a log that nobody holds. What is at the target is whole in any case; this decides what the log is about.
Result<> settle(disk::Disk& disk, const LandingZone& zone, Trash& trash, const std::string& log,
                const disk::DirPtr& trees, std::uint64_t inode) {
  const disk::DirPtr& directory = zone.directory();
  const std::string name = tree_of(disk, directory, log);
  const std::string stem = log.substr(0, log.size() - ready_suffix.size());
  Result<> done;
  if (name.empty()) {
    done = unlink_if_there(disk, directory, log);
  } else if (inode_of(disk, trees, name) == inode) {
    done = rename_for_good(disk, directory, log, log_stem(name) + ".tree");
  } else if (inode_of(disk, zone.root(), name) == inode) {
    done = disk.sync_dir(zone.root());
    if (done) done = trash.take(trees, name);  // what it has replaced
    if (done) done = rename_for_good(disk, directory, log, stem + ".log");
  } else {
    log::warn(fmt::format("the landing tree of {} cannot be told from what it was to replace; it is given up",
                          printable(name)));
    done = unlink_if_there(disk, directory, log);
    if (done) done = trash.take(trees, name);
  }
  return done ? disk.sync_dir(directory) : done;
}

Result<> settle_if_left(disk::Disk& disk, const LandingZone& zone, Trash& trash, const std::string& name,
                        const disk::DirPtr& trees) {
  auto file = disk.open_file(zone.directory(), name, disk::Open::write, false);
  if (!file && file.error().code == Code::not_found) return {};  // settled by somebody else
  if (!file) return std::unexpected(std::move(file.error()));
  const auto locked = disk.try_lock(**file);
  if (!locked || !*locked) return {};
  const auto same = still_named(disk, **file, zone.directory(), name);
  if (!same || !*same) return {};
  return settle(disk, zone, trash, name, trees, *inode_in(name));
}

}  // namespace

Result<> settle_trees(disk::Disk& disk, const LandingZone& zone, Trash& trash) {
  std::vector<std::string> ready;
  auto listed = each_name(disk, zone.directory(), [&](const std::string& name) {
    if (inode_in(name)) ready.push_back(name);
    return true;
  });
  if (!listed || ready.empty()) return listed;
  const auto trees = disk.open_dir(zone.directory(), trees_name);
  for (const std::string& name : ready) {
    const Result<> settled = trees ? settle_if_left(disk, zone, trash, name, *trees) : std::unexpected(trees.error());
    if (!settled)
      log::warn(
          fmt::format("an earlier transfer was stopped while it published a tree, of which {} in {} is about, and "
                      "what is left to do of that cannot be done now: {}; it is tried again by the next transfer",
                      name, zone_name, settled.error().text));
  }
  return {};
}

Result<std::unique_ptr<LandingTrees>> LandingTrees::open(disk::Disk& disk, const LandingZone& zone, std::string scratch,
                                                         Trash& trash) {
  std::unique_ptr<LandingTrees> trees(new LandingTrees(disk, zone, std::move(scratch), trash));
  auto made = disk.make_dir(trees->zone_, trees_name, 0700);
  if (!made && made.error().system_errno != EEXIST) return std::unexpected(std::move(made.error()));
  if (auto synced = disk.sync_dir(trees->zone_); !synced) return std::unexpected(std::move(synced.error()));
  auto opened = disk.open_dir(trees->zone_, trees_name);
  if (!opened) return std::unexpected(std::move(opened.error()));
  trees->trees_ = *std::move(opened);
  if (auto ready = trash.open(); !ready) return std::unexpected(std::move(ready.error()));
  const auto root = disk.stat(trees->root_, "");
  const auto here = disk.stat(trees->trees_, "");
  if (!root) return std::unexpected(root.error());
  if (!here) return std::unexpected(here.error());
  if (root->device != here->device)
    return fail(Code::unsupported,
                fmt::format("{} of the target is on another file system than the target, so that no tree can be "
                            "published from it by one rename; unmount it, or leave out --publish tree",
                            zone_name));
  return trees;
}

LandingTree* LandingTrees::find(std::string_view name) {
  const auto at = std::ranges::find(all_, name, &LandingTree::name);
  return at == all_.end() ? nullptr : &*at;
}

Result<LandingTree*> LandingTrees::begin(const std::string& name, bool is_directory) {
  if (LandingTree* tree = find(name)) return tree;
  if (all_.size() == trees_max)
    return fail(Code::refused,
                fmt::format("--publish tree takes at most {} sources at once; put them into one directory", trees_max));
  LandingTree tree{.name = name, .is_directory = is_directory, .log = nullptr, .log_name = {}};
  if (auto looked = look_at_target(tree); !looked) return std::unexpected(std::move(looked.error()));
  if (auto opened = open_log(tree); !opened) return std::unexpected(std::move(opened.error()));
  all_.reserve(trees_max);  // they are pointed at
  all_.push_back(std::move(tree));
  return &all_.back();
}

/// Everything that would stop the rename at the end is said before any byte moves.
Result<> LandingTrees::look_at_target(LandingTree& tree) {
  const auto there = disk_.stat(root_, tree.name);
  const std::string shown = printable(tree.name);
  if (!there && there.error().code == Code::not_found) return {};
  if (!there) return std::unexpected(there.error());
  const bool holds_directory = there->type == disk::FileType::directory;
  if (holds_directory != tree.is_directory)
    return fail(Code::busy, holds_directory ? shown +
                                                  " is no directory at the sender and one at the target; move that "
                                                  "away first"
                                            : shown +
                                                  " is a directory at the sender and something else at the target; "
                                                  "move that away first");
  if (!holds_directory) return {};
  tree.replaces = true;
  const auto directory = disk_.open_dir(root_, tree.name);
  if (!directory) return std::unexpected(directory.error());
  const auto mounts = disk_.holds_mounts(*directory);
  if (!mounts) return std::unexpected(mounts.error());
  if (*mounts)
    return fail(Code::unsupported, shown +
                                       " spans mount points at the target: no rename can replace it as a whole; "
                                       "unmount what is in it, or leave out --publish tree");
  return try_exchange(shown);
}

/// Whether this file system lets two names change places, by trying.
Result<> LandingTrees::try_exchange(const std::string& name) {
  const std::string one = scratch_ + ".one";
  const std::string other = scratch_ + ".other";
  (void)disk_.remove_dir(zone_, one);
  (void)disk_.remove_dir(zone_, other);
  Result<> done = disk_.make_dir(zone_, one, 0700);
  if (done) done = disk_.make_dir(zone_, other, 0700);
  if (done) done = disk_.exchange(zone_, one, zone_, other);
  (void)disk_.remove_dir(zone_, one);
  (void)disk_.remove_dir(zone_, other);
  if (done || done.error().code != Code::unsupported) return done;
  return fail(Code::unsupported, "the target's file system does not let two directories change places, so that " +
                                     name +
                                     " cannot be replaced as a whole; move it away first, or leave out --publish tree");
}

Result<> LandingTrees::open_log(LandingTree& tree) {
  const std::string stem = log_stem(tree.name);
  std::string being_published;
  auto listed = each_name(disk_, zone_, [&](const std::string& name) {
    if (name.starts_with(stem + ".") && inode_in(name)) being_published = name;
    return being_published.empty();
  });
  if (!listed) return listed;
  if (!being_published.empty()) return held(tree, being_published);
  tree.log_name = stem + ".tree";
  auto log = ManifestLog::open(disk_, zone_, tree.log_name);
  if (!log && log.error().code == Code::busy) return held(tree, tree.log_name);
  if (!log) return std::unexpected(std::move(log.error()));
  tree.log = *std::move(log);
  const bool there = disk_.stat(trees_, tree.name).has_value();
  if (tree.log->end_offset() > manifest_header_bytes) {
    if (tree_of(disk_, zone_, tree.log_name) != tree.name)
      return fail(Code::busy,
                  fmt::format("cannot land the tree {}: {} is about another one (equal hashes of two names); "
                              "finish that one first, or rename one of them",
                              printable(tree.name), tree.log_name));
    tree.continued = there;
    return {};
  }
  if (auto taken = trash_.take(trees_, tree.name); !taken) return taken;  // without a log it is nobody's
  if (auto synced = disk_.sync_dir(trees_); !synced) return synced;       // before it gets one
  std::vector<std::byte> record;
  encode_manifest_record({.path = tree.name + "/", .root = {}, .is_tree = true}, record);
  if (auto written = tree.log->append_now(disk_, record); !written) return written;
  return disk::sync_now(disk_, tree.log->file(), true);
}

/// By another transfer; or by none, but settle_trees() could not bring it to its end.
std::unexpected<Error> LandingTrees::held(const LandingTree& tree, const std::string& log) {
  const auto file = disk_.open_file(zone_, log, disk::Open::write, false);
  const auto locked = file ? disk_.try_lock(**file) : Result<bool>(false);
  if (locked && *locked)
    return fail(Code::busy, fmt::format("an earlier transfer was stopped while it published {}, and what is left to do "
                                        "of that cannot be done now, as has been told; mend that first",
                                        printable(tree.name)));
  return fail(Code::busy,
              "another transfer lands the tree " + printable(tree.name) + " now; run again when it has ended");
}

Result<> LandingTrees::rename_log(LandingTree& tree, const std::string& name) {
  if (auto renamed = rename_for_good(disk_, zone_, tree.log_name, name); !renamed) return renamed;
  tree.log_name = name;
  return disk_.sync_dir(zone_);
}

Result<> LandingTrees::publish(LandingTree& tree) {
  const std::string stem = log_stem(tree.name);
  const std::uint64_t inode = inode_of(disk_, trees_, tree.name);
  if (inode == 0) return fail(Code::not_found, "nothing of " + printable(tree.name) + " has landed");
  const std::string with_inode = fmt::format("{}.{:x}", stem, inode);
  if (auto ready = rename_log(tree, with_inode + std::string(ready_suffix)); !ready) return ready;
  if (auto placed = put_in_place(tree); !placed) {
    (void)rename_log(tree, stem + ".tree");
    return placed;
  }
  tree.placed = true;
  Result<> done = disk_.sync_dir(root_);
  if (done) done = disk_.sync_dir(trees_);
  if (done) done = trash_.take(trees_, tree.name);  // what it has replaced
  if (done) done = disk_.sync_dir(trees_);
  if (done) done = rename_log(tree, with_inode + ".log");
  tree.published = done.has_value();
  return done;
}

/// What stands at the target may come and go meanwhile, and a directory that may not be written to may not be moved.
Result<> LandingTrees::put_in_place(const LandingTree& tree) {
  constexpr int attempts_max = 5;
  Result<> done;
  for (int attempt = 0; attempt < attempts_max; ++attempt) {
    done = put_in_place_once(tree);
    if (done) return done;
    const int why = done.error().system_errno;
    if (done.error().code == Code::permission && attempt == 0) return make_movable(tree);
    if (why != EEXIST && why != ENOENT) return done;
  }
  return done;
}

Result<> LandingTrees::put_in_place_once(const LandingTree& tree) {
  const auto there = disk_.stat(root_, tree.name);
  if (!there && there.error().code != Code::not_found) return std::unexpected(there.error());
  if (!there) {
    Result<> done = disk_.rename_to_new(trees_, tree.name, root_, tree.name);
    // Nothing but an empty directory could be lost to the plain one, and none was there.
    if (!done && done.error().code == Code::unsupported) done = disk_.rename(trees_, tree.name, root_, tree.name);
    return done;
  }
  const bool holds_directory = there->type == disk::FileType::directory;
  if (holds_directory != tree.is_directory)
    return fail(Code::busy, fmt::format("something else than was there has come to stand at {}; move that away first",
                                        printable(tree.name)));
  if (there->inode == inode_of(disk_, trees_, tree.name)) return disk_.unlink(trees_, tree.name);  // the same file
  if (!tree.is_directory) return disk_.rename(trees_, tree.name, root_, tree.name);
  const auto directory = disk_.open_dir(root_, tree.name);
  if (!directory) return std::unexpected(directory.error());
  const auto mounts = disk_.holds_mounts(*directory);
  if (!mounts) return std::unexpected(mounts.error());
  if (*mounts)
    return fail(Code::unsupported, printable(tree.name) + " has come to span mount points; unmount what is in it");
  return disk_.exchange(trees_, tree.name, root_, tree.name);
}

/// For the moment of the rename both get the right to be written to; the new one then loses it again.
Result<> LandingTrees::make_movable(const LandingTree& tree) {
  const auto add_right = [&](const disk::DirPtr& in) -> Result<std::optional<std::uint32_t>> {
    const auto directory = disk_.open_dir(in, tree.name);
    if (!directory) return std::nullopt;
    const auto stat = disk_.stat(*directory, "");
    if (!stat || (stat->mode & 0200) != 0) return std::nullopt;
    if (auto set = disk_.set_mode(*directory, stat->mode | 0200); !set) return std::unexpected(set.error());
    return stat->mode;
  };
  const auto before = add_right(trees_);
  const auto old_before = add_right(root_);
  if (!before) return std::unexpected(before.error());
  if (!old_before) return std::unexpected(old_before.error());
  Result<> done = put_in_place_once(tree);
  const auto give_back = [&](const disk::DirPtr& in, std::optional<std::uint32_t> mode) {
    const auto directory = mode ? disk_.open_dir(in, tree.name) : Result<disk::DirPtr>(nullptr);
    if (mode && directory && disk_.set_mode(*directory, *mode)) (void)disk_.sync_dir(*directory);
  };
  give_back(done ? root_ : trees_, *before);
  if (!done) give_back(root_, *old_before);
  return done;
}

}  // namespace longhaul::journal
