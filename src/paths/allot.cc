#include "paths/allot.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <numeric>

#include "base/check.h"

namespace longhaul::paths {
namespace {

constexpr double unbounded = std::numeric_limits<double>::infinity();
constexpr double headroom = 1.1;    // over what a stream used, so that it can show that it wants more
constexpr double all_of_it = 0.96;  // of its pace: it would have used more (pacing itself loses 1 to 2 %)
constexpr double fade = 0.7;  // a demand falls by no more than this per call: one idle moment is not the end of it
constexpr double floor_share = 0.05;      // of a fair share stays with an idle stream, to start with
constexpr double growth[] = {1.25, 2.0};  // of a demand for the first and second hit in a row; then it is unbounded
constexpr double trim_least = 0.9;
constexpr double trim_most = 1.12;
constexpr double of_late = 0.2;  // weight of the newest call
constexpr unsigned unwanted_most = 10;
constexpr double trim_gain = 0.2;
constexpr double aim = 0.995;  // of the cap: noise goes both ways, and above it is worse

constexpr double ethernet_bytes = 14;
constexpr double ipv4_bytes = 20;
constexpr double ipv6_bytes = 40;
constexpr double tcp_bytes = 32;  // with timestamps
constexpr std::uint32_t segment_bytes_usual = 1448;

}  // namespace

double wire_per_payload(std::uint32_t segment_bytes, bool ipv6) {
  const double payload = segment_bytes > 0 ? segment_bytes : segment_bytes_usual;
  return (payload + ethernet_bytes + (ipv6 ? ipv6_bytes : ipv4_bytes) + tcp_bytes) / payload;
}

std::vector<double> fill(double total, std::span<const double> wants, std::span<const double> weights) {
  LH_CHECK(wants.size() == weights.size(), "a weight for each want");
  std::vector<std::size_t> order(wants.size());
  std::iota(order.begin(), order.end(), 0U);
  // Who wants least per weight is served first: what is then left per weight never falls.
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return wants[a] * weights[b] < wants[b] * weights[a]; });
  const double weight_all = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<double> grants(wants.size());
  double left = total;
  double weight_left = weight_all;
  for (const std::size_t at : order) {
    grants[at] = std::min(wants[at], left * weights[at] / weight_left);
    left = std::max(0.0, left - grants[at]);
    weight_left = std::max(weight_left - weights[at], std::numeric_limits<double>::min());
  }
  for (std::size_t at = 0; at < grants.size(); ++at) grants[at] += left * weights[at] / weight_all;
  return grants;
}

void Allotter::Cap::learn(double cap_now, double used, bool wanted) {
  calls_unwanted = wanted ? 0 : calls_unwanted + 1;
  if (cap_now <= 0 || cap_now != cap) {
    trim = 1;  // what was used, was used under another cap
    used_of_late = cap_now;
    calls_unwanted = 0;
  } else {
    used_of_late += of_late * (used - used_of_late);
    if ((binding && calls_unwanted < unwanted_most) || used_of_late > cap_now) {
      // From what was used now, not of late: lags would make it swing.
      trim = std::clamp(trim + trim_gain * (aim - used / cap_now), trim_least, trim_most);
    } else {
      trim += trim_gain * (1 - trim);  // nobody asks for more: nothing is to be learnt
    }
  }
  cap = cap_now;
}

double Allotter::Cap::total() const {
  return cap > 0 ? cap * trim : unbounded;
}

void Allotter::Known::learn(double used, double fair) {
  if (pace <= 0) {
    demand = unbounded;  // new, or it had no pace: it may want anything
    hits = std::size(growth);
    use_of_late = pace_of_late = 0;
  } else {
    if (pace_of_late <= 0) {
      use_of_late = used;
      pace_of_late = pace;
    }
    use_of_late += of_late * (used - use_of_late);
    pace_of_late += of_late * (pace - pace_of_late);
    if (used >= pace * all_of_it || use_of_late >= pace_of_late * all_of_it) {
      demand = hits < std::size(growth) ? std::max(demand, used) * growth[hits] : unbounded;
      if (hits < std::size(growth)) ++hits;
    } else {
      const double before = demand == unbounded ? 0 : demand * fade;
      demand = std::max(std::max(used, use_of_late) * headroom, before);
      hits = 0;
    }
  }
  demand = std::max(demand, fair * floor_share);
}

