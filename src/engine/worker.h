// A worker: one thread, one ring, one arena, its streams. Frames are read, digested and sent - received, verified and
// written - here, in one slot each, while they are warm.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/mailbox.h"
#include "base/slots.h"
#include "engine/comparer.h"
#include "engine/frame_packing.h"
#include "engine/incoming.h"
#include "engine/outgoing.h"
#include "engine/runtime.h"
#include "paths/scheduler.h"
#include "wire/channel.h"

namespace longhaul::engine {

/// What the kernel tells of a stream's connection.
struct StreamHealth {
  paths::Sample sample;  ///< in bytes on the wire
  // What of it is in file bytes, which is how chunks are counted: other ones where frames are packed. About right.
  std::uint64_t acked_content = 0;  ///< only grows
  std::uint64_t handed_content = 0;
  // All of these only grow.
  std::uint64_t retransmits = 0;
  std::uint64_t sent_bytes = 0;    ///< repeats included
  std::uint64_t resent_bytes = 0;  ///< repeats
  Time pressed = 0;                ///< there was more to send than the connection took
  Time buffer_held = 0;            ///< of it, because the send buffer was too small
  Time slots_held = 0;             ///< of it, for want of slots of a fabric
  // These do not.
  std::uint32_t segment_bytes = 0;  ///< see wire::Health
  std::uint32_t slots = 0;          ///< as well
  std::uint32_t slot_trips = 1;     ///< as well
  Time rtt_min = 0;

  [[nodiscard]] paths::Sample sample_in_content() const {
    paths::Sample its = sample;
    its.acked_bytes = acked_content;
    its.handed_bytes = handed_content;
    return its;
  }
};

/// What has been sent or received (verified). Bare frames count nowhere else than said here.
struct Carried {
  std::uint64_t content_bytes = 0;  ///< of files
  std::uint64_t wire_bytes = 0;     ///< what crossed for them: less where frames were packed
  std::uint64_t packed_frames = 0;
  std::uint64_t futile_frames = 0;  ///< sender: tried, and did not shrink by enough
  std::uint64_t matched_bytes = 0;  ///< of files, which the older version had
  std::uint64_t shared_bytes = 0;   ///< receiver: of these, what has the same blocks as the older version
  Carried& operator+=(const Carried& other) {
    content_bytes += other.content_bytes;
    wire_bytes += other.wire_bytes;
    packed_frames += other.packed_frames;
    futile_frames += other.futile_frames;
    matched_bytes += other.matched_bytes;
    shared_bytes += other.shared_bytes;
    return *this;
  }
};

/// Plain counters of one stream: written by its worker, sampled by control.
struct alignas(64) StreamCounters {
  std::atomic<std::uint64_t> content_bytes{0};  ///< as in Carried
  std::atomic<std::uint64_t> wire_bytes{0};
  std::atomic<std::uint64_t> packed_frames{0};
  std::atomic<std::uint64_t> futile_frames{0};
  std::atomic<std::uint64_t> matched_bytes{0};
  std::atomic<std::uint64_t> shared_bytes{0};
  std::atomic<std::uint64_t> frames{0};

  /// One frame has crossed, or what stands for one. `table_bytes`: what its payload has beside content, unpacked.
  void count(const protocol::FrameHeader& header, std::size_t table_bytes) {
    if (header.matched()) {
      matched_bytes.fetch_add(header.raw_bytes, std::memory_order_relaxed);
      return;
    }
    content_bytes.fetch_add(header.raw_bytes - table_bytes, std::memory_order_relaxed);
    wire_bytes.fetch_add(header.wire_bytes - (header.packed() ? 0 : table_bytes), std::memory_order_relaxed);
    if (header.packed()) packed_frames.fetch_add(1, std::memory_order_relaxed);
  }
  [[nodiscard]] Carried carried() const {
    return {content_bytes.load(std::memory_order_relaxed), wire_bytes.load(std::memory_order_relaxed),
            packed_frames.load(std::memory_order_relaxed), futile_frames.load(std::memory_order_relaxed),
            matched_bytes.load(std::memory_order_relaxed), shared_bytes.load(std::memory_order_relaxed)};
  }

  /// Streams that send: some 40 times a second while there is something to send.
  void set_health(const StreamHealth& health) {
    const std::lock_guard lock(mutex_);
    health_ = health;
  }
  [[nodiscard]] StreamHealth health() {
    const std::lock_guard lock(mutex_);
    return health_;
  }

 private:
  std::mutex mutex_;
  StreamHealth health_;
};

/// A stream that has been proven, on its way to its worker.
struct StreamSetup {
  std::uint32_t id = 0;
  bool sends = false;  ///< this side sends frames on it
  std::unique_ptr<wire::Channel> channel;
  std::shared_ptr<StreamCounters> counters;
};

/// What workers tell control. Called on a worker's thread; never blocks.
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;
  /// The stream is closed. What was assigned to it and not `received` must be assigned anew.
  virtual void stream_down(std::uint32_t stream, Error error) = 0;
  virtual void stream_message(std::uint32_t stream, protocol::Message message) = 0;
  /// A copy that was cancelled has gone out no further than `copy.bytes`, and will not.
  virtual void task_dropped(std::uint32_t stream, std::uint32_t transfer, paths::Load copy) = 0;
  /// The source of this file (or bundled file) could not be read whole; its chunk has been dropped.
  virtual void source_failed(std::uint32_t transfer, std::uint64_t file, FileError error) = 0;
};

