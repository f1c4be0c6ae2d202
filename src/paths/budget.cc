#include "paths/budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "paths/words.h"

namespace longhaul::paths {
namespace {

constexpr double gb = 1e9;
constexpr double margin_s = 5;        // of time in hand, beside what the noise of the rates asks for
constexpr double margin_noises = 3;   // deviations of what will be carried until the deadline
constexpr double margin_most = 0.25;  // of the time left
constexpr double block_s = 60;        // for noise: swings that last longer are followed, not feared
constexpr double noise_weight = 0.2;
// The dearest path that is needed waits while with it the work would take less than so much of the time left: until
// then cheaper ones may yet do more than was thought, and it can still catch up.
constexpr double waits_below = 0.5;
constexpr double waits_again_below = 0.4;
constexpr double smooth_part = 0.05;  // of the time left: over this rates are averaged
constexpr double smooth_least_s = 5;
constexpr double smooth_most_s = 300;
constexpr double rate_unknown = 12.5e6;  // bytes/s, until any path has been measured: careful, so that none is missed
constexpr double money_in_hand = 0.005;  // of what is left, for repeats and what is on its way
constexpr double tiny = 1e-9;
constexpr double rounding = 1e-6;

/// Offers in the order of their cost; those of one cost are one step.
std::vector<std::size_t> by_cost(std::span<const Offer> offers) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < offers.size(); ++i)
    if (offers[i].permitted && offers[i].rate > 0) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(offers[a].cost_per_gb, a) < std::pair(offers[b].cost_per_gb, b);
  });
  return order;
}

struct Split {
  std::vector<double> bytes;  ///< on each offer
  double cost = 0;
  double left = 0;  ///< that does not fit
};

/// The cheapest way to move `bytes` in `s` seconds.
Split split(std::span<const Offer> offers, std::span<const std::size_t> order, double bytes, double s, double cap) {
  Split result;
  result.bytes.assign(offers.size(), 0);
  result.left = bytes;
  double room = cap > 0 ? cap * s : bytes;
  for (std::size_t at = 0; at < order.size();) {
    std::size_t end = at;
    double rate = 0;
    for (; end < order.size() && offers[order[end]].cost_per_gb == offers[order[at]].cost_per_gb; ++end)
      rate += offers[order[end]].rate;
    const double moved = std::min({rate * s, result.left, room});
    for (std::size_t i = at; i < end; ++i) result.bytes[order[i]] = moved * offers[order[i]].rate / rate;
    result.cost += moved / gb * offers[order[at]].cost_per_gb;
    result.left -= moved;
    room -= moved;
    at = end;
  }
  return result;
}

double rate_of_all(std::span<const Offer> offers, std::span<const std::size_t> order, double cap) {
  double rate = 0;
  for (const std::size_t i : order) rate += offers[i].rate;
  return cap > 0 ? std::min(rate, cap) : rate;
}

/// The shortest time, `least_s` or more, in which the money is enough; it always is at `most_s`.
double affordable_s(std::span<const Offer> offers, std::span<const std::size_t> order, const Task& task, double least_s,
                    double most_s) {
  const auto fits = [&](double s) { return split(offers, order, task.bytes, s, task.cap).cost <= *task.money; };
  if (fits(least_s)) return least_s;
  for (int i = 0; i < 60 && most_s - least_s > tiny * most_s; ++i) {
    const double middle = (least_s + most_s) / 2;
    (fits(middle) ? most_s : least_s) = middle;
  }
  return most_s;
}

/// Cheaper ones that are needed run as they can; only the dearest is held to its part.
void set_rates(Plan& plan, std::span<const Offer> offers, std::span<const std::size_t> order, const Split& parts,
               double s, const Task& task) {
  double dearest = 0;
  for (const std::size_t i : order)
    if (parts.bytes[i] > tiny * task.bytes) dearest = std::max(dearest, offers[i].cost_per_gb);
  const double cheapest = offers[order.front()].cost_per_gb;
  double sum = 0;
  for (const std::size_t i : order) {
    if (parts.bytes[i] <= tiny * task.bytes) continue;
    const bool run = offers[i].cost_per_gb < dearest || offers[i].cost_per_gb == cheapest;
    plan.rates[i] = run ? offers[i].rate : std::min(offers[i].rate, parts.bytes[i] / s);
    sum += plan.rates[i];
  }
  if (task.cap > 0) sum = std::min(sum, task.cap);
  if (sum > 0) plan.end_s = task.bytes / sum;
  plan.cost = parts.cost;
}