void Allotter::sweep() {
  std::erase_if(streams_, [](const auto& entry) { return !entry.second.seen; });
  std::erase_if(paths_, [](const auto& entry) { return !entry.second.seen; });
  for (auto& [id, known] : streams_) known.seen = false;
  for (auto& [id, cap] : paths_) cap.seen = false;
}

std::vector<double> Allotter::learn(std::span<const Path> paths, double cap_global) {
  double weight_all = 0;
  for (const Path& path : paths) {
    LH_CHECK(path.weight > 0 && path.wire >= 1 && path.wire_of_pace >= 1, "a path to share rates with");
    weight_all += path.weight;
  }
  std::vector<double> wants;
  double used_all = 0;
  bool wanted_all = false;
  for (const Path& path : paths) {
    double fair = cap_global > 0 ? cap_global * path.weight / weight_all : path.cap;
    if (path.cap > 0) fair = std::min(fair, path.cap);
    double used = 0;
    double demand = 0;
    bool wanted = false;
    for (const Stream& stream : path.streams) {
      Known& known = streams_[stream.id];
      known.seen = true;
      known.learn(stream.use * path.wire, fair / static_cast<double>(path.streams.size()));
      used += stream.use * path.wire;
      demand += known.demand;
      wanted = wanted || known.hits > 0;
    }
    Cap& cap = paths_[path.id];
    cap.seen = true;
    cap.learn(path.cap, used, wanted);
    cap.binding = demand >= cap.total();
    used_all += used;
    wanted_all = wanted_all || wanted;
    wants.push_back(std::min(demand, cap.total()));
  }
  global_.learn(cap_global, used_all, wanted_all);
  sweep();
  return wants;
}

std::vector<Allotter::Pace> Allotter::allot(std::span<const Path> paths, double cap_global) {
  std::vector<double> wants = learn(paths, cap_global);
  std::vector<double> weights;
  for (const Path& path : paths) weights.push_back(path.weight);
  std::vector<double> grants(paths.size(), unbounded);
  if (cap_global > 0) {
    grants = fill(global_.total(), wants, weights);
    global_.binding = std::accumulate(wants.begin(), wants.end(), 0.0) >= global_.total();
  }

  std::vector<Pace> paces;
  for (std::size_t at = 0; at < paths.size(); ++at) {
    const Path& path = paths[at];
    Cap& cap = paths_.at(path.id);
    // A path that the global cap holds below its own learns nothing about its own.
    cap.binding = cap.binding && grants[at] >= cap.total();
    const double grant = std::min(grants[at], cap.total());
    wants.clear();
    for (const Stream& stream : path.streams) wants.push_back(streams_.at(stream.id).demand);
    weights.assign(wants.size(), 1.0);
    std::vector<double> shares(wants.size(), 0.0);
    if (grant != unbounded) shares = fill(grant, wants, weights);
    for (std::size_t i = 0; i < shares.size(); ++i) {
      const std::uint32_t id = path.streams[i].id;
      streams_.at(id).pace = shares[i];
      const auto rate = static_cast<std::uint64_t>(shares[i] / path.wire_of_pace);
      // A share below one byte per second must not read as "none".
      paces.push_back({id, grant == unbounded ? 0 : std::max<std::uint64_t>(rate, 1)});
    }
  }
  return paces;
}

double Allotter::trim(std::uint32_t path) const {
  const auto at = paths_.find(path);
  return at == paths_.end() ? 1 : at->second.trim;
}

}  // namespace longhaul::paths
