// Which frames are packed, and the memory in which that is done. A frame stays in its slot: what it is packed to, or
// comes as, lies beside it for a moment, in one buffer of the worker.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/slots.h"
#include "chunk/packing.h"
#include "longhaul/options.h"

namespace longhaul::engine {

/// Whether content of one kind is worth another try: what does not shrink is left alone for longer and longer. Several
/// workers may try parts of one file; what they count is about right then.
class PackTrials {
 public:
  /// After enough failures every (2^`doublings_max`)th frame is tried.
  explicit PackTrials(unsigned doublings_max) : doublings_max_(doublings_max) {}
  /// Asked once for each frame.
  [[nodiscard]] bool due();
  void shrank();
  void did_not();

 private:
  unsigned doublings_max_;
  std::atomic<unsigned> skip_{0};
  std::atomic<unsigned> failures_{0};  ///< in a row
};

/// What one worker packs and unpacks. Used by its thread.
class FramePacking {
 public:
  FramePacking(const Compression& wish, Clock& clock);

  /// The worker had nothing to do for so long because streams waited for the wire.
  void idled(Time span);
  /// `wire_limits`: whether the frame's stream waits for the wire rather than the wire for it.
  [[nodiscard]] bool wanted(bool wire_limits) const;
  /// Packs the first `raw_bytes` of the payload in place. Returns how many it has then; 0: it does not shrink by
  /// enough, and stands as it was.
  [[nodiscard]] std::size_t pack(const Slot& slot, std::size_t raw_bytes);
  /// All the time that `pack` has taken.
  [[nodiscard]] Time spent() const { return spent_; }
  /// The other way. False: it is not what `pack` makes of so many bytes; the payload is then lost.
  [[nodiscard]] bool unpack(const Slot& slot, std::size_t packed_bytes, std::size_t raw_bytes);

 private:
  [[nodiscard]] Bytes beside();

  Compression wish_;
  Clock& clock_;
  chunk::Packer packer_;
  chunk::Unpacker unpacker_;
  std::unique_ptr<std::byte[]> beside_;  // made when it is first needed
  Time credit_ = 0;                      // automatic: so much time may still go into packing
  Time spent_ = 0;
};

}  // namespace longhaul::engine