/// A whole file that is verified and written, its metadata set.
struct LandedFile {
  std::shared_ptr<InFile> file;
  Digest root;
  std::shared_ptr<InBundle> bundle;  ///< that it came in; may be null
};

/// What workers tell the storage role of a transfer.
class LandingEvents {
 public:
  virtual ~LandingEvents() = default;
  /// All frames of the chunk are verified and written (not yet durable).
  virtual void chunk_written(std::shared_ptr<InChunk> chunk) = 0;
  virtual void landed(std::vector<LandedFile> files) = 0;
  /// A bundle has no more frames or files to wait for.
  virtual void bundle_landed(std::shared_ptr<InBundle> bundle) = 0;
  /// A chunk (or a bundle: `file` null) could not be written, or came damaged.
  virtual void chunk_failed(std::shared_ptr<InFile> file, std::uint64_t chunk, std::uint32_t attempt, Error error) = 0;
  /// One file cannot land (its bundle goes on).
  virtual void file_failed(std::shared_ptr<InFile> file, std::shared_ptr<InBundle> bundle, Error error) = 0;
};

/// What a worker must know to land frames of one transfer.
struct IncomingTransfer {
  std::shared_ptr<IncomingFiles> files;
  journal::LandingZone* zone = nullptr;  ///< null when the sink is no directory
  LandingEvents* events = nullptr;
};

class SendStream;
class ReceiveStream;

/// What a worker is besides its streams. `clock` outlives it.
struct WorkerSetup {
  bool touch_memory = true;  ///< see SessionSetup
  Compression compression;   ///< of what it sends
  Clock* clock = &system_clock();
};

/// What the streams of a worker share.
struct WorkerContext {
  std::uint32_t number = 0;
  Kit kit;
  SlotPool slots;
  FramePacking packing;
  StreamEvents& events;
  /// Each worker has its own, so that it alone counts who uses one.
  std::map<std::uint32_t, std::shared_ptr<IncomingTransfer>> incoming;
  Time now = 0;                ///< when the step that is under way began
  std::function<void()> reap;  ///< hands finished operations to their streams: plain ones finish as they are submitted

  /// Tells of it together with others of this step: a mail, and perhaps a wake-up, for each small file would be a good
  /// part of its cost.
  void note_landed(const IncomingTransfer& transfer, LandedFile file);
  void tell_landed();
  std::vector<LandedFile> landed;  ///< not yet told
  LandingEvents* landed_for = nullptr;
  std::uint64_t at_disk = 0;  ///< bytes that are being written now, of all streams that receive
};

class Worker final : public Role {
 public:
  Worker(Kit kit, unsigned number, StreamEvents& events, const WorkerSetup& setup = {});
  ~Worker() override;

  /// Any thread: `mail` runs on the worker's thread before its next step.
  void post(std::function<void(Worker&)> mail) { mailbox_.put(std::move(mail)); }
  /// Any thread: reads this file beside everything else, for --checksum.
  void compare(ContentJob job);
  /// Any thread: what it has to read for that, in bytes.
  [[nodiscard]] std::uint64_t comparing_load() const { return comparer_.load(); }

  // To be called by mail only.
  void join(StreamSetup setup);
  void assign(std::uint32_t stream, ChunkTask task);
  /// What has not gone out of this copy stays here.
  void cancel(std::uint32_t stream, std::uint32_t transfer, const paths::Load& copy);
  /// As `cancel`, of a copy of which nothing has gone out.
  void call_back(std::uint32_t stream, std::uint32_t transfer, const paths::Load& copy);
  void close_stream(std::uint32_t stream, Error why = {Code::interrupted, "closed here", 0});
  /// `bytes_per_s` as in wire::Connection::set_pace; `held`: no further frame begins.
  void set_pace(std::uint32_t stream, std::uint64_t bytes_per_s, bool held);
  void set_congestion(std::uint32_t stream, const std::string& name);
  void send_message(std::uint32_t stream, const protocol::Message& message);
  void open_incoming(const IncomingTransfer& transfer) {
    context_.incoming[transfer.files->transfer()] = std::make_shared<IncomingTransfer>(transfer);
  }
  /// Calls `done` when nothing of the transfer is in flight here any more.
  void close_incoming(std::uint32_t transfer, std::function<void()> done);
  void drop_outgoing(std::uint32_t transfer);
  void stop() {
    stopping_ = true;
    comparer_.stop();
  }

  Time step(Time now) override;
  [[nodiscard]] bool finished() const override { return stopping_ && context_.kit.disk->in_flight() == 0; }
  [[nodiscard]] std::string name() const override { return "worker " + std::to_string(context_.number); }

 private:
  void reap();
  bool step_streams(Time now);
  void note_wait(Time now);
  [[nodiscard]] Stage waits_for() const;
  disk::Operation* reap_one();
  void end_stream(std::uint32_t id, Error error);
  void finish_closing();

  Mailbox<std::function<void(Worker&)>> mailbox_;
  WorkerContext context_;
  Comparer comparer_;
  std::map<std::uint32_t, std::unique_ptr<SendStream>> senders_;
  std::map<std::uint32_t, std::unique_ptr<ReceiveStream>> receivers_;
  std::vector<std::unique_ptr<SendStream>> ended_senders_;       // their reads are still in flight
  std::vector<std::unique_ptr<ReceiveStream>> ended_receivers_;  // their writes are
  std::vector<std::pair<std::uint32_t, std::function<void()>>> closing_;
  bool stopping_ = false;
  bool reaped_ = false;   ///< something, by anybody, in this step
  Time waits_since_ = 0;  ///< for the wire only, since its last step; 0: not so
};

}  // namespace longhaul::engine
