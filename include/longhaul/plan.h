// What a transfer would carry, how long it would take and what it would cost: before a byte moves.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "longhaul/options.h"
#include "longhaul/source.h"
#include "longhaul/status.h"
#include "longhaul/transfer.h"

namespace longhaul {

struct PlannedPath {
  std::string name;
  double bytes_per_s = 0;   ///< what it is taken to carry; 0: not known
  std::uint64_t bytes = 0;  ///< that it would carry
  double rate = 0;          ///< bytes/s at which it would carry them
  double cost = 0;          ///< of them
  std::string excluded;     ///< why policy keeps every byte off it; empty: it is permitted
};

struct TransferPlan {
  std::uint64_t files = 0;  ///< regular files of the source
  std::uint64_t bytes = 0;  ///< their sizes: what is at the target already is not known here
  std::uint64_t directories = 0;
  std::uint64_t symlinks = 0;
  std::uint64_t failed = 0;       ///< sources that cannot be looked at
  std::vector<FileError> errors;  ///< the first 1000 of them
  std::vector<PlannedPath> paths;
  bool rates_known = false;  ///< of every permitted path; else what follows leaves out the others
  double seconds = -1;       ///< of carrying; -1: never, or not known
  double cost = 0;
  bool feasible = false;  ///< the time is known, and deadline and limit of cost would hold
  std::string forecast;   ///< "ends 05:12; needs 3.1 Gb/s more to meet 04:30"; empty where nothing is known
};

/// Walks the source; dials nobody. `options`: paths, policy, cap, deadline, limit of cost. `rates`: bytes/s by the name
/// of a path, as an earlier transfer found them; a path that has none is taken to carry its cap. `progress` is called
/// about once a second with what has been found so far. Errors: stopped (Code::interrupted), a source that is gone.
Result<TransferPlan> plan(std::unique_ptr<Source> source, const Options& options,
                          const std::map<std::string, double>& rates,
                          const std::function<void(const TransferPlan&)>& progress, StopFlag* stop = nullptr);

}  // namespace longhaul
