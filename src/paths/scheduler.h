// Which stream gets the next chunk: the one where it is expected first, among those with room. Pure decisions, no I/O.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "base/clock.h"

namespace longhaul::paths {

/// Used by one thread.
class Scheduler {
 public:
  using StreamId = std::uint32_t;

  void add(StreamId stream, Time now);
  void remove(StreamId stream);
  void assigned(StreamId stream, std::uint64_t bytes, Time now);
  /// The peer has it (or it came to nothing).
  void answered(StreamId stream, std::uint64_t bytes, Time now);

  /// The stream for a chunk of `bytes`, or none: no stream has room, or - near the end, `remaining_bytes` being all
  /// that is left - the others will have carried everything before it would arrive.
  [[nodiscard]] std::optional<StreamId> choose(std::uint64_t bytes, std::uint64_t remaining_bytes) const;

  [[nodiscard]] std::size_t streams() const { return streams_.size(); }
  [[nodiscard]] std::uint64_t bytes_in_flight() const;
  /// Bytes per second that this stream is expected to carry; 0: not known yet.
  [[nodiscard]] double rate(StreamId stream) const;

 private:
  struct Stream {
    std::uint64_t bytes_in_flight = 0;
    unsigned chunks_in_flight = 0;
    double bytes = 0;     ///< answered, older ones fading
    double busy_s = 0;    ///< the time that it was busy with them, fading alike
    Time busy_since = 0;  ///< last answer or begin of business
    [[nodiscard]] double rate() const;
    /// Measured for so long that others may be told to wait for it.
    [[nodiscard]] bool trusted() const;
  };
  [[nodiscard]] bool has_room(const Stream& stream, std::uint64_t bytes) const;
  [[nodiscard]] double arrival_s(const Stream& stream, std::uint64_t bytes) const;

  std::map<StreamId, Stream> streams_;
};

}  // namespace longhaul::paths
