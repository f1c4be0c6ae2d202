#include "engine/receive_stream.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/stages.h"
#include "chunk/bundle.h"
#include "chunk/digest_tree.h"
#include "engine/landing_ops.h"

namespace longhaul::engine {
namespace {

constexpr unsigned frames_per_step = 8;
constexpr std::size_t memory_chunks_max = 8;
constexpr std::size_t open_chunks_max = 4096;  // of one file: arriving, or waiting for their commit

// A disk that cannot follow would be given every slot of the worker: no faster, and each of them is then in memory.
// Eight frames of 1 MiB keep one busy (LIMITS); the streams of a worker together need no more than two of them would.
// What it is writing counts, not the slots: a frame whose blocks of zeros are left out is written piece by piece, and a
// stream of them would wait for eight small writes at a time.
constexpr std::uint64_t at_disk_most = std::uint64_t{8} << 20;
constexpr std::uint64_t at_disk_most_of_worker = 2 * at_disk_most;

std::string shown(const InFile& file) {
  return printable(file.entry.path).substr(0, 512);
}

}  // namespace

ReceiveStream::ReceiveStream(StreamSetup setup, WorkerContext& context)
    : id_(setup.id), channel_(std::move(setup.channel)), counters_(std::move(setup.counters)), context_(context) {}

ReceiveStream::~ReceiveStream() = default;

bool ReceiveStream::uses(std::uint32_t transfer) const {
  return std::any_of(in_flight_.begin(), in_flight_.end(), [&](const auto& write) {
    const IncomingTransfer& of = write->chunk ? *write->chunk->transfer : *write->transfer;
    return of.files->transfer() == transfer;
  });
}

void ReceiveStream::forget(std::uint32_t transfer) {
  if (arriving_ && arriving_->transfer->files->transfer() == transfer) arriving_.reset();
}

bool ReceiveStream::step() {
  if (failed_) return false;
  if (arriving_ && arriving_->chunk->over.load(std::memory_order_acquire)) arriving_.reset();  // its file may be gone
  bool moved = take_early_frame();
  waits_for_ = Stage::wait_receive;
  for (unsigned i = 0; i < frames_per_step && !failed_ && !early_; ++i) {
    if (disk_has_enough()) waits_for_ = Stage::wait_write;
    for (const auto& [id, transfer] : context_.incoming)
      if (transfer->files->crowded()) waits_for_ = Stage::wait_commit;
    if (paused()) break;
    wire::Incoming in = channel_->receive(&context_.slots);
    if (in.kind == wire::Incoming::Kind::nothing) break;
    if (in.kind == wire::Incoming::Kind::no_slot) {
      waits_for_ = Stage::wait_write;
      break;
    }
    moved = true;
    switch (in.kind) {
      case wire::Incoming::Kind::message:
        take_message(in.message);
        break;
      case wire::Incoming::Kind::frame:
        if (context_.incoming.contains(in.header.transfer))
          take_frame(in.header, std::move(in.slot));
        else
          early_.emplace(in.header, std::move(in.slot));
        break;
      case wire::Incoming::Kind::closed:
        fail({Code::connection, "the peer closed the stream", 0});
        break;
      case wire::Incoming::Kind::failed:
        fail(std::move(in.error));
        break;
      case wire::Incoming::Kind::nothing:
      case wire::Incoming::Kind::no_slot:
        break;
    }
  }
  flush_received();
  if (const auto flushed = channel_->flush(); !flushed) fail(flushed.error());
  return moved;
}

/// Whatever others of the worker have given it, each stream may have something there.
bool ReceiveStream::disk_has_enough() const {
  return at_disk_ >= at_disk_most || (at_disk_ > 0 && context_.at_disk >= at_disk_most_of_worker);
}

void ReceiveStream::take_message(const protocol::Message& message) {
  constexpr std::size_t unread_most = 64 << 10;  // of a peer that asks and does not read
  if (message.has_ping()) {
    if (channel_->queued_bytes() > unread_most) return;
    protocol::Message pong;
    pong.mutable_pong()->set_token(message.ping().token());
    channel_->queue(pong);
    return;
  }
  context_.events.stream_message(id_, message);
}

/// A worker that was held up in the middle of its step may read the first frame of a transfer before the mail that
/// opens it, which has come by then: it is read before the next step. Who is unknown even then has ended.
bool ReceiveStream::take_early_frame() {
  if (!early_) return false;
  auto [header, slot] = *std::exchange(early_, std::nullopt);
  take_frame(header, std::move(slot));
  return true;
}

void ReceiveStream::take_frame(const protocol::FrameHeader& header, Slot slot) {
  const auto at = context_.incoming.find(header.transfer);
  if (at == context_.incoming.end()) return;  // ended here; the sender has not heard yet
  const std::shared_ptr<IncomingTransfer>& transfer = at->second;
  if (transfer->files->ended) return;
  counters_->frames.fetch_add(1, std::memory_order_relaxed);
  if ((header.flags & protocol::flag_bundle) != 0)
    take_bundle_frame(transfer, header, std::move(slot));
  else
    take_chunk_frame(transfer, header, std::move(slot));
}

bool ReceiveStream::verify(const protocol::FrameHeader& header, const Slot& slot) const {
  const StageScope scope(Stage::verify);
  for (std::size_t leaf = 0; leaf < header.leaf_count; ++leaf)
    if (chunk::leaf_digest({slot.payload(), header.raw_bytes}, leaf) != header.leaves[leaf]) return false;
  return true;
}

/// Nothing to do where nothing is packed.
bool ReceiveStream::unpack(const protocol::FrameHeader& header, const Slot& slot) {
  if (!header.packed()) return true;
  const StageScope scope(Stage::unpack);
  return context_.packing.unpack(slot, header.wire_bytes, header.raw_bytes);
}

/// `file` null: a bundle. A frame that was sealed as it came has not been touched on its way, but by what packed it.
void ReceiveStream::came_damaged(IncomingTransfer& transfer, std::shared_ptr<InFile> file,
                                 const protocol::FrameHeader& header, const std::string& what) {
  const char* how =
      channel_->sealed() ? " was packed wrongly by the sender, or unpacked wrongly here" : " was damaged on its way";
  transfer.events->chunk_failed(std::move(file), header.chunk, header.attempt, {Code::corrupt, what + how, 0});
  fail({Code::corrupt, "a frame came damaged", 0});
}

/// Of the chunk that the frame belongs to; null: not wanted any more, or `fail` has been called.
std::shared_ptr<ArrivingChunk> ReceiveStream::arriving_of(const std::shared_ptr<IncomingTransfer>& transfer,
                                                          const protocol::FrameHeader& header) {
  if (arriving_) {
    const InChunk& chunk = *arriving_->chunk;
    const bool same = arriving_->transfer == transfer && chunk.file->id == header.file && chunk.index == header.chunk &&
                      chunk.claims.frame_count() == header.frame_count && arriving_->attempt == header.attempt;
    if (same && !chunk.over.load(std::memory_order_acquire))
      return fits(*transfer, *chunk.file, header) ? arriving_ : nullptr;
    arriving_.reset();
  }
  const auto file = transfer->files->find(header.file);
  if (!file) {
    if (!transfer->files->was_announced(header.file))
      fail({Code::protocol, "the peer sent a frame of a file it never announced", 0});
    return nullptr;
  }
  if (!fits(*transfer, *file, header)) return nullptr;
  if (auto chunk = find_chunk(file, header))
    arriving_ = std::make_shared<ArrivingChunk>(transfer, std::move(chunk), header.attempt);
  return arriving_;
}

/// False: `fail` has been called.
bool ReceiveStream::fits(IncomingTransfer& transfer, const InFile& file, const protocol::FrameHeader& header) {
  if (frame_in_place(file, header, transfer.files->frame_bytes())) return true;
  fail({Code::protocol, "the peer sent a frame that is out of place in " + shown(file), 0});
  return false;
}

std::shared_ptr<InChunk> ReceiveStream::find_chunk(const std::shared_ptr<InFile>& file,
                                                   const protocol::FrameHeader& header) {
  const std::lock_guard lock(file->mutex);
  if (file->closed || file->durable.contains(header.chunk)) return nullptr;
  auto& chunk = file->chunks[header.chunk];
  if (chunk == nullptr) {
    if (file->chunks.size() > (file->landing == Landing::sink ? memory_chunks_max : open_chunks_max)) {
      file->chunks.erase(header.chunk);
      fail({Code::protocol, "the peer sent more at once than was agreed of " + shown(*file), 0});
      return nullptr;
    }
    chunk = std::make_shared<InChunk>(file, header.chunk, header.frame_count);
  } else if (chunk->claims.frame_count() != header.frame_count) {
    fail({Code::protocol, "the peer cut a chunk of " + shown(*file) + " in another way than before", 0});
    return nullptr;
  }
  chunk->attempt = std::max(chunk->attempt, header.attempt);
  return chunk;
}

void ReceiveStream::take_chunk_frame(const std::shared_ptr<IncomingTransfer>& transfer,
                                     const protocol::FrameHeader& header, Slot slot) {
  const unsigned frames = frames_of(header, transfer->files->frame_bytes());
  if (const auto of = arriving_of(transfer, header)) {
    if (header.hole())
      take_hole(*of, header);
    else if (header.matched())
      take_matched(of, header, std::move(slot));
    else
      take_data(of, header, std::move(slot));
  }
  if (header.frame_index + frames >= header.frame_count) arriving_.reset();
  if (!failed_) note_received(header, frames);
}

void ReceiveStream::take_data(const std::shared_ptr<ArrivingChunk>& of, const protocol::FrameHeader& header,
                              Slot slot) {
  const auto& file = of->chunk->file;
  if (!unpack(header, slot) || (!tag_suffices(header) && !verify(header, slot)))
    return came_damaged(*of->transfer, file, header, "a frame of " + printable(file->entry.path));
  counters_->count(header, 0);
  claim_and_write(of, header, std::move(slot));
}

/// What `slot` holds has the digests that the header says.
void ReceiveStream::claim_and_write(const std::shared_ptr<ArrivingChunk>& of, const protocol::FrameHeader& header,
                                    Slot slot) {
  const auto answer = claim(*of, header.frame_index, {header.leaves.data(), header.leaf_count});
  if (answer == FrameClaims::Answer::won) write_frame(of, header, std::move(slot));
}

/// `differs` is the end of its file, and has been told.
FrameClaims::Answer ReceiveStream::claim(ArrivingChunk& of, unsigned frame, std::span<const Digest> leaves) {
  const auto answer = of.chunk->claims.claim(frame, leaves);
  const auto& file = of.chunk->file;
  if (answer == FrameClaims::Answer::differs)
    of.transfer->events->file_failed(
        file, nullptr,
        {Code::source_changed,
         "two copies of one part of " + printable(file->entry.path) + " differ: the source changed while it was sent",
         0});
  return answer;
}

Result<chunk::Bundle> ReceiveStream::decode_bundle(const protocol::FrameHeader& header, const Slot& slot) {
  const StageScope scope(Stage::verify);
  return chunk::decode_bundle({slot.payload(), header.raw_bytes}, header.leaves[0]);
}

bool ReceiveStream::is_digest_of(const Digest& digest, ConstBytes content) {
  const StageScope scope(Stage::verify);
  return chunk::file_digest(content) == digest;
}

void ReceiveStream::take_bundle_frame(const std::shared_ptr<IncomingTransfer>& transfer,
                                      const protocol::FrameHeader& header, Slot slot) {
  if (!unpack(header, slot)) return came_damaged(*transfer, nullptr, header, "a frame of small files");
  auto decoded = decode_bundle(header, slot);
  if (!decoded) {
    transfer->events->chunk_failed(nullptr, header.chunk, header.attempt, decoded.error());
    return fail(std::move(decoded.error()));
  }
  for (std::size_t row = 0; row < decoded->rows.size(); ++row) {
    const chunk::BundleRow& of = decoded->rows[row];
    if (!transfer->files->was_announced(of.file))
      return fail({Code::protocol, "the peer bundled a file it never announced", 0});
    if (of.whole && !tag_suffices(header) && !is_digest_of(of.digest, decoded->contents[row]))
      return came_damaged(*transfer, nullptr, header, "a small file");
  }
  counters_->count(header, chunk::bundle_table_bytes(decoded->rows.size()));
  const auto bundle = transfer->files->bundle(header.chunk, header.frame_count);
  if (!bundle || bundle->claims.frame_count() != header.frame_count) {
    if (bundle) fail({Code::protocol, "the peer cut a bundle in another way than before", 0});
    return note_received(header);
  }
  const auto claim = bundle->claims.claim(header.frame_index, {header.leaves.data(), 1});
  if (claim == FrameClaims::Answer::won) {
    auto shared = std::make_shared<SharedSlot>();
    shared->slot = std::move(slot);
    std::vector<std::pair<std::size_t, std::shared_ptr<InFile>>> landing;
    for (std::size_t row = 0; row < decoded->rows.size(); ++row) {
      auto file = transfer->files->find(decoded->rows[row].file);
      if (file && decoded->rows[row].whole)
        landing.emplace_back(row, std::move(file));  // else done before, or FileEnd tells
    }
    bundle->files_pending.fetch_add(landing.size(), std::memory_order_acq_rel);
    for (auto& [row, file] : landing)
      land_bundled(transfer, bundle, std::move(file), decoded->contents[row], decoded->rows[row].digest, shared);
    bundle->claims.done(header.frame_index);
    if (bundle->files_pending.fetch_sub(1, std::memory_order_acq_rel) == 1) transfer->events->bundle_landed(bundle);
  }
  note_received(header);
}

/// After a chunk's last frame on this stream: everything of it has been verified and given to the disk. `frames`: for
/// how many of them the header stands.
void ReceiveStream::note_received(const protocol::FrameHeader& header, unsigned frames) {
  if (header.frame_index + frames != header.frame_count) return;
  auto& list = received_[header.transfer];
  list.set_transfer(header.transfer);
  list.add_file(header.file);
  list.add_chunk(header.chunk);
  list.add_attempt(header.attempt);
}

void ReceiveStream::flush_received() {
  if (received_.empty() || failed_) return;
  for (auto& [transfer, list] : received_) {
    protocol::Message message;
    message.mutable_received()->Swap(&list);
    channel_->queue(message);
  }
  received_.clear();
}

void ReceiveStream::fail(Error error) {
  if (std::exchange(failed_, true)) return;
  error_ = std::move(error);
}

Time ReceiveStream::watch(Time now) {
  if (failed_) return time_never;
  channel_->watch(*context_.kit.poller, paused());
  return channel_->next_look(*context_.kit.poller, now);
}

}  // namespace longhaul::engine
