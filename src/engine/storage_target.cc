// What storage opens at the target, in earnest or for a dry run, and what happens there when all has arrived.
#include <fmt/format.h>

#include <utility>

#include "base/bytes.h"
#include "engine/landing_ops.h"
#include "engine/storage.h"

namespace longhaul::engine {

Result<> Storage::open() {
  const std::string target = setup_.sink->directory();
  const bool looks = setup_.leave_alone || setup_.mirror || setup_.dry_run || setup_.checksum != Delta::none;
  if (target.empty() && !setup_.publish_trees && looks)
    return longhaul::fail(Code::usage,
                          "--update, --existing, --ignore-existing, --checksum, --delete and --dry-run need a receiver "
                          "that writes to a directory");
  if (setup_.mirror && !setup_.sink->allows_delete())
    return longhaul::fail(Code::refused,
                          "the sender asks to have names deleted that it does not have (--delete), and this receiver "
                          "does not allow that; start it with --allow-delete if the sender is trusted with it");
  if (setup_.publish_trees && (target.empty() || setup_.leave_alone || setup_.mirror))
    return longhaul::fail(
        Code::usage, target.empty() ? "--publish tree needs a receiver that writes to a directory"
                                    : "--publish tree makes a new tree beside the one at the target, of which "
                                      "nothing is left alone or deleted by itself: leave out --update, --existing, "
                                      "--ignore-existing and --delete");
  if (setup_.dry_run) return open_dry(target);
  if (!target.empty()) return open_directory(target);
  desk_ = std::make_unique<Desk>(Desk::Setup{*kit_.plain_disk, world_.random, nullptr, *setup_.sink, *files_, counters_,
                                             setup_.chunk_bytes, setup_.direct, "scratch." + setup_.id, false,
                                             setup_.leave_alone});
  return desk_->open();
}

Result<> Storage::open_directory(const std::string& target) {
  auto root = open_target(*kit_.plain_disk, target);
  if (!root) return std::unexpected(root.error());
  root_ = *root;
  auto zone = journal::LandingZone::open(*kit_.plain_disk, *root,
                                         fmt::format("scratch.{}.{:016x}.", setup_.id, world_.random.next()));
  if (!zone) return std::unexpected(zone.error());
  zone_ = std::move(*zone);
  // Random, as above: an earlier life of this transfer may have left some, and a full directory is not replaced.
  trash_ = std::make_unique<journal::Trash>(*kit_.plain_disk, zone_->directory(),
                                            fmt::format("{}.{:016x}", setup_.id, world_.random.next()));
  if (auto settled = journal::settle_trees(*kit_.plain_disk, *zone_, *trash_); !settled)
    return std::unexpected(settled.error());
  auto logs = journal::list_logs(*kit_.plain_disk, zone_->directory());
  if (!logs) return std::unexpected(logs.error());
  const bool after_a_kill = !logs->empty();
  auto manifest = journal::ManifestLog::open(*kit_.plain_disk, zone_->directory(), manifest_name_);
  if (!manifest) return std::unexpected(manifest.error());
  manifest_ = std::move(*manifest);
  syncs_together_ = setup_.syncfs && kit_.plain_disk->syncs_all(zone_->directory());
  commit_ =
      std::make_unique<Commit>(*kit_.disk, *zone_, *manifest_, static_cast<CommitEvents&>(*this), syncs_together_);
  if (setup_.mirror)
    if (auto opened = open_mirror(*root); !opened) return opened;
  desk_ = std::make_unique<Desk>(Desk::Setup{
      *kit_.plain_disk, world_.random, zone_.get(), *setup_.sink, *files_, counters_, setup_.chunk_bytes, setup_.direct,
      "scratch." + setup_.id, after_a_kill, setup_.leave_alone, mirror_.get(), target,
      setup_.publish_trees ? trash_.get() : nullptr, setup_.delta != Delta::none, setup_.checksum != Delta::none});
  if (setup_.delta != Delta::none)
    assay_ = std::make_unique<Assay>(*kit_.plain_disk, *files_, setup_.delta, setup_.tell);
  if (auto opened = desk_->open(); !opened) return opened;
  if (setup_.frame_bytes_direct != 0 && desk_->lands_directly()) files_->cut_into(setup_.frame_bytes_direct);
  return {};
}

/// A target that could be made is as good as one that is there.
Result<> Storage::open_dry(const std::string& target) {
  auto root = kit_.plain_disk->open_root(target);
  if (!root && root.error().code != Code::not_found) return std::unexpected(root.error());
  if (!root) {
    const auto parent = kit_.plain_disk->open_root(parent_of_target(target));
    if (!parent)
      return longhaul::fail(parent.error().code,
                            "the target " + printable(target) + " could not be made: " + parent.error().text);
  }
  const disk::DirPtr there = root_ = root ? *root : nullptr;
  if (setup_.mirror && there)
    if (auto opened = open_mirror(there); !opened) return opened;
  dry_run_ =
      std::make_unique<DryRun>(DryRun::Setup{*kit_.plain_disk, there, *setup_.sink, counters_, setup_.leave_alone,
                                             mirror_.get(), setup_.would, setup_.checksum != Delta::none});
  return {};
}

Result<> Storage::open_mirror(const disk::DirPtr& root) {
  const bool tells = setup_.mirror->tell || setup_.deleted || setup_.would;
  auto mirror = TargetMirror::open(
      {.disk = *kit_.plain_disk,
       .root = root,
       .zone = zone_ ? zone_->directory() : nullptr,
       .scratch_name = "scratch." + setup_.id,
       .ask = *setup_.mirror,
       .counters = counters_.mirror,
       .ended = files_->ended,
       .failed = [this](const std::string& path, Error error) { late_failures_.add(path, std::move(error)); },
       .deleted =
           tells ? [this](std::string path) { take_deleted(std::move(path)); } : std::function<void(std::string)>(),
       .trash = trash_.get(),
       .manifest = manifest_.get()});
  if (!mirror) return std::unexpected(mirror.error());
  mirror_ = std::move(*mirror);
  return {};
}

Result<> Storage::finish_desk() {
  Result<> finished;
  if (desk_) {
    finished = finish_at_desk();
  } else if (mirror_) {
    finished = mirror_->finish(errors_ > 0);
  }
  flush_deleted();
  return finished;
}

Result<> Storage::finish_at_desk() {
  if (errors_ == 0)
    if (auto settled = desk_->settle_trees(); !settled) return settled;
  auto late = desk_->finish(errors_ > 0);
  if (!late) return std::unexpected(std::move(late.error()));
  late_failures_.add(std::move(*late));
  desk_->publish_trees(errors_ == 0, late_failures_);
  return {};
}

Result<> Storage::merge_manifests() {
  disk::Disk& disk = *kit_.plain_disk;
  Result<> merged = journal::merge_left_over_logs(disk, zone_->root(), zone_->directory());
  if (merged) merged = journal::merge_manifest(disk, zone_->root(), zone_->directory(), manifest_name_);
  for (const std::string& log : desk_->tree_logs())
    if (merged) merged = journal::merge_manifest(disk, zone_->root(), zone_->directory(), log);
  return merged;
}

/// Names of what is deleted go to the peer in lists, and to whoever asks here.
void Storage::take_deleted(std::string path) {
  constexpr int names_max = 256;
  constexpr std::size_t bytes_max = 64 * 1024;
  if (setup_.deleted) setup_.deleted(path);
  if (setup_.would) setup_.would(Would::remove, path);
  if (!setup_.mirror->tell) return;
  deleted_bytes_ += path.size();
  deleted_.add_path(std::move(path));
  if (deleted_.path_size() >= names_max || deleted_bytes_ >= bytes_max) flush_deleted();
}

void Storage::flush_deleted() {
  if (deleted_.path_size() == 0) return;
  protocol::Message message;
  message.mutable_deleted()->Swap(&deleted_);
  message.mutable_deleted()->set_transfer(setup_.transfer);
  deleted_bytes_ = 0;
  setup_.tell(std::move(message));
}

}  // namespace longhaul::engine
