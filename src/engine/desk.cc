#include "engine/desk.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "disk/blocking.h"
#include "engine/landing_ops.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

constexpr std::size_t open_dirs_max = 128;
constexpr std::size_t made_dirs_max = 1024;
constexpr int durable_ranges_max = 2 * 2048;

Decision done() {
  Decision decision;
  decision.verdict.set_action(protocol::Verdict::DONE);
  return decision;
}

/// Not that a place cannot be written: it may be a mount in the target, and if it is the target, commit tells.
bool is_fatal(Code code) {
  return code == Code::no_space;
}

}  // namespace

Result<> check_target_path(const std::string& path) {
  const auto bad = [&](const char* why) {
    return fail(Code::refused, "the name " + printable(path.substr(0, 200)) + " is refused: it " + why);
  };
  if (path.size() > protocol::path_bytes_max) return bad("is too long");
  if (path.find('\0') != std::string::npos) return bad("holds a zero byte");
  std::size_t begin = 0;
  while (begin <= path.size() && !path.empty()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part(path.data() + begin, end - begin);
    if (part.empty() || part == "." || part == "..") return bad("would lead out of the target");
    if (part.size() > protocol::name_bytes_max) return bad("has a component of over 255 bytes");
    if (part == journal::zone_name) return bad("is in a landing zone, of this target or of one in it");
    begin = end + 1;
  }
  return {};
}

Result<> Desk::open() {
  if (setup_.zone == nullptr) return {};
  if (auto made = make_logs(); !made) return made;
  if (auto maker = setup_.disk.maker())
    scouts_ = std::make_unique<disk::Scouts>(disk::Scouts::Setup{.make_disk = std::move(maker)});
  if (setup_.trash != nullptr) {
    auto trees = TreeLanding::open(
        {setup_.disk, setup_.random, *setup_.zone, *setup_.trash, setup_.target, setup_.scratch_name});
    if (!trees) return std::unexpected(std::move(trees.error()));
    trees_ = *std::move(trees);
  }
  return find_granularity();
}

Result<> Desk::make_logs() {
  auto log = journal::EntryLog::create(setup_.disk, setup_.zone->directory(), setup_.scratch_name);
  if (!log) return std::unexpected(log.error());
  directories_ = std::move(*log);
  log = journal::EntryLog::create(setup_.disk, setup_.zone->directory(), setup_.scratch_name + ".links");
  if (!log) return std::unexpected(log.error());
  links_ = std::move(*log);
  return {};
}

Result<> Desk::find_granularity() {
  constexpr std::int64_t odd_ns = 1'000'000'001'123'456'789;
  const std::string probe = setup_.scratch_name + ".mtime";
  auto file = setup_.disk.open_file(setup_.zone->directory(), probe, disk::Open::create_or_open, setup_.direct);
  if (!file) return std::unexpected(file.error());
  lands_directly_ = (*file)->alignment() > 1;
  if (auto set = setup_.disk.set_mtime(**file, odd_ns); !set) return set;
  const auto kept = setup_.disk.stat(**file);
  if (!kept) return std::unexpected(kept.error());
  for (const std::int64_t step : std::array<std::int64_t, 6>{1, 100, 1000, 1'000'000, 1'000'000'000, 2'000'000'000}) {
    mtime_granularity_ns_ = step;
    if (odd_ns / step * step == kept->mtime_ns) break;
  }
  return setup_.disk.unlink(setup_.zone->directory(), probe);
}

Decision Desk::refuse(Code code, const std::string& text) {
  Decision decision;
  if (is_fatal(code)) decision.fatal = Error{code, text, 0};
  decision.verdict.set_action(protocol::Verdict::REFUSE);
  decision.verdict.set_code(static_cast<std::uint32_t>(code));
  decision.verdict.set_text(text.substr(0, protocol::text_bytes_max));
  return decision;
}

Decision Desk::skip(const Entry& entry) {
  setup_.counters.skipped_files.fetch_add(1, std::memory_order_relaxed);
  setup_.counters.skipped_bytes.fetch_add(entry.size, std::memory_order_relaxed);
  Decision decision;
  decision.verdict.set_action(protocol::Verdict::SKIP);
  return decision;
}

