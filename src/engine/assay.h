// The receiver's half of a delta (delta.h): what it tells the sender of older versions.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "disk/disk.h"
#include "engine/delta.h"
#include "engine/incoming.h"

namespace longhaul::engine {

/// Receiver: reads older versions, and tells the sender their keys. In the storage role's spare time, one frame at a
/// time: the disk gives what it gives, and nothing that has landed waits longer than for one frame.
class Assay {
 public:
  /// Not further ahead of what is durable than the sender will keep keys.
  static constexpr std::uint64_t ahead_max = std::uint64_t{8} * 1024 * 1024 * 1024;
  Assay(disk::Disk& disk, IncomingFiles& files, Delta delta, std::function<void(protocol::Message)> tell,
        std::uint64_t ahead_bytes = ahead_max);
  ~Assay();
  Assay(const Assay&) = delete;
  Assay& operator=(const Assay&) = delete;

  /// `file->older` is set. Its chunks wait at the sender until they have been told of.
  void add(std::shared_ptr<InFile> file);
  /// Looks at one frame more. False: there is nothing to look at now; it may go on when something has become durable.
  bool step();

 private:
  struct Reading;
  void next_file();
  bool too_far_ahead(Reading& reading) const;
  /// The next chunk that is not durable yet, or the end of the file. False: it must wait.
  bool begin_chunk(Reading& reading);
  void read_frame(Reading& reading);
  void tell_chunk(Reading& reading, bool last);

  disk::Disk& disk_;
  IncomingFiles& files_;
  Delta delta_;
  std::uint64_t ahead_bytes_;
  std::function<void(protocol::Message)> tell_;
  std::deque<std::shared_ptr<InFile>> waiting_;
  std::unique_ptr<Reading> reading_;
  std::vector<std::byte> buffer_;  // one frame
};

}  // namespace longhaul::engine