std::string clock_words(const std::optional<LocalTime>& now, double in_s) {
  if (!now || in_s > 365.0 * 86400) {
    const auto minutes = static_cast<long long>(std::llround(std::min(in_s, 1e12) / 60));
    if (minutes < 1) return fmt::format("in {:.0f} s", in_s);
    if (minutes < 60) return fmt::format("in {} min", minutes);
    if (minutes < 48 * 60) return fmt::format("in {} h {:02} min", minutes / 60, minutes % 60);
    return fmt::format("in {} days", minutes / 1440);
  }
  constexpr const char* days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
  const auto total = static_cast<long long>(now->second_of_day) + std::llround(in_s);
  const auto day = total / 86400;
  const auto minute = total % 86400 / 60;
  std::string clock = fmt::format("{:02}:{:02}", minute / 60, minute % 60);
  if (in_s < 86400 * 0.75) return clock;
  const std::string name = days[(now->weekday + static_cast<unsigned>(day % 7)) % 7];
  return day < 7 ? fmt::format("{} {}", name, clock) : fmt::format("{} {} in {} days", name, clock, day);
}

std::string size_words(double bytes) {
  return bytes >= 1e12 ? fmt::format("{:.2f} TB", bytes / 1e12) : fmt::format("{:.2f} GB", bytes / gb);
}

}  // namespace

std::string words_of(const Plan& plan, const Task& task, const std::optional<LocalTime>& now, double spent) {
  if (!plan.end_s) {
    if (task.money && plan.payable_bytes < task.bytes) {
      return fmt::format("the money is spent: {} are left; allow more, or a path that costs nothing",
                         size_words(task.bytes));
    }
    return "no permitted path carries anything";
  }
  std::string words = "ends " + clock_words(now, *plan.end_s);
  if (task.deadline_s) {
    const std::string due = clock_words(now, std::max(0.0, *task.deadline_s));
    if (*task.deadline_s <= 0) {
      words += "; the deadline is over";
    } else if (plan.lacks > 0) {
      words += fmt::format("; needs {} more to meet {}", bits_per_s(plan.lacks), due);
    } else if (plan.dear) {
      words += fmt::format("; meeting {} would cost {:.2f}, {:.2f} is allowed", due, spent + plan.cost_of_deadline,
                           spent + task.money.value_or(0));
    } else {
      words += fmt::format("; meets {}", due);
    }
  }
  if (plan.payable_bytes < task.bytes) {
    words += fmt::format("; the money pays for {} of the {} that are left", size_words(plan.payable_bytes),
                         size_words(task.bytes));
  }
  return words;
}

Plan make_plan(std::span<const Offer> offers, const Task& task) {
  Plan plan;
  plan.rates.assign(offers.size(), 0);
  plan.payable_bytes = task.bytes;
  const auto order = by_cost(offers);
  if (task.bytes <= 0) {
    plan.end_s = 0;
    return plan;
  }
  if (order.empty()) return plan;
  const double all = rate_of_all(offers, order, task.cap);
  const double fastest_s = task.bytes / all;
  const double cheapest = offers[order.front()].cost_per_gb;
  if (task.money && cheapest > 0) plan.payable_bytes = std::min(task.bytes, std::max(0.0, *task.money) / cheapest * gb);
  if (plan.payable_bytes > task.bytes * (1 - rounding)) plan.payable_bytes = task.bytes;
  if (plan.payable_bytes <= 0) return plan;
  double cheapest_rate = 0;
  for (const std::size_t i : order)
    if (offers[i].cost_per_gb == cheapest) cheapest_rate += offers[i].rate;
  if (task.cap > 0) cheapest_rate = std::min(cheapest_rate, task.cap);
  const double slowest_s = task.bytes / cheapest_rate;

  double s = fastest_s;
  if (task.deadline_s) {
    const double deadline_s = std::max(0.0, *task.deadline_s);
    if (fastest_s > deadline_s * (1 + tiny)) {
      plan.lacks = deadline_s > 0 ? task.bytes / deadline_s - all : all;
    } else {
      s = std::clamp(deadline_s, fastest_s, slowest_s);
      plan.cost_of_deadline = split(offers, order, task.bytes, s, task.cap).cost;
    }
  }
  if (plan.payable_bytes < task.bytes) {
    plan.dear = task.deadline_s.has_value() && plan.lacks <= 0;
    s = slowest_s;
  } else if (task.money) {
    const double paid_s = affordable_s(offers, order, task, s, slowest_s);
    plan.dear = task.deadline_s.has_value() && plan.lacks <= 0 && paid_s > s * (1 + rounding);
    s = paid_s;
  }
  set_rates(plan, offers, order, split(offers, order, task.bytes, s, task.cap), s, task);
  return plan;
}