Decision Desk::leave(const Entry& entry) {
  setup_.counters.left_alone.fetch_add(1, std::memory_order_relaxed);
  Decision decision;
  if (entry.type == EntryType::file) decision = skip(entry);
  decision.verdict.set_action(protocol::Verdict::SKIP);
  decision.verdict.set_left_alone(true);
  return decision;
}

bool Desk::left_alone(const Entry& entry, const Result<disk::Stat>& there) const {
  return is_left_alone(setup_.leave_alone, entry, there, mtime_granularity_ns_);
}

/// What is beneath a directory that was left alone is left alone too.
Decision Desk::without_parent(const Entry& entry, const Error& why) {
  if (is_left_alone_beneath(setup_.leave_alone, why)) return leave(entry);
  return refuse(why.code, "cannot open the directory of " + printable(entry.path) + ": " + why.text);
}

Decision Desk::decide(std::uint64_t id, Entry entry) {
  setup_.counters.entries.fetch_add(1, std::memory_order_relaxed);
  if (entry.type == EntryType::file) {
    setup_.counters.files_found.fetch_add(1, std::memory_order_relaxed);
    setup_.counters.bytes_found.fetch_add(entry.size, std::memory_order_relaxed);
  }
  if (auto sane = check_target_path(entry.path); !sane) return refuse(sane.error().code, sane.error().text);
  if (entry.size > protocol::file_bytes_max)
    return refuse(Code::refused, printable(entry.path) + " claims an impossible size");
  if (entry.type == EntryType::mention) return done();
  if (setup_.zone == nullptr) return take_sink_file(id, std::move(entry));
  hold_to_what_is_allowed(setup_.disk, setup_.sink, setup_.counters, entry);
  if (trees_)
    if (auto entered = trees_->enter(entry); !entered) {
      Decision decision = refuse(entered.error().code, entered.error().text);
      decision.fatal = std::move(entered.error());
      return decision;
    }
  if (entry.type == EntryType::directory) return take_directory(entry);
  if (entry.path.empty()) return refuse(Code::refused, "a file without a name is refused");
  auto [parent_path, name] = split_path(entry.path);
  auto parent = directory(parent_path);
  if (!parent) return without_parent(entry, parent.error());
  if (entry.type == EntryType::symlink) return take_symlink(entry, *parent, name);
  if (entry.type == EntryType::special) return take_special(entry, *parent, name);
  if (entry.type == EntryType::hard_link) return take_hard_link(entry, *parent, name);
  return take_file(id, std::move(entry), *parent, parent_path, std::move(name));
}

Result<disk::DirPtr> Desk::directory(const std::string& path) {
  if (path.empty()) return root();
  if (const auto at = open_dirs_.find(path); at != open_dirs_.end()) return at->second;
  auto opened = setup_.disk.open_dir(root(), path);
  if (!opened) return opened;
  if (open_dirs_.size() >= open_dirs_max) open_dirs_.clear();
  open_dirs_[path] = *opened;
  return opened;
}

Result<disk::Stat> Desk::look(const Entry& entry, const disk::DirPtr& parent, const std::string& name) {
  if (trees_) return trees_->look(entry, parent, name);
  if (!scouts_) return setup_.disk.stat(parent, name);
  return scouts_->timed([&] { return setup_.disk.stat(parent, name); });
}

/// Not with trees, which look in two places.
void Desk::look_ahead(const protocol::Announce& batch) {
  if (!scouts_ || !scouts_->needed() || trees_) return;
  disk::Scouts::Ahead ahead{.directory = root(), .path = {}, .names = {}};
  for (const auto& each : batch.entries()) {
    const bool may =
        !each.path().empty() && each.type() != protocol::Entry::MENTION && check_target_path(each.path()).has_value();
    if (may && !made_dirs_.contains(split_path(each.path()).first)) ahead.names.push_back(each.path());
  }
  if (!ahead.names.empty()) scouts_->look(std::move(ahead));
}

/// A directory that this transfer has made, and that was announced once, has nothing by this name but what somebody
/// else has put there since; what is published replaces that, as it would if it had come between a look and the
/// publishing.
Result<disk::Stat> Desk::look_for_file(const Entry& entry, const disk::DirPtr& parent, const std::string& parent_path,
                                       const std::string& name) {
  if (made_dirs_.contains(parent_path)) return std::unexpected(Error{Code::not_found, {}, 0});
  return look(entry, parent, name);
}

