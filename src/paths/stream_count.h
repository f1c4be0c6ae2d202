// streams=auto: how many streams a path wants, and which of them should be dialled anew. Pure decisions, no I/O.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"

namespace longhaul::paths {

constexpr unsigned streams_auto_start = 2;
constexpr unsigned streams_auto_max = 16;

/// Of one path. Starts with two streams, doubles while that pays (goodput rises by more than 3 % and by more than
/// noise), goes back when it did not, and tries again after 30 s, 60 s, ... 10 min, or soon when the path has changed.
/// That shows in its goodput, and not in round trips or losses: what they do to no stream's rate asks for no other
/// number. Used by one thread.
class StreamCount {
 public:
  struct Stream {
    std::uint32_t id = 0;
    double rate = 0;    ///< bytes/s since the last sample
    bool busy = false;  ///< had work all the time since then
  };
  /// What happened since the last sample; taken every 0.5 to 2 s.
  struct Sample {
    Time now = 0;
    std::span<const Stream> streams;  ///< those that are connected
    double goodput = 0;               ///< of the path, bytes/s
    double rtt_s = 0;
    double busy = 1;              ///< part of the time in which there was work for the path, 0..1
    double sndbuf_limited = 0;    ///< part of the streams' busy time in which their send buffer held them back, 0..1
    double receiver_limited = 0;  ///< the same for the receiver's window
    bool capped = false;          ///< the cap in force is reached
    bool peer_slow = false;       ///< the receiver's disk holds all paths back
  };
  struct Choice {
    unsigned streams = streams_auto_start;
    /// Far slower than its siblings for a while: close it and dial another one in its place.
    std::optional<std::uint32_t> redial;
  };

  Choice decide(const Sample& sample);

  /// The number and why: "4: 8 brought no more (3.1 Gb/s after 3 Gb/s)".
  [[nodiscard]] std::string words() const;

 private:
  enum class Phase : std::uint8_t { measure, trial };
  enum class Why : std::uint8_t { starting, no_gain, most, fewer };   ///< the number is what it is
  enum class Held : std::uint8_t { no, no_work, capped, peer_slow };  ///< nothing can be found out just now
  [[nodiscard]] bool usable(const Sample& sample);
  void settle(const Sample& sample);
  void start_trial(const Sample& sample, unsigned number);
  void judge(const Sample& sample);
  void end_trial(const Sample& sample, bool keep);
  void back_off(const Sample& sample);
  void put_off_fewer(const Sample& sample);
  void measure_drift(double goodput);
  void look_for_change(const Sample& sample);
  [[nodiscard]] std::optional<std::uint32_t> find_laggard(const Sample& sample);

  unsigned wanted_ = streams_auto_start;
  Phase phase_ = Phase::measure;
  Why why_ = Why::starting;
  Held held_ = Held::no;
  bool started_ = false;
  Time settled_at_ = 0;         ///< before it nothing is measured
  Time complete_since_ = 0;     ///< last time that all wanted streams were there
  std::deque<double> goodput_;  ///< of the newest intervals at the present number

  unsigned before_ = 0;       ///< number before the trial
  std::vector<double> base_;  ///< goodput with it
  unsigned trial_samples_ = 0;
  unsigned failures_ = 0;  ///< trials of more in a row that did not pay
  Time next_trial_ = 0;
  unsigned fewer_failures_ = 0;  ///< trials of fewer that lost something, at once or later
  Time next_fewer_ = time_never;
  bool fewer_kept_ = false;
  Time trial_ended_ = 0;
  double usual_goodput_ = 0;  ///< since the last trial ended, at first; 0: not measured yet
  unsigned tried_ = 0;        ///< number that did not pay
  double tried_goodput_ = 0;
  double tried_base_ = 0;
  // By how much (squared, of the mean) goodput differs between one block of intervals and the next, nothing being
  // changed: noise that lasts for seconds hides from the deviation of intervals.
  double drift_ = 0;
  double block_ = 0;
  double block_before_ = 0;
  std::size_t block_samples_ = 0;

  double sndbuf_limited_ = 0;  // the newest, smoothed: for the words
  double receiver_limited_ = 0;
  double per_stream_ = 0;

  std::optional<std::uint32_t> laggard_;
  std::size_t laggards_ = 0;  ///< when the last one was dialled anew
  Time laggard_since_ = 0;
  Time redialled_ = 0;
  unsigned redials_ = 0;  ///< in short succession
};

}  // namespace longhaul::paths
