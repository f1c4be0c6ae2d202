// How what came of a frame lands: written from its slot, kept in memory for a sink, or left out as a hole.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/stages.h"
#include "chunk/digest_tree.h"
#include "chunk/zero_runs.h"
#include "disk/blocking.h"
#include "engine/landing_ops.h"
#include "engine/receive_stream.h"

namespace longhaul::engine {
namespace {

Error changed_meanwhile(const InFile& file) {
  return {Code::source_changed,
          "the older version of " + printable(file.entry.path) + " at the receiver changed while it was compared", 0};
}

std::string at_peer(const std::string& path) {
  return "cannot write " + printable(path) + " at the receiver";
}

}  // namespace

/// Frame by frame, as copies of them may come with content: what a file system calls a hole may change.
void ReceiveStream::take_hole(ArrivingChunk& of, const protocol::FrameHeader& header) {
  const std::uint32_t frame_bytes = of.transfer->files->frame_bytes();
  const unsigned end = header.frame_index + frames_of(header, frame_bytes);
  std::uint32_t left = header.raw_bytes;
  for (unsigned frame = header.frame_index; frame < end; ++frame) {
    const std::uint32_t bytes = std::min(frame_bytes, left);
    left -= bytes;
    if (!leave_hole(of, header, frame, bytes)) return;
  }
}

/// Nothing is written: the landing file reads as zeros there, and keeps what is to be a hole a hole. False: its file or
/// chunk has failed.
bool ReceiveStream::leave_hole(ArrivingChunk& of, const protocol::FrameHeader& header, unsigned frame,
                               std::uint32_t bytes) {
  std::array<Digest, protocol::leaves_per_frame_max> leaves;
  const std::size_t count = chunk::leaves_of(bytes);
  for (std::size_t leaf = 0; leaf < count; ++leaf)
    leaves[leaf] = chunk::zero_leaf(std::min<std::uint64_t>(protocol::leaf_bytes, bytes - leaf * protocol::leaf_bytes));
  const auto answer = claim(of, frame, {leaves.data(), count});
  if (answer != FrameClaims::Answer::won) return answer != FrameClaims::Answer::differs;
  InChunk& chunk = *of.chunk;
  if (chunk.file->landing == Landing::sink) {
    const std::uint64_t end = std::uint64_t{frame} * of.transfer->files->frame_bytes() + bytes;
    const std::lock_guard lock(chunk.memory_mutex);
    if (chunk.memory.size() < end) chunk.memory.resize(end);  // with zeros
  } else if (landing_of(of, header, frame) == nullptr) {
    return false;
  }
  chunk_frame_done(of, frame, bytes);
  return true;
}

/// The sender's frame is the same as the one of the older version: where blocks can be shared it is not written. Else
/// it is read there, verified as if it had crossed, and written; it was read before, to be told of, and is likely to be
/// in the page cache.
void ReceiveStream::take_matched(const std::shared_ptr<ArrivingChunk>& of, const protocol::FrameHeader& header,
                                 Slot slot) {
  const auto& file = of->chunk->file;
  LandingEvents& events = *of->transfer->events;
  if (!file->older && file->restarts > 0)  // on its way since before that
    return events.chunk_failed(file, header.chunk, header.attempt, changed_meanwhile(*file));
  if (!file->older)
    return fail(
        {Code::protocol,
         "the peer sent nothing but digests of " + printable(file->entry.path) + ", of which no other version is here",
         0});
  if (share_matched(*of, header, slot)) return;
  if (!read_matched(*file->older, header, slot))
    return events.chunk_failed(file, header.chunk, header.attempt, changed_meanwhile(*file));
  counters_->count(header, 0);
  claim_and_write(of, header, std::move(slot));
}

bool ReceiveStream::read_matched(disk::OpenFile& from, const protocol::FrameHeader& header, Slot& slot) {
  const StageScope scope(Stage::read);
  const auto read = disk::read_now(*context_.kit.plain_disk, from, header.offset, {slot.payload(), header.raw_bytes});
  return read && *read == header.raw_bytes && verify(header, slot);
}

/// Claimed first, for nobody else may write there meanwhile. Verified last, and where it has landed: the older version
/// may be rewritten by others at any time, the landing file by nobody but us. What turns out to be wrong stays there
/// until the right content is written over it; so never in a file with holes, which are left unwritten. False: it
/// cannot share, and the frame is nobody's.
bool ReceiveStream::share_matched(ArrivingChunk& of, const protocol::FrameHeader& header, Slot& slot) {
  InFile& file = *of.chunk->file;
  const bool whole_blocks =
      header.offset % disk::Disk::share_bytes == 0 && header.raw_bytes % disk::Disk::share_bytes == 0;
  if (!whole_blocks || file.entry.sparse || file.cannot_share.load(std::memory_order_relaxed)) return false;
  const auto answer = claim(of, header.frame_index, {header.leaves.data(), header.leaf_count});
  if (answer != FrameClaims::Answer::won) {
    counters_->count(header, 0);  // a copy, which has crossed all the same
    return true;
  }
  disk::OpenFile* const data = landing_of(of, header, header.frame_index);
  if (data == nullptr) return true;
  bool shared = false;
  {
    const StageScope scope(Stage::write);
    shared = context_.kit.plain_disk->share_range(*file.older, *data, header.offset, header.raw_bytes);
  }
  if (shared && read_matched(*data, header, slot)) {
    counters_->count(header, 0);
    counters_->shared_bytes.fetch_add(header.raw_bytes, std::memory_order_relaxed);
    chunk_frame_done(of, header.frame_index, header.raw_bytes);
    return true;
  }
  of.chunk->claims.give_up(header.frame_index);
  if (!shared) {
    file.cannot_share.store(true, std::memory_order_relaxed);
    return false;
  }
  of.transfer->events->chunk_failed(of.chunk->file, header.chunk, header.attempt, changed_meanwhile(file));
  return true;
}

/// Null: it is closed, or cannot be opened, and the claim is given up.
disk::OpenFile* ReceiveStream::landing_of(ArrivingChunk& of, const protocol::FrameHeader& header, unsigned frame) {
  const auto& file = of.chunk->file;
  if (of.data && !of.chunk->over.load(std::memory_order_acquire)) return of.data.get();
  auto data = landing_data(*context_.kit.disk, *of.transfer->zone, *file);
  if (data && *data && !of.chunk->over.load(std::memory_order_acquire)) {
    of.data = std::move(*data);
    return of.data.get();
  }
  of.chunk->claims.give_up(frame);
  if (!data) of.transfer->events->chunk_failed(file, of.chunk->index, header.attempt, std::move(data.error()));
  return nullptr;
}

void ReceiveStream::write_frame(const std::shared_ptr<ArrivingChunk>& of, const protocol::FrameHeader& header,
                                Slot slot) {
  InFile& file = *of->chunk->file;
  if (file.landing == Landing::sink) {
    store_in_memory(*of->chunk, header.offset - of->chunk->index * file.chunk_bytes,
                    {slot.payload(), header.raw_bytes});
    return chunk_frame_done(*of, header.frame_index, header.raw_bytes);
  }
  disk::OpenFile* const data = landing_of(*of, header, header.frame_index);
  if (data == nullptr) return;
  auto write = new_write();
  write->chunk = of;
  write->file = data;
  write->frame = header.frame_index;
  write->content = slot.payload();
  write->begin = header.offset;
  write->content_bytes = header.raw_bytes;
  write->sparse = file.entry.sparse;
  // O_DIRECT wants whole blocks: the file's last frame is padded, and the file is cut to size before it is published.
  const std::uint32_t align = data->alignment();
  write->padded_bytes = (header.raw_bytes + align - 1) / align * align;
  std::memset(slot.payload() + header.raw_bytes, 0, write->padded_bytes - header.raw_bytes);
  write->slot = std::move(slot);
  begin_write(std::move(write));
}

void ReceiveStream::begin_write(std::unique_ptr<InWrite> write) {
  write->kind = disk::Operation::Kind::write;
  write->stream = this;
  write->taken_bytes = 0;
  write->bytes = 0;  // that the disk has of it
  write->result = 0;
  InWrite& operation = *write;
  in_flight_.push_back(std::move(write));
  ++writes_in_flight_;
  if (!submit_next(operation)) write_done(operation);
}

/// Writes what is next: all of it, or of a file with holes up to its next block of zeros. False: nothing is left.
bool ReceiveStream::submit_next(InWrite& write) {
  if (write.file == nullptr) return false;
  chunk::Run run{write.taken_bytes, write.padded_bytes - write.taken_bytes};
  if (write.sparse)
    run = chunk::next_run({write.content, write.padded_bytes}, write.taken_bytes,
                          std::max<std::size_t>(chunk::hole_block_bytes, write.file->alignment()));
  write.taken_bytes = static_cast<std::uint32_t>(run.begin + run.bytes);
  write.bytes = static_cast<std::uint32_t>(run.bytes);
  if (write.bytes == 0) return false;
  write.data = write.content + run.begin;
  write.offset = write.begin + run.begin;
  at_disk_ += write.bytes;
  context_.at_disk += write.bytes;
  const StageScope scope(Stage::write);
  context_.kit.disk->submit(write);
  return true;
}

/// `offset`: in the chunk.
void ReceiveStream::store_in_memory(InChunk& chunk, std::uint64_t offset, ConstBytes content) {
  const std::lock_guard lock(chunk.memory_mutex);
  if (chunk.memory.size() < offset + content.size()) chunk.memory.resize(offset + content.size());
  std::memcpy(chunk.memory.data() + offset, content.data(), content.size());
}

void ReceiveStream::chunk_frame_done(ArrivingChunk& of, unsigned frame, std::uint32_t content_bytes) {
  InChunk& chunk = *of.chunk;
  chunk.bytes.fetch_add(content_bytes, std::memory_order_relaxed);
  if (!chunk.claims.done(frame)) return;
  const auto& file = chunk.file;
  LandingEvents& events = *of.transfer->events;
  if (file->landing != Landing::whole) return events.chunk_written(of.chunk);
  if (auto set = set_metadata(*context_.kit.disk, *file->landing_file.data, *file); !set)
    return events.file_failed(file, nullptr, std::move(set.error()));
  chunk::RootDigest root;
  for (const Digest& node : node_digests(chunk)) root.add_node(node);
  context_.note_landed(*of.transfer, {file, root.finish(file->entry.size), nullptr});
}

void ReceiveStream::land_bundled(const std::shared_ptr<IncomingTransfer>& transfer,
                                 const std::shared_ptr<InBundle>& bundle, std::shared_ptr<InFile> file,
                                 ConstBytes content, const Digest& digest, const std::shared_ptr<SharedSlot>& slot) {
  if (content.size() != file->entry.size)
    return transfer->events->file_failed(
        file, bundle, {Code::protocol, printable(file->entry.path) + " came with another size than announced", 0});
  if (file->landing == Landing::sink) {
    auto chunk = std::make_shared<InChunk>(file, 0, 1);
    chunk->memory.assign(content.begin(), content.end());
    chunk->claims.claim(0, {&digest, 1});
    chunk->claims.done(0);
    {
      const std::lock_guard lock(file->mutex);
      file->chunks[0] = chunk;
    }
    return context_.note_landed(*transfer, {std::move(file), digest, bundle});
  }
  auto data = landing_data(*context_.kit.disk, *transfer->zone, *file);
  if (!data) return transfer->events->file_failed(file, bundle, std::move(data.error()));
  auto write = new_write();
  write->transfer = transfer;
  write->keep = *data ? std::move(*data) : nullptr;
  write->file = write->keep.get();
  write->sparse = file->entry.sparse;
  write->in_file = std::move(file);
  write->bundle = bundle;
  write->digest = digest;
  write->content = const_cast<std::byte*>(content.data());  // the slot's own bytes, only read by a write
  write->begin = 0;
  write->padded_bytes = write->content_bytes = static_cast<std::uint32_t>(content.size());
  write->shared = slot;
  begin_write(std::move(write));
}

void ReceiveStream::bundled_file_done(InWrite& write) {
  LandingEvents& events = *write.transfer->events;
  if (!write.keep) {  // closed meanwhile: storage has dealt with the file
    if (write.bundle->files_pending.fetch_sub(1, std::memory_order_acq_rel) == 1) events.bundle_landed(write.bundle);
    return;
  }
  if (write.result < 0)
    return events.file_failed(write.in_file, write.bundle,
                              error_of_errno(static_cast<int>(-write.result), at_peer(write.in_file->entry.path)));
  if (auto set = set_metadata(*context_.kit.disk, *write.keep, *write.in_file); !set)
    return events.file_failed(write.in_file, write.bundle, std::move(set.error()));
  context_.note_landed(*write.transfer, {std::move(write.in_file), write.digest, std::move(write.bundle)});
}

void ReceiveStream::write_done(InWrite& write) {
  at_disk_ -= write.bytes;
  context_.at_disk -= write.bytes;
  if (write.result >= 0 && submit_next(write)) return;
  --writes_in_flight_;
  if (write.bundle)
    bundled_file_done(write);
  else if (write.result < 0)
    write_failed(write);
  else
    chunk_frame_done(*write.chunk, write.frame, write.content_bytes);
  const auto at =
      std::find_if(in_flight_.begin(), in_flight_.end(), [&](const auto& each) { return each.get() == &write; });
  LH_CHECK(at != in_flight_.end(), "a write that this stream did not begin");
  auto done = std::move(*at);
  *at = std::move(in_flight_.back());
  in_flight_.pop_back();
  done->chunk.reset();
  done->transfer.reset();
  done->keep.reset();
  done->in_file.reset();
  done->bundle.reset();
  done->shared.reset();
  done->slot = Slot();
  spare_.push_back(std::move(done));
}

void ReceiveStream::write_failed(InWrite& write) {
  InChunk& chunk = *write.chunk->chunk;
  chunk.claims.give_up(write.frame);
  std::uint32_t attempt = 0;
  {
    const std::lock_guard lock(chunk.file->mutex);
    attempt = chunk.attempt;
  }
  write.chunk->transfer->events->chunk_failed(
      chunk.file, chunk.index, attempt,
      error_of_errno(static_cast<int>(-write.result), at_peer(chunk.file->entry.path)));
}

std::unique_ptr<InWrite> ReceiveStream::new_write() {
  if (spare_.empty()) return std::make_unique<InWrite>();
  auto write = std::move(spare_.back());
  spare_.pop_back();
  return write;
}

}  // namespace longhaul::engine