/// What is at the target by the name of an entry of another type goes, if the target becomes a mirror: at once for a
/// directory, whose content will lie in it; for anything else when that takes its name (`displace`), for until then it
/// may turn out that the source cannot be read.
Result<> Desk::make_room(const Entry& entry, const disk::Stat& there) {
  if (setup_.mirror == nullptr) return std::unexpected(in_the_way(entry));
  const bool at_once = entry.type == EntryType::directory;
  const auto made =
      at_once ? setup_.mirror->make_room(entry.path, there) : setup_.mirror->could_make_room(entry.path, there);
  if (!made) return std::unexpected(made.error());
  if (!*made) return std::unexpected(in_the_way(entry, "something in it stays"));
  if (at_once) forget_directories();
  return {};
}

Result<> Desk::displace(const Entry& entry, const journal::Naming& publish) {
  if (setup_.mirror == nullptr) return std::unexpected(in_the_way(entry));
  const auto replaced = setup_.mirror->replace(entry.path, publish);
  if (!replaced) return std::unexpected(replaced.error());
  if (!*replaced) return std::unexpected(in_the_way(entry, "something in it stays"));
  forget_directories();
  return {};
}

void Desk::forget_directories() {
  open_dirs_.clear();
  made_dirs_.clear();
}

/// Not with trees, which look at the old one too, nor where what somebody else has put there must be left alone.
void Desk::note_made(const std::string& path) {
  if (trees_ || setup_.leave_alone) return;
  if (made_dirs_.size() >= made_dirs_max) made_dirs_.clear();
  made_dirs_.insert(path);
}

Decision Desk::take_directory(const Entry& entry) {
  Decision decision = done();
  if (!entry.path.empty()) {
    const auto [parent_path, name] = split_path(entry.path);
    auto parent = directory(parent_path);
    if (!parent) return without_parent(entry, parent.error());
    auto there = look(entry, *parent, name);
    if (left_alone(entry, there)) return leave(entry);
    if (there && is_in_the_way(entry, *there)) {
      if (auto room = make_room(entry, *there); !room) return refuse(room.error().code, room.error().text);
      there = fail(Code::not_found, "it had to go");
    }
    if (there && (there->mode & 0700) != 0700) {
      // Left read-only by an earlier run: it gets its own mode back at the end.
      if (auto dir = directory(entry.path)) (void)setup_.disk.set_mode(*dir, there->mode | 0700);
      open_dirs_.erase(entry.path);  // what could not be read was opened to be passed through: that cannot be synced
    }
    // Announced again, by another source or (where the case of letters is none) by another name: files of the first are
    // in it.
    if (there) made_dirs_.clear();
    if (!there) {
      if (auto made = setup_.disk.make_dir(*parent, name, (entry.mode & 0777) | 0700); !made)
        return refuse(made.error().code,
                      "cannot make the directory " + printable(entry.path) + ": " + made.error().text);
      note_made(entry.path);
    }
    // One that is there may have been made by a run that was killed before it synced it.
    if (!there || setup_.after_a_kill) decision.dirty = *parent;
  }
  setup_.counters.directories.fetch_add(1, std::memory_order_relaxed);
  if (auto logged = directories_->append(entry); !logged) return refuse(logged.error().code, logged.error().text);
  return decision;
}

Decision Desk::take_symlink(const Entry& entry, const disk::DirPtr& parent, const std::string& name) {
  const auto there = look(entry, parent, name);
  if (!there && there.error().code != Code::not_found) return refuse(there.error().code, there.error().text);
  if (left_alone(entry, there)) return leave(entry);
  const bool displaces = there && is_in_the_way(entry, *there);
  if (displaces)
    if (auto room = make_room(entry, *there); !room) return refuse(room.error().code, room.error().text);
  Decision decision = done();
  setup_.counters.symlinks.fetch_add(1, std::memory_order_relaxed);
  if (there && there->type == disk::FileType::symlink) {
    const auto target = setup_.disk.read_link(parent, name);
    if (target && *target == entry.link_target) {
      const auto matched = match(parent, name, *there, entry);
      return matched ? decision : refuse(matched.error().code, matched.error().text);
    }
  }
  return replace(entry, parent, displaces, "symlink", [&](const disk::DirPtr& zone, const std::string& scratch) {
    return setup_.disk.make_symlink(entry.link_target, zone, scratch);
  });
}

