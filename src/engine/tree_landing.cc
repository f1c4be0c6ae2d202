#include "engine/tree_landing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "base/bytes.h"
#include "base/log.h"
#include "disk/tree_walk.h"
#include "engine/landing_ops.h"
#include "engine/properties.h"

namespace longhaul::engine {
namespace {

constexpr std::size_t names_memory_bytes = std::size_t{32} << 20U;
constexpr std::size_t owners_known_max = 1024;

/// The disk failed, which does not mean that what was looked for is not there.
template <class T>
bool is_of_the_disk(const Result<T>& looked) {
  return !looked && looked.error().system_errno == EIO;
}

std::string top_of(const std::string& path) {
  return path.substr(0, path.find('/'));
}

std::string zone_path(const std::string& target) {
  return target + "/" + std::string(journal::zone_name);
}

}  // namespace

Result<std::unique_ptr<TreeLanding>> TreeLanding::open(const Setup& setup) {
  auto trees = journal::LandingTrees::open(setup.disk, setup.zone, setup.scratch, setup.trash);
  if (!trees) return std::unexpected(std::move(trees.error()));
  std::unique_ptr<TreeLanding> landing(new TreeLanding(setup));
  landing->trees_ = *std::move(trees);
  return landing;
}

Result<> TreeLanding::enter(const Entry& entry) {
  if (entry.path.empty())
    return fail(Code::usage,
                "--publish tree publishes directories below the target, each by one rename, and the content of a "
                "directory (dir/) has no such name; give it one: --name NAME");
  const std::string top = top_of(entry.path);
  journal::LandingTree* tree = trees_->find(top);
  if (tree == nullptr && top != entry.path)
    return fail(Code::protocol, printable(entry.path) + " was announced before the directory that it is in");
  if (tree == nullptr) {
    auto begun = trees_->begin(top, entry.type == EntryType::directory);
    if (!begun) return std::unexpected(std::move(begun.error()));
    tree = *begun;
  }
  if (top == entry.path && tree->is_directory != (entry.type == EntryType::directory))
    return fail(Code::protocol, printable(entry.path) + " was announced as a directory and as something else");
  if (!tree->continued) return {};
  if (!announced_)
    announced_ = std::make_unique<disk::SortedNames::Maker>(setup_.disk, setup_.random, names_memory_bytes,
                                                            zone_path(setup_.target));
  return announced_->add({.path = entry.path, .content = false});
}

std::shared_ptr<journal::ManifestLog> TreeLanding::log_of(const std::string& path) {
  const journal::LandingTree* tree = trees_->find(top_of(path));
  return tree == nullptr ? nullptr : tree->log;
}

Result<disk::Stat> TreeLanding::look(const Entry& entry, const disk::DirPtr& parent, const std::string& name) {
  auto there = setup_.disk.stat(parent, name);
  if (!there) return there;
  const bool is_directory = there->type == disk::FileType::directory;
  if (is_directory == (entry.type == EntryType::directory)) return there;
  if (auto taken = setup_.trash.take(parent, name); !taken) return std::unexpected(std::move(taken.error()));
  return fail(Code::not_found, "it was taken away");
}

bool TreeLanding::may_stay(const Entry& entry, const disk::DirPtr& parent, const std::string& name,
                           const disk::Stat& there) {
  return there.links < 2 || shows(entry, parent, name, there);
}

/// As it would show if it had just landed.
bool TreeLanding::shows(const Entry& entry, const disk::DirPtr& parent, const std::string& name,
                        const disk::Stat& there) {
  if (entry.owner) {
    const Owner kept = as_kept(*entry.owner);
    if (there.user != kept.user || there.group != kept.group) return false;
  }
  return there.mode == entry.mode && shows_attributes(setup_.disk, parent, name, entry);
}

/// Who is not root cannot give files away: what a file of ours shows when it is asked to show `wanted`, by trying.
Owner TreeLanding::as_kept(const Owner& wanted) {
  const std::pair key(wanted.user, wanted.group);
  if (kept_owners_.size() > owners_known_max) kept_owners_.clear();
  if (const auto known = kept_owners_.find(key); known != kept_owners_.end())
    return {.user = known->second.first, .group = known->second.second, .user_name = {}, .group_name = {}};
  const disk::DirPtr& zone = setup_.zone.directory();
  const std::string probe = setup_.scratch + ".owner";
  Owner kept{.user = wanted.user, .group = wanted.group, .user_name = {}, .group_name = {}};
  if (auto file = setup_.disk.open_file(zone, probe, disk::Open::create_or_open, false)) {
    Unkept unkept;
    Entry entry;
    entry.owner = wanted;
    const Result<> set = set_properties(setup_.disk, **file, entry, unkept);
    if (const auto stat = setup_.disk.stat(**file); set && stat) {
      kept.user = stat->user;
      kept.group = stat->group;
    }
    (void)setup_.disk.unlink(zone, probe);
  }
  kept_owners_[key] = {kept.user, kept.group};
  return kept;
}

Result<disk::DirPtr> TreeLanding::directory_at_target(const std::string& path) {
  if (path.empty()) return setup_.zone.root();
  if (last_directory_ && path == last_parent_) return *last_directory_;
  const auto opened = setup_.disk.open_dir(setup_.zone.root(), path);
  if (is_of_the_disk(opened)) return std::unexpected(opened.error());
  last_parent_ = path;
  last_directory_ = opened ? *opened : nullptr;
  return *last_directory_;
}

Result<std::optional<OlderFile>> TreeLanding::older(const Entry& entry, const std::string& name) {
  const journal::LandingTree* tree = trees_->find(top_of(entry.path));
  if (tree == nullptr || (tree->is_directory && !tree->replaces) || !entry.size_known) return std::nullopt;
  const auto directory = directory_at_target(split_path(entry.path).first);
  if (!directory) return std::unexpected(directory.error());
  if (!*directory) return std::nullopt;
  const auto there = setup_.disk.stat(*directory, name);
  if (is_of_the_disk(there)) return std::unexpected(there.error());
  if (!there || there->type != disk::FileType::file) return std::nullopt;
  return OlderFile{*directory, *there};
}

Result<bool> TreeLanding::link(const Entry& entry, const OlderFile& old, const disk::DirPtr& parent,
                               const std::string& name, std::int64_t mtime_granularity_ns) {
  const auto is_it = [&](const Result<disk::Stat>& stat) {
    return stat && stat->type == disk::FileType::file && stat->size == entry.size &&
           stat->mtime_ns / mtime_granularity_ns == entry.mtime_ns / mtime_granularity_ns;
  };
  if (!is_it(old.stat) || !shows(entry, old.directory, name, old.stat)) return false;
  // What an earlier receiver landed here is another version. A link that cannot be made is no failure: it is sent.
  const Result<> removed = setup_.disk.unlink(parent, name);
  if (is_of_the_disk(removed)) return std::unexpected(removed.error());
  if (!removed && removed.error().code != Code::not_found) return false;
  const Result<> made = setup_.disk.make_hard_link(old.directory, name, parent, name);
  if (is_of_the_disk(made)) return std::unexpected(made.error());
  if (!made) return false;
  const auto linked = setup_.disk.stat(parent, name);
  if (is_of_the_disk(linked)) return std::unexpected(linked.error());
  if (is_it(linked) && linked->inode == old.stat.inode) return true;
  (void)setup_.disk.unlink(parent, name);  // somebody has just put another one there
  return false;
}

// --- when everything is there ---------------------------------------------------------------------------------------

/// Names come in the order of a walk from both sides, so that memory is bounded whatever was left.
Result<> TreeLanding::remove_left_over() {
  if (!announced_) return {};
  auto wanted = announced_->finish();
  announced_.reset();
  if (!wanted) return std::unexpected(std::move(wanted.error()));
  disk::SortedNames::Maker maker(setup_.disk, setup_.random, names_memory_bytes, zone_path(setup_.target));
  if (auto walked = walk_continued(maker); !walked) return walked;
  auto there = maker.finish();
  if (!there) return std::unexpected(std::move(there.error()));
  disk::SortedNames::Pass announced(*std::move(wanted));
  disk::SortedNames::Pass found(*std::move(there));
  return remove_all_but(announced, found);
}

Result<> TreeLanding::walk_continued(disk::SortedNames::Maker& names) {
  for (const journal::LandingTree& tree : trees_->all()) {
    if (!tree.continued) continue;
    // What an earlier receiver did not get as far as to make is not there.
    if (!setup_.disk.stat(trees_->directory(), tree.name)) continue;
    auto walk =
        disk::TreeWalk::open(setup_.disk, {zone_path(setup_.target) + "/tree/" + tree.name}, {}, {.special = true});
    if (!walk) return std::unexpected(std::move(walk.error()));
    std::vector<Entry> entries;
    // What cannot be looked into was not announced: the directories that were have been made accessible. It goes whole.
    std::vector<FileError> errors;
    for (bool more = true; more;) {
      entries.clear();
      errors.clear();
      more = (*walk)->next(setup_.disk, entries, errors, 1024);
      for (Entry& entry : entries)
        if (auto added = names.add({.path = std::move(entry.path), .content = false}); !added) return added;
    }
  }
  return {};
}

Result<> TreeLanding::remove_all_but(disk::SortedNames::Pass& announced, disk::SortedNames::Pass& found) {
  disk::ListedName wanted;
  disk::ListedName there;
  std::string removed;  // a directory that is gone with all beneath it
  Result<bool> any = announced.next(setup_.disk, wanted);
  for (;;) {
    const Result<bool> more = found.next(setup_.disk, there);
    if (!more) return std::unexpected(more.error());
    if (!*more) return {};
    while (any && *any && disk::stands_before(wanted.path, there.path)) any = announced.next(setup_.disk, wanted);
    if (!any) return std::unexpected(any.error());
    if (*any && wanted.path == there.path) continue;
    if (!removed.empty() && there.path.starts_with(removed)) continue;
    const auto [parent_path, name] = split_path(there.path);
    const auto parent = parent_path.empty() ? Result<disk::DirPtr>(trees_->directory())
                                            : setup_.disk.open_dir(trees_->directory(), parent_path);
    if (!parent) return std::unexpected(parent.error());
    if (auto taken = setup_.trash.take(*parent, name); !taken) return taken;
    removed = there.path + "/";
  }
}

void TreeLanding::publish(bool whole, std::vector<FileError>& failures) {
  for (journal::LandingTree& tree : trees_->all()) {
    if (!whole) {
      failures.push_back({tree.name,
                          {Code::refused,
                           printable(tree.name) + " is not published, for not everything has arrived; what was there "
                                                  "before stays, and what has arrived is kept: run again",
                           0}});
      continue;
    }
    if (auto published = trees_->publish(tree); !published) {
      Error error = std::move(published.error());
      error.text =
          tree.placed
              ? fmt::format(
                    "{} is published, but not all is done that belongs to that: {}; the next transfer to this target "
                    "does the rest",
                    printable(tree.name), error.text)
              : fmt::format("{} is not published: {}; what has arrived is kept: run again", printable(tree.name),
                            error.text);
      failures.push_back({tree.name, std::move(error)});
      whole = false;  // in the order of the sources: what comes later may speak of what comes first
    }
  }
}

std::vector<std::string> TreeLanding::logs() const {
  std::vector<std::string> names;
  for (const journal::LandingTree& tree : trees_->all())
    if (tree.published) names.push_back(tree.log_name);
  return names;
}

}  // namespace longhaul::engine
