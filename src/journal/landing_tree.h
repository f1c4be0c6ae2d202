// Landing trees: directories that are published as a whole (--publish tree). Beside what landing.h shows:
//
//   .longhaul/tree/NAME                     what will stand at TARGET/NAME, by its final relative names
//   .longhaul/manifest.HASH.tree            its files with their digests, a manifest log; locked by the receiver that
//                                           lands it. HASH = hex XXH3-128 of NAME. First record: the tree itself
//   .longhaul/manifest.HASH.INODE.ready     the same log: tree/NAME is whole and durable, and its one rename comes next
//                                           or has come. INODE, hex, is that of tree/NAME: it tells which, at any kill
//   .longhaul/manifest.HASH.INODE.log       ... has come: a log as any other, to be merged
//   .longhaul/trash                         see trash.h
//
// A tree/NAME without a log is nobody's. What is published need not be a directory: a file that was named by itself is
// a tree of one name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "disk/disk.h"
#include "journal/landing.h"
#include "journal/manifest.h"
#include "journal/trash.h"
#include "longhaul/status.h"

namespace longhaul::journal {

struct LandingTree {
  std::string name;
  bool is_directory = false;
  std::shared_ptr<ManifestLog> log;
  bool continued = false;  ///< an earlier receiver has left some of it
  bool replaces = false;   ///< there was a directory of that name at the target
  bool placed = false;     ///< it stands at its name
  bool published = false;  ///< ... durably, and its log is to be merged
  std::string log_name;
};

/// The trees of one transfer. Used by one thread (the storage role); plain calls, as of LandingZone.
class LandingTrees {
 public:
  /// `scratch`: how names of this transfer's scratch files begin.
  static Result<std::unique_ptr<LandingTrees>> open(disk::Disk& disk, const LandingZone& zone, std::string scratch,
                                                    Trash& trash);

  /// Begins or continues the tree `name`, or what a source that is no directory becomes. Refuses what could not be
  /// published in the end. Errors: busy (another receiver lands it; something else stands at its name); unsupported
  /// (mount points in it; no exchange of names here); io.
  Result<LandingTree*> begin(const std::string& name, bool is_directory);
  /// Null: it has not begun.
  [[nodiscard]] LandingTree* find(std::string_view name);
  /// Puts it in its place. Everything in it must be durable, and its log. Then syncs both directories, and what it has
  /// replaced is in the trash. Errors: it is not published, and stays to be continued; or, with `placed`, what is left
  /// to do is left to settle_trees().
  Result<> publish(LandingTree& tree);

  [[nodiscard]] const disk::DirPtr& directory() const { return trees_; }  ///< .longhaul/tree
  [[nodiscard]] std::vector<LandingTree>& all() { return all_; }

 private:
  LandingTrees(disk::Disk& disk, const LandingZone& zone, std::string scratch, Trash& trash)
      : disk_(disk), root_(zone.root()), zone_(zone.directory()), scratch_(std::move(scratch)), trash_(trash) {}
  Result<> look_at_target(LandingTree& tree);
  Result<> try_exchange(const std::string& name);
  Result<> open_log(LandingTree& tree);
  [[nodiscard]] std::unexpected<Error> held(const LandingTree& tree, const std::string& log);
  Result<> put_in_place(const LandingTree& tree);
  Result<> put_in_place_once(const LandingTree& tree);
  Result<> make_movable(const LandingTree& tree);
  Result<> rename_log(LandingTree& tree, const std::string& name);

  disk::Disk& disk_;
  disk::DirPtr root_;
  disk::DirPtr zone_;
  disk::DirPtr trees_;
  std::string scratch_;
  Trash& trash_;
  std::vector<LandingTree> all_;
};

/// Trees whose receiver was killed right at their rename: those that were published become logs to be merged, those
/// that were not go on landing. By every receiver, before it looks at logs. What cannot be settled now is told and left
/// to the next one: nothing but a transfer of the same tree is kept from going on.
Result<> settle_trees(disk::Disk& disk, const LandingZone& zone, Trash& trash);

}  // namespace longhaul::journal
