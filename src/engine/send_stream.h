// The sending half of a stream: chunks become frames, one after the other, read a little ahead where reading takes
// time.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "engine/worker.h"

namespace longhaul::engine {

struct OutFrame;

/// One read of a frame's content; a bundle's frame has one for each file.
struct OutRead : disk::Operation {
  OutFrame* frame = nullptr;
  Content content;  ///< of a bundled file; a large one's is its task's
  std::size_t row = 0;
  std::uint32_t wanted = 0;  ///< content bytes; `bytes` may be rounded up for O_DIRECT
  bool failed = false;
};

/// A task while its frames go out.
struct ActiveTask {
  ChunkTask task;
  Content content;
  unsigned next_frame = 0;
  std::uint64_t sent_bytes = 0;  ///< file bytes in frames that have gone out
  bool failed = false;
};

/// A frame between read and send.
struct OutFrame {
  SendStream* stream = nullptr;
  std::shared_ptr<ActiveTask> active;
  unsigned index = 0;
  Slot slot;
  std::vector<OutRead> reads;
  unsigned outstanding = 0;
  std::uint32_t raw_bytes = 0;
  bool hole = false;  ///< nothing is read: it stands for all frames of its chunk from `index` to before `end`
  unsigned end = 0;   ///< index of the next frame
};

class SendStream {
 public:
  SendStream(StreamSetup setup, WorkerContext& context);
  ~SendStream();

  void assign(ChunkTask task);
  /// Moves what can be moved. True when something moved; `error()` is set when the stream is gone.
  bool step();
  void read_done(OutRead& read);
  /// See Worker::set_pace.
  void set_pace(std::uint64_t bytes_per_s, bool held) {
    channel_->set_pace(bytes_per_s);
    held_ = held;
  }
  /// It could not be set: the stream goes on as it is.
  void set_congestion(const std::string& name) { (void)channel_->connection().set_congestion(name); }
  void drop_transfer(std::uint32_t transfer);
  /// How many of its bytes had gone out; none when all of this copy has gone out, or it is not here.
  std::optional<std::uint64_t> cancel(std::uint32_t transfer, const paths::Load& copy);
  /// Drops this copy if it has not begun. True: it is dropped.
  bool call_back(std::uint32_t transfer, const paths::Load& copy);
  /// Publishes what the kernel tells of the connection when it is time. Returns when it is time again.
  Time look_at_health(Time now);
  /// When it wants to be stepped again at the latest; `now`: at once.
  Time watch(Time now);
  /// The stream ends: what the kernel has not sent of it has not been carried.
  void settle_figures();
  /// It waits for the wire rather than the wire for it: its connection took no more of late, and not because the peer
  /// reads too slowly.
  [[nodiscard]] bool wire_limits() const;
  /// Why nothing moves now.
  [[nodiscard]] Stage waits_for() const;
  void stop_watching() { channel_->unwatch(*context_.kit.poller); }

  [[nodiscard]] wire::Channel& channel() { return *channel_; }
  [[nodiscard]] const Error* error() const { return failed_ ? &error_ : nullptr; }
  [[nodiscard]] bool idle() const { return reads_in_flight_ == 0; }
  [[nodiscard]] std::uint32_t id() const { return id_; }

 private:
  [[nodiscard]] ActiveTask* find_copy(std::uint32_t transfer, const paths::Load& copy);
  bool receive_messages();
  void start_reads();
  bool start_frame(const std::shared_ptr<ActiveTask>& active);
  Result<> open_content(ActiveTask& active);
  [[nodiscard]] unsigned end_of_hole(ActiveTask& active);
  void read_large(OutFrame& frame);
  void read_bundle(OutFrame& frame);
  Result<Content> open_bundled(const BundlePlan& plan, const Entry& entry);
  static Digest digest_of(ConstBytes content);
  bool send_front();
  static bool is_matched(const OutFrame& frame, const protocol::FrameHeader& header);
  Result<> finish_large(OutFrame& frame, protocol::FrameHeader& header);
  void finish_bundle(OutFrame& frame, protocol::FrameHeader& header);
  void pack(OutFrame& frame, protocol::FrameHeader& header);
  [[nodiscard]] PackTrials& trials_of(ActiveTask& active);
  void note_sent(const protocol::FrameHeader& header);
  [[nodiscard]] std::uint64_t in_content(std::uint64_t wire_bytes) const;
  bool bundled_file_whole(OutRead& read, const BundlePlan::File& file);
  void submit(OutRead& read, const Content& from);
  static bool is_late(const OutFrame& frame);
  void drop_task(ActiveTask& active);
  void fail_task(ActiveTask& active, Error error);
  void fail(Error error);
  std::unique_ptr<OutFrame> new_frame();
  void recycle(std::unique_ptr<OutFrame> frame);

  std::uint32_t id_;
  std::unique_ptr<wire::Channel> channel_;
  std::shared_ptr<StreamCounters> counters_;
  WorkerContext& context_;
  std::deque<std::shared_ptr<ActiveTask>> tasks_;
  std::deque<std::unique_ptr<OutFrame>> frames_;  // read or being read, in order
  std::vector<std::unique_ptr<OutFrame>> spare_;
  unsigned reads_in_flight_ = 0;
  Time looked_at_ = 0;
  Time pressed_ = 0;          ///< see StreamHealth
  bool was_pressed_ = false;  ///< when it was looked at
  bool quiet_ = false;        ///< nothing was left to send when it was looked at
  bool held_ = false;         ///< the transfer is paused
  PackTrials bundle_trials_{4};
  PackTrials small_file_trials_{4};  ///< files of one chunk
  std::optional<Time> refused_at_;   ///< when the connection last took no more
  double peer_held_ = 0;             ///< part of the time, of late
  // Of the last frames; equal while none is packed.
  std::uint64_t recent_content_ = 0;
  std::uint64_t recent_wire_ = 0;
  StreamHealth told_;
  bool failed_ = false;
  Error error_;
};

}  // namespace longhaul::engine
