// The receiving half of a stream: a frame comes into a slot, is verified, claimed and written from that slot.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/stages.h"
#include "chunk/bundle.h"
#include "engine/worker.h"

namespace longhaul::engine {

/// A slot that several writes need (the files of one bundle frame).
struct SharedSlot {
  Slot slot;
  unsigned users = 0;
};

/// A chunk of which frames arrive on one stream, from the first to the last of them. It holds what each of its frames
/// needs, so that a frame takes no lock and counts nothing up that other workers write as well.
struct ArrivingChunk {
  std::shared_ptr<IncomingTransfer> transfer;
  std::shared_ptr<InChunk> chunk;
  std::uint32_t attempt = 0;  ///< the latest of which a frame has come here
  disk::FilePtr data;         ///< the landing file, from the first write on
};

/// One write of verified content.
struct InWrite : disk::Operation {
  ReceiveStream* stream = nullptr;
  std::shared_ptr<ArrivingChunk> chunk;  ///< a frame of a chunk, or a file of a bundle: all of the next four
  std::shared_ptr<IncomingTransfer> transfer;
  disk::FilePtr keep;  ///< the landing file, while the disk writes to it
  std::shared_ptr<InFile> in_file;
  std::shared_ptr<InBundle> bundle;
  unsigned frame = 0;
  std::byte* content = nullptr;     ///< all that is to be written, in one operation or (holes) in several
  std::uint64_t begin = 0;          ///< where it begins in the file
  std::uint32_t content_bytes = 0;  ///< of it
  std::uint32_t padded_bytes = 0;   ///< with what O_DIRECT needs behind it
  std::uint32_t taken_bytes = 0;    ///< of these: written, or left out as a hole
  bool sparse = false;              ///< blocks of zeros are left out
  Digest digest;                    ///< bundled file: its root
  Slot slot;
  std::shared_ptr<SharedSlot> shared;
};

class ReceiveStream {
 public:
  ReceiveStream(StreamSetup setup, WorkerContext& context);
  ~ReceiveStream();

  bool step();
  void write_done(InWrite& write);
  void queue(const protocol::Message& message) { channel_->queue(message); }
  /// As SendStream::watch.
  Time watch(Time now);
  void stop_watching() { channel_->unwatch(*context_.kit.poller); }

  [[nodiscard]] wire::Channel& channel() { return *channel_; }
  [[nodiscard]] const Error* error() const { return failed_ ? &error_ : nullptr; }
  [[nodiscard]] bool idle() const { return writes_in_flight_ == 0; }
  [[nodiscard]] std::uint32_t id() const { return id_; }
  /// Waits for a slot or for storage, not for the peer.
  [[nodiscard]] bool paused() const { return waits_for_ != Stage::wait_receive; }
  /// Why nothing moves now: wait_receive, wait_write (no slot, or the disk has enough), wait_commit.
  [[nodiscard]] Stage waits_for() const { return waits_for_; }
  [[nodiscard]] bool uses(std::uint32_t transfer) const;
  /// The transfer ends: its frames are wanted no more.
  void forget(std::uint32_t transfer);

 private:
  [[nodiscard]] bool disk_has_enough() const;
  void take_message(const protocol::Message& message);
  void take_frame(const protocol::FrameHeader& header, Slot slot);
  bool take_early_frame();
  bool verify(const protocol::FrameHeader& header, const Slot& slot) const;
  bool unpack(const protocol::FrameHeader& header, const Slot& slot);
  /// What its tag has shown is what the peer has read.
  [[nodiscard]] bool tag_suffices(const protocol::FrameHeader& header) const {
    return channel_->sealed() && !header.packed();
  }
  void came_damaged(IncomingTransfer& transfer, std::shared_ptr<InFile> file, const protocol::FrameHeader& header,
                    const std::string& what);
  std::shared_ptr<ArrivingChunk> arriving_of(const std::shared_ptr<IncomingTransfer>& transfer,
                                             const protocol::FrameHeader& header);
  std::shared_ptr<InChunk> find_chunk(const std::shared_ptr<InFile>& file, const protocol::FrameHeader& header);
  bool fits(IncomingTransfer& transfer, const InFile& file, const protocol::FrameHeader& header);
  void take_chunk_frame(const std::shared_ptr<IncomingTransfer>& transfer, const protocol::FrameHeader& header,
                        Slot slot);
  static Result<chunk::Bundle> decode_bundle(const protocol::FrameHeader& header, const Slot& slot);
  static bool is_digest_of(const Digest& digest, ConstBytes content);
  void take_bundle_frame(const std::shared_ptr<IncomingTransfer>& transfer, const protocol::FrameHeader& header,
                         Slot slot);
  void land_bundled(const std::shared_ptr<IncomingTransfer>& transfer, const std::shared_ptr<InBundle>& bundle,
                    std::shared_ptr<InFile> file, ConstBytes content, const Digest& digest,
                    const std::shared_ptr<SharedSlot>& slot);
  FrameClaims::Answer claim(ArrivingChunk& of, unsigned frame, std::span<const Digest> leaves);
  void claim_and_write(const std::shared_ptr<ArrivingChunk>& of, const protocol::FrameHeader& header, Slot slot);
  void take_data(const std::shared_ptr<ArrivingChunk>& of, const protocol::FrameHeader& header, Slot slot);
  void take_matched(const std::shared_ptr<ArrivingChunk>& of, const protocol::FrameHeader& header, Slot slot);
  bool read_matched(disk::OpenFile& from, const protocol::FrameHeader& header, Slot& slot);
  bool share_matched(ArrivingChunk& of, const protocol::FrameHeader& header, Slot& slot);
  void take_hole(ArrivingChunk& of, const protocol::FrameHeader& header);
  bool leave_hole(ArrivingChunk& of, const protocol::FrameHeader& header, unsigned frame, std::uint32_t bytes);
  disk::OpenFile* landing_of(ArrivingChunk& of, const protocol::FrameHeader& header, unsigned frame);
  void begin_write(std::unique_ptr<InWrite> write);
  bool submit_next(InWrite& write);
  void write_frame(const std::shared_ptr<ArrivingChunk>& of, const protocol::FrameHeader& header, Slot slot);
  static void store_in_memory(InChunk& chunk, std::uint64_t offset, ConstBytes content);
  void chunk_frame_done(ArrivingChunk& of, unsigned frame, std::uint32_t content_bytes);
  void bundled_file_done(InWrite& write);
  void write_failed(InWrite& write);
  void note_received(const protocol::FrameHeader& header, unsigned frames = 1);
  void flush_received();
  void fail(Error error);
  std::unique_ptr<InWrite> new_write();

  std::uint32_t id_;
  std::unique_ptr<wire::Channel> channel_;
  std::shared_ptr<StreamCounters> counters_;
  WorkerContext& context_;
  std::vector<std::unique_ptr<InWrite>> in_flight_;
  std::vector<std::unique_ptr<InWrite>> spare_;
  std::shared_ptr<ArrivingChunk> arriving_;             // that the last frame was of
  std::map<std::uint32_t, protocol::Chunks> received_;  // not yet told, by transfer
  unsigned writes_in_flight_ = 0;
  std::uint64_t at_disk_ = 0;  ///< bytes of them that are being written now
  Stage waits_for_ = Stage::wait_receive;
  std::optional<std::pair<protocol::FrameHeader, Slot>> early_;  // of a transfer that this worker has not heard of
  bool failed_ = false;
  Error error_;
};

}  // namespace longhaul::engine
