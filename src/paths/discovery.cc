#include "paths/discovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "base/bytes.h"
#include "longhaul/options.h"

namespace longhaul::paths {
namespace {

using wire::in_network;
using wire::parse_ip;

/// "10.0.0.2" of "10.0.0.2:4711", "fd00::2" of "[fd00::2]:4711".
std::string host_of(const std::string& address) {
  const auto parsed = wire::parse_host_port(address);
  return parsed ? parsed->host : std::string();
}

std::unexpected<Error> bad(std::string_view word) {
  return fail(Code::usage,
              fmt::format("--discover: '{}' is neither an interface nor a network; write auto, or such as eth1 and "
                          "10.0.0.0/8 with commas between them",
                          printable(word)));
}

bool is_device(std::string_view word) {
  constexpr std::string_view unusual = " /:\t\n";
  return !word.empty() && word.size() <= device_bytes_max && word.find_first_of(unusual) == std::string_view::npos;
}

/// What stands for its end here: a second address of one interface is no other way.
const std::string& end_of(const Probe& probe) {
  return probe.device.empty() ? probe.local : probe.device;
}

}  // namespace

Result<AllowList> AllowList::parse(std::string_view text) {
  AllowList list;
  if (text == "auto") return list;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t slash = word.find('/');
    const auto ip = parse_ip(word.substr(0, slash));
    if (!ip && slash == std::string_view::npos && is_device(word) && word != "auto") {
      list.devices_.emplace_back(word);
      continue;
    }
    if (!ip) return bad(word);
    unsigned bits = ip->is_v4 ? 32 : 128;
    if (slash != std::string_view::npos) {
      const std::string digits(word.substr(slash + 1));
      const bool number =
          !digits.empty() && digits.size() <= 3 && digits.find_first_not_of("0123456789") == std::string::npos;
      if (!number || std::stoul(digits) > bits) return bad(word);
      bits = static_cast<unsigned>(std::stoul(digits));
    }
    list.networks_.push_back({*ip, bits});
  }
  return list;
}

bool AllowList::permits(const wire::OwnAddress& own, std::span<const wire::OwnAddress> in_use) const {
  const auto ip = parse_ip(own.address);
  if (!ip || wire::is_special(*ip)) return false;
  if (chosen()) {
    return std::ranges::find(devices_, own.device) != devices_.end() ||
           std::ranges::any_of(networks_, [&](const Network& each) { return in_network(*ip, each.base, each.bits); });
  }
  return std::ranges::any_of(in_use, [&](const wire::OwnAddress& used) {
    if (used.device == own.device) return true;
    const auto its = parse_ip(used.address);
    return wire::is_global(*ip) && its && its->is_v4 == ip->is_v4;
  });
}

bool AllowList::permits_remote(const std::string& address, std::span<const wire::OwnAddress> permitted) const {
  const auto ip = parse_ip(address);
  if (!ip || wire::is_special(*ip)) return false;
  if (!networks_.empty())
    return std::ranges::any_of(networks_, [&](const Network& each) { return in_network(*ip, each.base, each.bits); });
  return wire::is_global(*ip) || std::ranges::any_of(permitted, [&](const wire::OwnAddress& own) {
           const auto base = parse_ip(own.address);
           return base && in_network(*ip, *base, own.prefix_bits);
         });
}

std::vector<Probe> worth_probing(std::span<const wire::OwnAddress> own, std::span<const std::string> told,
                                 std::span<const Probe> used) {
  struct Pair {
    std::size_t turn = 0;  ///< of the diagonals of own x told: on each, every address comes once
    std::size_t number = 0;
    Probe probe;
  };
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < own.size(); ++i) {
    for (std::size_t j = 0; j < told.size(); ++j) {
      const auto here = parse_ip(own[i].address);
      const auto there = parse_ip(host_of(told[j]));
      if (!here || !there || here->is_v4 != there->is_v4) continue;
      const bool taken = std::ranges::any_of(used, [&](const Probe& path) {
        return (path.local.empty() || path.local == own[i].address) && parse_ip(host_of(path.remote)) == there;
      });
      if (taken) continue;
      const bool near = in_network(*there, *here, own[i].prefix_bits);
      const std::size_t span = std::max(own.size(), told.size());
      pairs.push_back({(j + span - i) % span, pairs.size(), {own[i].device, own[i].address, told[j], 0, near}});
    }
  }
  std::ranges::sort(pairs, {}, [](const Pair& pair) { return std::tuple(!pair.probe.near, pair.turn, pair.number); });
  std::vector<Probe> probes;
  for (std::size_t i = 0; i < pairs.size() && i < probes_max; ++i) probes.push_back(std::move(pairs[i].probe));
  return probes;
}

std::vector<Probe> worth_using(std::vector<Probe> answered, std::span<const Probe> used) {
  std::set<std::string> ends_here;
  std::set<std::string> ends_there;
  const auto take = [&](const Probe& path) {
    ends_here.insert(end_of(path));
    ends_there.insert(host_of(path.remote));
  };
  for (const Probe& path : used) take(path);
  std::erase_if(answered, [](const Probe& probe) { return probe.rtt <= 0; });
  std::ranges::sort(answered, {},
                    [](const Probe& probe) { return std::tuple(!probe.near, probe.rtt, probe.local, probe.remote); });
  std::vector<Probe> chosen;
  for (const bool both : {true, false}) {
    for (const Probe& probe : answered) {
      const bool new_here = !ends_here.contains(end_of(probe));
      const bool new_there = !ends_there.contains(host_of(probe.remote));
      if (both ? !(new_here && new_there) : !(new_here || new_there)) continue;
      chosen.push_back(probe);
      take(probe);
    }
  }
  return chosen;
}

}  // namespace longhaul::paths

namespace longhaul {

Result<> check_discover(std::string_view text) {
  const auto parsed = paths::AllowList::parse(text);
  return parsed ? Result<>() : std::unexpected(parsed.error());
}

}  // namespace longhaul
