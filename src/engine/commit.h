// Group commit: what has been written becomes durable, then journalled, then answered; whole files are published.
//
//   gather -> sync data -> journal records -> sync journals -> manifest records -> sync manifest -> rename, sync
//   directories -> answer
//
// Laws 1 and 2. While one group is under way the next one gathers. A failed sync is never repeated: the landing file is
// lost.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/stages.h"
#include "disk/disk.h"
#include "engine/incoming.h"
#include "journal/landing.h"
#include "journal/manifest.h"
#include "journal/trash.h"

namespace longhaul::engine {

class CommitEvents {
 public:
  virtual ~CommitEvents() = default;
  virtual void chunk_durable(const std::shared_ptr<InFile>& file, std::uint64_t chunk) = 0;
  virtual void published(const std::shared_ptr<InFile>& file, const std::shared_ptr<InBundle>& bundle) = 0;
  /// Its landing file is gone or of no use: a sync failed. Everything since must be sent again.
  virtual void landing_lost(const std::shared_ptr<InFile>& file, const std::shared_ptr<InBundle>& bundle,
                            Error error) = 0;
  /// A directory has its name and is to go, for what `publish` names, and not if something in it must stay.
  virtual Result<> displace(const InFile& file, const journal::Naming& publish) = 0;
  /// It cannot appear at its final name.
  virtual void publish_failed(const std::shared_ptr<InFile>& file, const std::shared_ptr<InBundle>& bundle,
                              Error error) = 0;
  /// Something has come to be at its name since it was announced, which is to be left alone: it is not published.
  virtual void left_alone(const std::shared_ptr<InFile>& file, const std::shared_ptr<InBundle>& bundle) = 0;
  /// What add_kept() was told of is not durable.
  virtual void kept_lost(const std::string& path, Error error) = 0;
  /// The manifest cannot be written: the transfer cannot go on.
  virtual void commit_failed(Error error) = 0;
};

/// Used by the storage role only.
class Commit {
 public:
  /// `together`: what many files and directories of a group need is synced by one Disk::sync_all, where that suffices;
  /// false once one has failed.
  Commit(disk::Disk& disk, journal::LandingZone& zone, journal::ManifestLog& manifest, CommitEvents& events,
         std::atomic<bool>& together);

  /// Verified and written; metadata set.
  void add_whole(std::shared_ptr<InFile> file, const Digest& root, std::shared_ptr<InBundle> bundle, Time now);
  void add_chunk(std::shared_ptr<InChunk> chunk, Time now);
  /// All chunks of a journalled file have been given to `add_chunk`, and its source was whole to the end: `entry.size`
  /// is final.
  void add_finished(std::shared_ptr<InFile> file, Time now);
  /// A directory in which names were made: to be synced with the next group.
  void add_dirty(disk::DirPtr dir);
  /// What was set of it, or copied, is to be durable before the manifest says so and it gets its name.
  void add_kept(KeptFile kept, Time now);
  /// Forgets what still gathers of a file that is given up.
  void drop(const InFile& file);

  void completed(disk::Operation& operation);
  /// Starts a group when it is time (`flush`: at once) and moves the one under way. Returns when to come again.
  Time step(Time now, bool flush);
  [[nodiscard]] std::size_t chunks_waiting() const { return gathering_.chunks.size() + group_.chunks.size(); }
  /// Files of add_kept() that are open here.
  [[nodiscard]] std::size_t kept_waiting() const { return gathering_.kept.size() + group_.kept.size(); }
  /// For what the group that is on its way waits; idle: none is.
  [[nodiscard]] Stage waits_for() const;
  [[nodiscard]] bool idle() const { return phase_ == Phase::gather && empty(); }

 private:
  enum class Phase : std::uint8_t { gather, sync_data, write_journal, sync_journal, write_manifest, sync_manifest };
  struct Whole {
    std::shared_ptr<InFile> file;
    Digest root;
    std::shared_ptr<InBundle> bundle;
    std::uint64_t size = 0;
  };
  struct Kept {
    KeptFile it;
    bool lost = false;  ///< it could not be synced
    [[nodiscard]] bool to_note() const { return it.noted && !lost; }
  };
  struct Group {
    std::vector<Whole> whole;
    std::vector<Kept> kept;
    std::vector<std::shared_ptr<InChunk>> chunks;
    std::vector<std::shared_ptr<InFile>> finished;
    std::vector<disk::DirPtr> dirty;
  };
  struct Step : disk::Operation {
    disk::FilePtr keep;
    std::vector<std::byte> buffer;
    std::shared_ptr<InFile> in_file;  ///< null: one that is kept, or the manifest
    std::shared_ptr<InBundle> bundle;
    Kept* kept = nullptr;
  };

  [[nodiscard]] bool empty() const;
  void start_group();
  void begin_phase(Phase phase);
  void next_phase();
  void sync_data();
  std::unordered_set<const disk::OpenDir*> sync_together();
  bool sync_all_with(const disk::DirPtr& landing);
  Result<> sync_directories(const std::vector<Whole>& published);
  bool prepare_finished(const std::shared_ptr<InFile>& file);
  void write_journals();
  void sync_journals();
  void write_manifest();
  void publish();
  Result<bool> put_in_place(const InFile& file);
  Result<> take_back_records(const std::vector<Whole>& left_alone);
  void publish_copies();
  bool sync_journal_names();
  void answer_chunks();
  Step& submit(disk::Operation::Kind kind, disk::FilePtr file, std::shared_ptr<InFile> in_file);
  void lose(const std::shared_ptr<InFile>& file, const std::shared_ptr<InBundle>& bundle, Error error);
  [[nodiscard]] bool lost(const InFile& file) const { return lost_.contains(&file); }
  template <class T>  // an InFile or a KeptFile
  [[nodiscard]] journal::ManifestLog& log_of(const T& file) {
    return file.log ? *file.log : manifest_;
  }
  std::vector<journal::ManifestLog*> logs_of_group();
  std::vector<disk::DirPtr> directories_to_sync(const std::vector<Whole>& published) const;

  disk::Disk& disk_;
  journal::LandingZone& zone_;
  journal::ManifestLog& manifest_;
  CommitEvents& events_;
  std::atomic<bool>& together_;
  Group gathering_;
  Time oldest_whole_ = time_never;
  Time oldest_chunk_ = time_never;
  Group group_;
  std::set<const InFile*> lost_;
  Phase phase_ = Phase::gather;
  std::deque<Step> steps_;  ///< of this phase; stable addresses
  unsigned outstanding_ = 0;
  bool manifest_failed_ = false;
};

}  // namespace longhaul::engine
