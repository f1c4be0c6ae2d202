// The planner of one outgoing transfer: announces entries, cuts what is wanted into chunks, gives them to streams, and
// remembers each chunk until it is durable at the receiver. Lives on the control thread; all calls from there.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/interval_set.h"
#include "engine/announce_queue.h"
#include "engine/bundle_packer.h"
#include "engine/comparer.h"
#include "engine/feeder.h"
#include "engine/outgoing.h"
#include "engine/runtime.h"
#include "longhaul/options.h"
#include "longhaul/transfer.h"
#include "paths/scheduler.h"
#include "protocol/message.h"

namespace longhaul::engine {

/// What a planner asks of the session.
class PlannerHost {
 public:
  virtual ~PlannerHost() = default;
  virtual void tell(protocol::Message message) = 0;
  virtual void assign(std::uint32_t stream, ChunkTask task) = 0;
  /// This copy is not needed on that stream any more: what has not gone out of it had better stay here. `task_dropped`
  /// tells the planner if so.
  virtual void cancel(std::uint32_t stream, std::uint32_t transfer, const paths::Load& copy) = 0;
  /// As `cancel`, but one that has begun to go out goes on, and nobody is told.
  virtual void call_back(std::uint32_t stream, std::uint32_t transfer, const paths::Load& copy) = 0;
  /// Nothing moves on this stream any more: it had better be dialled anew.
  virtual void give_up_stream(std::uint32_t stream) = 0;
  /// The receiver has answered for all of it. `path`: below the target.
  virtual void file_durable(std::uint32_t transfer, const std::string& path) = 0;
  virtual void file_error(std::uint32_t transfer, FileError error) = 0;
  /// Has it read by a worker; what comes of it comes back by Planner::compared_here, on the planner's thread.
  virtual void compare(std::uint32_t transfer, std::uint64_t file, ContentJob job) = 0;
  /// In a dry run. `path`: below the target; a directory's ends in a slash.
  virtual void would(std::uint32_t transfer, Would would, const std::string& path) = 0;
};

class Planner {
 public:
  struct Setup {
    std::uint32_t transfer = 0;
    std::shared_ptr<Feed> feed;
    Feeder* feeder = nullptr;
    std::uint64_t chunk_bytes = 0;
    bool direct = true;
    bool rails = false;  ///< its streams may go by a fabric
    bool sparse = true;  ///< holes are kept
    LeaveAlone leave_alone;
    Publish publish = Publish::file;
    Mirror mirror;
    Delta delta = Delta::none;
    Delta checksum = Delta::none;
    bool dry_run = false;
    std::uint64_t peer_features = 0;
    Time stall_after = 0;
  };
  Planner(disk::Disk& disk, PlannerHost& host, Setup setup, Time now);
  ~Planner();
  Planner(const Planner&) = delete;
  Planner& operator=(const Planner&) = delete;

  /// The message that opens the transfer.
  [[nodiscard]] protocol::Message opening(const std::string& id) const;

  // From the peer.
  void accepted(const protocol::AcceptTransfer& accept);
  void verdicts(const protocol::Verdicts& verdicts);
  void received(std::uint32_t stream, const protocol::Chunks& list);
  void durable(const protocol::Chunks& list);
  void chunk_failed(const protocol::ChunkFailed& failed);
  void file_failed(const protocol::FileFailed& failed);
  void old_chunk(const protocol::OldChunk& chunk);
  void compared(const protocol::Compared& decided);
  void failed_late(const protocol::TransferEnd& end);
  // From this side.
  void stream_up(std::uint32_t stream, std::uint32_t path);
  void stream_down(std::uint32_t stream);
  void set_path(std::uint32_t path, const paths::PathTerms& terms) { scheduler_.set_path(path, terms); }
  void allow(std::uint32_t path, std::optional<double> bytes) { scheduler_.allow(path, bytes); }
  /// A chunk may take an hour on a thin line: what the peer's kernel has of it is progress. Where nobody takes it from
  /// there, that ends by itself.
  void sampled(std::uint32_t stream, const paths::Sample& sample) {
    if (scheduler_.sampled(stream, sample)) progress_at_ = now_;
  }
  /// A copy that was cancelled has gone out no further than `load.bytes`.
  void task_dropped(std::uint32_t stream, const paths::Load& load);
  /// It gets no new chunks, and carries on with what it has begun; what it has not comes back. stream_up() takes that
  /// back.
  void retire_stream(std::uint32_t stream);
  /// Something that was given to it is not answered yet.
  [[nodiscard]] bool carries(std::uint32_t stream) const { return !scheduler_.loads(stream).empty(); }
  /// Of what has been found: neither durable, there already, nor given up. A pipe's bytes are not known.
  [[nodiscard]] std::uint64_t bytes_left() const;
  [[nodiscard]] bool walk_done() const { return walk_done_; }
  /// Something is, or may be, still to be given to a stream.
  [[nodiscard]] bool has_unsent() const;
  /// Nothing is on its way, and nothing arrived that is not durable yet.
  [[nodiscard]] bool at_rest() const;
  /// Nothing more is assigned, and no deadline runs, until pause(false).
  void pause(bool paused) {
    paused_ = paused;
    scheduler_.rest(paused);
  }
  void source_failed(std::uint64_t file, FileError error);
  void compared_here(std::uint64_t file, Result<Compared> found);
  void fed(FeedBatch batch);

