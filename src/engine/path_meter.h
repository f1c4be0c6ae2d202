// What the streams of one path did since they were last looked at, put together. No I/O.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/worker.h"
#include "paths/health.h"
#include "paths/stream_count.h"

namespace longhaul::engine {

/// A stream that sends, as its worker told last.
struct MeteredStream {
  std::uint32_t id = 0;
  StreamHealth health;
  std::uint64_t pace_bytes_per_s = 0;  ///< 0: none
};

/// Used by one thread.
class PathMeter {
 public:
  struct Figures {
    double rtt_s = 0;  ///< mean of those streams that told something new; 0: none did
    double rate = 0;   ///< acknowledged, bytes/s of all of them together
    // Parts of the time, 0..1, means over all streams. One that told nothing new had nothing to do.
    double pressed = 0;      ///< there was more to send than was taken
    double peer_held = 0;    ///< the receiver's window was full
    double buffer_held = 0;  ///< the send buffer was too small
    double slots_held = 0;   ///< the slots of a fabric were too few
    bool capped = false;     ///< it carries about what its pace allows
    std::uint64_t sent_bytes = 0;
    std::uint64_t resent_bytes = 0;
    unsigned slots = 0;                               ///< of all streams; 0: this is no fabric, or none is up
    unsigned slots_each = 0;                          ///< of that stream which has most
    unsigned slot_trips = 1;                          ///< round trips for which a frame has its slot, at most
    Time rtt_min = 0;                                 ///< the least of them; 0: not known
    std::vector<paths::StreamCount::Stream> streams;  ///< of each; rate 0 where nothing new was told
  };

  /// `streams`: all that send on the path now. What a new one did before is not counted.
  Figures take(std::span<const MeteredStream> streams);

 private:
  std::map<std::uint32_t, StreamHealth> before_;  ///< by stream
};

/// A path under watch, on the side that sends.
struct PathWatch {
  /// With another one of these its rate will be another.
  struct Regime {
    std::size_t streams = 0;
    std::uint64_t cap_bits_per_s = 0;
    std::uint64_t cap_of_all_bits_per_s = 0;
    friend bool operator==(const Regime&, const Regime&) = default;
  };
  PathMeter meter;
  paths::Health health;
  Regime regime;
  double factor_told = 1;  ///< to the schedulers
  unsigned times_degraded = 0;
  std::string evidence;  ///< of the last time
};

/// What Health asks about, from what was measured up to `now`.
[[nodiscard]] paths::Health::Sample health_sample(const PathMeter::Figures& figures, Time now);

}  // namespace longhaul::engine
