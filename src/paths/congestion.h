// Which congestion control a path's connections use where nobody named one. Pure decisions, no I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "paths/health.h"
#include "wire/wire.h"

namespace longhaul::paths {

/// Of one path, on the side that sends. "cubic" fills a clean line, and costs least; but it takes every lost packet for
/// a full queue, and crawls on a line that loses some of what it carries. Where there is loss and no queue that would
/// explain it, "bbr" is tried, and kept if it carries more. Used by one thread.
class CongestionChoice {
 public:
  static constexpr std::string_view usual = wire::usual_congestion;
  static constexpr std::string_view other = "bbr";

  /// What happened since the last sample; taken every 50 ms to 1 s. What was not measured stays 0.
  using Sample = Health::Sample;
  enum class Step : std::uint8_t {
    none,
    try_other,  ///< all connections of the path go to `other`
    keep,       ///< ... and stay there
    go_back,    ///< ... and return to `usual`: it brought too little
  };

  /// Says a step once, when it is due.
  Step feed(const Sample& sample);

  /// Another number of connections, another cap: what was measured is about another path.
  void expect_new_rate();

  /// The system does not permit `usual` or `other`: nothing is tried.
  void refused(const std::string& why);

  /// For every connection of the path from now on.
  [[nodiscard]] std::string_view name() const { return phase_ == Phase::usual ? usual : other; }
  /// Why, of the last step; empty: there has been none.
  [[nodiscard]] const std::string& words() const { return words_; }

 private:
  enum class Phase : std::uint8_t { usual, trial, kept };
  /// Of time in which the path was busy.
  struct Span {
    double seconds = 0;
    double rtt_sum = 0;  ///< of seconds x RTT
    double bytes = 0;
    double sent = 0;
    double resent = 0;
    [[nodiscard]] double rate() const { return bytes / seconds; }
    [[nodiscard]] double loss() const { return sent > 0 ? resent / sent : 0; }
  };

  void note_rtt(double rtt_s, double dt);
  void begin(Phase phase);
  [[nodiscard]] bool awaits_loss() const;
  [[nodiscard]] bool loses_without_queue() const;
  Step judge_usual(Time now);
  Step judge_trial(Time now);

  Phase phase_ = Phase::usual;
  bool refused_ = false;
  bool started_ = false;
  Time last_ = 0;
  double skip_s_ = 0;  ///< busy time to come that says nothing: a start, and what came of it
  Span span_;
  double rtt_least_s_ = 0;  ///< of the last half minute and the one before
  double rtt_least_before_s_ = 0;
  double rtt_span_s_ = 0;
  double base_rate_ = 0;  ///< with `usual`
  double base_loss_ = 0;
  Time next_trial_ = 0;
  unsigned failures_ = 0;
  std::string words_;
};

}  // namespace longhaul::paths