  /// Announces and assigns what it can. Sets `failure()` when the transfer cannot go on.
  Time step(Time now);
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
  /// The peer shows life in some other way (a connection came up): no stall.
  void alive(Time now) { progress_at_ = now; }

  void fill(Report& report) const;
  /// How long, so far, a stream had room and there was nothing to give it.
  [[nodiscard]] Time starved_for(Time now) const { return starved_time_ + (starved_ ? now - starved_seen_ : 0); }
  /// Of copies after the first, what went out or is still to go out.
  [[nodiscard]] std::uint64_t resent_bytes() const {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(resent_bytes_, 0));
  }
  /// Assigned and not durable: what a lost session costs at most.
  [[nodiscard]] std::uint64_t bytes_not_durable() const { return in_flight_bytes_; }

 private:
  struct Large {
    std::shared_ptr<OutgoingFile> file;
    std::shared_ptr<StreamReader> stream;
    std::uint64_t chunks = 0;      ///< streams: as far as known
    std::uint64_t next_chunk = 0;  ///< to be cut
    IntervalSet durable;
    std::uint64_t first_open = 0;     ///< first chunk that is not durable
    std::uint64_t bytes_sent = 0;     ///< durable in this session: in the report's bytes
    std::uint64_t bytes_skipped = 0;  ///< durable before
    std::uint64_t in_flight = 0;      ///< cut, not received
    bool end_told = false;
    std::uint32_t restarts = 0;  ///< the receiver lost its landing file
    std::uint64_t bytes_uncut = 0;
    HoleMap holes;  ///< looked for as it is cut
    std::optional<OlderVersion> older;
  };
  using ChunkKey = std::pair<std::uint64_t, std::uint64_t>;
  struct Copy {
    std::uint32_t stream = 0;
    std::uint32_t attempt = 0;
    friend bool operator==(const Copy&, const Copy&) = default;
  };
  struct InFlight {
    ChunkTask task;  ///< its attempt is the latest number that was used
    Copy now;        ///< the latest copy; stream 0: it waits in `again_`
    Copy before;     ///< an earlier one that is still on its way, on a stream that stalls or crawls; stream 0: none
    bool received = false;
    unsigned failures = 0;
    std::optional<std::uint32_t> failed;  ///< the latest attempt that was counted
  };

  void decided(std::uint64_t id, Entry entry, const protocol::Verdict& verdict);
  // planner_compare.cc
  void begin_comparing(std::uint64_t id, Entry entry);
  void flush_keys();
  void look_at_reading();

