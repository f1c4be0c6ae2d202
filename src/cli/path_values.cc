#include "cli/path_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "cli/option_values.h"
#include "cli/printable.h"
#include "cli/suggest.h"
#include "cli/text_values.h"
#include "longhaul/units.h"

namespace longhaul::cli {
namespace {

std::unexpected<Error> bad(std::string text) {
  return fail(Code::usage, std::move(text));
}

Result<> set_name(PathOptions& path, std::string_view value) {
  path.name = value;
  return check_path({.name = path.name});
}

Result<> set_local(PathOptions& path, std::string_view value) {
  if (value.starts_with('[') && value.ends_with(']')) value = value.substr(1, value.size() - 2);
  if (!is_address(std::string(value))) {
    return bad(fmt::format("local: '{}' is not an address of this machine such as 10.0.0.1 or fd00::1 (without a port)",
                           printable(value)));
  }
  path.local = value;
  return {};
}

Result<> set_device(PathOptions& path, std::string_view value) {
  path.device = value;
  return check_path({.device = path.device});
}

Result<> set_remote(PathOptions& path, std::string_view value) {
  if (!is_host_and_port(value, 1)) {
    return bad(fmt::format("remote: '{}' is not ADDR or ADDR:PORT, such as 10.0.0.2:4711 or [fd00::2]:4711",
                           printable(value)));
  }
  path.remote = value;
  return {};
}

Result<> set_cap(PathOptions& path, std::string_view value) {
  const Result<std::uint64_t> rate = parse_rate(value);
  if (!rate) return bad("cap: " + rate.error().text);
  if (*rate == 0) return bad("cap: a path that may carry nothing is no path; leave it out");
  path.cap_bits_per_s = *rate;
  return {};
}

Result<> set_streams(PathOptions& path, std::string_view value) {
  const Result<unsigned> streams = parse_streams("streams", value);
  if (!streams) return std::unexpected(streams.error());
  path.streams = *streams;
  return {};
}

Result<> set_weight(PathOptions& path, std::string_view value) {
  if (parse_decimal(value, path_weight_max, path.weight)) return {};
  return bad(fmt::format("weight: '{}' is not a number from 0 (a spare, used while no other path is up) to {:.0f}",
                         printable(value), path_weight_max));
}

Result<> set_cost(PathOptions& path, std::string_view value) {
  if (parse_decimal(value, cost_per_gb_max, path.cost_per_gb)) return {};
  return bad(fmt::format("cost: '{}' is not a price of 10^9 bytes such as 0.02, without a currency", printable(value)));
}

Result<> set_tags(PathOptions& path, std::string_view value) {
  Result<std::vector<std::string>> tags = parse_tags("tags", value, "+");
  if (!tags) return std::unexpected(tags.error());
  path.tags = *std::move(tags);
  return check_path({.tags = path.tags});
}

struct CodePoint {
  const char* name;
  int dscp;
};
// RFC 2474 (cs), 2597 (af), 3246 (ef), 5865 (va), 8622 (le).
constexpr CodePoint code_points[] = {{"cs0", 0},   {"cs1", 8},   {"cs2", 16},  {"cs3", 24},  {"cs4", 32},
                                     {"cs5", 40},  {"cs6", 48},  {"cs7", 56},  {"af11", 10}, {"af12", 12},
                                     {"af13", 14}, {"af21", 18}, {"af22", 20}, {"af23", 22}, {"af31", 26},
                                     {"af32", 28}, {"af33", 30}, {"af41", 34}, {"af42", 36}, {"af43", 38},
                                     {"ef", 46},   {"va", 44},   {"le", 1},    {"df", 0},    {"be", 0}};

Result<> set_dscp(PathOptions& path, std::string_view value) {
  std::string lower(value);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const auto* const found = std::find_if(std::begin(code_points), std::end(code_points),
                                         [&](const CodePoint& each) { return lower == each.name; });
  if (found != std::end(code_points)) {
    path.dscp = found->dscp;
    return {};
  }
  unsigned number = 0;
  if (!parse_number(value, 0, dscp_max, number)) {
    return bad(fmt::format("dscp: '{}' is not a number from 0 to {} or a name: cs0..cs7, af11..af43, ef, va, le, df",
                           printable(value), dscp_max));
  }
  path.dscp = static_cast<int>(number);
  return {};
}

Result<> set_congestion(PathOptions& path, std::string_view value) {
  path.congestion = value;
  return check_path({.congestion = path.congestion});
}

Result<> set_transport(PathOptions& path, std::string_view value) {
  path.transport = value;
  return check_path({.transport = path.transport});
}

Result<> set_slots(PathOptions& path, std::string_view value) {
  if (parse_number(value, path_slots_min, path_slots_max, path.slots)) return {};
  return bad(fmt::format("slots: '{}' is not a number from {} to {}: frames of a stream that may be on their way",
                         printable(value), path_slots_min, path_slots_max));
}

struct PathKey {
  const char* name;
  Result<> (*set)(PathOptions&, std::string_view);
};
constexpr PathKey keys[] = {{"name", set_name},     {"local", set_local},   {"device", set_device},
                            {"remote", set_remote}, {"cap", set_cap},       {"streams", set_streams},
                            {"weight", set_weight}, {"cost", set_cost},     {"tags", set_tags},
                            {"dscp", set_dscp},     {"cc", set_congestion}, {"transport", set_transport},
                            {"slots", set_slots}};

Result<> set_pair(PathOptions& path, std::string_view pair, std::vector<std::string>& seen) {
  const std::size_t equals = pair.find('=');
  const std::string key(pair.substr(0, equals));
  if (pair.empty()) return bad("two commas, or one at an end: nothing stands between them");
  if (equals == std::string_view::npos) return bad(fmt::format("'{}' is not KEY=VALUE", printable(key)));
  if (std::find(seen.begin(), seen.end(), key) != seen.end())
    return bad(fmt::format("'{}' stands twice", printable(key)));
  seen.push_back(key);
  return set_path_key(path, key, pair.substr(equals + 1));
}

}  // namespace

const std::vector<std::string>& path_keys() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const PathKey& key : keys) all.emplace_back(key.name);
    return all;
  }();
  return names;
}

