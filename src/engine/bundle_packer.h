// Packs small files into bundles, in the order in which they come.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "engine/outgoing.h"

namespace longhaul::engine {

class BundlePacker {
 public:
  BundlePacker(std::uint32_t transfer, std::shared_ptr<Feed> feed) : transfer_(transfer), feed_(std::move(feed)) {}

  /// A file of at most protocol::bundled_bytes_max.
  void add(std::uint64_t id, Entry entry);
  /// The oldest bundle, full or - when there is none - as far as it is; null: no files.
  std::shared_ptr<const BundlePlan> take();
  [[nodiscard]] bool empty() const { return open_ == nullptr && full_.empty(); }

 private:
  void begin_frame();
  void close();

  std::uint32_t transfer_;
  std::shared_ptr<Feed> feed_;
  std::shared_ptr<BundlePlan> open_;
  std::uint64_t frame_bytes_ = 0;
  std::size_t frame_files_ = 0;
  std::deque<std::shared_ptr<const BundlePlan>> full_;
  std::uint64_t next_ = 0;
};

}  // namespace longhaul::engine
