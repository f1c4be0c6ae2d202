// Deadline and cost: which paths are used at which rate now, and what comes of it. Pure decisions, no I/O.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "paths/timetable.h"

namespace longhaul::paths {

/// What a plan may use. Bytes are payload; what is repeated costs too.
struct Offer {
  double rate = 0;         ///< bytes/s that it carries when nothing but its own cap holds it back
  double cost_per_gb = 0;  ///< of 10^9 bytes, in whatever money the user thinks of
  bool permitted = true;   ///< by policy, and not drained or disabled
};

/// What is asked of it.
struct Task {
  double bytes = 0;                  ///< that are left
  std::optional<double> deadline_s;  ///< from now
  std::optional<double> money;       ///< that may still be spent
  double cap = 0;                    ///< bytes/s over all paths; 0: none
};

struct Plan {
  std::vector<double> rates;    ///< bytes/s for each offer; all of its rate: let it run
  std::optional<double> end_s;  ///< from now; nothing: never
  double cost = 0;              ///< from now to the end
  double lacks = 0;             ///< bytes/s that all permitted paths lack to meet the deadline
  bool dear = false;            ///< the deadline could be met, but not for this money
  double cost_of_deadline = 0;  ///< what meeting it costs, where it can be met
  double payable_bytes = 0;     ///< below `bytes`: the money ends before the work does
};

/// The cheapest plan that meets the deadline, within the money: cheaper paths run, the dearest that is needed carries
/// the rest. Without a deadline, or when it cannot be met: the fastest within the money. Money binds harder than time.
/// When the money does not even pay for the cheapest way, that one is used as far as it goes.
[[nodiscard]] Plan make_plan(std::span<const Offer> offers, const Task& task);
/// "ends 05:12; needs 3.1 Gb/s more to meet 04:30". `now`: for times of day; without it in so many minutes. `spent`:
/// what was paid before; the task's money is what is left.
[[nodiscard]] std::string words_of(const Plan& plan, const Task& task, const std::optional<LocalTime>& now,
                                   double spent = 0);

/// Plans again and again on a running transfer, with measured rates: smooth, with some time in hand (2 % of what is
/// left and 5 s), and without taking a path in and out. Used by one thread; called each second or so.
class Budget {
 public:
  struct Path {
    std::uint32_t id = 0;
    double measured = 0;  ///< bytes/s of late; 0: carried nothing, or not measured
    bool held = false;    ///< the rate that `Use` gave, or lack of work, held it back: it could carry more
    double estimate = 0;  ///< bytes/s, until something is measured: its cap; 0: as the slowest that is measured
    double cap = 0;       ///< bytes/s; 0: none
    double cost_per_gb = 0;
    bool permitted = true;
    std::uint64_t sent_bytes = 0;  ///< on it so far
  };
  struct Ask {
    Time now = 0;
    std::uint64_t bytes = 0;           ///< that are left
    std::optional<double> deadline_s;  ///< from now; negative once it is over
    std::optional<double> money;       ///< for the whole transfer
    double cap = 0;                    ///< bytes/s over all paths; 0: none
    std::optional<LocalTime> local;    ///< for times of day in the words
  };
  struct Use {
    std::uint32_t id = 0;
    bool used = false;
    bool waits = false;                   ///< it will be needed, but can still catch up later
    double rate = 0;                      ///< bytes/s that it should carry at most; 0 while used: let it run
    std::optional<double> payable_bytes;  ///< what it may still carry, on its way included; nothing: any
    double cost = 0;                      ///< so far
    double cost_forecast = 0;             ///< at the end
  };
  struct Answer {
    std::vector<Use> paths;       ///< in the order given
    std::optional<double> end_s;  ///< from now
    double cost = 0;              ///< so far
    double cost_forecast = 0;     ///< at the end
    bool met = true;              ///< deadline and money hold, as far as can be seen
    bool spent = false;           ///< the money is: nothing more may be carried on what is permitted
    std::string words;  ///< "ends 05:12; needs 3.1 Gb/s more to meet 04:30; cost 12.40 so far, 31.00 at the end"
  };

  [[nodiscard]] Answer decide(std::span<const Path> paths, const Ask& ask);
  /// Bytes/s that this path is reckoned to carry when nothing holds it back, by the last decision; 0: it had no part.
  [[nodiscard]] double expected(std::uint32_t path) const;

 private:
  struct Known {
    double rate = 0;
    bool measured = false;
    bool used = false;
    bool seen = false;
    double noise = 0.0025;  ///< squared deviation of a minute from what was expected, in relation to it
    double block = 0;
    double block_s = 0;
    void learn_noise(double rate_now, double dt);
  };

  [[nodiscard]] double slowest_known(std::span<const Path> paths) const;
  std::vector<Offer> learn(std::span<const Path> paths, const Ask& ask);
  /// Seconds to keep in hand before the deadline.
  [[nodiscard]] double margin(std::span<const Path> paths, std::span<const Offer> offers, double deadline_s) const;
  /// The plan of the moment; fills in the paths of `answer`.
  Plan choose(std::span<const Path> paths, std::span<const Offer> offers, const Task& task, Answer& answer);

  static void share_money(std::span<const Path> paths, double money, Answer& answer);

  std::map<std::uint32_t, Known> known_;
  Time last_ = 0;
  bool started_ = false;
};

}  // namespace longhaul::paths
