#include "disk/tree_walk.h"

#include <fmt/format.h>

#include <cerrno>
#include <limits>
#include <map>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "disk/filter.h"
#include "disk/list_cursor.h"
#include "disk/roots.h"
#include "disk/scouts.h"
#include "protocol/bounds.h"

namespace longhaul::disk {
namespace {

// What is kept of each directory between the root and where the walk is. The deepest `open_levels_max` of them hold
// descriptors and a batch of names; those above hold two integers and are opened again, by path, on the way back.
constexpr std::size_t open_levels_max = 64;
constexpr std::size_t names_per_batch = 256;
constexpr std::uint64_t block_bytes = 4096;
constexpr std::size_t linked_files_max = 1'000'000;  // of which further names are awaited, at once; some 200 MB
constexpr std::size_t all_levels = std::numeric_limits<std::size_t>::max();

struct Level {
  std::size_t path_bytes = 0;  ///< how much of the walk's path leads to this directory
  std::uint64_t inode = 0;     ///< to know it again
  std::uint64_t device = 0;
  std::uint64_t resume_at = 0;  ///< after the last name that was taken
  DirPtr directory;             ///< null: closed to save descriptors
  std::unique_ptr<DirStream> stream;
  std::vector<DirEntry> names;
  std::size_t next_name = 0;
  bool scouted = false;  ///< scouts know of these names

  void close() {
    directory.reset();
    stream.reset();
    names = {};
    next_name = 0;
  }
};

/// What one call of `next` fills.
struct Harvest {
  Disk& disk;
  std::vector<Entry>& entries;
  std::vector<FileError>& errors;
};

EntryType entry_type(FileType type) {
  switch (type) {
    case FileType::directory:
      return EntryType::directory;
    case FileType::symlink:
      return EntryType::symlink;
    case FileType::other:
      return EntryType::special;
    case FileType::file:
      return EntryType::file;
  }
  return EntryType::file;
}

bool is_acl(const Attribute& attribute) {
  return attribute.name.starts_with("system.");
}

/// A file of which not all names have been met.
struct Linked {
  std::string path;  ///< of the name that was met first
  std::uint32_t awaited = 0;
};

}  // namespace

struct TreeWalk::State {
  bool advance(const Harvest& harvest);
  bool take_listed(const Harvest& harvest);
  bool find_listed(const Harvest& harvest);
  void announce_lead(const Harvest& harvest, std::string_view lead);
  void announce_listed(const Harvest& harvest);
  void look_into_listed(const Harvest& harvest, const DirPtr& directory);
  void enter_root(const Harvest& harvest);
  void visit(const Harvest& harvest, const DirPtr& base, std::string_view name);
  bool descend(const Harvest& harvest, const DirPtr& base, std::string_view name, const Stat& found);
  bool reopen(const Harvest& harvest, Level& level);
  bool refill(const Harvest& harvest, Level& level);
  void send_scouts(Level& level);
  Result<Stat> look(Disk& disk, const DirPtr& base, std::string_view name);
  [[nodiscard]] bool selected(const Stat& found) const;
  void mention(const Harvest& harvest, bool content) const;
  bool make_hard_link(Entry& entry, const Stat& found);
  Result<> take_properties(Disk& disk, const DirPtr& base, std::string_view name, const Stat& found, Entry& entry);
  Result<> take_attributes(Disk& disk, const DirPtr& base, std::string_view name, Entry& entry);
  void report(const Harvest& harvest, Error error) const;
  [[nodiscard]] std::string name_for_user(std::uint32_t origin, std::string_view entry_path) const;

