// Walks files on this machine in depth-first order, parents before children, a bounded number of entries at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "disk/disk.h"
#include "disk/sorted_names.h"
#include "longhaul/entry.h"
#include "longhaul/fidelity.h"
#include "longhaul/selection.h"
#include "longhaul/status.h"
#include "longhaul/transfer.h"

namespace longhaul::disk {

/// Counts of what is met and not kept.
struct NotKept {
  std::uint64_t hard_links = 0;     ///< regular files with more than one name, sent by each of them
  std::uint64_t xattr_files = 0;    ///< entries with attributes or ACLs that are not sent
  std::uint64_t special_files = 0;  ///< devices, sockets, pipes: not sent
  std::uint64_t landing_zones = 0;  ///< of transfers into a directory that is sent now: not sent, at whatever level
  std::uint64_t left_out = 0;       ///< by the selection; what is beneath a directory that is left out is not counted
};

/// The places that a user named: `dir` lands as dir/..., `dir/` lands its content, a file lands by its name. A symlink
/// named without trailing slash is sent as a symlink; with one, the directory behind it. Used by one thread (`next`),
/// while `open` is called from any with its own Disk.
class TreeWalk {
 public:
  /// Errors: a path that does not exist; two sources that would land under one name; a rule that is none.
  static Result<std::unique_ptr<TreeWalk>> open(Disk& disk, const std::vector<std::string>& paths,
                                                const Selection& selection = {}, const Fidelity& fidelity = {});

  /// What `names` names beneath `directory`: the names themselves, each once, and the directories that lead to them,
  /// about which the rules of `selection` are not asked. Of the content of directories as much as the names ask for, or
  /// with `recursive` all. Errors: `directory` is none; a rule that is none.
  static Result<std::unique_ptr<TreeWalk>> open_listed(Disk& disk, const std::string& directory,
                                                       std::shared_ptr<const SortedNames> names, bool recursive,
                                                       const Selection& selection, const Fidelity& fidelity = {});

  /// What is left out by size, time or kind is named all the same, as EntryType::mention: for a mirror. Before `next`.
  void mention_left_out();

  /// Appends up to `max` entries; false when there are no more. What cannot be read goes to `errors` (path = as the
  /// user would write it) and the walk goes on. `Entry::origin` tells the root.
  bool next(Disk& disk, std::vector<Entry>& out, std::vector<FileError>& errors, std::size_t max);

  /// Opens the content of a file entry. Errors: vanished, unreadable, became something else.
  Result<FilePtr> open_content(Disk& disk, const Entry& entry, bool direct) const;
  /// The path of an entry as the user would write it: for error messages.
  [[nodiscard]] std::string source_path(const Entry& entry) const;
  [[nodiscard]] const NotKept& not_kept() const;

  ~TreeWalk();

 private:
  TreeWalk();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace longhaul::disk