/// Made beside the landing files by `make(zone, scratch)` and renamed, so that an existing name changes in one step.
/// `displaces`: a directory has it. False: something has just come to be there that is to be left alone.
Result<bool> Desk::put_in_place(const Entry& entry, const disk::DirPtr& parent, bool displaces, const MakeName& make) {
  const auto [parent_path, name] = split_path(entry.path);
  const auto zone = setup_.zone->zone_for(parent, parent_path);
  if (!zone) return std::unexpected(zone.error());
  const std::string scratch = setup_.scratch_name + ".link";
  (void)setup_.disk.unlink(*zone, scratch);
  Result<> made = make(*zone, scratch);
  const bool spares = setup_.leave_alone.existing;
  const bool begun = made.has_value();
  const auto give = [&](const disk::DirPtr& in, std::string_view as) {
    using journal::Existing;
    return setup_.zone->put_in_place(*zone, scratch, in, as, spares ? Existing::left_alone : Existing::replaced);
  };
  const auto take_back = [&](const disk::DirPtr& in, std::string_view as) { (void)setup_.disk.unlink(in, as); };
  if (begun) made = displaces ? displace(entry, {.give = give, .take_back = take_back}) : give(parent, name);
  if (made) return true;
  (void)setup_.disk.unlink(*zone, scratch);
  if (begun && spares && made.error().system_errno == EEXIST) return false;
  return std::unexpected(journal::with_way_around_mounts(std::move(made.error())));
}

Decision Desk::replace(const Entry& entry, const disk::DirPtr& parent, bool displaces, const char* what,
                       const MakeName& make) {
  Unkept unkept;
  const auto made = put_in_place(entry, parent, displaces, [&](const disk::DirPtr& zone, const std::string& scratch) {
    const Result<> there = make(zone, scratch);
    return there ? set_properties(setup_.disk, zone, scratch, entry, unkept) : there;
  });
  if (!made)
    return refuse(made.error().code,
                  fmt::format("cannot make the {} {}: {}", what, printable(entry.path), made.error().text));
  if (!*made) return leave(entry);
  setup_.counters.count(unkept);
  Decision decision = done();
  decision.dirty = parent;
  return decision;
}

Decision Desk::take_special(const Entry& entry, const disk::DirPtr& parent, const std::string& name) {
  if (auto may = may_take_special(setup_.sink, entry); !may) return refuse(may.error().code, may.error().text);
  const auto there = look(entry, parent, name);
  if (!there && there.error().code != Code::not_found) return refuse(there.error().code, there.error().text);
  if (left_alone(entry, there)) return leave(entry);
  const bool displaces = there && is_in_the_way(entry, *there);
  if (displaces)
    if (auto room = make_room(entry, *there); !room) return refuse(room.error().code, room.error().text);
  setup_.counters.specials.fetch_add(1, std::memory_order_relaxed);
  if (there && there->special == entry.special && there->mode == entry.mode) {
    const auto matched = match(parent, name, *there, entry);
    return matched ? done() : refuse(matched.error().code, matched.error().text);
  }
  return replace(entry, parent, displaces, "special file", [&](const disk::DirPtr& zone, const std::string& scratch) {
    return setup_.disk.make_special(*entry.special, entry.mode, zone, scratch);
  });
}

/// Its file may still be on its way: made when all files are there.
Decision Desk::take_hard_link(const Entry& entry, const disk::DirPtr& parent, const std::string& name) {
  if (left_alone(entry, setup_.disk.stat(parent, name))) return leave(entry);
  if (auto sane = check_target_path(entry.link_target); !sane) return refuse(sane.error().code, sane.error().text);
  if (auto logged = links_->append(entry); !logged) return refuse(logged.error().code, logged.error().text);
  return done();
}

