// What a sender knows of files and chunks that are on their way.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/delta.h"
#include "engine/feed.h"
#include "engine/frame_packing.h"
#include "engine/hole_map.h"
#include "longhaul/entry.h"
#include "protocol/bounds.h"
#include "protocol/frame.h"

namespace longhaul::engine {

struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// It lands in several chunks, with a journal at the receiver.
[[nodiscard]] inline bool is_journalled(const Entry& entry) {
  return entry.type == EntryType::file && (!entry.size_known || entry.size > protocol::whole_bytes_max);
}

/// Law 4: what stands there now is the version that was announced.
[[nodiscard]] inline bool same_version(const Entry& entry, const disk::Stat& now) {
  return now.size == entry.size && now.mtime_ns == entry.mtime_ns && now.ctime_ns == entry.identity.ctime_ns &&
         now.inode == entry.identity.inode && now.device == entry.identity.device;
}

/// A file that is sent in chunks of its own. Shared by planner and workers.
struct OutgoingFile {
  std::uint32_t transfer = 0;
  std::uint64_t id = 0;
  Entry entry;
  std::shared_ptr<Feed> feed;
  std::uint64_t chunk_bytes = 0;
  bool direct = false;
  bool one_chunk = false;  ///< the sender looks at the identity before it sends the last frame; no FileEnd

  PackTrials trials{6};  ///< files of several chunks

  std::mutex mutex;  ///< guards `content`: opened by the first worker that needs it, or by the planner (holes)
  Content content;
};

/// Small files that travel together. Every attempt cuts it into the same frames.
struct BundlePlan {
  struct File {
    std::uint64_t id = 0;
    Entry entry;
  };
  std::uint64_t number = 0;
  std::vector<File> files;
  std::vector<std::size_t> frame_begins;  ///< index of each frame's first file
  std::uint64_t bytes = 0;                ///< of all contents
  std::shared_ptr<Feed> feed;
  std::uint32_t transfer = 0;
};

/// One chunk, given to one stream.
struct ChunkTask {
  std::shared_ptr<OutgoingFile> file;  ///< or
  std::shared_ptr<const BundlePlan> bundle;
  std::uint64_t chunk = 0;  ///< index in the file; number of the bundle
  Extent extent;            ///< in the file; bundles: bytes only
  std::uint32_t frame_bytes = 0;
  std::uint32_t attempt = 0;
  HoleMap holes;             ///< what the planner knows of them
  bool hole = false;         ///< nothing of it crosses but one header
  OlderVersion::Keys older;  ///< of its frames; null: nothing to compare with
  Delta delta = Delta::none;

  /// What a stream has to carry for it.
  [[nodiscard]] std::uint64_t load_bytes() const { return hole ? protocol::frame_header_bytes : extent.bytes; }
  [[nodiscard]] std::uint32_t transfer() const { return file ? file->transfer : bundle->transfer; }
  [[nodiscard]] std::uint64_t file_id() const { return file ? file->id : ~std::uint64_t{0}; }
  [[nodiscard]] unsigned frame_count() const {
    if (bundle) return static_cast<unsigned>(bundle->frame_begins.size());
    return static_cast<unsigned>((extent.bytes + frame_bytes - 1) / frame_bytes);
  }
};

}  // namespace longhaul::engine
