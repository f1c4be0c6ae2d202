#include "paths/stream_count.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "paths/words.h"

namespace longhaul::paths {
namespace {

constexpr double gain_least = 0.03;  // that an addition must bring; less is not worth the sockets
constexpr double sure = 2;           // deviations
constexpr double sure_at_the_end = 1.5;
constexpr double noise_unknown = 0.1;  // deviation of an interval before there are enough to compute it
constexpr double noise_least = 0.02;
constexpr std::size_t noise_known = 4;
constexpr std::size_t base_samples = 2;
constexpr std::size_t trial_least = 2;
constexpr std::size_t window_most = 12;
constexpr unsigned trial_most = 30;  // intervals, while goodput is still growing
constexpr double growing = 0.02;     // newer half of the window over the older one
constexpr double work_least = 0.8;   // of an interval, to count
constexpr double settle_s = 1;
constexpr double settle_rtts = 10;  // slow start
constexpr double patience_s = 15;   // for streams to be connected
constexpr double again_s = 30;
constexpr unsigned again_doublings = 5;
constexpr double again_most_s = 600;
constexpr double changed_pause_s = 20;  // between the end of a trial and one because of a change
constexpr std::size_t changed_samples = 10;
constexpr double goodput_fell = 0.7;
constexpr double goodput_rose = 1.5;
constexpr double fewer_after_s = 300;
constexpr double fewer_most_s = 3600;
constexpr unsigned fewer_doublings = 5;
constexpr std::size_t block_samples = 6;
constexpr double drift_weight = 0.2;
constexpr double far_slower = 0.3;  // than what a quarter of the streams reaches
constexpr double laggard_s = 8;
constexpr double laggard_rtts = 40;
constexpr double redial_pause_s = 10;
constexpr unsigned redial_doublings = 5;
constexpr double limited_much = 0.3;
constexpr double smooth = 0.3;

Time ns(double s) {
  return static_cast<Time>(s * static_cast<double>(second));
}

struct Estimate {
  double mean = 0;
  double variance_of_mean = 0;
};

template <class Values>
double mean_of(const Values& values, std::size_t from, std::size_t to) {
  double sum = 0;
  for (std::size_t i = from; i < to; ++i) sum += values[i];
  return to > from ? sum / static_cast<double>(to - from) : 0;
}

template <class Values>
Estimate estimate(const Values& values) {
  const double mean = mean_of(values, 0, values.size());
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const auto count = static_cast<double>(values.size());
  const double least = mean * (values.size() < noise_known ? noise_unknown : noise_least);
  const double variance = std::max(values.size() > 1 ? squares / (count - 1) : 0, least * least);
  return {mean, variance / std::max(count, 1.0)};
}

/// The newer half over the older half, less one.
double trend(const std::deque<double>& values) {
  const std::size_t half = values.size() / 2;
  const double older = mean_of(values, 0, half);
  return older > 0 ? mean_of(values, half, values.size()) / older - 1 : 0;
}

}  // namespace

void StreamCount::settle(const Sample& sample) {
  goodput_.clear();
  block_ = block_before_ = 0;
  block_samples_ = 0;
  settled_at_ = sample.now + ns(settle_s + settle_rtts * sample.rtt_s);
}

bool StreamCount::usable(const Sample& sample) {
  held_ = sample.capped ? Held::capped : Held::no;
  if (sample.streams.size() >= wanted_) complete_since_ = sample.now;
  if (sample.streams.size() < wanted_) {
    if (sample.now - complete_since_ > ns(patience_s) && !sample.streams.empty()) {
      wanted_ = static_cast<unsigned>(sample.streams.size());
      phase_ = Phase::measure;
      why_ = Why::fewer;
      back_off(sample);
    } else {
      settle(sample);
    }
    return false;
  }
  if (sample.busy < work_least) {
    held_ = Held::no_work;
    settle(sample);  // what comes after a pause begins with small windows
    return false;
  }
  if (sample.peer_slow) {
    held_ = Held::peer_slow;
    settle(sample);
    return false;
  }
  return sample.now >= settled_at_;
}

void StreamCount::start_trial(const Sample& sample, unsigned number) {
  before_ = wanted_;
  base_.assign(goodput_.begin(), goodput_.end());
  wanted_ = number;
  phase_ = Phase::trial;
  trial_samples_ = 0;
  complete_since_ = sample.now;
  settle(sample);
}

void StreamCount::back_off(const Sample& sample) {
  const double pause_s = std::min(again_s * std::pow(2, std::min(failures_, again_doublings)), again_most_s);
  ++failures_;
  trial_ended_ = sample.now;
  next_trial_ = sample.now + ns(pause_s);
  usual_goodput_ = 0;
  settle(sample);
}

void StreamCount::put_off_fewer(const Sample& sample) {
  const double pause_s = fewer_after_s * std::pow(2, std::min(fewer_failures_, fewer_doublings));
  next_fewer_ = sample.now + ns(std::min(pause_s, fewer_most_s));
}

void StreamCount::end_trial(const Sample& sample, bool keep) {
  const bool more = wanted_ > before_;
  phase_ = Phase::measure;
  if (more && keep) {
    why_ = wanted_ >= streams_auto_max ? Why::most : Why::starting;
    failures_ = 0;
    if (fewer_kept_) ++fewer_failures_;  // they were too few
    trial_ended_ = sample.now;
    next_trial_ = sample.now;
    usual_goodput_ = estimate(goodput_).mean;
  } else {
    if (more || keep) {
      tried_ = std::max(wanted_, before_);
      tried_goodput_ = more ? estimate(goodput_).mean : estimate(base_).mean;
      tried_base_ = more ? estimate(base_).mean : estimate(goodput_).mean;
      why_ = Why::no_gain;
      back_off(sample);
    } else {
      ++fewer_failures_;
      settle(sample);
    }
    fewer_kept_ = fewer_kept_ || (!more && keep);
    if (!keep) wanted_ = before_;
  }
  if (!more || next_fewer_ == time_never || keep) put_off_fewer(sample);
}

void StreamCount::judge(const Sample& sample) {
  ++trial_samples_;
  if (goodput_.size() < trial_least) return;
  const Estimate base = estimate(base_);
  const Estimate trial = estimate(goodput_);
  const double gain = base.mean > 0 ? trial.mean / base.mean - 1 : 1;
  const double variance =
      base.mean > 0 ? (base.variance_of_mean + trial.variance_of_mean) / (base.mean * base.mean) : 0;
  const double deviation = std::sqrt(std::max(variance, drift_));
  const bool at_the_end = goodput_.size() >= window_most;
  const bool some = goodput_.size() >= noise_known;
  if (wanted_ < before_) {
    const bool keeps = (some && gain - sure * deviation > -gain_least) || (at_the_end && gain > -gain_least);
    if (keeps || at_the_end || gain + sure * deviation < -gain_least) end_trial(sample, keeps);
    return;
  }
  const bool pays =
      gain - sure * deviation > gain_least || (at_the_end && gain > gain_least && gain > sure_at_the_end * deviation);
  const bool pays_not = some && gain + sure * deviation < gain_least;
  if (!pays && !pays_not && !at_the_end) return;
  if (!pays && trend(goodput_) > growing && trial_samples_ < trial_most) {
    // New streams still gain speed: what they did at first does not count.
    goodput_.erase(goodput_.begin(), goodput_.begin() + static_cast<std::ptrdiff_t>(goodput_.size() / 2));
    return;
  }
  end_trial(sample, pays);
}

void StreamCount::measure_drift(double goodput) {
  block_ += goodput / static_cast<double>(block_samples);
  if (++block_samples_ < block_samples) return;
  if (block_before_ > 0) {
    const double difference = block_ / block_before_ - 1;
    drift_ += drift_weight * (std::min(difference * difference, 1.0) - drift_);
  }
  block_before_ = block_;
  block_ = 0;
  block_samples_ = 0;
}

void StreamCount::look_for_change(const Sample& sample) {
  if (goodput_.size() < changed_samples) return;
  const double goodput = mean_of(goodput_, goodput_.size() - changed_samples, goodput_.size());
  if (usual_goodput_ <= 0) usual_goodput_ = goodput;
  if (sample.now - trial_ended_ < ns(changed_pause_s)) return;
  const double now = goodput / usual_goodput_;
  const bool far = std::abs(now - 1) > 3 * std::sqrt(drift_);
  if (!far || (now >= goodput_fell && now <= goodput_rose)) return;
  usual_goodput_ = goodput;
  trial_ended_ = sample.now;  // one change, one trial
  failures_ = 0;
  next_trial_ = sample.now;
}

std::optional<std::uint32_t> StreamCount::find_laggard(const Sample& sample) {
  const Stream* slowest = nullptr;
  std::vector<double> rates;
  for (const Stream& stream : sample.streams) {
    if (!stream.busy) continue;
    rates.push_back(stream.rate);
    if (slowest == nullptr || stream.rate < slowest->rate) slowest = &stream;
  }
  if (rates.size() < 2 || phase_ == Phase::trial || sample.now < settled_at_ || sample.peer_slow) {
    laggard_.reset();
    return std::nullopt;
  }
  std::sort(rates.begin(), rates.end());
  const double enough = rates[rates.size() * 3 / 4] * far_slower;
  if (slowest->rate >= enough) {
    laggard_.reset();
    return std::nullopt;
  }
  if (laggard_ != slowest->id) {
    // Among several laggards the last place changes hands: the time counts from the first of them.
    if (!laggard_) laggard_since_ = sample.now;
    laggard_ = slowest->id;
  }
  if (sample.now - laggard_since_ < ns(std::max(laggard_s, laggard_rtts * sample.rtt_s))) return std::nullopt;
  const auto laggards = static_cast<std::size_t>(std::lower_bound(rates.begin(), rates.end(), enough) - rates.begin());
  const Time pause = ns(redial_pause_s * std::pow(2, std::min(redials_, redial_doublings)));
  if (laggards < laggards_) {
    redials_ = 0;  // the last one helped
  } else if (redialled_ != 0 && sample.now - redialled_ < pause) {
    return std::nullopt;
  } else {
    redials_ = redialled_ != 0 && sample.now - redialled_ < 2 * pause ? redials_ + 1 : 0;
  }
  laggards_ = laggards;
  redialled_ = sample.now;
  laggard_.reset();
  return slowest->id;
}

StreamCount::Choice StreamCount::decide(const Sample& sample) {
  if (!started_) {
    started_ = true;
    complete_since_ = sample.now;
    trial_ended_ = sample.now;
    settle(sample);
  }
  const auto redial = find_laggard(sample);
  if (redial) {
    settle(sample);
    return {wanted_, redial};
  }
  if (!usable(sample)) return {wanted_, std::nullopt};
  goodput_.push_back(sample.goodput);
  if (goodput_.size() > window_most) goodput_.pop_front();
  sndbuf_limited_ += smooth * (sample.sndbuf_limited - sndbuf_limited_);
  receiver_limited_ += smooth * (sample.receiver_limited - receiver_limited_);
  per_stream_ = mean_of(goodput_, 0, goodput_.size()) / static_cast<double>(sample.streams.size());
  if (phase_ == Phase::trial) {
    judge(sample);
  } else {
    measure_drift(sample.goodput);
    look_for_change(sample);
  }
  // While goodput still grows by itself, it is no base to compare with.
  const bool steady = goodput_.size() >= window_most || trend(goodput_) <= noise_unknown;
  if (phase_ == Phase::trial || sample.capped || goodput_.size() < base_samples || !steady) {
    return {wanted_, std::nullopt};
  }
  if (sample.now >= next_trial_ && wanted_ < streams_auto_max) {
    start_trial(sample, std::min(wanted_ * 2, streams_auto_max));
  } else if (sample.now >= next_fewer_ && wanted_ > streams_auto_start && goodput_.size() >= window_most) {
    start_trial(sample, std::max(wanted_ / 2, streams_auto_start));
  }
  return {wanted_, std::nullopt};
}

std::string StreamCount::words() const {
  if (phase_ == Phase::trial) return fmt::format("{} on trial after {}", wanted_, before_);
  switch (held_) {
    case Held::no_work:
      return fmt::format("{}: too little work to find out whether more would help", wanted_);
    case Held::capped:
      return fmt::format("{}: the cap is reached", wanted_);
    case Held::peer_slow:
      return fmt::format("{}: the receiver takes no more", wanted_);
    case Held::no:
      break;
  }
  std::string text;
  switch (why_) {
    case Why::starting:
      text = fmt::format("{} for now: still measuring", wanted_);
      break;
    case Why::no_gain:
      text = fmt::format("{}: {} brought no more ({} after {})", wanted_, tried_, bits_per_s(tried_goodput_),
                         bits_per_s(tried_base_));
      break;
    case Why::most:
      text = fmt::format("{}: each addition paid; more are not tried", wanted_);
      break;
    case Why::fewer:
      text = fmt::format("{}: more could not be connected", wanted_);
      break;
  }
  const char* limit = nullptr;
  if (sndbuf_limited_ > limited_much && sndbuf_limited_ >= receiver_limited_) {
    limit = "send buffer; raise net.ipv4.tcp_wmem here";
  } else if (receiver_limited_ > limited_much) {
    limit = "receiver's window; raise net.ipv4.tcp_rmem there";
  }
  if (limit != nullptr) text += fmt::format("; each stream is limited to {} by its {}", bits_per_s(per_stream_), limit);
  return text;
}

}  // namespace longhaul::paths
