// Which stream gets the next chunk, and which chunk had better go out once more on another stream. Pure decisions, no
// I/O.
//
// Every stream has a queue of loads: the copies of chunks that were given to it and are not answered. A chunk goes
// where it is expected first: (bytes waiting there + chunk) / measured rate + RTT / 2. A stream that has bytes on the
// wire of which nothing is acknowledged for silence_min, or 4 RTT if that is longer, is stalled (law 6): it gets
// nothing, and its loads go elsewhere. A load on a stream that crawls goes elsewhere once it is expected there earlier
// by as much. What has not begun to go out is called back for that, so that it goes out once; the rest goes out twice,
// and therefore only where it is late by what was expected of it: a slow path that carries what it was given for is
// not crawling.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/clock.h"

namespace longhaul::paths {

using StreamId = std::uint32_t;
using PathId = std::uint32_t;

/// One copy of a chunk on its way.
struct Load {
  std::uint64_t file = 0;
  std::uint64_t chunk = 0;
  std::uint32_t attempt = 0;
  std::uint64_t bytes = 0;
  bool hole = false;  ///< `bytes` is next to nothing
  [[nodiscard]] bool same_copy(const Load& other) const {
    return file == other.file && chunk == other.chunk && attempt == other.attempt;
  }
};

/// A load that is expected earlier on another stream.
struct Late {
  StreamId stream = 0;  ///< that carries it now
  Load load;
  bool begun = false;  ///< some of it has gone out, as far as is known here
};

/// What a stream's connection and its kernel tell. `acked_bytes`, `acks` and `held` only grow.
struct Sample {
  Time at = 0;                     ///< when it was taken; 0: nothing is known
  Time rtt = 0;                    ///< smoothed
  std::uint64_t acked_bytes = 0;   ///< acknowledged by the peer's kernel, in order
  std::uint64_t acks = 0;          ///< grows with everything that is acknowledged, also out of order
  bool waiting = false;            ///< bytes are on the wire and not acknowledged
  std::uint64_t handed_bytes = 0;  ///< given to the kernel, and not acknowledged
  Time held = 0;                   ///< time in which the peer's full window kept bytes back
};

/// What an operator, a policy or a forecast says of a path.
struct PathTerms {
  double weight = 1;   ///< counts as so many times as fast as it is
  bool spare = false;  ///< used only while no other path can carry
  double factor = 1;   ///< its streams are expected to carry so much of what they did, above 0 (Health::factor)
};

/// Used by one thread.
class Scheduler {
 public:
  static constexpr Time silence_min = 200 * millisecond;
  static constexpr Time silence_max = 3 * second;

  void set_path(PathId path, const PathTerms& terms);
  /// What this path may be given until the next call, in bytes of chunks; what waits on its streams counts. The last
  /// chunk may go beyond it. Nothing: any.
  void allow(PathId path, std::optional<double> bytes);
  /// Also one that was retired: it goes on with what it has. True: it is a new one.
  bool add(StreamId stream, PathId path, Time now);
  /// Its loads are forgotten: the caller sends them again.
  void remove(StreamId stream);
  /// No new loads for it; what it has is still expected of it.
  void retire(StreamId stream);

  /// `copy`: another stream carries it as well; late() leaves it alone.
  void assigned(StreamId stream, const Load& load, Time now, bool copy = false);
  /// All of it has arrived. False: this stream does not carry it.
  bool answered(StreamId stream, const Load& load, Time now);
  /// The rest of it will not go out. Returns what was expected of it, in bytes; 0: this stream does not carry it.
  std::uint64_t dropped(StreamId stream, const Load& load);
  /// Nobody will answer what is on its way of this file.
  void forget_file(std::uint64_t file);
  /// True: more has been acknowledged since the one before, and it has loads.
  bool sampled(StreamId stream, const Sample& sample);
  /// Nothing is to go out until rest(false): that streams carry nothing says nothing of them.
  void rest(bool resting) { resting_ = resting; }
  /// No other stream carries this load any more: late() may name it again.
  void alone(StreamId stream, const Load& load);

  /// The stream for a chunk of `bytes`, or none: no stream has room, or - near the end, `remaining_bytes` being all
  /// that is left - the others will have carried everything before it would arrive. `not_on`: 0, or the stream that
  /// carries a copy of it already; its path is avoided while another one has room.
  [[nodiscard]] std::optional<StreamId> choose(std::uint64_t bytes, std::uint64_t remaining_bytes,
                                               StreamId not_on = 0) const;