bool Desk::unchanged(const disk::Stat& there, const Entry& entry) const {
  const auto grain = [&](std::int64_t ns) { return ns / mtime_granularity_ns_; };
  return grain(there.mtime_ns) == grain(entry.mtime_ns);
}

/// What may not be read is opened once it has another mode. Null: its mode cannot be set, for it is somebody else's.
Result<disk::FilePtr> Desk::set_mode(const disk::DirPtr& parent, const std::string& name, std::uint32_t mode) {
  constexpr std::uint32_t owner_reads = 0400;
  const auto open = [&] { return setup_.disk.open_file(parent, name, disk::Open::read, false); };
  auto file = open();
  const bool forbidden = !file && file.error().code == Code::permission;
  if (forbidden && setup_.disk.set_mode(parent, name, mode | owner_reads)) file = open();
  if (!file && file.error().system_errno == EIO) return file;
  const Result<> set = file ? setup_.disk.set_mode(**file, mode) : std::unexpected(file.error());
  if (set) return file;
  if (set.error().system_errno == EIO) return std::unexpected(set.error());
  const auto now = setup_.disk.stat(parent, name);
  if (!now || now->mode != mode) setup_.counters.modes_not_kept.fetch_add(1, std::memory_order_relaxed);
  return nullptr;
}

/// Brings what is there already up to what the entry says, but for its content. Returns a file of which something was
/// set that is not durable yet.
Result<disk::FilePtr> Desk::match(const disk::DirPtr& parent, const std::string& name, const disk::Stat& there,
                                  const Entry& entry) {
  Unkept unkept;
  const auto changed = match_properties(setup_.disk, parent, name, there, entry, unkept);
  setup_.counters.count(unkept);
  if (!changed) return std::unexpected(changed.error());
  if (entry.type != EntryType::file) {
    if (unchanged(there, entry)) return nullptr;
    if (auto set = setup_.disk.set_link_mtime(parent, name, entry.mtime_ns); !set) return std::unexpected(set.error());
    return nullptr;
  }
  // A change of owner takes mode bits away, an ACL brings its own.
  if (there.mode == entry.mode && !*changed) return nullptr;
  auto file = set_mode(parent, name, entry.mode);
  if (!file || !*file || !trees_) return file;
  // Of a tree, nothing is to be seen before all of it is durable.
  if (auto synced = disk::sync_now(setup_.disk, **file, true); !synced) return std::unexpected(synced.error());
  return nullptr;
}

Decision Desk::take_file(std::uint64_t id, Entry entry, const disk::DirPtr& parent, const std::string& parent_path,
                         std::string name, const ComparedContent* compared) {
  const auto there = look_for_file(entry, parent, parent_path, name);
  if (!there && there.error().code != Code::not_found) return refuse(there.error().code, there.error().text);
  if (left_alone(entry, there)) return leave(entry);
  const bool displaces = there && is_in_the_way(entry, *there);
  if (displaces)
    if (auto room = make_room(entry, *there); !room) return refuse(room.error().code, room.error().text);
  const auto older = older_of(entry, parent, name, there);
  if (!older) return refuse(older.error().code, older.error().text);
  if (*older && setup_.checksum && must_be_compared(entry, (*older)->stat, compared)) {
    Decision decision;
    decision.verdict.set_action(protocol::Verdict::COMPARE);
    decision.compare = std::move(entry);
    decision.compare_in = (*older)->directory == parent ? root() : setup_.zone->root();
    return decision;
  }
  if (there && stays(entry, parent, name, *there, compared))
    if (auto kept = keep(entry, parent, name, *there, compared)) return std::move(*kept);
  if (trees_)
    if (auto taken = take_over(entry, parent, parent_path, name, *older, compared)) return std::move(*taken);
  Decision decision = begin_file(id, std::move(entry), parent, parent_path, std::move(name), *older);
  if (decision.file) decision.file->displaces = displaces;
  return decision;
}

/// What cannot be read is not compared.
void Desk::open_older(InFile& file, const OlderFile& older) {
  auto opened = setup_.disk.open_file(older.directory, file.name, disk::Open::read, false);
  if (!opened) return;
  file.older = std::move(*opened);
  file.older_bytes = older.stat.size;
}

