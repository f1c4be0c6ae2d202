// What the desk needs to publish whole trees: entries land in .longhaul/tree by their final relative names, and at the
// end each name at the top of it is renamed once to its place. See journal/landing_tree.h.
//
// What the tree that is replaced has already, in the same version and with the same properties, gets its second name
// here (a hard link) and is not sent. Such a file is never changed: what differs is landed anew, with a delta or by
// content (--checksum) from what the old tree has of it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "disk/disk.h"
#include "disk/sorted_names.h"
#include "journal/landing.h"
#include "journal/landing_tree.h"
#include "longhaul/entry.h"
#include "longhaul/transfer.h"

namespace longhaul::engine {

/// A file that is there already, to be compared with, under the last component of its entry's path.
struct OlderFile {
  disk::DirPtr directory;
  disk::Stat stat;
};

/// Used by the storage role only.
class TreeLanding {
 public:
  struct Setup {
    disk::Disk& disk;
    Random& random;
    const journal::LandingZone& zone;
    journal::Trash& trash;
    std::string target;   ///< as a path that can be opened: of the walk over what an earlier receiver left
    std::string scratch;  ///< how names of this transfer's scratch files begin
  };
  static Result<std::unique_ptr<TreeLanding>> open(const Setup& setup);

  /// Every entry comes by here first. Errors end the transfer: its tree could not be published, so that no byte of it
  /// had better move.
  Result<> enter(const Entry& entry);
  /// Stands for the target's root.
  [[nodiscard]] const disk::DirPtr& directory() const { return trees_->directory(); }
  /// The log of the tree that it belongs to.
  [[nodiscard]] std::shared_ptr<journal::ManifestLog> log_of(const std::string& path);
  /// What stands at the entry's name in the landing tree. Of another kind, directory or not: it is taken away.
  Result<disk::Stat> look(const Entry& entry, const disk::DirPtr& parent, const std::string& name);
  /// Whether the file may stay as it is: it can be changed because it has no other name, or has nothing to change.
  bool may_stay(const Entry& entry, const disk::DirPtr& parent, const std::string& name, const disk::Stat& there);
  /// The regular file that stands at the entry's final name, in the tree that is replaced. Errors: the disk fails.
  Result<std::optional<OlderFile>> older(const Entry& entry, const std::string& name);
  /// Gives `old`, if it is the same in all that the entry says, a name in the landing tree. `mtime_granularity_ns`: of
  /// the target. False: it cannot stand for the entry. Errors: the disk fails.
  Result<bool> link(const Entry& entry, const OlderFile& old, const disk::DirPtr& parent, const std::string& name,
                    std::int64_t mtime_granularity_ns);

  /// Everything that was announced has landed: removes what an earlier receiver left and this source has not.
  Result<> remove_left_over();
  /// Each tree by its rename. `whole`: everything has arrived; else nothing is published. Adds to `late` what is not.
  void publish(bool whole, std::vector<FileError>& failures);
  /// Logs of trees that were published: to be merged into the manifest.
  [[nodiscard]] std::vector<std::string> logs() const;

 private:
  explicit TreeLanding(const Setup& setup) : setup_(setup) {}
  Result<> walk_continued(disk::SortedNames::Maker& names);
  Result<> remove_all_but(disk::SortedNames::Pass& announced, disk::SortedNames::Pass& found);
  bool shows(const Entry& entry, const disk::DirPtr& parent, const std::string& name, const disk::Stat& there);
  Owner as_kept(const Owner& wanted);
  /// Null: there is none.
  Result<disk::DirPtr> directory_at_target(const std::string& path);

  Setup setup_;
  std::unique_ptr<journal::LandingTrees> trees_;
  std::unique_ptr<disk::SortedNames::Maker> announced_;  ///< of trees that are continued
  std::string last_parent_;                              ///< at the target
  std::optional<disk::DirPtr> last_directory_;           ///< null: there is none
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::pair<std::uint32_t, std::uint32_t>> kept_owners_;
};

}  // namespace longhaul::engine
