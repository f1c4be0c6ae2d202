#include "paths/congestion.h"

#include <fmt/format.h>

#include <algorithm>

#include "paths/words.h"

namespace longhaul::paths {
namespace {

constexpr double pause_s = 5;  // between samples: what lies between was not measured
constexpr double start_s = 2;  // slow start overshoots, and loses what no line has lost
constexpr double start_rtts = 20;
constexpr double look_s = 2;  // of busy time, to see loss or a gain
constexpr double look_rtts = 20;
constexpr double rtt_memory_s = 30;
constexpr double long_line_s = 0.002;  // below it a lost packet is made good before it is missed
// Loss: a clean line of 100 Mb/s or more loses less to fill itself.
constexpr double loss_least = 3e-5;
constexpr double resent_least = 4'000;  // bytes: three packets ...
constexpr double resent_within_s = 30;
// A queue that explains it: by so much is the mean RTT over the least one. Jitter is no queue.
constexpr double queue_part = 0.35;
constexpr double queue_s = 0.002;
constexpr double gain_least = 1.2;  // for which to leave what fills clean lines
constexpr Time again_least = 2 * 60 * second;
constexpr Time again_most = 32 * 60 * second;

}  // namespace

void CongestionChoice::begin(Phase phase) {
  phase_ = phase;
  span_ = {};
  skip_s_ = std::max(start_s, start_rtts * rtt_least_s_);
}

void CongestionChoice::expect_new_rate() {
  if (phase_ == Phase::kept) return;
  begin(phase_);
}

void CongestionChoice::refused(const std::string& why) {
  refused_ = true;
  begin(Phase::usual);
  words_ = fmt::format("it loses {:.2g} % of what it carries and no queue explains it: {} might carry more, but {}",
                       100 * base_loss_, other, why);
}

void CongestionChoice::note_rtt(double rtt_s, double dt) {
  rtt_span_s_ += dt;
  if (rtt_span_s_ >= rtt_memory_s) {
    rtt_least_before_s_ = rtt_least_s_;
    rtt_least_s_ = rtt_span_s_ = 0;
  }
  if (rtt_s > 0) rtt_least_s_ = rtt_least_s_ > 0 ? std::min(rtt_least_s_, rtt_s) : rtt_s;
}

CongestionChoice::Step CongestionChoice::feed(const Sample& sample) {
  const double dt = static_cast<double>(sample.now - last_) / static_cast<double>(second);
  const bool first = !started_;
  started_ = true;
  last_ = sample.now;
  if (first || dt <= 0 || dt > pause_s) {
    begin(phase_);
    return Step::none;
  }
  note_rtt(sample.rtt_s, dt);
  if (phase_ == Phase::kept || refused_ || !sample.busy || sample.rtt_s <= 0) return Step::none;
  if (skip_s_ > 0) {
    skip_s_ -= dt;
    return Step::none;
  }
  span_.seconds += dt;
  span_.rtt_sum += dt * sample.rtt_s;
  span_.bytes += dt * sample.rate;
  span_.sent += static_cast<double>(sample.sent_bytes);
  span_.resent += static_cast<double>(sample.resent_bytes);
  if (span_.seconds < std::max(look_s, look_rtts * sample.rtt_s) || awaits_loss()) return Step::none;
  const Step step = phase_ == Phase::usual ? judge_usual(sample.now) : judge_trial(sample.now);
  span_ = {};
  return step;
}

/// A slow line needs longer to lose a few packets.
bool CongestionChoice::awaits_loss() const {
  return phase_ == Phase::usual && span_.resent > 0 && span_.resent < resent_least && span_.seconds < resent_within_s;
}

bool CongestionChoice::loses_without_queue() const {
  const double least = rtt_least_before_s_ > 0 ? std::min(rtt_least_s_, rtt_least_before_s_) : rtt_least_s_;
  if (least < long_line_s || span_.resent < resent_least || span_.loss() < loss_least) return false;
  return span_.rtt_sum / span_.seconds <= least * (1 + queue_part) + queue_s;
}

CongestionChoice::Step CongestionChoice::judge_usual(Time now) {
  if (now < next_trial_ || !loses_without_queue()) return Step::none;
  base_rate_ = span_.rate();
  base_loss_ = span_.loss();
  begin(Phase::trial);
  words_ = fmt::format("{}: tried, for the path loses {:.2g} % of what it carries and no queue explains it", other,
                       100 * base_loss_);
  return Step::try_other;
}

CongestionChoice::Step CongestionChoice::judge_trial(Time now) {
  const double rate = span_.rate();
  const bool better = rate >= gain_least * base_rate_;
  words_ = fmt::format("{}: {} carried {} where {} carried {}, the path losing {:.2g} %", better ? other : usual, other,
                       bits_per_s(rate), usual, bits_per_s(base_rate_), 100 * base_loss_);
  begin(better ? Phase::kept : Phase::usual);
  if (better) return Step::keep;
  next_trial_ = now + std::min(again_least << std::min(failures_, 4U), again_most);
  ++failures_;
  return Step::go_back;
}

}  // namespace longhaul::paths
