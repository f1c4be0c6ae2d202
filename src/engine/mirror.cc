#include "engine/mirror.h"

#include <cerrno>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "disk/blocking.h"
#include "engine/desk.h"
#include "engine/landing_ops.h"
#include "journal/landing.h"

namespace longhaul::engine {
namespace {

// As in a tree walk: those above hold no descriptors, and are opened again on the way back.
constexpr std::size_t open_levels_max = 64;
constexpr std::size_t names_per_batch = 256;
constexpr std::uint32_t owner_may_all = 0700;

std::string scratch_of(const TargetMirror::Setup& setup, const char* what) {
  return setup.zone == nullptr ? std::string() : setup.scratch_name + what;
}
const disk::DirPtr& place_of(const TargetMirror::Setup& setup) {
  return setup.zone == nullptr ? setup.root : setup.zone;
}

std::uint64_t directory_key(const std::string& path) {
  return check_of(bytes_of(path));
}

bool leads_to_zone(const std::string& path) {
  return ('/' + path + '/').find('/' + std::string(journal::zone_name) + '/') != std::string::npos;
}

bool no_permission(const Error& error) {
  return error.system_errno == EACCES || error.system_errno == EPERM;
}

}  // namespace

TargetMirror::TargetMirror(Setup setup)
    : setup_(std::move(setup)),
      announced_(setup_.disk, place_of(setup_), scratch_of(setup_, ".names")),
      content_(setup_.disk, place_of(setup_), scratch_of(setup_, ".content")),
      doomed_(setup_.disk, place_of(setup_), scratch_of(setup_, ".doomed")),
      gone_(setup_.disk, place_of(setup_), scratch_of(setup_, ".gone")) {}

Result<std::unique_ptr<TargetMirror>> TargetMirror::open(Setup setup) {
  auto filter = disk::Filter::make(setup.ask.rules, disk::Side::receiver);
  if (!filter) return std::unexpected(std::move(filter.error()));
  const auto root = setup.disk.stat(setup.root, "");
  if (!root) return std::unexpected(root.error());
  std::unique_ptr<TargetMirror> mirror(new TargetMirror(std::move(setup)));
  mirror->filter_ = std::move(*filter);
  mirror->root_ = *root;
  return mirror;
}

Result<> TargetMirror::announced(const Entry& entry) {
  if (auto added = announced_.add(entry.path); !added) return added;
  // Whatever the sender says: nothing is looked for outside the target, nor in a landing zone, one of another target
  // too.
  const bool may = entry.content && check_target_path(entry.path) && !leads_to_zone(entry.path);
  return may ? content_.add(entry.path, true) : Result<>();
}

bool TargetMirror::other_mount(const disk::Stat& found) const {
  if (found.mount != root_.mount) return true;
  // What is stacked (overlayfs) gives its files other devices than its directories, on one mount.
  const bool tells = found.mount != 0 && found.type != disk::FileType::directory;
  return !tells && found.device != root_.device;
}

// --- finding what the sources do not have ---------------------------------------------------------------------------

Result<> TargetMirror::finish(bool errors) {
  if (errors && !setup_.ask.ignore_errors) {
    setup_.counters.held = true;
  } else {
    if (auto settled = announced_.settle(); !settled) return settled;
    // Found first, and deleted then: a directory that changes while it is read may hide names.
    auto found = content_.read([&](const std::string& directory, bool) { return look_into(directory); });
    if (!found) return found;
  }
  parent_.reset();
  if (auto forgotten = forget({&gone_, &doomed_}); !forgotten) return forgotten;
  if (auto removed = remove_all(); !removed) return removed;
  abandon();
  return {};
}

Result<> TargetMirror::look_into(const std::string& directory) {
  // Several sources may have it: what it has too many would be counted twice. So many are remembered.
  constexpr std::size_t looked_into_max = 200'000;
  if (looked_into_.contains(directory_key(directory))) return {};
  if (looked_into_.size() < looked_into_max) looked_into_.insert(directory_key(directory));
  path_ = directory;
  const auto opened = setup_.disk.open_dir(setup_.root, directory);
  // It was not made, or another thing was left in its place: there is nothing in it.
  if (!opened) return {};
  const auto found = setup_.disk.stat(*opened, "");
  if (found && other_mount(*found)) {
    setup_.counters.mounts_kept.fetch_add(1, std::memory_order_relaxed);
    return {};
  }
  auto stream = found ? open_stream(*opened, 0) : std::unexpected(found.error());
  if (!stream) {
    trouble(stream.error());
    return {};
  }
  levels_.push_back({.path_bytes = path_.size(), .directory = *opened, .stream = std::move(*stream), .names = {}});
  return walk(doomed_);
}

/// Until the directories that are open are done with.
Result<> TargetMirror::walk(journal::PathList& doomed) {
  while (!levels_.empty()) {
    if (setup_.ended) return fail(Code::interrupted, "stopped before what the sender does not have was deleted");
    Level& level = levels_.back();
    path_.resize(level.path_bytes);
    if (!ready(level)) {
      if (auto left = leave_level(doomed); !left) return left;
      continue;
    }
    const disk::DirEntry entry = std::move(level.names[level.next_name++]);
    level.resume_at = entry.resume_at;
    if (!path_.empty()) path_ += '/';
    path_ += entry.name;
    if (auto looked = look_at(level, entry.name, doomed); !looked) return looked;
  }
  return {};
}

/// Whether it has a name to look at.
bool TargetMirror::ready(Level& level) {
  if (level.directory == nullptr) {
    auto opened = setup_.disk.open_dir(setup_.root, path_);
    auto stream = opened ? open_stream(*opened, level.resume_at) : std::unexpected(opened.error());
    if (!stream) {
      level.keeps = true;
      trouble(stream.error());
      return false;
    }
    level.directory = std::move(*opened);
    level.stream = std::move(*stream);
  }
  if (level.next_name < level.names.size()) return true;
  level.names.clear();
  level.next_name = 0;
  const auto more = level.stream->next(level.names, names_per_batch);
  if (more) return *more;
  level.keeps = true;
  trouble(more.error());
  return false;
}

/// Of what nobody announced: it is protected, or lies on another file system.
bool TargetMirror::stays(const disk::Stat& found) {
  const std::string at_source = setup_.ask.name.at_source(path_);
  if (!at_source.empty() && !filter_.takes(at_source, found.type == disk::FileType::directory)) return true;
  if (other_mount(found)) {
    setup_.counters.mounts_kept.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  if (doomed_count_ < setup_.ask.at_most) return false;
  setup_.counters.over.fetch_add(1, std::memory_order_relaxed);
  return true;
}

Result<> TargetMirror::look_at(Level& level, const std::string& name, journal::PathList& doomed) {
  level.keeps = level.keeps || name == journal::zone_name;
  if (name == journal::zone_name) return {};
  const auto known = announced_.contains(path_);
  if (!known) return std::unexpected(known.error());
  level.keeps = level.keeps || *known;
  if (*known) return {};
  const auto found = setup_.disk.stat(level.directory, name);
  if (!found && found.error().code == Code::not_found) return {};
  if (!found) {
    level.keeps = true;
    trouble(found.error());
    return {};
  }
  if (stays(*found)) {
    level.keeps = true;
    return {};
  }
  if (found->type != disk::FileType::directory) {
    const auto taken = doom(false, doomed);
    if (!taken) return std::unexpected(taken.error());
    level.keeps = level.keeps || !*taken;
    return {};
  }
  const disk::DirPtr directory = level.directory;  // `descend` may move the level
  if (!descend(directory, name)) levels_.back().keeps = true;
  return {};
}

bool TargetMirror::descend(const disk::DirPtr& parent, std::string_view name) {
  auto directory = setup_.disk.open_dir(parent, name);
  auto stream = directory ? open_stream(*directory, 0) : std::unexpected(directory.error());
  if (!stream) {
    trouble(stream.error());
    return false;
  }
  levels_.push_back({.path_bytes = path_.size(), .directory = *directory, .stream = std::move(*stream), .names = {}});
  if (levels_.size() > open_levels_max) {
    Level& above = levels_[levels_.size() - open_levels_max - 1];
    above.directory.reset();
    above.stream.reset();
    above.names = {};
    above.next_name = 0;
  }
  return true;
}

/// One that its owner may not read is made readable: it is to go.
Result<std::unique_ptr<disk::DirStream>> TargetMirror::open_stream(const disk::DirPtr& directory,
                                                                   std::uint64_t position) {
  auto stream = setup_.disk.open_stream(directory, position);
  if (stream || dry_run() || !no_permission(stream.error())) return stream;
  const auto found = setup_.disk.stat(directory, "");
  if (!found || !setup_.disk.set_mode(directory, found->mode | owner_may_all)) return stream;
  return setup_.disk.open_stream(directory, position);
}

/// The deepest directory has been looked through: it goes when all goes that is in it. The one that the walk began in
/// is not asked about.
Result<> TargetMirror::leave_level(journal::PathList& doomed) {
  const bool keeps = levels_.back().keeps;
  levels_.pop_back();
  if (levels_.empty()) base_keeps_ = keeps;
  if (levels_.empty()) return {};
  const auto taken = keeps ? Result<bool>(false) : doom(true, doomed);
  if (!taken) return std::unexpected(taken.error());
  levels_.back().keeps = levels_.back().keeps || !*taken;
  return {};
}

/// False: the limit has been reached by what is in it.
Result<bool> TargetMirror::doom(bool directory, journal::PathList& doomed) {
  if (doomed_count_ >= setup_.ask.at_most) {
    setup_.counters.over.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  ++doomed_count_;
  if (auto added = doomed.add(path_, directory); !added) return std::unexpected(added.error());
  return true;
}

void TargetMirror::trouble(const Error& error) {
  setup_.failed(path_, {error.code, "cannot be looked through for what the sender does not have: " + error.text,
                        error.system_errno});
}

// --- deleting
// ---------------------------------------------------------------------------------------------------------

journal::PathList TargetMirror::list_of_room() {
  return {setup_.disk, place_of(setup_), scratch_of(setup_, ".room")};
}

/// Lists what goes with `path`, which is `there`. False: some of it stays, and nothing counts as doomed.
Result<bool> TargetMirror::doom_whole(const std::string& path, const disk::Stat& there, journal::PathList& doomed) {
  const std::uint64_t doomed_before = doomed_count_;
  auto whole = walk_doomed(path, there, doomed);
  levels_.clear();  // of a walk that has failed
  if (!whole || !*whole) doomed_count_ = doomed_before;
  return whole;
}

Result<bool> TargetMirror::walk_doomed(const std::string& path, const disk::Stat& there, journal::PathList& doomed) {
  const bool is_directory = there.type == disk::FileType::directory;
  const auto [parent_path, name] = split_path(path);
  const auto parent = setup_.disk.open_dir(setup_.root, parent_path);
  if (!parent) return std::unexpected(parent.error());
  if (other_mount(there)) return false;
  path_ = path;
  if (is_directory) {
    if (!descend(*parent, name)) return false;
    if (auto walked = walk(doomed); !walked) return std::unexpected(walked.error());
    if (base_keeps_) return false;
    path_ = path;
  }
  return doom(is_directory, doomed);
}

Result<bool> TargetMirror::could_make_room(const std::string& path, const disk::Stat& there) {
  journal::PathList doomed = list_of_room();
  const std::uint64_t doomed_before = doomed_count_;
  auto whole = doom_whole(path, there, doomed);
  doomed_count_ = doomed_before;
  if (auto removed = doomed.remove(); !removed && whole) return std::unexpected(removed.error());
  return whole;
}

Result<bool> TargetMirror::make_room(const std::string& path, const disk::Stat& there) {
  parent_.reset();  // what was opened before may have been replaced
  journal::PathList doomed = list_of_room();
  auto whole = doom_whole(path, there, doomed);
  Result<> done;
  if (whole && *whole)
    done = doomed.read([&](const std::string& each, bool directory) -> Result<> {
      if (!directory && !dry_run())
        if (auto added = gone_.add(each, false); !added) return added;
      return remove_one(each, directory);
    });
  if (done) done = doomed.remove();
  if (!done) return std::unexpected(done.error());
  return whole;
}

Result<bool> TargetMirror::replace(const std::string& path, const journal::Naming& publish) {
  parent_.reset();
  const auto [parent_path, name] = split_path(path);
  const auto parent = setup_.disk.open_dir(setup_.root, parent_path);
  if (!parent) return std::unexpected(parent.error());
  const auto there = setup_.disk.stat(*parent, name);
  if (!there || there->type != disk::FileType::directory) {  // it has gone meanwhile
    auto published = publish.give(*parent, name);
    if (!published) return std::unexpected(std::move(published.error()));
    return true;
  }
  journal::PathList doomed = list_of_room();
  const std::uint64_t doomed_before = doomed_count_;
  auto whole = doom_whole(path, *there, doomed);
  Result<> done;
  if (whole && *whole) done = displace(path, *parent, doomed, publish);
  if (!done) doomed_count_ = doomed_before;
  if (auto removed = doomed.remove(); !removed && done) done = removed;
  if (!done) return std::unexpected(std::move(done.error()));
  return whole;
}

/// What is in the trash may go once its directory shows that it went there.
Result<> TargetMirror::displace(const std::string& path, const disk::DirPtr& parent, journal::PathList& doomed,
                                const journal::Naming& publish) {
  constexpr std::size_t names_at_once = 256;
  if (auto forgotten = forget({&doomed}); !forgotten) return forgotten;
  const std::string name = split_path(path).second;
  if (auto published = setup_.trash->displace(parent, name, publish); !published) return published;
  // It is published, so what fails from here on is not its failure.
  const auto counted = doomed.read([&](const std::string& each, bool directory) -> Result<> {
    gone(each, directory);
    return {};
  });
  if (!counted) log::warn("what was deleted for " + printable(path) + " is not all told: " + counted.error().text);
  if (!setup_.disk.sync_dir(parent)) return {};  // whoever publishes syncs it as well, and tells
  while (!setup_.ended && setup_.trash->remove_some(names_at_once)) continue;
  return {};
}

/// Without it `verify` would miss what is gone. Before it is: a crash in between leaves a file that the manifest does
/// not name, which is deleted by the next run, and never a name that nobody will ever take out.
Result<> TargetMirror::forget(std::initializer_list<journal::PathList*> lists) {
  constexpr std::size_t buffer_bytes = 256 * 1024;
  if (setup_.manifest == nullptr) return {};
  journal::ManifestLog& manifest = *setup_.manifest;
  std::vector<std::byte> records;
  bool any = false;
  const auto write = [&]() -> Result<> {
    if (auto written = manifest.append_now(setup_.disk, records); !written) return written;
    records.clear();
    any = true;
    return {};
  };
  const auto add = [&](const std::string& path, bool directory) -> Result<> {
    if (directory) return {};
    journal::encode_gone(path, records);
    return records.size() < buffer_bytes ? Result<>() : write();
  };
  Result<> done;
  for (journal::PathList* list : lists)
    if (done) done = list->read(add);
  if (done && !records.empty()) done = write();
  if (done && any) done = disk::sync_now(setup_.disk, manifest.file(), true);
  return done;
}

/// A directory that nobody announced and that stays, for something in it does, is synced here: the desk syncs the
/// others.
Result<> TargetMirror::leave_parent(const std::string& next) {
  const disk::DirPtr left = std::exchange(parent_, nullptr);
  if (!left || next == parent_path_) return {};
  const auto known = announced_.contains(parent_path_);
  if (!known) return std::unexpected(known.error());
  return *known ? Result<>() : setup_.disk.sync_dir(left);
}

/// What cannot be deleted is told, and the rest goes all the same.
Result<> TargetMirror::remove_all() {
  const auto done = doomed_.read([&](const std::string& path, bool directory) -> Result<> {
    if (setup_.ended) return fail(Code::interrupted, "stopped before all was deleted that the sender does not have");
    if (auto removed = remove_one(path, directory); !removed)
      setup_.failed(
          path, {removed.error().code, "it cannot be deleted: " + removed.error().text, removed.error().system_errno});
    return {};
  });
  return done ? leave_parent({}) : done;
}

/// In a dry run it is only told.
Result<> TargetMirror::remove_one(const std::string& path, bool directory) {
  if (!dry_run()) {
    auto [parent_path, name] = split_path(path);
    if (!parent_ || parent_path != parent_path_) {
      if (auto left = leave_parent(path); !left) return left;
      auto opened = setup_.disk.open_dir(setup_.root, parent_path);
      if (!opened && opened.error().code == Code::not_found) return {};
      if (!opened) return std::unexpected(std::move(opened.error()));
      parent_ = std::move(*opened);
      parent_path_ = std::move(parent_path);
    }
    const auto remove = [&] {
      return directory ? setup_.disk.remove_dir(parent_, name) : setup_.disk.unlink(parent_, name);
    };
    auto removed = remove();
    if (!removed && no_permission(removed.error())) {
      // One that its owner may not write: it goes too, or gets its own mode back with all directories.
      const auto found = setup_.disk.stat(parent_, "");
      const bool locked = found && (found->mode & owner_may_all) != owner_may_all;
      if (locked && setup_.disk.set_mode(parent_, found->mode | owner_may_all)) removed = remove();
    }
    // Two sources may share a directory, which is then looked into twice.
    if (!removed && removed.error().code == Code::not_found) return {};
    if (!removed) return removed;
  }
  gone(path, directory);
  return {};
}

void TargetMirror::gone(const std::string& path, bool directory) {
  auto& counter = directory ? setup_.counters.directories : setup_.counters.files;
  counter.fetch_add(1, std::memory_order_relaxed);
  if (setup_.deleted) setup_.deleted(directory ? path + '/' : path);
}

void TargetMirror::abandon() {
  parent_.reset();
  (void)announced_.remove();
  for (journal::PathList* list : {&content_, &doomed_, &gone_}) (void)list->remove();
}

}  // namespace longhaul::engine