  /// Streams on which nothing moves although bytes are on the wire. Empty while no stream of another state is there to
  /// take over, and at rest; each is named once for each of its stalls.
  [[nodiscard]] std::vector<StreamId> newly_stalled();
  /// Streams that have been stalled for silence_max, or 8 RTT if that is longer: better dialled anew.
  [[nodiscard]] std::vector<StreamId> hopeless() const;
  /// Another stream than this one can carry.
  [[nodiscard]] bool open_beside(StreamId stream) const;
  /// The load that gains most by going out elsewhere, if any gains enough; none at rest. `idle`: there is nothing else
  /// to send, so that a smaller gain will do. One that has begun counts as copied from now on and is not named again;
  /// one that has not counts as called back, and is taken for begun if it is still there next time.
  [[nodiscard]] std::optional<Late> late(bool idle, Time now);

  [[nodiscard]] std::size_t streams() const { return streams_.size(); }
  [[nodiscard]] std::uint64_t bytes_in_flight() const;
  /// Bytes per second that this stream is expected to carry; 0: not known yet.
  [[nodiscard]] double rate(StreamId stream) const;
  /// All copies of this stream that are not answered, oldest first.
  [[nodiscard]] std::vector<Load> loads(StreamId stream) const;

 private:
  struct Queued {
    Load load;
    bool copied = false;
    bool called_back = false;
    Time since = 0;        ///< assigned
    double planned_s = 0;  ///< from then to its arrival, as it was expected
    bool guessed = false;  ///< that, for nothing was known of the stream
  };
  /// What it takes to send a load elsewhere: so much earlier, and in so small a part of the time.
  struct Gain {
    double least_s = 0;
    double ratio = 1;
  };
  struct Stream {
    StreamId id = 0;
    PathId path = 0;
    std::deque<Queued> queue;
    std::uint64_t queued_bytes = 0;
    std::size_t holes = 0;    ///< among the queue
    std::uint64_t acked = 0;  ///< of queued_bytes, by the peer's kernel
    Sample last;
    Time quiet_since = 0;  ///< waiting, and nothing acknowledged since; 0: not so
    bool stalled = false;
    bool told = false;  ///< named by newly_stalled
    bool retired = false;
    double bytes = 0;   ///< carried, older ones fading
    double busy_s = 0;  ///< the time that it had for them, fading alike
    Time busy_since = 0;
    Time added_at = 0;
    [[nodiscard]] double rate() const;
    [[nodiscard]] bool trusted() const;
    [[nodiscard]] bool sampled() const { return last.at != 0; }
    [[nodiscard]] bool open() const { return !stalled && !retired; }
    [[nodiscard]] double backlog() const { return static_cast<double>(queued_bytes - acked); }
    [[nodiscard]] double rtt_s() const { return static_cast<double>(last.rtt) / static_cast<double>(second); }
    void carried(std::uint64_t count, double over_s);
  };
  [[nodiscard]] Stream* find(StreamId stream);
  [[nodiscard]] const Stream* find(StreamId stream) const;
  struct Path {
    PathTerms terms;
    std::optional<double> allowance;  ///< what is left of it
  };
  [[nodiscard]] const PathTerms& terms(const Stream& stream) const;
  [[nodiscard]] std::uint64_t queued_on(PathId path) const;
  [[nodiscard]] bool is_allowed(const Stream& stream, std::uint64_t bytes) const;
  [[nodiscard]] bool has_room(const Stream& stream, std::uint64_t bytes) const;
  [[nodiscard]] double arrival_s(const Stream& stream, double bytes) const;
  [[nodiscard]] bool spares_wait() const;
  [[nodiscard]] bool better_left_to_others(const Stream& stream, double bytes, std::uint64_t remaining_bytes) const;
  [[nodiscard]] double best_elsewhere_s(const Stream& from, const Queued& queued, bool begun) const;
  [[nodiscard]] static std::optional<Gain> gain_wanted(const Stream& stream, bool idle, bool begun, Time now);
  [[nodiscard]] static bool slipped(const Queued& queued, double here_s, double least_s, Time now);
  using Place = std::deque<Queued>::const_iterator;
  [[nodiscard]] static Place find(const Stream& stream, const Load& load);
  [[nodiscard]] static std::uint64_t acked_of(const Stream& stream, const Place& at);
  static void taken_off(Stream& stream, const Place& at, std::uint64_t acked);

  bool resting_ = false;
  std::vector<Stream> streams_;  ///< by id
  std::vector<Path> paths_;
};

}  // namespace longhaul::paths
