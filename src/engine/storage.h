// The storage role of one incoming transfer: desk and commit on one thread, so that landing zone, journal and manifest
// need no locks. It hears from workers and control by mail, and tells the peer through `tell`.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mailbox.h"
#include "engine/assay.h"
#include "engine/commit.h"
#include "engine/comparer.h"
#include "engine/desk.h"
#include "engine/dry_run.h"
#include "engine/runtime.h"
#include "engine/worker.h"

namespace longhaul::engine {

class Storage final : public Role, public LandingEvents, private CommitEvents {
 public:
  struct Setup {
    std::uint32_t transfer = 0;
    std::string id;  ///< the transfer's id, hex: names its manifest log
    std::shared_ptr<Sink> sink;
    std::uint64_t chunk_bytes = 0;
    std::uint32_t frame_bytes = 0;         ///< how chunks are cut ...
    std::uint32_t frame_bytes_direct = 0;  ///< ... where files land by O_DIRECT; 0: the same
    bool direct = true;
    bool syncfs = false;
    LeaveAlone leave_alone;
    std::optional<MirrorAsk> mirror;                     ///< the sender wants the target to become one
    bool dry_run = false;                                ///< nothing is written
    bool publish_trees = false;                          ///< see Publish::tree
    Delta delta = Delta::none;                           ///< how large files are compared with older versions of them
    Delta checksum = Delta::none;                        ///< by what files of one size are compared as a whole
    std::function<void(ContentJob)> compare;             ///< has one of them read; any thread
    std::function<void(Would, std::string path)> would;  ///< dry run: told of each name here too; may be null
    std::function<void(std::string path)> deleted;       ///< so of each that was deleted; may be null
    std::function<void()> ready;                         ///< landing zone and manifest are open: it can be announced to
    std::function<void(protocol::Message)> tell;         ///< to the peer, by way of control; any thread
    std::function<void(Error)> failed;                   ///< the transfer cannot go on
    std::function<void()> complete;  ///< everything announced is dealt with and the directories are finished
    std::function<void()> closed;    ///< after `close`: nothing is open any more
  };
  Storage(Kit kit, World& world, Setup setup);
  ~Storage() override;

  /// Any thread.
  void post(std::function<void(Storage&)> mail) { mailbox_.put(std::move(mail)); }
  [[nodiscard]] const std::shared_ptr<IncomingFiles>& files() const { return files_; }
  [[nodiscard]] ReceiveCounters& counters() { return counters_; }
  /// Once it is ready; null for sinks that are no directories.
  [[nodiscard]] journal::LandingZone* zone() { return zone_.get(); }
  /// As Setup::syncfs asks, and the target's file system permits; false before it is ready, and when it has failed. Any
  /// thread.
  [[nodiscard]] bool syncs_together() const { return syncs_together_.load(std::memory_order_relaxed); }

  /// Once it is complete.
  [[nodiscard]] const LateFailures& late_failures() const { return late_failures_; }

  // By mail.
  void announce(protocol::Announce batch);
  void compared(const protocol::Compared& keys);
  void file_end(const protocol::FileEnd& end);
  void end_of_entries(const protocol::EndOfEntries& end);
  /// No more frames will come (workers have let go): commits what has landed, then lets go of everything.
  void close() { closing_ = true; }

  // LandingEvents: from workers' threads.
  void chunk_written(std::shared_ptr<InChunk> chunk) override;
  void landed(std::vector<LandedFile> files) override;
  void bundle_landed(std::shared_ptr<InBundle> bundle) override;
  void chunk_failed(std::shared_ptr<InFile> file, std::uint64_t chunk, std::uint32_t attempt, Error error) override;
  void file_failed(std::shared_ptr<InFile> file, std::shared_ptr<InBundle> bundle, Error error) override;

  Time step(Time now) override;
  [[nodiscard]] bool finished() const override { return closed_; }
  [[nodiscard]] std::string name() const override { return "storage"; }

 private:
  bool open_once(Time now);
  Result<> open();
  Result<> open_directory(const std::string& target);
  Result<> open_dry(const std::string& target);
  Result<> open_mirror(const disk::DirPtr& root);
  Decision decide(std::uint64_t id, Entry entry);
  Result<> finish_desk();
  Result<> finish_at_desk();
  void take_deleted(std::string path);
  void flush_deleted();
  // CommitEvents
  void chunk_durable(const std::shared_ptr<InFile>& file, std::uint64_t chunk) override;
  void published(const std::shared_ptr<InFile>& file, const std::shared_ptr<InBundle>& bundle) override;
  Result<> displace(const InFile& file, const journal::Naming& publish) override {
    return desk_->displace(file.entry, publish);
  }
  void landing_lost(const std::shared_ptr<InFile>& file, const std::shared_ptr<InBundle>& bundle, Error error) override;
  void publish_failed(const std::shared_ptr<InFile>& file, const std::shared_ptr<InBundle>& bundle,
                      Error error) override;
  void left_alone(const std::shared_ptr<InFile>& file, const std::shared_ptr<InBundle>& bundle) override;
  void kept_lost(const std::string& path, Error error) override;
  void commit_failed(Error error) override { fail(std::move(error)); }

