// What a receiver knows of files, chunks and bundles that are on their way: written by the storage role, read by
// workers.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/interval_set.h"
#include "disk/disk.h"
#include "engine/claims.h"
#include "engine/properties.h"
#include "journal/landing.h"
#include "journal/manifest.h"
#include "longhaul/entry.h"
#include "longhaul/options.h"
#include "longhaul/sink.h"

namespace longhaul::engine {

struct InFile;

/// One chunk of a file, while its frames arrive. Workers claim frames; whoever completes it hands it to storage.
struct InChunk {
  InChunk(std::shared_ptr<InFile> of, std::uint64_t chunk_index, unsigned frame_count)
      : file(std::move(of)), index(chunk_index), claims(frame_count) {}
  std::shared_ptr<InFile> file;
  std::uint64_t index;
  FrameClaims claims;
  std::uint32_t attempt = 0;            ///< the latest of which a frame has come; guarded by the file's mutex
  std::atomic<std::uint64_t> bytes{0};  ///< content of the frames that are done
  std::atomic<bool> over{false};  ///< nothing is to be written of it: durable, or its file is closed or begun anew
  std::vector<std::byte> memory;  ///< sinks that are not directories: the content, until storage has written it
  std::mutex memory_mutex;
};

/// How a file lands.
enum class Landing : std::uint8_t {
  whole,       ///< in one chunk or bundle, without a journal
  journalled,  ///< in several chunks, with journal
  sink,        ///< into a caller's Writer, by way of memory
};

/// A file that was announced and is to be sent. Shared by storage and workers; what is below the mutex is guarded by
/// it.
struct InFile {
  std::uint64_t id = 0;
  Entry entry;
  std::string name;     ///< last component of entry.path
  disk::DirPtr parent;  ///< target directory
  disk::DirPtr zone;    ///< landing directory on the parent's file system
  Landing landing = Landing::whole;
  std::uint64_t chunk_bytes = 0;
  bool direct = false;
  std::shared_ptr<Writer> writer;             ///< Landing::sink
  std::shared_ptr<journal::ManifestLog> log;  ///< where its digest goes; null: to the transfer's own
  disk::FilePtr older;                        ///< what stands at the target, if it is compared; set before it is sent
  std::uint64_t older_bytes = 0;
  std::atomic<bool> cannot_share = false;  ///< blocks with `older`; found out by trying, by whoever comes first
  bool displaces = false;                  ///< a directory has its name, which goes for it; the storage role only
  Unkept unkept;                           ///< set before it is published, by whoever sets its metadata
  LeaveAlone leave_alone;                  ///< asked again right before it is published: that may be hours later
  std::int64_t granularity_ns = 1;         ///< ... of times at the target

  std::mutex mutex;
  bool source_gone = false;  ///< the sender could not read it again: what has landed is the last there will be
  unsigned restarts = 0;     ///< how often its landing file was lost
  bool ended = false;        ///< its end has been told; the storage role only
  bool closed = false;       ///< no more writes: being published, or given up
  journal::LandingFile landing_file;
  std::map<std::uint64_t, std::shared_ptr<InChunk>> chunks;  ///< arriving or waiting for their commit
  IntervalSet durable;                                       ///< chunks not to be written again

  // Whoever holds one of its chunks sees that it is over. Under the mutex.
  void close() {
    closed = true;
    end_chunks();
  }
  void drop_chunks() {
    end_chunks();
    chunks.clear();
  }
  void set_durable(std::uint64_t index) {
    durable.add(index);
    const auto at = chunks.find(index);
    if (at == chunks.end()) return;
    at->second->over.store(true, std::memory_order_release);
    chunks.erase(at);
  }

