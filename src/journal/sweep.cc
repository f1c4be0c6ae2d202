// What killed receivers leave in the landing zone, and how it goes away. Nothing here can fail a transfer: what cannot
// be removed now is looked at again at the end of the next one.
#include <algorithm>

#include "journal/journal_file.h"
#include "journal/landing.h"

namespace longhaul::journal {
namespace {

constexpr std::string_view scratch_name = "scratch.";

/// The transfer that a scratch name is of.
std::string_view id_in(std::string_view name) {
  name.remove_prefix(scratch_name.size());
  return name.substr(0, name.find('.'));
}

/// Surely not there: an error of the disk does not count.
bool is_missing(disk::Disk& disk, const disk::DirPtr& directory, const std::string& name) {
  auto stat = disk.stat(directory, name);
  return !stat && stat.error().code == Code::not_found;
}

}  // namespace

void LandingZone::sweep(const std::string& own_scratch) {
  for (auto at = zones_.begin(); at != zones_.end();) {
    const auto& [place, zone] = *at;
    sweep_landing(zone, own_scratch);
    if (place == root_place_)
      (void)each_name(disk_, zone.zone, [&](const std::string& name) {
        sweep_scratch(zone.zone, zone.zone, name, own_scratch);
        return true;
      });
    // The root's own landing zone stays, and so does that of somebody else's root. Others go when they are empty; the
    // file system itself refuses when they are not.
    const bool stays = place == root_place_ || is_target(zone.zone);
    const bool gone = !stays && disk_.remove_dir(zone.zone, landing_name).has_value();
    if (gone) (void)disk_.remove_dir(zone.top, zone_name);
    if (gone) last_parent_ = nullptr;
    at = gone ? zones_.erase(at) : std::next(at);
  }
}

void LandingZone::sweep_landing(const Zone& zone, const std::string& own) {
  const std::vector<std::string> held = held_by_others(zone.landing, own);
  (void)each_name(disk_, zone.landing, [&](const std::string& name) {
    sweep_name(zone.landing, name);
    if (std::ranges::none_of(held, [&](const std::string& prefix) { return name.starts_with(prefix); }))
      sweep_scratch(zone.landing, zone.zone, name, own);
    return true;
  });
  // Also for the journals that publishing took away: a crash after the last word of a transfer, which nothing follows
  // that would sweep again, must not bring them back.
  (void)disk_.sync_dir(zone.landing);
}

/// How names begin that receivers use which live now, whatever their target is.
std::vector<std::string> LandingZone::held_by_others(const disk::DirPtr& landing, const std::string& own) {
  std::vector<std::string> held;
  (void)each_name(disk_, landing, [&](const std::string& name) {
    const bool is_own = !own.empty() && name.starts_with(own);
    if (!is_own && name.starts_with(scratch_name) && name.ends_with(held_name) && is_in_use(landing, name))
      held.push_back(std::string(scratch_name) + std::string(id_in(name)) + '.');
    return true;
  });
  return held;
}

/// Below a mount point: whether this is also where some receiver's target begins, and not only a place to land.
bool LandingZone::is_target(const disk::DirPtr& zone) {
  bool more = false;
  (void)each_name(disk_, zone, [&](const std::string& name) {
    more = name != landing_name;
    return !more;
  });
  return more;
}

void LandingZone::sweep_name(const disk::DirPtr& landing, const std::string& name) {
  if (name.ends_with(".journal")) {
    const auto hash = name.substr(0, name.size() - std::string_view(".journal").size());
    if (is_missing(disk_, landing, hash + ".part")) sweep_large(landing, hash);
  } else if (name.ends_with(".part")) {
    const auto hash = name.substr(0, name.size() - std::string_view(".part").size());
    if (is_missing(disk_, landing, hash + ".journal")) sweep_large(landing, hash);
  }
}

/// scratch.ID and what begins so belongs to the receiver that holds the lock of manifest.ID.log for as long as it
/// lives. That log is in the target's own zone: ours, or that of a mount point, which may be another one's target.
void LandingZone::sweep_scratch(const disk::DirPtr& in, const disk::DirPtr& zone, const std::string& name,
                                const std::string& own) {
  if (!name.starts_with(scratch_name)) return;
  if (!own.empty() &&
      name.starts_with(own)) {  // of this transfer, perhaps of an earlier life: its directory log is in use
    if (name != own) (void)disk_.unlink(in, name);
    return;
  }
  const std::string log = "manifest." + std::string(id_in(name)) + ".log";
  if (is_in_use(directory(), log) || is_in_use(zone, log)) return;
  (void)disk_.unlink(in, name);
}

/// Whether somebody holds the lock of `name`, or may.
bool LandingZone::is_in_use(const disk::DirPtr& in, const std::string& name) {
  if (is_missing(disk_, in, name)) return false;
  const auto file = disk_.open_file(in, name, disk::Open::read, false);
  if (!file) return true;
  const auto locked = disk_.try_lock(**file);
  return !locked || !*locked;
}

/// A journal without its part, or a part without its journal. The lock decides: its holder may just be making the other
/// one.
void LandingZone::sweep_large(const disk::DirPtr& landing, const std::string& hash) {
  auto journal = lock_journal(disk_, landing, hash + ".journal", hash);
  if (!journal) return;
  // Locked now: look again. Making the journal for the lock does not make the part a whole file.
  auto stat = disk_.stat(**journal);
  if (!stat || (stat->size > 0 && !is_missing(disk_, landing, hash + ".part"))) return;
  if (!unlink_if_there(disk_, landing, hash + ".part")) return;
  (void)unlink_if_there(disk_, landing, hash + ".journal");
}

std::uint64_t LandingZone::unfinished_files() {
  std::uint64_t count = 0;
  for (const auto& [place, zone] : zones_) {
    (void)each_name(disk_, zone.landing, [&](const std::string& name) {
      count += name.ends_with(".journal") ? 1 : 0;
      return true;
    });
  }
  return count;
}

}  // namespace longhaul::journal