  // storage_compare.cc
  struct Comparing {
    Entry entry;
    std::optional<ContentKey> theirs;
    std::optional<Compared> ours;
    bool unreadable = false;  ///< here: it is sent, whatever the sender has
    [[nodiscard]] bool ready() const { return unreadable || (theirs && ours); }
  };
  void take(std::uint64_t id, Decision& decision);
  [[nodiscard]] bool may_keep() const;
  void decide_held();
  void decide_batch(protocol::Announce batch);
  void begin_comparing(std::uint64_t id, Entry entry, disk::DirPtr in);
  void take_own(std::uint64_t id, Result<Compared> found);
  [[nodiscard]] bool may_decide() const;
  void decide_compared();
  std::uint64_t decide_compared(std::uint64_t id);
  Entry end_comparing(std::uint64_t id);
  void flush_compared();
  void tell_of_reading(Time now);

  void take_landed(const LandedFile& landed);
  void take_chunk(std::shared_ptr<InChunk> chunk, Time now);
  static Result<> write_at(InFile& file, const InChunk& chunk);
  void write_to_sink(InFile& file);
  void finish_if_whole(const std::shared_ptr<InFile>& file);
  void finish_sink(const std::shared_ptr<InFile>& file);
  void give_up_file(const std::shared_ptr<InFile>& file, const Error& error, bool keep);
  void end_file(const std::shared_ptr<InFile>& file, bool keep);
  void forget(const std::shared_ptr<InFile>& file);
  void resolve_in_bundle(const std::shared_ptr<InBundle>& bundle);
  void restart_file(const std::shared_ptr<InFile>& file);
  void fail_bundle(const std::shared_ptr<InBundle>& bundle, Error error);
  void answer_failed_bundles();
  void tell_chunk_failed(std::uint64_t file, std::uint64_t chunk, std::uint32_t attempt, const Error& error);
  void tell_file_failed(const InFile& file, const Error& error, bool left_alone);
  void tell_durable(std::uint64_t file, std::uint64_t chunk);
  void flush_durable();
  disk::Operation* reap_one();
  Time step_commit(Time now, bool flush);
  [[nodiscard]] bool all_resolved() const { return entries_ && resolved_ == *entries_; }
  void finish_transfer(Time now);
  Result<> merge_manifests();
  void close_now();
  void fail(Error error);

  World& world_;
  Kit kit_;
  Setup setup_;
  Mailbox<std::function<void(Storage&)>> mailbox_;
  std::shared_ptr<IncomingFiles> files_;
  ReceiveCounters counters_;
  disk::DirPtr root_;
  std::unique_ptr<journal::LandingZone> zone_;
  std::unique_ptr<journal::ManifestLog> manifest_;
  std::string manifest_name_;
  std::unique_ptr<journal::Trash> trash_;
  std::atomic<bool> syncs_together_ = false;
  std::unique_ptr<TargetMirror> mirror_;
  std::unique_ptr<Desk> desk_;
  std::unique_ptr<DryRun> dry_run_;  ///< in place of the desk
  std::unique_ptr<Commit> commit_;
  std::unique_ptr<Assay> assay_;                        ///< with a delta
  std::map<std::uint64_t, std::uint64_t> final_sizes_;  ///< FileEnd came, chunks are still on their way
  std::vector<std::pair<std::shared_ptr<InBundle>, Error>> failed_bundles_;
  std::unordered_map<std::uint64_t, Comparing> comparing_;  ///< not decided yet; some of the entries announced
  std::deque<protocol::Announce> held_;                     ///< announced, and not looked at yet
  std::deque<std::uint64_t> ready_;                         ///< of these, or given up meanwhile
  std::shared_ptr<ComparingTally> tally_ = std::make_shared<ComparingTally>();
  protocol::Compared compared_;     ///< not yet told
  std::size_t compared_bytes_ = 0;  ///< of its words
  Time compared_told_at_ = 0;
  std::uint64_t bytes_told_ = 0;   ///< of the tally, when it was
  protocol::Chunks durable_;       ///< not yet told
  protocol::Deleted deleted_;      ///< not yet told
  std::size_t deleted_bytes_ = 0;  ///< of its names
  std::uint64_t errors_ = 0;       ///< entries that do not arrive, or that the sender could not look at
  std::uint64_t announced_ = 0;
  std::uint64_t resolved_ = 0;
  std::size_t attribute_bytes_ = 0;  ///< of files that are on their way
  std::optional<std::uint64_t> entries_;
  bool opened_ = false;
  Time open_by_ = 0;  ///< until then one who holds our log is waited for
  bool desk_finished_ = false;
  LateFailures late_failures_;
  bool complete_ = false;
  bool failed_ = false;
  bool flush_ = false;  ///< the group that gathers starts at once
  bool closing_ = false;
  bool closed_ = false;
  Time now_ = 0;
  Time merge_again_ = 0;
};

}  // namespace longhaul::engine