void Budget::Known::learn_noise(double rate_now, double dt) {
  block += rate_now * dt;
  block_s += dt;
  if (block_s < paths::block_s) return;
  const double off = rate > 0 ? std::min(block / block_s / rate - 1, 1.0) : 0;
  noise += noise_weight * (off * off - noise);
  block = block_s = 0;
}

double Budget::margin(std::span<const Path> paths, std::span<const Offer> offers, double deadline_s) const {
  double rate = 0;
  double variance = 0;
  for (std::size_t i = 0; i < offers.size(); ++i) {
    if (!offers[i].permitted) continue;
    rate += offers[i].rate;
    variance += offers[i].rate * offers[i].rate * known_.at(paths[i].id).noise;
  }
  const double noise = rate > 0 ? std::sqrt(variance) / rate : 0;
  return margin_s + std::min(margin_noises * noise * std::sqrt(block_s * deadline_s), margin_most * deadline_s);
}

/// Each path that costs may have an equal part of what is left until it is asked again: they spend it side by side.
void Budget::share_money(std::span<const Path> paths, double money, Answer& answer) {
  const auto costs = [&](std::size_t i) { return answer.paths[i].used && paths[i].cost_per_gb > 0; };
  double sharers = 0;
  for (std::size_t i = 0; i < paths.size(); ++i) sharers += costs(i) ? 1 : 0;
  for (std::size_t i = 0; i < paths.size(); ++i)
    if (costs(i)) answer.paths[i].payable_bytes = std::max(0.0, money) / sharers / paths[i].cost_per_gb * gb;
}

double Budget::expected(std::uint32_t path) const {
  const auto known = known_.find(path);
  return known == known_.end() ? 0 : known->second.rate;
}

/// Of those that may carry now.
double Budget::slowest_known(std::span<const Path> paths) const {
  double slowest = 0;
  for (const Path& path : paths) {
    const auto known = known_.find(path.id);
    if (!path.permitted || known == known_.end() || !known->second.measured) continue;
    slowest = slowest > 0 ? std::min(slowest, known->second.rate) : known->second.rate;
  }
  return slowest > 0 ? slowest : rate_unknown;
}

std::vector<Offer> Budget::learn(std::span<const Path> paths, const Ask& ask) {
  const double dt = started_ ? static_cast<double>(ask.now - last_) / static_cast<double>(second) : 0;
  started_ = true;
  last_ = ask.now;
  const double left_s = ask.deadline_s ? std::max(0.0, *ask.deadline_s) : smooth_most_s / smooth_part;
  const double smooth_s = std::clamp(left_s * smooth_part, smooth_least_s, smooth_most_s);
  const double slowest = slowest_known(paths);
  std::vector<Offer> offers;
  for (const Path& path : paths) {
    Known& known = known_[path.id];
    known.seen = true;
    if (!known.measured) known.rate = path.estimate > 0 ? path.estimate : slowest;
    if (path.measured > 0 && !path.held) known.learn_noise(path.measured, dt);
    if (path.measured > 0) {
      if (path.held) {
        known.rate = std::max(known.rate, path.measured);
      } else if (!known.measured) {
        known.rate = path.measured;
      } else {
        known.rate += (path.measured - known.rate) * std::min(1.0, dt / smooth_s);
      }
      known.measured = known.measured || !path.held;
    } else if (known.used && !path.held && known.measured) {
      known.rate -= known.rate * std::min(1.0, dt / smooth_s);  // it should carry, and does not
    }
    const double rate = path.cap > 0 ? std::min(known.rate, path.cap) : known.rate;
    offers.push_back({rate, path.cost_per_gb, path.permitted});
  }
  std::erase_if(known_, [](const auto& entry) { return !entry.second.seen; });
  for (auto& [id, known] : known_) known.seen = false;
  return offers;
}

