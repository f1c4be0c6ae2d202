#include "paths/health.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "paths/words.h"

namespace longhaul::paths {
namespace {

constexpr double block_s = 0.5;  // the least; of long paths two round trips
constexpr double block_rtts = 2;
constexpr double block_most_s = 2;
constexpr double pause_s = 5;  // between samples: what lies between was not measured
constexpr double start_s = 2;  // after a pause: slow start and its overshoot say nothing
constexpr double start_rtts = 10;
constexpr double learn_s = 10;  // before a signal is judged
constexpr double usual_s = 60;
constexpr double recent_s = 15;
constexpr double fresh_s = 1.5;
constexpr double drift_span_s = 4;
constexpr double noise_allowed = 1.5;
constexpr double drift_allowed = 2.5;
constexpr double alarm = 2;     // of a sum, in log-ratio x seconds: half the rate for 4 s, a tenth for 2 s
constexpr double in_doubt = 1;  // of a sum: what is seen now is not taken for usual
constexpr double sum_most = 4;
constexpr double step_most = 1;              // of log-ratio: one bad block is no alarm
constexpr double queue_most = 0.8 * alarm;   // that RTT and latency count without rate or loss
constexpr double far = 1.4;                  // log-ratio (4 times) of RTT at which they count in full
constexpr double loss_base = 0.002;          // added to both sides of the ratio: less is no fault
constexpr double loss_bytes_least = 75'000;  // sent, for a block to say something of loss
constexpr double forgets_per_s = 0.2;        // of a sum that is not fed
constexpr double stale_s = 5;
constexpr double well_for_s = 4;
constexpr double settled_for_s = 60;
constexpr double factor_least = 0.1;
constexpr double factor_at_alarm = 0.7;
constexpr double factor_rises_s = 5;

/// By how much a logarithm may be worse than usual without counting.
constexpr std::array<double, 5> allowance_least = {0.2, 0.7, 0.35, 0.7, 0.5};
/// How much of a signal's log-ratio the factor takes: a lost rate in full, its harbingers in part.
constexpr std::array<double, 5> factor_part = {1, 0.3, 0.3, 0.2, 0.3};

double loss_of(double logarithm) {
  return std::max(0.0, std::exp(logarithm) - loss_base);
}

std::string loss_words(double logarithm) {
  const double percent = 100 * loss_of(logarithm);
  return percent < 0.05 ? "0 %" : fmt::format("{:.1f} %", percent);
}

std::string time_words(double logarithm) {
  const double ms = 1000 * std::exp(logarithm);
  return ms < 9.95 ? fmt::format("{:.1f} ms", ms) : fmt::format("{:.0f} ms", ms);
}

}  // namespace

double Health::Signal::allowance(double least) const {
  return std::max({least, noise_allowed * noise, drift_allowed * drift});
}

bool Health::Signal::ready() const {
  return learnt_s >= learn_s;
}

void Health::Signal::feed(double value, double dt, double least, bool learn) {
  const double gap = fed_s;
  fed_s = 0;
  if (learnt_s <= 0) {
    usual = recent = fresh = value;
    learnt_s = dt;
    return;
  }
  // After a pause it may begin anywhere (slow start): the short memories follow, the long one does not.
  fresh += (value - fresh) * (gap > stale_s ? 1 : std::min(1.0, dt / fresh_s));
  recent += (value - recent) * std::min(1.0, dt / recent_s);
  const double deviation = value - usual;
  if (!ready()) {
    const double part = dt / (learnt_s + dt);
    usual += deviation * part;
    noise += (std::abs(deviation) - noise) * part;
    learnt_s += dt;
    return;
  }
  const double before = cusum;
  const double over = std::min(deviation - allowance(least), step_most);
  cusum = std::clamp(cusum + over * dt, 0.0, sum_most);
  begun_s = before > 0 ? begun_s + dt : dt;
  if (!learn || cusum >= in_doubt) return;
  const double part = std::min(1.0, dt / usual_s);
  const double limit = 3 * allowance(least);  // one wild block does not move what is usual
  usual += std::clamp(deviation, -limit, limit) * part;
  noise += (std::min(std::abs(deviation), limit) - noise) * part;
  drift_sum += deviation * dt;
  drift_s += dt;
  if (drift_s < drift_span_s) return;
  drift += (std::min(std::abs(drift_sum / drift_s), limit) - drift) * std::min(1.0, drift_s / usual_s);
  drift_sum = drift_s = 0;
}

Health::Change Health::feed(const Sample& sample) {
  const double dt = static_cast<double>(sample.now - last_) / static_cast<double>(second);
  const bool first = !started_;
  started_ = true;
  last_ = sample.now;
  if (first || dt > pause_s || dt < 0) {
    block_ = {};
    return Change::none;
  }
  if (sample.rtt_s > 0) {
    block_.rtt_sum += sample.rtt_s;
    ++block_.rtts;
  }
  block_.span_s += dt;
  if (sample.busy) {
    block_.bytes += sample.rate * dt;
    block_.busy_s += dt;
  }
  block_.sent += static_cast<double>(sample.sent_bytes);
  block_.resent += static_cast<double>(sample.resent_bytes);
  if (sample.ack_s > 0) {
    block_.ack_sum += sample.ack_s;
    ++block_.acks;
  }
  const double wanted_s = std::clamp(block_rtts * sample.rtt_s, block_s, block_most_s);
  if (block_.span_s < wanted_s * 0.99) return Change::none;
  const double span_s = block_.span_s;
  feed_block(span_s);
  block_ = {};

  if (!degraded_) {
    factor_ = std::min(1.0, factor_ + (1 - factor_) * span_s / factor_rises_s);
    if (score() < alarm) return Change::none;
    degraded_ = true;
    degraded_s_ = well_s_ = settled_s_ = 0;
    describe(false);
    factor_ = factor_at_alarm;
    set_factor(span_s);
    return Change::degraded;
  }
  degraded_s_ += span_s;
  well_s_ = well() ? well_s_ + span_s : 0;
  settled_s_ = settled() ? settled_s_ + span_s : 0;
  set_factor(span_s);
  if (well_s_ < well_for_s && settled_s_ < settled_for_s) return Change::none;
  describe(true);
  if (well_s_ < well_for_s) relearn();
  for (Signal& signal : signals_) signal.cusum = 0;
  degraded_ = false;
  return Change::recovered;
}

void Health::feed_block(double dt) {
  for (Signal& signal : signals_) signal.fed_s += dt;
  const auto give = [&](Kind kind, double value) { signals_[kind].feed(value, dt, allowance_least[kind], !degraded_); };
  const bool busy = block_.busy_s > 0.9 * block_.span_s;
  busy_s_ = busy ? busy_s_ + dt : 0;
  const double rtt_s = block_.rtts > 0 ? block_.rtt_sum / block_.rtts : 0;
  const bool starting = busy && busy_s_ < start_s + start_rtts * rtt_s;
  if (busy && !starting) give(rate, -std::log(std::max(1.0, block_.bytes / block_.busy_s)));
  if (block_.sent >= loss_bytes_least && !starting) {
    give(loss, std::log(std::min(1.0, block_.resent / block_.sent) + loss_base));
  }
  // Under load a queue belongs to it: what is usual then is another thing.
  if (rtt_s > 0) give(busy ? busy_rtt : idle_rtt, std::log(rtt_s));
  if (block_.acks > 0) give(ack, std::log(block_.ack_sum / block_.acks));
  for (Signal& signal : signals_) {
    if (signal.fed_s > 0) signal.cusum = std::max(0.0, signal.cusum - forgets_per_s * dt);
  }
}

double Health::score() const {
  const auto sum = [&](Kind kind) { return signals_[kind].fed_s < stale_s ? signals_[kind].cusum : 0; };
  const double rtt = std::max(sum(busy_rtt), sum(idle_rtt));
  const bool far_off = (sum(busy_rtt) > 0 && signals_[busy_rtt].fresh - signals_[busy_rtt].usual > far) ||
                       (sum(idle_rtt) > 0 && signals_[idle_rtt].fresh - signals_[idle_rtt].usual > far);
  const double queue = (rtt + sum(ack)) * (far_off ? 0.5 : 1);
  return sum(rate) + sum(loss) + (far_off ? queue : std::min(queue, queue_most));
}

bool Health::well() const {
  bool any = false;
  for (std::size_t kind = 0; kind < kinds; ++kind) {
    const Signal& signal = signals_[kind];
    if (!signal.ready() || signal.fed_s >= stale_s) continue;
    any = true;
    if (signal.fresh - signal.usual > signal.allowance(allowance_least[kind])) return false;
  }
  return any;
}

bool Health::settled() const {
  bool any = false;
  for (std::size_t kind = 0; kind < kinds; ++kind) {
    const Signal& signal = signals_[kind];
    if (!signal.ready() || signal.fed_s >= stale_s) continue;
    any = true;
    if (std::abs(signal.fresh - signal.recent) > signal.allowance(allowance_least[kind])) return false;
  }
  return any;
}

void Health::set_factor(double dt) {
  double worse = 0;
  for (std::size_t kind = 0; kind < kinds; ++kind) {
    const Signal& signal = signals_[kind];
    if (!signal.ready() || signal.fed_s >= stale_s) continue;
    worse += factor_part[kind] * std::max(0.0, signal.fresh - signal.recent);
  }
  const double target = std::max(factor_least, std::exp(-worse));
  factor_ = target < factor_ ? target : factor_ + (target - factor_) * std::min(1.0, dt / factor_rises_s);
}

void Health::describe(bool recovered) {
  struct Part {
    double weight;
    std::string text;
  };
  std::vector<Part> parts;
  double within_s = 0;
  for (std::size_t kind = 0; kind < kinds; ++kind) {
    const Signal& signal = signals_[kind];
    if (!signal.ready() || signal.fed_s >= stale_s) continue;
    if (recovered ? kind == idle_rtt : signal.cusum < 0.15 * alarm) continue;
    const auto pair = [&](const char* name, auto say) {
      if (recovered) return fmt::format("{} {}", name, say(signal.fresh));
      return fmt::format("{} {} -> {}", name, say(signal.usual), say(signal.fresh));
    };
    const auto rate_words = [](double logarithm) { return bits_per_s(std::exp(-logarithm)); };
    std::string text;
    if (kind == rate) text = pair("rate", rate_words);
    if (kind == loss) text = pair("retransmits", loss_words);
    if (kind == busy_rtt || kind == idle_rtt) text = pair("RTT", time_words);
    if (kind == ack) text = pair("acknowledgements after", time_words);
    parts.push_back({signal.cusum, std::move(text)});
    within_s = std::max(within_s, signal.begun_s);
  }
  if (!recovered) {
    std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.weight > b.weight; });
  }
  words_.clear();
  for (const Part& part : parts) words_ += (words_.empty() ? "" : ", ") + part.text;
  if (!recovered) {
    words_ += fmt::format(", within {:.1f} s", within_s);
  } else if (well_s_ < well_for_s) {
    words_ = fmt::format("settled for {:.0f} s at: {}", settled_s_, words_);
  } else {
    words_ = fmt::format("as before after {:.0f} s: {}", degraded_s_, words_);
  }
}

void Health::relearn() {
  for (Signal& signal : signals_) {
    if (signal.ready() && signal.fed_s < stale_s) signal.usual = signal.recent;
  }
}

void Health::expect_new_rate() {
  signals_[rate] = {};
  signals_[ack] = {};
}

}  // namespace longhaul::paths
