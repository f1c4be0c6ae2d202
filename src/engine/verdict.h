// What limits a transfer: from what the threads of both ends spent their time on, and what was seen of each path, to
// words and shares. No I/O, no clock.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/stages.h"
#include "longhaul/transfer.h"

namespace longhaul::engine {

/// Where the time of one end's threads went.
struct EndTimes {
  StageTimes workers;
  StageTimes files;  ///< sender: the feeder; receiver: storage
  StageTimes control;
  EndTimes& operator+=(const EndTimes& other);
  [[nodiscard]] EndTimes since(const EndTimes& earlier) const;
  [[nodiscard]] Time in(Stage stage) const { return workers[stage] + files[stage] + control[stage]; }
};

/// What kept a path that this side sends on from carrying more.
struct PathTimes {
  std::string name;
  std::uint64_t cap_bits_per_s = 0;  ///< its own; 0: none
  // Of a fabric, as its streams were last.
  unsigned slots = 0;       ///< of all of them; 0: this is none
  unsigned slots_each = 0;  ///< of one
  unsigned slot_trips = 1;  ///< round trips for which a frame has its slot
  Time rtt_min = 0;         ///< 0: not known
  // All others only grow.
  Time pressed = 0;     ///< there was more to send than it took
  Time capped = 0;      ///< of it, it carried what it may
  Time window = 0;      ///< of it, what may be on its way was too little (receiver's window, send buffer)
  Time slots_held = 0;  ///< of it, the slots of a fabric were all taken, and the way was not full
  std::uint64_t sent_bytes = 0;
  std::uint64_t resent_bytes = 0;
  PathTimes& operator+=(const PathTimes& other);
  PathTimes& operator-=(const PathTimes& earlier);
};

/// One transfer over some span of time.
struct Evidence {
  EndTimes sender;
  EndTimes receiver;  ///< nothing in it: the peer does not tell
  std::vector<PathTimes> paths;
  std::uint64_t cap_of_all_bits_per_s = 0;  ///< 0: none
  Time span = 0;
  Time starved = 0;  ///< of it, a stream could have been given more, and there was nothing to give it

  /// Paths are told apart by their place: those that are new count from nothing.
  [[nodiscard]] Evidence since(const Evidence& earlier) const;
  /// Weighs less from now on: half.
  void fade();
  /// Of a span that follows.
  void add(const Evidence& later);
};

/// A receiver that takes no more because its workers wait for its disk, for most of the time that they are at work.
[[nodiscard]] bool waits_for_disk(const EndTimes& receiver);

/// Shares of the time in which the sender's workers had a transfer: they add up to 1. What waits at one place is given
/// to the cause behind it, as far as the two ends can tell: a full connection to its path, or to the receiver that
/// takes no more; having nothing to send to the walk, or to the target that has not answered. The largest first;
/// without those below 1 %. Empty: nothing has been seen.
[[nodiscard]] std::vector<LimitReport> limits_of(const Evidence& evidence);

/// The same of spans that follow each other, each judged by itself: what limited at first says nothing of what did
/// later (a target that is made room on, then a receiver that takes no more: over the whole run it would seem to wait).
/// Used by one thread.
class LimitSum {
 public:
  enum class Cause : std::uint8_t {
    source_walk,
    source_read,
    source_names,
    sender_work,
    paused,
    path,
    network,
    receiver_work,
    older_read,
    target_write,
    target_sync,
    target_names,
    answers,
  };
  struct Part {
    Cause cause = Cause::network;
    std::size_t path = 0;  ///< its place in Evidence::paths, where the cause is one
    double time = 0;       ///< of the sender's workers, added up, ns
  };
  void add(const Evidence& span);
  void add(Cause cause, double time) { add(cause, 0, time); }
  void add(Cause cause, std::size_t path, double time);
  /// As limits_of; `whole`: of all spans, says which words a cause has.
  [[nodiscard]] std::vector<LimitReport> limits(const Evidence& whole) const;
  [[nodiscard]] double time() const;
  [[nodiscard]] const std::vector<Part>& parts() const { return parts_; }

 private:
  std::vector<Part> parts_;
};

/// "path geo (cap 50 Mb/s), 71 % of the time", with the second one where it is nearly as large. Empty for none.
[[nodiscard]] std::string verdict_of(const std::vector<LimitReport>& limits);

/// For the report: by stage, those that took time at either end.
[[nodiscard]] std::vector<StageReport> stages_of(const EndTimes& sender, const EndTimes& receiver);

}  // namespace longhaul::engine
