// Shares rates out: from the caps of paths and of the whole to the pace of each stream. Pure decisions, no I/O.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace longhaul::paths {

/// Bytes on the wire per byte of payload in TCP segments of `segment_bytes` payload (tcpi_snd_mss): Ethernet header
/// (without preamble and check sum, as interfaces and queues count), IP, TCP with timestamps. Unknown (0): 1448.
[[nodiscard]] double wire_per_payload(std::uint32_t segment_bytes, bool ipv6);

/// Called at a steady interval of about 100 ms (what it learns, it learns per call). Every rate is in bytes per second.
/// A stream that uses less than its share leaves the rest to the others, with headroom, and is back at a full share
/// three calls after it wants more. Weights share between paths, a path shares evenly between its streams. Used by one
/// thread.
class Allotter {
 public:
  struct Stream {
    std::uint32_t id = 0;  ///< unique among all paths
    double use = 0;        ///< payload sent since the last call, repeats included
  };
  struct Path {
    std::uint32_t id = 0;
    double cap = 0;      ///< on the wire; 0: none
    double weight = 1;   ///< above 0: its part of the global cap in relation to the others
    double wire = 1.05;  ///< bytes on the wire per byte of `use`: `wire_per_payload`
    /// Bytes on the wire per byte that the pacing counts: as `wire` where TCP paces by itself (it counts payload), 1
    /// where the queue fq does (it counts whole packets).
    double wire_of_pace = 1.05;
    std::span<const Stream> streams;
  };
  struct Pace {
    std::uint32_t stream = 0;
    std::uint64_t rate = 0;  ///< for SO_MAX_PACING_RATE; 0: none
  };

  /// The paces, in the order of the streams. Below a cap they add up to the cap times its `trim`.
  [[nodiscard]] std::vector<Pace> allot(std::span<const Path> paths, double cap_global);

  /// What is handed out per byte of the cap, 0.9 to 1.12: corrects, from what was really sent, for shares that are not
  /// used and for a pacing that is not exact. 1 for a path that is not known.
  [[nodiscard]] double trim(std::uint32_t path) const;
  [[nodiscard]] double trim_global() const { return global_.trim; }

 private:
  struct Known {
    double pace = 0;    ///< handed out by the last call, on the wire; 0: none or new
    double demand = 0;  ///< what it is expected to use, with headroom
    unsigned hits = 0;  ///< calls in a row in which it used all it had
    // Over the last few calls: slow streams send in lumps, and a call between two of them says nothing.
    double use_of_late = 0;
    double pace_of_late = 0;
    bool seen = false;
    /// `used` since the last call; `fair` is the share that it could have if all wanted it.
    void learn(double used, double fair);
  };
  struct Cap {
    double cap = 0;
    double trim = 1;
    bool binding = false;  ///< in the last call more was wanted than it allows
    double used_of_late = 0;
    unsigned calls_unwanted = 0;  ///< in a row, in which nobody used all he had
    bool seen = false;
    void learn(double cap_now, double used, bool wanted);
    [[nodiscard]] double total() const;  ///< to hand out; infinite without a cap
  };

  /// What the streams did since the last call; returns what each path wants.
  std::vector<double> learn(std::span<const Path> paths, double cap_global);
  /// Forgets what was not named since the last call.
  void sweep();

  std::map<std::uint32_t, Known> streams_;
  std::map<std::uint32_t, Cap> paths_;
  Cap global_;
};

/// Water-filling: divides `total` by weight among those who want `wants`; what one does not want goes to the others,
/// and what nobody wants to all by weight. Adds up to `total` (within rounding). `wants` and `weights` have the same
/// length.
[[nodiscard]] std::vector<double> fill(double total, std::span<const double> wants, std::span<const double> weights);

}  // namespace longhaul::paths
