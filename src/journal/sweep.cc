// What killed receivers leave in the landing zone, and how it goes away. Nothing here can fail a transfer: what cannot
// be removed now is looked at again at the end of the next one.
#include "journal/journal_file.h"
#include "journal/landing.h"

namespace longhaul::journal {
namespace {

/// Surely not there: an error of the disk does not count.
bool is_missing(disk::Disk& disk, const disk::DirPtr& directory, const std::string& name) {
  auto stat = disk.stat(directory, name);
  return !stat && stat.error().code == Code::not_found;
}

}  // namespace

void LandingZone::sweep(const std::string& own_scratch) {
  for (auto at = zones_.begin(); at != zones_.end();) {
    const auto& [place, zone] = *at;
    const auto& landing = zone.landing;
    (void)each_name(disk_, landing, [&](const std::string& name) {
      sweep_name(landing, name);
      sweep_scratch(landing, name, own_scratch);
      return true;
    });
    // Also for the journals that publishing took away: a crash after the last word of a transfer, which nothing follows
    // that would sweep again, must not bring them back.
    (void)disk_.sync_dir(landing);
    if (place == root_place_)
      (void)each_name(disk_, zone.zone, [&](const std::string& name) {
        sweep_scratch(directory(), name, own_scratch);
        return true;
      });
    // The root's own landing zone stays. Others go when they are empty; the file system itself refuses when they are
    // not.
    const bool gone = place != root_place_ && disk_.remove_dir(zone.zone, "landing").has_value();
    if (gone) (void)disk_.remove_dir(zone.top, zone_name);
    if (gone) last_parent_ = nullptr;
    at = gone ? zones_.erase(at) : std::next(at);
  }
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
/// lives.
void LandingZone::sweep_scratch(const disk::DirPtr& in, const std::string& name, const std::string& own) {
  constexpr std::string_view prefix = "scratch.";
  if (!name.starts_with(prefix)) return;
  if (!own.empty() &&
      name.starts_with(own)) {  // of this transfer, perhaps of an earlier life: its directory log is in use
    if (name != own) (void)disk_.unlink(in, name);
    return;
  }
  const std::string log =
      "manifest." + name.substr(prefix.size(), name.find('.', prefix.size()) - prefix.size()) + ".log";
  if (!is_missing(disk_, directory(), log)) {
    auto file = disk_.open_file(directory(), log, disk::Open::read, false);
    if (!file) return;
    auto locked = disk_.try_lock(**file);
    if (!locked || !*locked) return;
  }
  (void)disk_.unlink(in, name);
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
