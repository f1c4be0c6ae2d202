// Where a sender's entries and their content come from, seen by the engine: trees by way of its own disks, callers'
// sources, streams that can be read once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "disk/disk.h"
#include "disk/tree_walk.h"
#include "engine/other_name.h"
#include "longhaul/source.h"
#include "longhaul/transfer.h"

namespace longhaul::engine {

/// Content of one entry: a file on a disk, or a caller's reader.
struct Content {
  disk::FilePtr file;
  std::shared_ptr<Reader> reader;
  explicit operator bool() const { return file != nullptr || reader != nullptr; }
};

/// `begin` and `next`: the feeder role only. `open`: any thread, with its own disk.
class Feed {
 public:
  virtual ~Feed() = default;
  /// Begins with the first entry (again). Errors: it does not exist; it cannot be read again.
  virtual Result<> begin(disk::Disk& disk) = 0;
  /// Appends up to `max` entries; false: that was all.
  virtual Result<bool> next(disk::Disk& disk, std::vector<Entry>& out, std::vector<FileError>& errors,
                            std::size_t max) = 0;
  virtual Result<Content> open(disk::Disk& disk, const Entry& entry, bool direct) = 0;
  [[nodiscard]] virtual bool rereadable() const = 0;
  [[nodiscard]] virtual std::string words(const Entry& entry) const {
    return entry.path;
  }  ///< the entry's name for people
  /// Before `begin`: what is left out by size, time or kind is named all the same (EntryType::mention).
  virtual void mention_left_out() {}
  /// By which names are left out, as `Selection::rules`.
  [[nodiscard]] virtual std::vector<std::string> rules() const { return {}; }
  /// What makes of a name that rules are asked about the one that is announced.
  [[nodiscard]] virtual OtherName other_name() const { return {}; }
  /// The feeder role only.
  [[nodiscard]] virtual disk::NotKept not_kept() const { return {}; }
};

/// Files on this machine (or on a simulated one).
/// `name`: see tree_source.
std::unique_ptr<Feed> make_tree_feed(std::vector<std::string> paths, Selection selection = {}, Fidelity fidelity = {},
                                     std::string name = {});
/// Whatever the public API was given.
std::shared_ptr<Feed> make_feed(std::unique_ptr<Source> source);

/// The reader behind a stream whose length shows at its end. The feeder fills it, workers read what is kept, the
/// planner lets go of what is durable. Bounded: `window_bytes`.
class StreamReader : public Reader {
 public:
  /// Waits at most 100 ms for input. True when there may be more.
  virtual Result<bool> fill() = 0;
  [[nodiscard]] virtual std::uint64_t available() const = 0;  ///< bytes read from the beginning
  [[nodiscard]] virtual bool ended() const = 0;
  /// Bytes before `offset` are durable at the receiver.
  virtual void release_before(std::uint64_t offset) = 0;
  /// release_before() has passed it: it cannot be read any more, and need not be.
  [[nodiscard]] virtual bool let_go(std::uint64_t offset) const = 0;
  [[nodiscard]] virtual bool full() const = 0;  ///< the window is used up: fill would have no room
};

}  // namespace longhaul::engine