Plan Budget::choose(std::span<const Path> paths, std::span<const Offer> offers, const Task& task, Answer& answer) {
  // Time in hand: a path is taken in when it is needed to end a little early, and out when it is not even needed to end
  // twice as early.
  const Plan at_deadline = make_plan(offers, task);
  Plan plan = at_deadline;
  Plan early = at_deadline;
  const bool timed = task.deadline_s && *task.deadline_s > 0;
  double in_hand = 0;
  if (timed) {
    in_hand = margin(paths, offers, *task.deadline_s);
    Task sooner = task;
    *sooner.deadline_s = std::max(0.0, *sooner.deadline_s - in_hand);
    plan = make_plan(offers, sooner);
    *sooner.deadline_s = std::max(0.0, *sooner.deadline_s - in_hand);
    early = make_plan(offers, sooner);
  }
  double cheapest = std::numeric_limits<double>::infinity();
  double dearest = 0;
  for (std::size_t i = 0; i < offers.size(); ++i) {
    if (offers[i].permitted && offers[i].rate > 0) cheapest = std::min(cheapest, offers[i].cost_per_gb);
    if (plan.rates[i] > 0) dearest = std::max(dearest, offers[i].cost_per_gb);
  }
  double rate_with_dearest = 0;
  for (const Offer& offer : offers)
    if (offer.permitted && offer.cost_per_gb <= dearest) rate_with_dearest += offer.rate;
  if (task.cap > 0) rate_with_dearest = std::min(rate_with_dearest, task.cap);
  const double load =
      timed && rate_with_dearest > 0 ? task.bytes / rate_with_dearest / std::max(*task.deadline_s - in_hand, tiny) : 1;

  for (std::size_t i = 0; i < paths.size(); ++i) {
    Known& known = known_.at(paths[i].id);
    if (known.used && plan.rates[i] <= 0) plan.rates[i] = early.rates[i];
    const bool may_wait = plan.rates[i] > 0 && offers[i].cost_per_gb >= dearest && dearest > cheapest;
    const bool waits = may_wait && load < (known.used ? waits_again_below : waits_below);
    known.used = plan.rates[i] > 0 && !waits;
    const bool runs = plan.rates[i] >= offers[i].rate * (1 - tiny);
    const double spent = static_cast<double>(paths[i].sent_bytes) / gb * paths[i].cost_per_gb;
    answer.paths.push_back({paths[i].id, known.used, waits, known.used && !runs ? plan.rates[i] : 0, {}, spent, spent});
  }
  // What is said of the deadline is said of the deadline itself, not of the time in hand.
  plan.lacks = at_deadline.lacks;
  plan.dear = at_deadline.dear;
  plan.cost_of_deadline = at_deadline.cost_of_deadline;
  return plan;
}

Budget::Answer Budget::decide(std::span<const Path> paths, const Ask& ask) {
  const auto offers = learn(paths, ask);
  Answer answer;
  bool costs = false;
  for (const Path& path : paths) {
    answer.cost += static_cast<double>(path.sent_bytes) / gb * path.cost_per_gb;
    costs = costs || path.cost_per_gb > 0;
  }
  Task task{.bytes = static_cast<double>(ask.bytes), .deadline_s = ask.deadline_s, .money = ask.money, .cap = ask.cap};
  if (task.money) *task.money -= answer.cost;
  if (task.money && *task.money > 0) {
    Task careful = task;
    *careful.money *= 1 - money_in_hand;
    if (make_plan(offers, careful).payable_bytes >= task.bytes) task.money = careful.money;
  }
  Plan plan = choose(paths, offers, task, answer);

  const double sum = std::accumulate(plan.rates.begin(), plan.rates.end(), 0.0);
  const double all = ask.cap > 0 ? std::min(sum, ask.cap) : sum;
  if (task.bytes > 0) plan.end_s = all > 0 ? std::optional(task.bytes / all) : std::nullopt;
  answer.end_s = plan.end_s;
  answer.cost_forecast = answer.cost;
  for (std::size_t i = 0; i < paths.size() && sum > 0; ++i) {
    const double rest = plan.payable_bytes * plan.rates[i] / sum / gb * paths[i].cost_per_gb;
    answer.paths[i].cost_forecast += rest;
    answer.cost_forecast += rest;
  }
  if (ask.money) share_money(paths, *ask.money - answer.cost, answer);
  answer.spent = task.money && *task.money <= 0 && !plan.end_s;
  answer.met = plan.end_s.has_value() && plan.lacks <= 0 && !plan.dear && plan.payable_bytes >= task.bytes;
  if (ask.money) task.money = *ask.money - answer.cost;  // without what was kept in hand
  answer.words = words_of(plan, task, ask.local, answer.cost);
  if (costs && plan.end_s)
    answer.words += fmt::format("; cost {:.2f} so far, {:.2f} at the end", answer.cost, answer.cost_forecast);
  return answer;
}

}  // namespace longhaul::paths