  Selection selection;
  Filter filter;  ///< of its rules
  std::vector<Root> roots;
  std::size_t next_root = 0;
  std::uint32_t origin = 0;   ///< the root that is walked now
  std::string path;           ///< of what is looked at now, relative to that root's base
  std::vector<Level> levels;  ///< from the root down
  std::size_t levels_max = all_levels;
  std::uint64_t root_device = 0;
  Fidelity fidelity;
  std::map<std::pair<std::uint64_t, std::uint64_t>, Linked> linked;  ///< by device and inode
  NotKept not_kept;
  std::unique_ptr<ListCursor> list;  ///< with it: only what it names, beneath the one root
  bool mentions = false;
  bool recursive = false;          ///< ... and everything that is in directories which it names
  bool leads = false;              ///< what is looked at leads to a name of the list: no rule is about it
  std::unique_ptr<Scouts> scouts;  ///< null: nobody else can look. The last member: they ask `filter` to their end
};

TreeWalk::TreeWalk() : state_(std::make_unique<State>()) {}
TreeWalk::~TreeWalk() = default;

Result<std::unique_ptr<TreeWalk>> TreeWalk::open(Disk& disk, const std::vector<std::string>& paths,
                                                 const Selection& selection, const Fidelity& fidelity) {
  auto roots = open_roots(disk, paths);
  if (!roots) return std::unexpected(roots.error());
  auto filter = Filter::make(selection.rules, Side::sender);
  if (!filter) return std::unexpected(filter.error());
  std::unique_ptr<TreeWalk> walk(new TreeWalk);
  walk->state_->roots = std::move(*roots);
  walk->state_->filter = std::move(*filter);
  walk->state_->selection = selection;
  walk->state_->fidelity = fidelity;
  if (auto maker = disk.maker())
    walk->state_->scouts = std::make_unique<Scouts>(Scouts::Setup{.make_disk = std::move(maker), .attributes = true});
  return walk;
}

Result<std::unique_ptr<TreeWalk>> TreeWalk::open_listed(Disk& disk, const std::string& directory,
                                                        std::shared_ptr<const SortedNames> names, bool recursive,
                                                        const Selection& selection, const Fidelity& fidelity) {
  auto walk = open(disk, {directory.ends_with('/') ? directory : directory + '/'}, selection, fidelity);
  if (!walk) return walk;
  (*walk)->state_->list = std::make_unique<ListCursor>(std::move(names));
  (*walk)->state_->recursive = recursive;
  return walk;
}

bool TreeWalk::next(Disk& disk, std::vector<Entry>& out, std::vector<FileError>& errors, std::size_t max) {
  const std::size_t entries_before = out.size();
  const std::size_t errors_before = errors.size();
  const Harvest harvest{.disk = disk, .entries = out, .errors = errors};
  while (out.size() - entries_before < max && errors.size() - errors_before < max)
    if (!state_->advance(harvest)) {
      state_->scouts.reset();
      return false;
    }
  return true;
}

/// Takes one name, or one step up or to the next root. False at the end of everything.
bool TreeWalk::State::advance(const Harvest& harvest) {
  if (levels.empty()) {
    if (list) return take_listed(harvest);
    if (next_root == roots.size()) return false;
    enter_root(harvest);
    return true;
  }
  Level& level = levels.back();
  path.resize(level.path_bytes);
  if (level.directory == nullptr && !reopen(harvest, level)) {
    levels.pop_back();
    return true;
  }
  if (level.next_name == level.names.size() && !refill(harvest, level)) {
    levels.pop_back();
    return true;
  }
  const DirEntry entry = std::move(level.names[level.next_name++]);
  level.resume_at = entry.resume_at;
  if (entry.name == landing_zone_name) {
    ++not_kept.landing_zones;
    return true;
  }
  if (!path.empty()) path += '/';
  path += entry.name;
  const DirPtr directory = level.directory;  // `visit` may add a level and move this one
  visit(harvest, directory, entry.name);
  return true;
}

/// Takes one name of the list, or one directory on the way to it. False at the end of the list.
bool TreeWalk::State::take_listed(const Harvest& harvest) {
  if (!list->at_hand()) {
    const Result<bool> more = list->next(harvest.disk);
    path.clear();
    if (!more) report(harvest, more.error());
    if (!more || !*more) return false;
    if (!find_listed(harvest)) list->done();
    return true;
  }
  if (const auto lead = list->next_lead()) {
    announce_lead(harvest, *lead);
    return true;
  }
  announce_listed(harvest);
  list->done();
  return true;
}

/// Whether there is something by the name at hand, and the selection takes it. Before its directories are announced:
/// those that lead to nothing are not.
bool TreeWalk::State::find_listed(const Harvest& harvest) {
  path = list->name().path;
  if (path.empty()) return true;
  if (is_in_landing_zone(path)) {
    ++not_kept.landing_zones;
    return false;
  }
  const auto lost = [&](const Error& error) {
    const bool no_way = error.system_errno == ENOTDIR || error.system_errno == ELOOP;
    report(harvest, no_way ? Error{.code = error.code,
                                   .text = "a file or symlink stands on the way to it; names are not followed through "
                                           "symlinks",
                                   .system_errno = error.system_errno}
                           : error);
    return false;
  };
  const Result<DirPtr> directory = list->directory_of(harvest.disk, roots.front().base, path);
  if (!directory) return lost(directory.error());
  const ListCursor::Lead above = list->lead();
  if (!list->next_lead() && above.content == ListCursor::Content::none) return true;  // it is looked at in a moment
  const Result<Stat> found = harvest.disk.stat(*directory, ListCursor::leaf_of(path));
  if (!found) return lost(found.error());
  const bool taken = selected(*found);
  if (!taken && above.content == ListCursor::Content::none) ++not_kept.left_out;
  return taken;
}

void TreeWalk::State::announce_lead(const Harvest& harvest, std::string_view lead) {
  path = lead;
  const ListCursor::Lead above = list->lead();
  const Result<DirPtr> directory = list->directory_of(harvest.disk, roots.front().base, path);
  if (!directory) {  // it has changed since it was looked at
    list->done();
    return report(harvest, directory.error());
  }
  if (above.content != ListCursor::Content::none && filter.takes(path, true)) {
    // The content of the directory above was asked for: this one has been announced with it, and looked into perhaps.
    const Result<Stat> found = harvest.disk.stat(*directory, ListCursor::leaf_of(path));
    const bool entered = found && (!selection.one_file_system || found->device == above.device);
    list->add_lead({.path_bytes = path.size(),
                    .content = entered ? above.beneath() : ListCursor::Content::none,
                    .device = found ? found->device : above.device});
    return;
  }
  const std::size_t before = harvest.entries.size();
  levels_max = 0;
  leads = true;
  visit(harvest, *directory, ListCursor::leaf_of(path));
  leads = false;
  if (harvest.entries.size() == before) return list->done();  // it is gone, and that has been reported
  list->add_lead({.path_bytes = path.size(), .content = ListCursor::Content::none, .device = root_device});
}

/// The name at hand itself; what leads to it has been announced.
void TreeWalk::State::announce_listed(const Harvest& harvest) {
  path = list->name().path;
  const bool content = list->name().content || recursive;
  levels_max = !content ? 0 : recursive ? all_levels : 1;
  const Result<DirPtr> base = list->directory_of(harvest.disk, roots.front().base, path);
  if (!base) return report(harvest, base.error());
  if (!path.empty() && list->lead().content != ListCursor::Content::none) return look_into_listed(harvest, *base);
  const std::size_t before = harvest.entries.size();
  visit(harvest, *base, ListCursor::leaf_of(path));
  if (harvest.entries.size() == before) return;
  if (harvest.entries.back().type == EntryType::symlink && list->name().content) {
    harvest.entries.pop_back();
    return report(harvest,
                  {.code = Code::usage,
                   .text = "it is a symlink: without the slash behind its name it is sent as one; names are not "
                           "followed through symlinks"});
  }
  if (harvest.entries.back().type != EntryType::directory) return;
  const auto all_or_one = recursive ? ListCursor::Content::all : ListCursor::Content::one_level;
  list->add_lead({.path_bytes = path.size(),
                  .content = levels.empty() ? ListCursor::Content::none : all_or_one,
                  .device = root_device});
}

/// It has been announced already, with the content of a directory above: only its own content may still be missing.
void TreeWalk::State::look_into_listed(const Harvest& harvest, const DirPtr& directory) {
  const Result<Stat> found = harvest.disk.stat(directory, ListCursor::leaf_of(path));
  if (!found || found->type != FileType::directory) return;
  const ListCursor::Lead above = list->lead();
  const bool other = selection.one_file_system && found->device != above.device;
  ListCursor::Content content = other ? ListCursor::Content::none : above.beneath();
  if (levels_max > 0 && content == ListCursor::Content::none) {
    root_device = found->device;
    if (descend(harvest, directory, ListCursor::leaf_of(path), *found)) mention(harvest, true);
    if (!levels.empty()) content = recursive ? ListCursor::Content::all : ListCursor::Content::one_level;
  }
  list->add_lead({.path_bytes = path.size(), .content = content, .device = found->device});
}

void TreeWalk::State::enter_root(const Harvest& harvest) {
  origin = static_cast<std::uint32_t>(next_root++);
  const Root& root = roots[origin];
  path = root.name;
  visit(harvest, root.base, root.name);
}

/// Looks at `name` in `base`, which `path` leads to, and hands it over.
void TreeWalk::State::visit(const Harvest& harvest, const DirPtr& base, std::string_view name) {
  if (path.size() > protocol::path_bytes_max)
    return report(harvest, {.code = Code::unsupported,
                            .text = fmt::format("a path of {} bytes is longer than the {} that can be sent",
                                                path.size(), protocol::path_bytes_max)});
  const Result<Stat> found = look(harvest.disk, base, name);
  if (!found) return report(harvest, found.error());
  if (levels.empty()) root_device = found->device;
  if (!selected(*found)) {
    ++not_kept.left_out;
    if (filter.takes(path, found->type == FileType::directory)) mention(harvest, false);
    return;
  }
  if (found->type == FileType::other && !(fidelity.special && found->special)) {
    ++not_kept.special_files;
    return mention(harvest, false);
  }
  Entry entry{.type = entry_type(found->type),
              .path = path,
              .mode = found->mode,
              .mtime_ns = found->mtime_ns,
              .origin = origin};
  if (found->type == FileType::file && make_hard_link(entry, *found)) {
    harvest.entries.push_back(std::move(entry));
    return;
  }
  if (found->type == FileType::file) {
    entry.size = found->size;
    entry.sparse =
        found->size >= block_bytes && found->allocated_bytes < found->size;  // smaller ones may lie in the inode
    entry.identity = {.ctime_ns = found->ctime_ns, .inode = found->inode, .device = found->device};
  }
  entry.special = found->special;
  if (found->type == FileType::symlink) {
    auto target = harvest.disk.read_link(base, name);
    if (!target) return report(harvest, target.error());
    entry.link_target = std::move(*target);
  }
  if (auto taken = take_properties(harvest.disk, base, name, *found, entry); !taken) report(harvest, taken.error());
  harvest.entries.push_back(std::move(entry));
  const bool stays = !selection.one_file_system || found->device == root_device;
  if (found->type == FileType::directory && stays && levels.size() < levels_max)
    harvest.entries.back().content = descend(harvest, base, name, *found);
}

/// What the rules leave out is not: the receiver has them, too.
void TreeWalk::State::mention(const Harvest& harvest, bool content) const {
  if (!mentions) return;
  harvest.entries.push_back({.type = EntryType::mention, .path = path, .content = content, .origin = origin});
}

/// The content of a named directory is asked for by name: no rule is about the directory itself.
bool TreeWalk::State::selected(const Stat& found) const {
  if (path.empty() || leads) return true;
  if (!filter.takes(path, found.type == FileType::directory)) return false;
  return found.type != FileType::file || (found.size >= selection.min_bytes && found.size <= selection.max_bytes &&
                                          found.mtime_ns > selection.newer_than_ns);
}

bool TreeWalk::State::descend(const Harvest& harvest, const DirPtr& base, std::string_view name, const Stat& found) {
  auto directory = harvest.disk.open_dir(base, name);
  auto stream = directory ? harvest.disk.open_stream(*directory, 0) : std::unexpected(directory.error());
  if (!stream) {
    report(harvest, stream.error());
    return false;
  }
  levels.push_back({.path_bytes = path.size(),
                    .inode = found.inode,
                    .device = found.device,
                    .resume_at = 0,
                    .directory = std::move(*directory),
                    .stream = std::move(*stream),
                    .names = {},
                    .next_name = 0});
  if (levels.size() > open_levels_max) levels[levels.size() - open_levels_max - 1].close();
  return true;
}

/// Opens a directory again that was closed on the way down, and goes on behind the name that was taken last.
bool TreeWalk::State::reopen(const Harvest& harvest, Level& level) {
  auto directory = harvest.disk.open_dir(roots[origin].base, path);
  if (!directory) {
    report(harvest, directory.error());
    return false;
  }
  const Result<Stat> found = harvest.disk.stat(*directory, "");
  if (!found || found->inode != level.inode || found->device != level.device) {
    report(harvest, {.code = Code::source_changed,
                     .text = "the directory was moved or replaced while it was read; the rest of it was not sent"});
    return false;
  }
  auto stream = harvest.disk.open_stream(*directory, level.resume_at);
  if (!stream) {
    report(harvest, stream.error());
    return false;
  }
  level.directory = std::move(*directory);
  level.stream = std::move(*stream);
  return true;
}

bool TreeWalk::State::refill(const Harvest& harvest, Level& level) {
  const bool first_names = level.resume_at == 0;
  level.names.clear();
  level.next_name = 0;
  const Result<bool> more = level.stream->next(level.names, names_per_batch);
  if (!more) report(harvest, more.error());
  level.scouted = false;
  if (scouts && scouts->needed()) {
    level.scouted = first_names && scouts->enter(level.device, level.inode);
    for (Level& each : levels) send_scouts(each);
  }
  return !level.names.empty();
}

/// To the names of this level that the walk has not come to. They look into no directory that it would not look into.
void TreeWalk::State::send_scouts(Level& level) {
  if (std::exchange(level.scouted, true) || level.directory == nullptr) return;
  Scouts::Ahead ahead{.directory = level.directory, .path = path.substr(0, level.path_bytes), .names = {}};
  for (std::size_t i = level.next_name; i < level.names.size(); ++i)
    if (level.names[i].name != landing_zone_name) ahead.names.push_back(level.names[i].name);
  Scouts::Enters enters;
  if (levels_max == all_levels)
    enters = [this, device = root_device](const std::string& its_path, const Stat& found) {
      return filter.takes(its_path, true) && (!selection.one_file_system || found.device == device);
    };
  if (!ahead.names.empty()) scouts->look(std::move(ahead), enters);
}

Result<Stat> TreeWalk::State::look(Disk& disk, const DirPtr& base, std::string_view name) {
  if (!scouts) return disk.stat(base, name);
  return scouts->timed([&] { return disk.stat(base, name); });
}

/// Whether it is a further name of a file that was met before, and `entry` now says so.
bool TreeWalk::State::make_hard_link(Entry& entry, const Stat& found) {
  if (found.links < 2) return false;
  const std::pair key(found.device, found.inode);
  const auto first = fidelity.hard_links ? linked.find(key) : linked.end();
  if (first == linked.end()) {
    if (fidelity.hard_links && linked.size() < linked_files_max)
      linked[key] = {.path = path, .awaited = found.links - 1};
    else
      ++not_kept.hard_links;
    return false;
  }
  entry.type = EntryType::hard_link;
  entry.size = found.size;  // so that the receiver knows the version
  entry.link_target = first->second.path;
  if (--first->second.awaited == 0) linked.erase(first);
  return true;
}

Result<> TreeWalk::State::take_properties(Disk& disk, const DirPtr& base, std::string_view name, const Stat& found,
                                          Entry& entry) {
  if (fidelity.owners) {
    entry.owner = Owner{.user = found.user, .group = found.group, .user_name = {}, .group_name = {}};
    if (!fidelity.numeric_ids) entry.owner = disk.with_names(*std::move(entry.owner));
  }
  if (fidelity.xattrs || fidelity.acls) return take_attributes(disk, base, name, entry);
  const bool may_have = entry.type == EntryType::file || entry.type == EntryType::directory;
  if (may_have && !name.empty() && disk.has_xattrs(base, name)) ++not_kept.xattr_files;
  return {};
}

Result<> TreeWalk::State::take_attributes(Disk& disk, const DirPtr& base, std::string_view name, Entry& entry) {
  auto all = disk.attributes(base, name);
  if (!all) {
    if (all.error().code == Code::unsupported) return {};
    ++not_kept.xattr_files;
    return std::unexpected(std::move(all.error()));
  }
  Attributes kept{.extended = fidelity.xattrs, .acls = fidelity.acls, .list = {}};
  std::size_t bytes = 0;
  for (Attribute& each : *all) {
    if (!(is_acl(each) ? fidelity.acls : fidelity.xattrs)) continue;
    bytes += each.name.size() + each.value.size();
    kept.list.push_back(std::move(each));
  }
  if (bytes > protocol::attribute_bytes_max || kept.list.size() > protocol::attributes_max) {
    ++not_kept.xattr_files;
    return fail(Code::unsupported,
                fmt::format("its {} bytes of attributes are more than the {} that can be sent; it goes without them",
                            bytes, protocol::attribute_bytes_max));
  }
  if (kept.list.size() < all->size()) ++not_kept.xattr_files;
  entry.attributes = std::move(kept);
  return {};
}

void TreeWalk::State::report(const Harvest& harvest, Error error) const {
  harvest.errors.push_back({.path = name_for_user(origin, path), .error = std::move(error)});
}

std::string TreeWalk::State::name_for_user(std::uint32_t its_origin, std::string_view entry_path) const {
  const Root& root = roots[its_origin];
  if (entry_path.empty()) return root.given;
  return root.prefix + std::string(entry_path);
}

Result<FilePtr> TreeWalk::open_content(Disk& disk, const Entry& entry, bool direct) const {
  LH_CHECK(entry.type == EntryType::file && entry.origin < state_->roots.size(), "a file of this walk is opened");
  const DirPtr& base = state_->roots[entry.origin].base;
  auto opened = direct || entry.identity.device == 0 ? disk.open_file(base, entry.path, Open::read, direct)
                                                     : disk.open_seen(base, entry.path, entry.identity.device);
  if (opened) return opened;
  const Result<Stat> found = disk.stat(base, entry.path);
  const std::string name = printable(source_path(entry));
  if (!found && found.error().code == Code::not_found)
    return fail(Code::source_changed, fmt::format("{} vanished before it could be sent", name));
  if (found && found->type != FileType::file)
    return fail(Code::source_changed, fmt::format("{} is no longer a regular file", name));
  return opened;
}

std::string TreeWalk::source_path(const Entry& entry) const {
  LH_CHECK(entry.origin < state_->roots.size(), "an entry of this walk is named");
  return state_->name_for_user(entry.origin, entry.path);
}

void TreeWalk::mention_left_out() {
  state_->mentions = true;
}

const NotKept& TreeWalk::not_kept() const {
  return state_->not_kept;
}

}  // namespace longhaul::disk
