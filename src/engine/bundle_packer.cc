#include "engine/bundle_packer.h"

#include <utility>

#include "chunk/bundle.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

constexpr std::size_t frames_max = 16;
constexpr std::size_t frame_files_max = 64;
constexpr std::uint64_t frame_bytes_max = protocol::leaf_bytes;

}  // namespace

void BundlePacker::add(std::uint64_t id, Entry entry) {
  const std::uint64_t bytes = entry.size + chunk::bundle_row_bytes;
  const bool frame_full = frame_bytes_ + bytes > frame_bytes_max || frame_files_ == frame_files_max;
  if (open_ && frame_full && open_->frame_begins.size() == frames_max) close();
  if (!open_) {
    open_ = std::make_shared<BundlePlan>();
    open_->number = next_++;
    open_->feed = feed_;
    open_->transfer = transfer_;
    begin_frame();
  } else if (frame_full) {
    begin_frame();
  }
  frame_bytes_ += bytes;
  ++frame_files_;
  open_->bytes += entry.size;
  open_->files.push_back({id, std::move(entry)});
}

void BundlePacker::begin_frame() {
  open_->frame_begins.push_back(open_->files.size());
  frame_bytes_ = chunk::bundle_head_bytes;
  frame_files_ = 0;
}

void BundlePacker::close() {
  if (open_) full_.push_back(std::exchange(open_, nullptr));
}

std::shared_ptr<const BundlePlan> BundlePacker::take() {
  if (full_.empty()) close();
  if (full_.empty()) return nullptr;
  auto plan = std::move(full_.front());
  full_.pop_front();
  return plan;
}

}  // namespace longhaul::engine
