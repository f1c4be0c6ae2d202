// A worker's part in --checksum: beside its streams it reads whole files and digests them, a piece at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "disk/disk.h"
#include "engine/content_key.h"
#include "engine/feed.h"
#include "engine/hole_map.h"

namespace longhaul::engine {

/// What a file that was read from one end to the other, in one version, is found to be.
struct Compared {
  ContentDigests digests;
  disk::Stat version;  ///< of a file on a disk
};

/// Of all files that are read for one transfer at one end.
struct ComparingTally {
  std::atomic<std::uint64_t> bytes{0};  ///< read so far, holes included
  std::atomic<bool> ended{false};       ///< nobody waits for any of them any more: what is left is dropped
};

/// One file to be read.
struct ContentJob {
  Delta by = Delta::sha256;
  bool root_too = false;  ///< ContentDigests::root is asked for
  std::uint64_t size = 0;
  std::shared_ptr<ComparingTally> tally;
  // On the worker's thread, with its disk:
  std::function<Result<Content>(disk::Disk& disk)> open;
  /// Whether what has been opened is what is meant. Not asked about callers' readers.
  std::function<Result<>(const disk::Stat& found)> check;
  /// Told once, unless the tally has ended: the digests of one version of `size` bytes, or why there are none
  /// (source_changed: it was another version at the end).
  std::function<void(Result<Compared> found)> done;
};

/// Used by the worker's thread only. Small files do not wait for large ones: one of each is read at a time.
class Comparer {
 public:
  /// `disk` belongs to the worker, which hands operations on to `take`. `reap` takes what has finished.
  Comparer(disk::Disk& disk, std::function<void()> reap) : disk_(disk), reap_(std::move(reap)) {}

  void add(ContentJob job);
  /// True when anything was read or digested; the same again will go on with it.
  [[nodiscard]] bool step();
  /// True: it is one of ours, and has been dealt with.
  bool take(const disk::Operation& operation);
  /// The next step drops everything; what is being read ends with its operation. Nobody is told.
  void stop();
  /// What waits or is read here, in bytes; a file counts as some even when it is empty. Any thread.
  [[nodiscard]] std::uint64_t load() const { return load_.load(std::memory_order_relaxed); }
  /// A read is under way.
  [[nodiscard]] bool reads() const { return small_.in_flight || large_.in_flight; }
  /// Any thread, before the job is on its way here.
  void count(const ContentJob& job) { load_.fetch_add(cost_of(job), std::memory_order_relaxed); }

 private:
  struct Reading {
    Reading(ContentJob its_job, Content its_content, const disk::Stat& its_version)
        : job(std::move(its_job)), content(std::move(its_content)), version(its_version), hash(job.by, job.root_too) {}
    ContentJob job;
    Content content;
    disk::Stat version;
    ContentHash hash;
    HoleMap holes;
    std::uint64_t offset = 0;
  };
  /// Files of one kind, one after the other.
  struct Lane {
    std::deque<ContentJob> waiting;
    std::optional<Reading> reading;
    disk::Operation read;
    bool in_flight = false;
    std::vector<std::byte> buffer;  ///< one piece
  };

  static std::uint64_t cost_of(const ContentJob& job);
  bool advance(Lane& lane);
  bool begin(Lane& lane);
  Result<> open(Lane& lane, ContentJob& job);
  void read_piece(Lane& lane);
  bool pass_over_hole(Reading& reading);
  void digest_piece(Lane& lane);
  void end(Lane& lane);
  void answer(ContentJob& job, Result<Compared> found);

  disk::Disk& disk_;
  std::function<void()> reap_;
  Lane small_;
  Lane large_;
  bool stopped_ = false;
  std::uint64_t spent_ = 0;  ///< in this step, on small files: bytes, or what else took as long
  std::atomic<std::uint64_t> load_{0};
};

/// As far as can be seen, nobody has changed the one into the other.
[[nodiscard]] bool same_version(const disk::Stat& one, const disk::Stat& other);

}  // namespace longhaul::engine
