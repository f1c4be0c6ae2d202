// Makes the target of a transfer a mirror of its sources: finds what they do not have, and deletes it. Used by the
// storage role only.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "disk/disk.h"
#include "disk/filter.h"
#include "engine/other_name.h"
#include "journal/manifest.h"
#include "journal/name_set.h"
#include "journal/path_list.h"
#include "journal/trash.h"
#include "longhaul/entry.h"
#include "longhaul/options.h"
#include "longhaul/status.h"

namespace longhaul::engine {

/// What a sender asks for with its transfer.
struct MirrorAsk {
  std::vector<std::string> rules;  ///< names that they leave out stay
  bool ignore_errors = false;
  std::uint64_t at_most = longhaul::Mirror::no_limit;
  bool tell = false;
  OtherName name = {};  ///< of the one source, whose rules know it by its own
};

/// Written by storage, sampled by control. In a dry run: what would be.
struct MirrorCounters {
  std::atomic<std::uint64_t> files{0};
  std::atomic<std::uint64_t> directories{0};
  std::atomic<std::uint64_t> over{0};
  std::atomic<std::uint64_t> mounts_kept{0};
  std::atomic<bool> held{false};
};

class TargetMirror {
 public:
  struct Setup {
    disk::Disk& disk;
    disk::DirPtr root;         ///< the target
    disk::DirPtr zone;         ///< where scratch files go; null in a dry run, which has files without names
    std::string scratch_name;  ///< begins their names
    MirrorAsk ask;
    MirrorCounters& counters;
    const std::atomic<bool>& ended;  ///< the transfer was given up: nothing more is deleted
    std::function<void(const std::string& path, Error error)> failed;
    std::function<void(std::string path)> deleted;  ///< a directory's ends in a slash
    journal::Trash* trash = nullptr;                ///< for `replace`
    journal::ManifestLog* manifest = nullptr;  ///< forgets what is deleted, durably, before it is; null: there is none
  };
  /// Errors: a rule that is none; the target cannot be looked at.
  static Result<std::unique_ptr<TargetMirror>> open(Setup setup);

  /// Every entry that the sender announces, before anything is decided about it.
  Result<> announced(const Entry& entry);
  /// Deletes `path`, which is `there`, because an entry of another type comes; a directory only whole. False: some of
  /// it stays, so all of it does.
  Result<bool> make_room(const std::string& path, const disk::Stat& there);
  /// Whether it could be deleted so; nothing is.
  Result<bool> could_make_room(const std::string& path, const disk::Stat& there);
  /// `publish` gives an entry that is no directory a name; it gets that of a directory, which goes in the same step,
  /// and only whole. False: some of it stays, and nothing has happened. Errors: of `publish`, too; then it is back.
  Result<bool> replace(const std::string& path, const journal::Naming& publish);
  /// When all that was announced is dealt with: deletes what was not. `errors`: it may be at the source all the same.
  Result<> finish(bool errors);
  /// Lets go of the scratch files.
  void abandon();

 private:
  /// A directory that is looked into.
  struct Level {
    std::size_t path_bytes = 0;  ///< how much of `path_` leads to it
    std::uint64_t resume_at = 0;
    disk::DirPtr directory;  ///< null: closed to save descriptors
    std::unique_ptr<disk::DirStream> stream;
    std::vector<disk::DirEntry> names;
    std::size_t next_name = 0;
    bool keeps = false;  ///< something in it stays
  };
  explicit TargetMirror(Setup setup);
  Result<> look_into(const std::string& directory);
  Result<> walk(journal::PathList& doomed);
  Result<> look_at(Level& level, const std::string& name, journal::PathList& doomed);
  bool stays(const disk::Stat& found);
  bool descend(const disk::DirPtr& parent, std::string_view name);
  Result<std::unique_ptr<disk::DirStream>> open_stream(const disk::DirPtr& directory, std::uint64_t position);
  bool ready(Level& level);
  Result<> leave_level(journal::PathList& doomed);
  Result<bool> doom(bool directory, journal::PathList& doomed);
  Result<bool> doom_whole(const std::string& path, const disk::Stat& there, journal::PathList& doomed);
  Result<bool> walk_doomed(const std::string& path, const disk::Stat& there, journal::PathList& doomed);
  Result<> displace(const std::string& path, const disk::DirPtr& parent, journal::PathList& doomed,
                    const journal::Naming& publish);
  void trouble(const Error& error);
  [[nodiscard]] journal::PathList list_of_room();
  Result<> forget(std::initializer_list<journal::PathList*> lists);
  Result<> leave_parent(const std::string& next);
  Result<> remove_all();
  Result<> remove_one(const std::string& path, bool directory);
  void gone(const std::string& path, bool directory);
  [[nodiscard]] bool dry_run() const { return setup_.zone == nullptr; }
  [[nodiscard]] bool other_mount(const disk::Stat& found) const;

  Setup setup_;
  disk::Filter filter_;
  disk::Stat root_;
  journal::NameSet announced_;
  journal::PathList content_;  ///< directories of which all names are announced
  journal::PathList doomed_;   ///< in the order in which they can be deleted
  journal::PathList gone_;     ///< of make_room: the manifest is to forget them
  std::uint64_t doomed_count_ = 0;
  std::unordered_set<std::uint64_t> looked_into_;
  std::string path_;  ///< of what is looked at
  std::vector<Level> levels_;
  bool base_keeps_ = false;  ///< of the directory that the last walk began in
  std::string parent_path_;  ///< of what is deleted
  disk::DirPtr parent_;
};

}  // namespace longhaul::engine