/// `older`: what a large file is to be compared with.
Decision Desk::begin_file(std::uint64_t id, Entry entry, const disk::DirPtr& parent, const std::string& parent_path,
                          std::string name, const std::optional<OlderFile>& older) {
  auto zone = setup_.zone->zone_for(parent, parent_path);
  if (!zone) return refuse(zone.error().code, zone.error().text);
  auto file = std::make_shared<InFile>();
  file->id = id;
  file->entry = std::move(entry);
  file->name = std::move(name);
  file->parent = parent;
  file->zone = std::move(*zone);
  file->leave_alone = setup_.leave_alone;
  file->leave_alone.missing = false;  // what was there may have had to make room for it
  file->granularity_ns = mtime_granularity_ns_;
  if (trees_) file->log = trees_->log_of(file->entry.path);
  file->chunk_bytes = setup_.chunk_bytes;
  file->direct = setup_.direct;
  Decision decision;
  decision.verdict.set_action(protocol::Verdict::SEND);
  if (!file->entry.size_known || file->entry.size > protocol::whole_bytes_max) {
    if (older && setup_.delta) open_older(*file, *older);
    decision.verdict.set_older(file->older != nullptr);
    auto landing = setup_.zone->begin_large(file->entry, parent, setup_.chunk_bytes, setup_.direct, setup_.random,
                                            file->older.get());
    if (!landing) return refuse(landing.error().code, landing.error().text);
    file->landing = Landing::journalled;
    file->landing_file = std::move(*landing);
    file->zone = file->landing_file.zone;
    file->chunk_bytes = file->landing_file.chunk_bytes;
    decision.verdict.set_chunk_bytes(file->chunk_bytes);
    const auto& nodes = file->landing_file.durable_nodes;
    const std::uint64_t nodes_per_chunk = file->chunk_bytes / protocol::node_bytes;
    for (std::uint64_t first = 0; first < nodes.size(); first += nodes_per_chunk) {
      const std::uint64_t last = std::min<std::uint64_t>(first + nodes_per_chunk, nodes.size());
      bool whole = true;
      for (std::uint64_t node = first; node < last; ++node) whole = whole && nodes[node];
      if (!whole || decision.verdict.durable_size() >= durable_ranges_max) continue;  // what is not told is sent again
      const std::uint64_t chunk = first / nodes_per_chunk;
      file->durable.add(chunk);
      setup_.counters.skipped_bytes.fetch_add(chunk_content_bytes(file->entry.size, file->chunk_bytes, chunk),
                                              std::memory_order_relaxed);
      const int pairs = decision.verdict.durable_size();
      if (pairs > 0 && decision.verdict.durable(pairs - 2) + decision.verdict.durable(pairs - 1) == chunk) {
        decision.verdict.set_durable(pairs - 1, decision.verdict.durable(pairs - 1) + 1);
      } else {
        decision.verdict.add_durable(chunk);
        decision.verdict.add_durable(1);
      }
    }
    file->landing_file.durable_nodes = {};  // a file of holes may have millions for nothing
  }
  setup_.files.add(file);
  decision.file = std::move(file);
  return decision;
}

Decision Desk::take_sink_file(std::uint64_t id, Entry entry) {
  auto writer = setup_.sink.create(entry);
  if (!writer) return refuse(writer.error().code, writer.error().text);
  if (entry.type == EntryType::directory) setup_.counters.directories.fetch_add(1, std::memory_order_relaxed);
  if (entry.type == EntryType::symlink) setup_.counters.symlinks.fetch_add(1, std::memory_order_relaxed);
  if (entry.type != EntryType::file) return done();
  if (*writer == nullptr) return skip(entry);
  auto file = std::make_shared<InFile>();
  file->id = id;
  file->entry = std::move(entry);
  file->name = file->entry.path;
  file->landing = Landing::sink;
  file->writer = std::move(*writer);
  file->chunk_bytes = protocol::node_bytes;  // kept in memory: the window is counted in chunks of this size
  setup_.files.add(file);
  Decision decision;
  decision.verdict.set_action(protocol::Verdict::SEND);
  decision.verdict.set_chunk_bytes(file->chunk_bytes);
  decision.file = std::move(file);
  return decision;
}

}  // namespace longhaul::engine
