#include "engine/assay.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "base/stages.h"
#include "chunk/digest_tree.h"
#include "disk/blocking.h"
#include "engine/landing_ops.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

static_assert(2 * Assay::ahead_max / protocol::frame_bytes_min <= OlderVersion::frames_max);

}  // namespace

/// The file that is being looked at.
struct Assay::Reading {
  std::shared_ptr<InFile> file;
  std::uint64_t compared_bytes = 0;  ///< as far as both versions go
  std::uint64_t chunk = 0;
  bool in_chunk = false;
  std::uint64_t offset = 0;  ///< of the next frame, in the chunk
  std::string keys;          ///< of the chunk
};

Assay::Assay(disk::Disk& disk, IncomingFiles& files, Delta delta, std::function<void(protocol::Message)> tell,
             std::uint64_t ahead_bytes)
    : disk_(disk), files_(files), delta_(delta), ahead_bytes_(ahead_bytes), tell_(std::move(tell)) {}

Assay::~Assay() = default;

void Assay::add(std::shared_ptr<InFile> file) {
  waiting_.push_back(std::move(file));
}

void Assay::next_file() {
  if (waiting_.empty()) return;
  reading_ = std::make_unique<Reading>();
  reading_->file = std::move(waiting_.front());
  waiting_.pop_front();
  reading_->compared_bytes = std::min(reading_->file->older_bytes, reading_->file->entry.size);
}

bool Assay::step() {
  if (reading_ && files_.find(reading_->file->id) != reading_->file) reading_.reset();  // published, or given up
  if (!reading_) next_file();
  if (!reading_) return false;
  if (!reading_->in_chunk && !begin_chunk(*reading_)) return false;
  if (reading_) read_frame(*reading_);
  return true;
}

bool Assay::too_far_ahead(Reading& reading) const {
  InFile& file = *reading.file;
  const std::uint64_t chunks_ahead = std::max<std::uint64_t>(ahead_bytes_ / file.chunk_bytes, 2);
  const std::lock_guard lock(file.mutex);
  return reading.chunk >= chunks_ahead && !file.durable.contains_all_before(reading.chunk - chunks_ahead + 1);
}

bool Assay::begin_chunk(Reading& reading) {
  InFile& file = *reading.file;
  {
    const std::lock_guard lock(file.mutex);
    while (file.durable.contains(reading.chunk)) ++reading.chunk;
  }
  if (reading.chunk * file.chunk_bytes >= reading.compared_bytes) {
    tell_chunk(reading, true);
    reading_.reset();
    return true;
  }
  if (too_far_ahead(reading)) return false;
  reading.in_chunk = true;
  reading.offset = 0;
  reading.keys.clear();
  return true;
}

void Assay::read_frame(Reading& reading) {
  const StageScope scope(Stage::read);
  InFile& file = *reading.file;
  const std::uint64_t begin = reading.chunk * file.chunk_bytes;
  const std::uint64_t content = chunk_content_bytes(reading.compared_bytes, file.chunk_bytes, reading.chunk);
  buffer_.resize(files_.frame_bytes());
  const Bytes frame =
      Bytes(buffer_).first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), content - reading.offset)));
  const auto read = disk::read_now(disk_, *file.older, begin + reading.offset, frame);
  if (!read || *read < frame.size()) {  // it is changed by somebody, or cannot be read: the rest is sent whole
    if (!read)
      log::info("the older version of " + printable(file.entry.path) + " is not compared: " + read.error().text);
    tell_chunk(reading, true);
    reading_.reset();
    return;
  }
  const StageScope digesting(Stage::digest);
  std::array<Digest, protocol::leaves_per_frame_max> leaves;
  const std::size_t count = chunk::leaves_of(frame.size());
  if (delta_ == Delta::xxh3)
    for (std::size_t leaf = 0; leaf < count; ++leaf) leaves[leaf] = chunk::leaf_digest(frame, leaf);
  const FrameKey key = frame_key(delta_, frame, {leaves.data(), count});
  reading.keys.append(text_of(key));
  reading.offset += frame.size();
  if (reading.offset < content) return;
  tell_chunk(reading, false);
  reading.in_chunk = false;
  ++reading.chunk;
}

void Assay::tell_chunk(Reading& reading, bool last) {
  protocol::Message message;
  auto& told = *message.mutable_old_chunk();
  told.set_transfer(files_.transfer());
  told.set_file(reading.file->id);
  told.set_chunk(reading.chunk);
  if (reading.in_chunk) told.set_keys(std::move(reading.keys));
  told.set_last(last);
  tell_(std::move(message));
}

}  // namespace longhaul::engine
