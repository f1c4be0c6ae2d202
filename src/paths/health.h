// Notices that a path gets worse before it fails, and that it is well again. Pure decisions, no I/O.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/clock.h"

namespace longhaul::paths {

/// Of one path: CUSUM over the log-ratios of delivery rate, retransmits, RTT and acknowledgement latency to what they
/// usually are, each with the allowance that its own noise asks for. RTT and latency alone do not convict a path that
/// carries its rate: a queue that fills is no fault. Used by one thread.
class Health {
 public:
  /// What happened since the last sample; taken every 50 ms to 1 s. What was not measured stays 0.
  struct Sample {
    Time now = 0;
    double rtt_s = 0;
    /// Delivered, in bytes/s. Counts only while `busy`: there was work all the time, and nobody but the path (no cap,
    /// no receiver, no disk) held it back.
    double rate = 0;
    bool busy = false;
    std::uint64_t sent_bytes = 0;    ///< repeats included
    std::uint64_t resent_bytes = 0;  ///< repeats
    double ack_s = 0;                ///< from a chunk's last byte to its `received`; 0 also while the receiver is slow
  };
  enum class Change : std::uint8_t { none, degraded, recovered };

  /// Says `degraded` or `recovered` once, when it happens.
  Change feed(const Sample& sample);

  [[nodiscard]] bool degraded() const { return degraded_; }
  /// By which the rate measured over the last seconds should be multiplied, 0.1..1: lower than 1 only while degraded,
  /// and back at 1 when what is measured has settled, well or not.
  [[nodiscard]] double factor() const { return factor_; }
  /// The evidence of the last change: "rate 940 Mb/s -> 310 Mb/s, retransmits 0.1 % -> 2.3 %, within 2.5 s".
  [[nodiscard]] const std::string& words() const { return words_; }

  /// The rate will be another one (a cap, other streams): learns it anew, without judging it by the old one.
  void expect_new_rate();

 private:
  enum Kind : std::uint8_t { rate, loss, busy_rtt, idle_rtt, ack, kinds };
  /// One signal, as a logarithm that grows when things get worse. Times in seconds of being fed.
  struct Signal {
    double usual = 0;   ///< over a minute; stands still while in doubt
    double recent = 0;  ///< over 15 s
    double fresh = 0;   ///< over 1.5 s
    double noise = 0;   ///< mean deviation of blocks
    double drift = 0;   ///< mean deviation of 4 s
    double drift_sum = 0;
    double drift_s = 0;
    double learnt_s = 0;
    double cusum = 0;
    double fed_s = 0;    ///< ago
    double begun_s = 0;  ///< since the sum left zero

    void feed(double value, double dt, double allowance_least, bool learn);
    [[nodiscard]] double allowance(double least) const;
    [[nodiscard]] bool ready() const;
  };
  struct Block {
    double rtt_sum = 0;
    unsigned rtts = 0;
    double bytes = 0;
    double busy_s = 0;
    double span_s = 0;
    double sent = 0;
    double resent = 0;
    double ack_sum = 0;
    unsigned acks = 0;
  };

  void feed_block(double dt);
  [[nodiscard]] double score() const;
  [[nodiscard]] bool well() const;
  [[nodiscard]] bool settled() const;
  void set_factor(double dt);
  void describe(bool recovered);
  void relearn();

  std::array<Signal, kinds> signals_;
  Block block_;
  Time last_ = 0;
  bool started_ = false;
  bool degraded_ = false;
  double busy_s_ = 0;  ///< since there was a pause
  double degraded_s_ = 0;
  double well_s_ = 0;
  double settled_s_ = 0;
  double factor_ = 1;
  std::string words_;
};

}  // namespace longhaul::paths