Result<> set_path_key(PathOptions& path, const std::string& key, std::string_view value) {
  const auto* const found =
      std::find_if(std::begin(keys), std::end(keys), [&](const PathKey& each) { return key == each.name; });
  if (found == std::end(keys)) {
    return bad(fmt::format("unknown key '{}'{} (keys: {})", printable(key), did_you_mean(key, path_keys()),
                           fmt::join(path_keys(), ", ")));
  }
  if (value.empty()) return bad(fmt::format("{}: has no value", key));
  return found->set(path, value);
}

Result<PathOptions> parse_path(std::string_view text) {
  PathOptions path;
  std::vector<std::string> seen;
  if (text.empty()) return bad("--path needs KEY=VALUE[,KEY=VALUE...], such as name=a,local=10.0.0.1,remote=10.0.0.2");
  for (const std::string_view pair : split(text, ",")) {
    const Result<> set = set_pair(path, pair, seen);
    if (!set) return bad(fmt::format("--path '{}': {}", printable(text), set.error().text));
  }
  return path;
}

Result<std::vector<PathOptions>> parse_paths(const std::vector<std::string>& texts) {
  std::vector<PathOptions> paths;
  for (const std::string& text : texts) {
    Result<PathOptions> path = parse_path(text);
    if (!path) return std::unexpected(path.error());
    paths.push_back(*std::move(path));
  }
  return paths;
}

Result<> check_paths(const std::vector<PathOptions>& paths) {
  if (paths.size() > paths_max) return bad(fmt::format("{} paths are given; at most {}", paths.size(), paths_max));
  std::vector<std::string> names;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    names.push_back(paths[i].name.empty() ? fmt::format("path{}", i + 1) : paths[i].name);
    const auto before = std::span(names).first(i);
    if (std::find(before.begin(), before.end(), names[i]) == before.end()) continue;
    return bad(fmt::format("two paths are called '{}': give each its own name", names[i]));
  }
  return {};
}

std::vector<std::string> fabrics_asked_for(const Options& options) {
  std::vector<std::string> providers = options.fabrics;
  for (const PathOptions& path : options.paths)
    if (const auto its = parse_transport(path.transport); its && !its->provider.empty())
      providers.push_back(its->provider);
  return providers;
}

}  // namespace longhaul::cli