  void announce();
  [[nodiscard]] AnnounceRoom room_to_announce() const;
  bool announce_batch();
  void send_file(std::uint64_t id, Entry entry, const protocol::Verdict& verdict);
  void pump(Time now);
  void note_starving(Time now);
  std::optional<ChunkTask> next_task();
  std::optional<ChunkTask> next_bundle();
  std::optional<ChunkTask> next_of(std::deque<std::uint64_t>& queue);
  bool chunk_ready(Large& large) const;
  void count_uncut(Large& large);
  ChunkTask cut(Large& large);
  void look_for_holes(Large& large, ChunkTask& task);
  void drop_in_flight(std::uint64_t file);
  void resend(InFlight& in_flight);
  void forget_before(InFlight& in_flight);
  void go_on_with_before(InFlight& in_flight);
  void resend_elsewhere(const paths::Load& copy);
  void resend_first(const ChunkKey& key, InFlight& in_flight);
  void cancel(InFlight& in_flight, Copy& copy);
  void relieve_streams(Time now);
  [[nodiscard]] std::uint32_t avoided_stream();
  void give_up_chunk(const ChunkKey& key, const Error& error);
  void tell_end_if_read(Large& large);
  void tell_file_end(std::uint64_t file, std::uint64_t size, const FileError* failed);
  void forget_large(std::uint64_t file);
  [[nodiscard]] std::vector<std::string> rules_at_receiver() const;
  [[nodiscard]] std::uint32_t frame_bytes_most() const;
  [[nodiscard]] bool rules_need_name() const;
  void resolve(std::uint64_t entry) {
    ++resolved_;
    settled_.add(entry);
    if (const auto at = attributes_open_.find(entry); at != attributes_open_.end()) {
      attribute_bytes_open_ -= at->second;
      attributes_open_.erase(at);
    }
  }
  void chunk_durable(const ChunkKey& key);
  void file_published(std::uint64_t file);
  void bundle_durable(const BundlePlan& bundle);
  void file_durable(const Entry& entry) {
    ++totals_.files;
    host_.file_durable(setup_.transfer, entry.path);
  }
  void record_error(const std::string& path, Error error);
  void planned(const Entry& entry, const protocol::Verdict& verdict);
  void refused(const Entry& entry, const protocol::Verdict& verdict);
  void count_lost(std::uint64_t file);
  void left_alone(std::uint64_t file);
  void check_stall(Time now);
  [[nodiscard]] bool all_decided() const;
  [[nodiscard]] bool waits_for_what_is_out() const;
  [[nodiscard]] std::uint64_t remaining_bytes() const;

  disk::Disk& disk_;
  PlannerHost& host_;
  Setup setup_;
  BundlePacker packer_;
  std::uint32_t frame_bytes_ = 0;  ///< 0: not accepted yet
  std::uint64_t window_chunks_ = 0;
  std::string durability_;
  std::optional<Error> failure_;
  Time now_ = 0;
  Time progress_at_ = 0;
  bool paused_ = false;

  // walk and announcement
  unsigned batches_wanted_ = 0;
  bool walk_done_ = false;
  std::uint64_t walk_errors_ = 0;  ///< what the walk could not look at
  disk::NotKept not_kept_;
  std::uint64_t filled_files_ = 0;  ///< whose holes are not kept
  bool end_told_ = false;
  /// Walked, not announced. Trees are published in the order of their sources.
  AnnounceQueue held_;
  std::deque<Entry> announced_;  ///< waiting for their verdicts
  std::uint64_t next_id_ = 0;
  std::uint64_t verdicts_seen_ = 0;
  std::uint64_t resolved_ = 0;
  unsigned journalled_open_ = 0;
  std::unordered_map<std::uint64_t, std::size_t> attributes_open_;  ///< bytes, by entry: the receiver keeps them
  std::size_t attribute_bytes_open_ = 0;

  // compared by content
  std::unordered_map<std::uint64_t, Entry> comparing_;  ///< entries with verdict COMPARE
  std::shared_ptr<ComparingTally> tally_ = std::make_shared<ComparingTally>();
  std::uint64_t bytes_compared_ = 0;  ///< of the tally, as it was seen last
  protocol::Compared keys_;           ///< not yet told

  // lanes
  std::deque<std::uint64_t> large_queue_;           ///< files with chunks to cut
  std::deque<std::uint64_t> whole_queue_;           ///< ... those that go in one
  std::unordered_map<std::uint64_t, Large> large_;  ///< of both
  std::set<std::uint64_t> pipes_;                   ///< of them: sources whose length shows at their end
  unsigned turn_ = 0;
  std::deque<ChunkKey> again_;
  std::map<ChunkKey, InFlight> in_flight_;  ///< given to a stream and not durable
  std::uint64_t in_flight_bytes_ = 0;       ///< of these
  bool starved_ = false;                    ///< a stream had room, and there was nothing to give it
  Time starved_seen_ = 0;                   ///< when that was looked at last
  Time starved_time_ = 0;                   ///< for so long it was so, up to then
  /// Entries that are dealt with, and files that failed before the bundle is that they travel in. Of all entries, not
  /// of the failed ones alone: so it has no more runs than there are open entries, however many fail.
  IntervalSet settled_;
  paths::Scheduler scheduler_;
  Time relieved_at_ = 0;

  // figures
  Report totals_;
  std::int64_t resent_bytes_ = 0;  ///< below 0 for a moment: a copy was dropped, and the next is not given yet
  std::uint64_t bytes_lost_ = 0;   ///< of files that failed, or were refused
  std::uint64_t bytes_uncut_ = 0;  ///< of files with verdict SEND, what has not been cut; a pipe's are not known
};

}  // namespace longhaul::engine
