// What a transfer would carry, and what its paths would make of it.
#include "longhaul/plan.h"

#include <algorithm>
#include <numeric>

#include "base/clock.h"
#include "engine/local_time.h"
#include "paths/budget.h"
#include "paths/policy.h"

namespace longhaul {
namespace {

constexpr std::size_t entries_at_once = 1000;
constexpr std::size_t errors_kept_max = 1000;
constexpr double bits_per_byte = 8;

class Planning {
 public:
  Planning(const Options& options, const std::function<void(const TransferPlan&)>& progress, StopFlag* stop)
      : options_(options), progress_(progress), stop_(stop) {}

  Result<TransferPlan> run(Source& source, const std::map<std::string, double>& rates) {
    if (auto walked = walk(source); !walked) return std::unexpected(walked.error());
    look_at_paths(rates);
    if (!plan_.paths.empty()) forecast();
    return std::move(plan_);
  }

 private:
  Result<> walk(Source& source) {
    Time told = system_clock().now();
    for (bool more = true; more;) {
      if (stop_ != nullptr && stop_->load() != 0) return fail(Code::interrupted, "interrupted");
      std::vector<Entry> entries;
      std::vector<Error> errors;
      const auto next = source.next(entries, errors, entries_at_once);
      if (!next) return std::unexpected(next.error());
      more = *next;
      for (const Entry& entry : entries) count(entry);
      plan_.failed += errors.size();
      for (Error& error : errors)
        if (plan_.errors.size() < errors_kept_max) plan_.errors.push_back({{}, std::move(error)});
      if (!progress_ || system_clock().now() - told < second) continue;
      told = system_clock().now();
      progress_(plan_);
    }
    return {};
  }

  void count(const Entry& entry) {
    switch (entry.type) {
      case EntryType::file:
        ++plan_.files;
        plan_.bytes += entry.size;
        return;
      case EntryType::directory:
        ++plan_.directories;
        return;
      case EntryType::symlink:
        ++plan_.symlinks;
        return;
      case EntryType::hard_link:
      case EntryType::special:
      case EntryType::mention:
        return;  // nothing of them is sent but that they are there
    }
  }

  void look_at_paths(const std::map<std::string, double>& rates) {
    plan_.rates_known = true;
    for (std::size_t i = 0; i < options_.paths.size(); ++i) {
      const PathOptions& path = options_.paths[i];
      PlannedPath its;
      its.name = path.name.empty() ? "path" + std::to_string(i + 1) : path.name;
      its.excluded = paths::why_excluded(options_.require, options_.forbid, path.tags);
      const double cap = static_cast<double>(path.cap_bits_per_s) / bits_per_byte;
      const auto known = rates.find(its.name);
      its.bytes_per_s = known == rates.end() ? cap : cap > 0 ? std::min(cap, known->second) : known->second;
      if (its.excluded.empty() && its.bytes_per_s <= 0) plan_.rates_known = false;
      plan_.paths.push_back(std::move(its));
    }
  }

  void forecast() {
    std::vector<paths::Offer> offers;
    for (std::size_t i = 0; i < plan_.paths.size(); ++i)
      offers.push_back({plan_.paths[i].bytes_per_s, options_.paths[i].cost_per_gb, plan_.paths[i].excluded.empty()});
    paths::Task task{.bytes = static_cast<double>(plan_.bytes),
                     .cap = static_cast<double>(options_.cap_bits_per_s) / bits_per_byte};
    const std::int64_t wall_ns = system_clock().wall_ns();
    if (options_.deadline_unix_s > 0)
      task.deadline_s = options_.deadline_unix_s - static_cast<double>(wall_ns) / static_cast<double>(second);
    if (options_.max_cost >= 0) task.money = options_.max_cost;
    const paths::Plan made = paths::make_plan(offers, task);
    const double all = std::accumulate(made.rates.begin(), made.rates.end(), 0.0);
    for (std::size_t i = 0; i < plan_.paths.size() && all > 0; ++i) {
      PlannedPath& its = plan_.paths[i];
      const double capped = task.cap > 0 ? std::min(1.0, task.cap / all) : 1;
      its.rate = made.rates[i] * capped;
      its.bytes = static_cast<std::uint64_t>(made.payable_bytes * made.rates[i] / all);
      its.cost = static_cast<double>(its.bytes) / 1e9 * options_.paths[i].cost_per_gb;
      plan_.cost += its.cost;
    }
    if (made.end_s) plan_.seconds = *made.end_s;
    plan_.feasible = made.end_s && made.lacks <= 0 && !made.dear && made.payable_bytes >= task.bytes;
    const bool any = std::ranges::any_of(offers, [](const auto& offer) { return offer.permitted && offer.rate > 0; });
    if (any) plan_.forecast = paths::words_of(made, task, engine::local_time(wall_ns));
  }

  const Options& options_;
  const std::function<void(const TransferPlan&)>& progress_;
  StopFlag* stop_;
  TransferPlan plan_;
};

}  // namespace

Result<TransferPlan> plan(std::unique_ptr<Source> source, const Options& options,
                          const std::map<std::string, double>& rates,
                          const std::function<void(const TransferPlan&)>& progress, StopFlag* stop) {
  return Planning(options, progress, stop).run(*source, rates);
}

}  // namespace longhaul
