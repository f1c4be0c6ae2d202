#include "journal/landing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/bytes.h"
#include "base/stages.h"
#include "chunk/digest_tree.h"
#include "disk/blocking.h"
#include "journal/journal_file.h"
#include "protocol/bounds.h"

namespace longhaul::journal {
namespace {

std::string hash_name(std::string_view path) {
  return digest_of(bytes_of(path)).hex();
}
std::string part_of(std::string_view hash) {
  return std::string(hash) + ".part";
}
std::string journal_of(std::string_view hash) {
  return std::string(hash) + ".journal";
}
/// Says which file an error of the disk is about.
std::unexpected<Error> fail_landing(std::string_view path, Error error) {
  error.text = fmt::format("cannot land {}: {}", printable(path), error.text);
  return std::unexpected(std::move(error));
}

std::string_view parent_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

bool same_source(const JournalHeader& header, const Entry& entry) {
  return entry.size_known && entry.identity != Identity{} && header.size == entry.size &&
         header.mtime_ns == entry.mtime_ns && header.identity == entry.identity;
}

/// Opens `name` in `base`, making it first when it is missing. The new name is synced.
Result<disk::DirPtr> open_or_make(disk::Disk& disk, const disk::DirPtr& base, std::string_view name) {
  auto made = disk.make_dir(base, name, 0700);
  if (!made && made.error().system_errno != EEXIST) return std::unexpected(std::move(made.error()));
  // Also when it was there: a crash of the one that made it must not take it away from under us.
  if (auto synced = disk.sync_dir(base); !synced) return std::unexpected(std::move(synced.error()));
  return disk.open_dir(base, name);
}

/// The part of an unfinished file for writing. A receiver that was killed right before publishing may have left it with
/// its final, read-only mode.
Result<disk::FilePtr> open_part(disk::Disk& disk, const LandingFile& file, bool direct) {
  auto part = disk.open_file(file.zone, part_of(file.name), disk::Open::write, direct);
  if (part || part.error().code != Code::permission) return part;
  auto readable = disk.open_file(file.zone, part_of(file.name), disk::Open::read, false);
  if (!readable) return readable;
  if (auto changed = disk.set_mode(**readable, 0600); !changed) return std::unexpected(std::move(changed.error()));
  return disk.open_file(file.zone, part_of(file.name), disk::Open::write, direct);
}

/// On file systems in memory it brings the pages, which is the greater part of writing them.
Result<> make_room(disk::Disk& disk, disk::OpenFile& file, std::uint64_t bytes) {
  const StageScope scope(Stage::write);
  return disk.allocate(file, bytes);
}

}  // namespace

Error with_way_around_mounts(Error error) {
  if (error.system_errno != EXDEV) return error;
  error.text += fmt::format(
      "; it lies on another mount than {}, or under another quota: send its directory as a target of its own",
      zone_name);
  return error;
}

Result<LandingZone::Zone> LandingZone::make_zone(disk::DirPtr top) {
  Zone made;
  made.top = std::move(top);
  auto zone = open_or_make(disk_, made.top, zone_name);
  if (!zone) return std::unexpected(std::move(zone.error()));
  made.zone = std::move(*zone);
  auto landing = open_or_make(disk_, made.zone, landing_name);
  if (!landing) return std::unexpected(std::move(landing.error()));
  made.landing = std::move(*landing);
  const auto above = disk_.stat(made.top, "");
  const auto here = disk_.stat(made.landing, "");
  if (!above) return std::unexpected(above.error());
  if (!here) return std::unexpected(here.error());
  if (place_of(*above) != place_of(*here))
    return fail(Code::unsupported,
                fmt::format("something is mounted on its {} or in it, and no rename leads from there "
                            "to where files are to be; unmount that",
                            zone_name));
  return made;
}

/// Another receiver that ends removes the landing directories of mount points that are empty: a name of ours keeps this
/// one. Between making it and that name it may still go, and is made again.
Result<LandingZone::Zone> LandingZone::make_held_zone(const disk::DirPtr& top) {
  constexpr int attempts_max = 20;
  for (int attempt = 1;; ++attempt) {
    auto made = make_zone(top);
    if (made && scratch_.empty()) return made;
    auto held = made ? lock_journal(disk_, made->landing, scratch_ + std::string(held_name), zone_name)
                     : std::unexpected(made.error());
    if (held) {
      made->held = *std::move(held);
      return made;
    }
    if (held.error().code != Code::not_found || attempt == attempts_max) return std::unexpected(held.error());
  }
}

Result<std::unique_ptr<LandingZone>> LandingZone::open(disk::Disk& disk, disk::DirPtr root, std::string scratch) {
  auto zone = std::unique_ptr<LandingZone>(new LandingZone(disk, std::move(root), std::move(scratch)));
  auto stat = disk.stat(zone->root_, "");
  if (!stat) return std::unexpected(std::move(stat.error()));
  zone->root_place_ = place_of(*stat);
  auto made = zone->make_zone(zone->root_);
  if (!made) {
    Error error = std::move(made.error());
    error.text = fmt::format("cannot make the landing zone {} in the target directory: {}", zone_name, error.text);
    return std::unexpected(std::move(error));
  }
  zone->zones_.emplace(zone->root_place_, std::move(*made));
  return zone;
}

Result<disk::DirPtr> LandingZone::topmost_in(const Place& place, const disk::DirPtr& parent,
                                             std::string_view parent_path) {
  std::string_view top = parent_path;
  while (!top.empty()) {
    const std::string_view above = parent_of(top);
    auto stat = disk_.stat(root_, above);
    if (!stat) return std::unexpected(std::move(stat.error()));
    if (place_of(*stat) != place) break;
    top = above;
  }
  if (top == parent_path) return parent;
  return disk_.open_dir(root_, top);
}

Result<disk::DirPtr> LandingZone::zone_for(const disk::DirPtr& parent, std::string_view parent_path) {
  if (parent == last_parent_) return last_zone_;
  auto stat = disk_.stat(parent, "");
  if (!stat) return fail_landing(parent_path, std::move(stat.error()));
  const Place place = place_of(*stat);
  if (const auto known = zones_.find(place); known != zones_.end()) {
    last_parent_ = parent;
    return last_zone_ = known->second.landing;
  }
  auto top = topmost_in(place, parent, parent_path);
  if (!top) return fail_landing(parent_path, std::move(top.error()));
  auto made = make_held_zone(*top);
  if (!made) return fail_landing(parent_path, std::move(made.error()));
  return zones_.emplace(place, std::move(*made)).first->second.landing;
}

Result<LandingFile> LandingZone::begin_large(const Entry& entry, const disk::DirPtr& parent, std::uint64_t chunk_bytes,
                                             bool direct, Random& random, disk::OpenFile* older) {
  auto landing = zone_for(parent, parent_of(entry.path));
  if (!landing) return std::unexpected(std::move(landing.error()));
  auto file = begin_in(*landing, entry, chunk_bytes, direct, random, older);
  if (file || file.error().code != Code::not_found) return file;
  // Somebody has taken the landing directory of this mount point away, whatever was in it: make it again.
  std::erase_if(zones_, [&](const auto& zone) { return zone.first != root_place_; });
  last_parent_ = nullptr;
  landing = zone_for(parent, parent_of(entry.path));
  if (!landing) return std::unexpected(std::move(landing.error()));
  return begin_in(*landing, entry, chunk_bytes, direct, random, older);
}

Result<LandingFile> LandingZone::begin_in(const disk::DirPtr& landing, const Entry& entry, std::uint64_t chunk_bytes,
                                          bool direct, Random& random, disk::OpenFile* older) {
  LandingFile file;
  file.zone = landing;
  file.name = hash_name(entry.path);
  file.path = entry.path;
  file.chunk_bytes = chunk_bytes;
  auto journal = lock_journal(disk_, landing, journal_of(file.name), entry.path);
  if (!journal && journal.error().code == Code::busy) return std::unexpected(std::move(journal.error()));
  if (!journal) return fail_landing(entry.path, std::move(journal.error()));
  file.journal = std::move(*journal);
  auto header = read_journal_header(disk_, *file.journal);
  if (!header) return fail_landing(entry.path, std::move(header.error()));
  if (header->has_value()) {
    const JournalHeader& found = **header;
    if (found.path != entry.path) {
      return fail(
          Code::busy,
          fmt::format("cannot land {}: its landing name {} is taken by the unfinished file {} (equal hashes of two "
                      "paths); finish that one first, or rename one of them",
                      printable(entry.path), file.name, printable(found.path)));
    }
    file.nonce = found.nonce;
    file.header_bytes = found.header_bytes;
    if (same_source(found, entry)) {
      auto resumed = resume(file, entry, direct);
      if (!resumed) return fail_landing(entry.path, std::move(resumed.error()));
      if (*resumed) return file;
    }
  }
  auto started = start(file, entry, direct, random, older);
  if (!started) return fail_landing(entry.path, std::move(started.error()));
  return file;
}

/// False when there is nothing to continue: no part, no durable node, or a part too short for what the journal says.
Result<bool> LandingZone::resume(LandingFile& file, const Entry& entry, bool direct) {
  auto part = open_part(disk_, file, direct);
  if (!part && part.error().code == Code::not_found) return false;
  if (!part) return std::unexpected(std::move(part.error()));
  const std::uint64_t nodes = chunk::nodes_of(entry.size);
  std::uint64_t durable_end = 0;
  file.durable_nodes.assign(nodes, false);
  auto read = read_records(disk_, file, nodes, [&](std::uint64_t node, const Digest* digest) {
    if (digest == nullptr) return true;
    file.durable_nodes[node] = true;
    durable_end = std::min((node + 1) * protocol::node_bytes, entry.size);
    return true;
  });
  if (!read) return std::unexpected(std::move(read.error()));
  auto stat = disk_.stat(**part);
  if (!stat) return std::unexpected(std::move(stat.error()));
  if (durable_end == 0 || stat->size < durable_end) return false;
  if (entry.sparse && stat->size < entry.size)  // a crash took the size that start() gave it
    if (auto grown = disk_.set_size(**part, entry.size); !grown) return std::unexpected(std::move(grown.error()));
  file.data = std::move(*part);
  return true;
}

/// Tried on its first blocks, whose content comes later.
bool LandingZone::can_share(disk::OpenFile* older, disk::OpenFile& data) {
  return older != nullptr && disk_.share_range(*older, data, 0, disk::Disk::share_bytes);
}

/// Begins anew. The old journal dies durably before its part does: at no crash may it speak for a new part.
Result<> LandingZone::start(LandingFile& file, const Entry& entry, bool direct, Random& random, disk::OpenFile* older) {
  auto stat = disk_.stat(*file.journal);
  if (!stat) return std::unexpected(std::move(stat.error()));
  if (stat->size > 0) {
    if (auto cut = disk_.set_size(*file.journal, 0); !cut) return cut;
    if (auto synced = disk::sync_now(disk_, *file.journal, true); !synced) return synced;
  }
  if (auto removed = unlink_if_there(disk_, file.zone, part_of(file.name)); !removed) return removed;
  auto part = disk_.open_file(file.zone, part_of(file.name), disk::Open::create, direct);
  if (!part) return std::unexpected(std::move(part.error()));
  file.data = std::move(*part);

  JournalHeader header;
  header.nonce = file.nonce = random.next();
  header.chunk_bytes = file.chunk_bytes;
  header.size = entry.size_known ? entry.size : 0;
  header.mtime_ns = entry.mtime_ns;
  header.identity = entry.identity;
  header.mode = entry.mode;
  header.path = entry.path;
  const auto text = encode_journal_header(header);
  file.header_bytes = static_cast<std::uint32_t>(text.size());
  file.durable_nodes.assign(chunk::nodes_of(header.size), false);

  Result<> done;
  if (entry.sparse)  // at once, so that resume() finds it as long as the journal says, whatever hole it ends in
    done = disk_.set_size(*file.data, header.size);
  else if (header.size > 0 && !can_share(older, *file.data))
    done = make_room(disk_, *file.data, header.size);
  if (done) done = disk::write_now(disk_, *file.journal, 0, text);
  if (done) return {};
  // What cannot be removed now is dropped by whoever begins this file next, or by sweep().
  (void)drop(file);
  if (done.error().code == Code::no_space) {
    done.error().text =
        fmt::format("no room for its {} bytes on the target's file system ({}); make room and run again", header.size,
                    done.error().text);
  }
  return done;
}

/// Without a name it is begun in `parent`, which shows nothing of it: behind landlock a link within one directory is
/// half as much work as one between two. Of a directory that takes no file (gone, not ours to write to, on a read-only
/// mount) publishing tells: that file fails, once, and not the whole transfer for a target that is read-only.
Result<LandingFile> LandingZone::begin_small(disk::Disk& disk, std::string_view path, const disk::DirPtr& parent,
                                             const disk::DirPtr& zone) const {
  LandingFile file;
  file.zone = zone;
  file.path = path;
  if (disk.best_unnamed(parent)) {
    auto unnamed = disk.open_unnamed(parent);
    if (!unnamed) unnamed = disk.open_unnamed(zone);
    if (unnamed) {
      file.data = std::move(*unnamed);
      return file;
    }
    const int error = unnamed.error().system_errno;
    const bool not_known_here = error == EOPNOTSUPP || error == EISDIR;
    if (!not_known_here) return fail_landing(path, std::move(unnamed.error()));
  }
  file.name = scratch_ + hash_name(path);
  auto data = disk.open_file(zone, file.name, disk::Open::create, false);
  if (!data) return fail_landing(path, std::move(data.error()));
  file.data = std::move(*data);
  return file;
}

Result<Digest> LandingZone::root_digest(const LandingFile& file, std::uint64_t size) {
  chunk::RootDigest root;
  std::uint64_t missing = 0;
  std::uint64_t first_missing = 0;
  auto read = read_records(disk_, file, chunk::nodes_of(size), [&](std::uint64_t node, const Digest* digest) {
    if (digest != nullptr) {
      root.add_node(*digest);
    } else if (missing++ == 0) {
      first_missing = node;
    }
    return true;
  });
  if (!read) return fail_landing(file.path, std::move(read.error()));
  if (missing > 0) {
    return fail(Code::corrupt,
                fmt::format("cannot publish {}: its journal has no valid record of {} nodes, the first is "
                            "node {}; run again: they will be sent again",
                            printable(file.path), missing, first_missing));
  }
  return root.finish(size);
}

Result<> LandingZone::publish(const LandingFile& file, const disk::DirPtr& parent, std::string_view name,
                              Existing existing) {
  const bool small = file.journal == nullptr;
  auto published = file.name.empty()
                       ? name_unnamed(file, parent, name, existing)
                       : put_in_place(file.zone, small ? file.name : part_of(file.name), parent, name, existing);
  if (!published) return fail_landing(file.path, with_way_around_mounts(std::move(published.error())));
  return {};
}

Result<> LandingZone::put_in_place(const disk::DirPtr& zone, std::string_view from, const disk::DirPtr& parent,
                                   std::string_view name, Existing existing) {
  if (existing == Existing::left_alone) {
    auto renamed = disk_.rename_to_new(zone, from, parent, name);
    if (renamed || renamed.error().code != Code::unsupported) return renamed;
  }
  return disk_.rename(zone, from, parent, name);
}

void LandingZone::take_back(const LandingFile& file, const disk::DirPtr& in, std::string_view name) {
  const bool large = file.journal != nullptr;
  if (!large || !disk_.rename(in, name, file.zone, part_of(file.name))) (void)disk_.unlink(in, name);
}

/// A name that is there can only be replaced by another name.
Result<> LandingZone::name_unnamed(const LandingFile& file, const disk::DirPtr& parent, std::string_view name,
                                   Existing existing) {
  auto named = disk_.name_file(*file.data, parent, name);
  if (named || named.error().system_errno != EEXIST || existing == Existing::left_alone) return named;
  const std::string scratch = scratch_ + hash_name(file.path);
  named = disk_.name_file(*file.data, file.zone, scratch);
  if (!named) return named;
  named = disk_.rename(file.zone, scratch, parent, name);
  if (!named) (void)disk_.unlink(file.zone, scratch);
  return named;
}

void LandingZone::forget_journal(const LandingFile& file) {
  if (file.journal) (void)disk_.unlink(file.zone, journal_of(file.name));
}

Result<> LandingZone::drop(const LandingFile& file) {
  if (file.name.empty()) return {};  // it goes with its last owner
  if (file.journal == nullptr) return unlink_if_there(disk_, file.zone, file.name);
  if (auto removed = unlink_if_there(disk_, file.zone, part_of(file.name)); !removed) return removed;
  return unlink_if_there(disk_, file.zone, journal_of(file.name));
}

}  // namespace longhaul::journal