 private:
  void end_chunks() {
    for (const auto& [index, chunk] : chunks) chunk->over.store(true, std::memory_order_release);
  }
};

/// A file that stays at its final name, for its content was found to be right; or a copy of one, which is to get there.
struct KeptFile {
  disk::FilePtr file;                                   ///< what was set of it, or is noted, is to be durable
  journal::ManifestRecord record;                       ///< what is known of it
  bool noted = true;                                    ///< the manifest is to say so
  std::shared_ptr<journal::ManifestLog> log = nullptr;  ///< which; null: the transfer's own
  std::shared_ptr<InFile> copy = nullptr;  ///< not null: whole, verified, with its metadata; to be published
};

/// A bundle while its frames arrive and until all its files are published.
struct InBundle {
  InBundle(std::uint64_t bundle_number, unsigned frame_count) : number(bundle_number), claims(frame_count) {}
  std::uint64_t number;
  FrameClaims claims;
  std::atomic<bool> failed{false};  ///< to be sent again from its beginning, once what did land is settled
  std::atomic<std::uint64_t> files_pending{
      0};  ///< landing or landed, not yet published; plus 1 for each frame not done
  /// Files of done frames that are not published (or failed) yet.
  [[nodiscard]] bool files_settled() const {
    return files_pending.load(std::memory_order_acquire) <= claims.frame_count() - claims.done_count();
  }
};

/// All files of one incoming transfer that are on their way.
class IncomingFiles {
 public:
  IncomingFiles(std::uint32_t transfer, std::uint32_t frame_bytes) : transfer_(transfer), frame_bytes_(frame_bytes) {}

  IncomingFiles(const IncomingFiles&) = delete;
  IncomingFiles& operator=(const IncomingFiles&) = delete;
  /// A chunk keeps its file and a file its chunks: whoever ends early takes them apart.
  ~IncomingFiles() {
    for (const auto& [id, file] : files_) file->drop_chunks();
  }

  [[nodiscard]] std::uint32_t transfer() const { return transfer_; }
  /// How chunks are cut in this session.
  [[nodiscard]] std::uint32_t frame_bytes() const { return frame_bytes_; }
  /// Before anybody else knows of it.
  void cut_into(std::uint32_t frame_bytes) { frame_bytes_ = frame_bytes; }

  void announced(std::uint64_t count) {
    const std::lock_guard lock(mutex_);
    announced_ = count;
  }
  /// Whether an entry of this number has ever been announced (its file may be done by now).
  [[nodiscard]] bool was_announced(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    return id < announced_;
  }
  void add(std::shared_ptr<InFile> file) {
    const std::lock_guard lock(mutex_);
    const std::uint64_t id = file->id;
    files_[id] = std::move(file);
  }
  [[nodiscard]] std::shared_ptr<InFile> find(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    const auto at = files_.find(id);
    return at == files_.end() ? nullptr : at->second;
  }
  void remove(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    files_.erase(id);
  }
  [[nodiscard]] std::vector<std::shared_ptr<InFile>> all() {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<InFile>> files;
    files.reserve(files_.size());
    for (const auto& [id, file] : files_) files.push_back(file);
    return files;
  }
  /// Null when this bundle has been dealt with.
  [[nodiscard]] std::shared_ptr<InBundle> bundle(std::uint64_t number, unsigned frame_count) {
    const std::lock_guard lock(mutex_);
    if (bundles_done_.contains(number)) return nullptr;
    auto& bundle = bundles_[number];
    if (bundle == nullptr) {
      bundle = std::make_shared<InBundle>(number, frame_count);
      bundle->files_pending = frame_count;
    }
    return bundle;
  }
  void bundle_done(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    bundles_done_.add(number);
    bundles_.erase(number);
  }
  /// Forgets what has arrived of a bundle, so that it is taken from the beginning when it is sent again.
  void forget_bundle(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    bundles_.erase(number);
  }

  /// Whole files and chunks that wait for their commit: workers take no more frames while there are too many.
  std::atomic<unsigned> backlog{0};
  std::atomic<std::size_t> chunks_waiting{0};
  std::atomic<std::size_t> chunks_mailed{
      0};  ///< written, and storage has not looked yet: holes come faster than it does
  [[nodiscard]] bool crowded() const {
    constexpr unsigned backlog_max = 1024;
    constexpr std::size_t chunks_waiting_max = 512;
    return backlog.load(std::memory_order_relaxed) > backlog_max ||
           chunks_waiting.load(std::memory_order_relaxed) + chunks_mailed.load(std::memory_order_relaxed) >
               chunks_waiting_max;
  }
  /// Set when the transfer ends: workers drop what still comes.
  std::atomic<bool> ended{false};

 private:
  std::uint32_t transfer_;
  std::uint32_t frame_bytes_;
  std::mutex mutex_;
  std::uint64_t announced_ = 0;
  std::unordered_map<std::uint64_t, std::shared_ptr<InFile>> files_;
  std::unordered_map<std::uint64_t, std::shared_ptr<InBundle>> bundles_;
  IntervalSet bundles_done_;
};

}  // namespace longhaul::engine
