// One place that says what the terms of a path may be: for the command line, for library callers, for a peer's words.
#include <algorithm>
#include <cmath>
#include <span>

#include "base/bytes.h"
#include "longhaul/options.h"

namespace longhaul {
namespace {

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

Result<> check_tags(const std::vector<std::string>& tags) {
  if (tags.size() > path_tags_max)
    return fail(Code::usage, "tags: " + std::to_string(tags.size()) + " of them; at most " +
                                 std::to_string(path_tags_max) + " on one path");
  for (std::size_t i = 0; i < tags.size(); ++i) {
    if (auto fine = check_tag(tags[i]); !fine) return fail(Code::usage, "tags: " + fine.error().text);
    const auto before = std::span(tags).first(i);
    if (std::find(before.begin(), before.end(), tags[i]) != before.end())
      return fail(Code::usage, "tags: '" + tags[i] + "' stands twice");
  }
  return {};
}

Result<> check_name(const std::string& name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (plain && name.size() <= path_name_bytes_max) return {};
  return fail(Code::usage,
              "name: up to " + std::to_string(path_name_bytes_max) + " letters, digits and signs without spaces");
}

Result<> check_device(const std::string& device) {
  const bool plain =
      std::all_of(device.begin(), device.end(), [](char c) { return c > ' ' && c < '\x7f' && c != '/'; });
  if (plain && device.size() <= device_bytes_max && device != "." && device != "..") return {};
  return fail(Code::usage, "device: '" + printable(device) + "' is not the name of a network interface such as eth1");
}

Result<> check_congestion(const std::string& name) {
  const bool plain =
      std::all_of(name.begin(), name.end(), [](char c) { return is_lower_or_digit(c) || c == '_' || c == '-'; });
  if (plain && name.size() <= congestion_bytes_max) return {};
  return fail(Code::usage,
              "cc: '" + printable(name) + "' is not the name of a TCP congestion control such as cubic or bbr");
}

}  // namespace

Result<> check_tag(std::string_view tag) {
  const bool plain = std::all_of(tag.begin(), tag.end(), [](char c) {
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == ':' || c == '-';
  });
  if (plain && !tag.empty() && tag.size() <= tag_bytes_max) return {};
  return fail(Code::usage, "'" + printable(tag) + "' is not a tag: 1 to " + std::to_string(tag_bytes_max) +
                               " letters, digits and signs of ._:-");
}

Result<Transport> parse_transport(std::string_view text) {
  constexpr std::string_view fabric = "fabric:";
  if (text.empty() || text == transport_tcp) return Transport{};
  const auto bad = [&](const std::string& what) {
    return fail(Code::usage, "transport: '" + printable(text) + "' " + what +
                                 ": tcp, or fabric:PROVIDER[@DEVICE] ('longhaul path probe' lists providers)");
  };
  if (!text.starts_with(fabric)) return bad("is not known");
  text.remove_prefix(fabric.size());
  const std::size_t at = std::min(text.find('@'), text.size());
  Transport found{.provider = std::string(text.substr(0, at)),
                  .device = std::string(text.substr(std::min(at + 1, text.size())))};
  const auto is_name = [](std::string_view name, const auto& may_have) {
    return !name.empty() && name.size() <= provider_bytes_max && std::all_of(name.begin(), name.end(), may_have);
  };
  const auto in_both = [](char c) { return is_lower_or_digit(c) || c == '_' || c == '-' || c == ';' || c == '.'; };
  if (!is_name(found.provider, in_both)) return bad("names no provider");
  const auto in_device = [&](char c) { return in_both(c) || (c >= 'A' && c <= 'Z') || c == ':'; };
  if (at < text.size() && !is_name(found.device, in_device)) return bad("names no device behind its '@'");
  return found;
}

Result<> check_path(const PathOptions& path) {
  for (Result<> fine :
       {check_name(path.name), check_device(path.device), check_tags(path.tags), check_congestion(path.congestion)}) {
    if (!fine) return fine;
  }
  if (!std::isfinite(path.weight) || path.weight < 0 || path.weight > path_weight_max)
    return fail(Code::usage, "weight: a number from 0 (a spare) to 1000");
  if (!std::isfinite(path.cost_per_gb) || path.cost_per_gb < 0 || path.cost_per_gb > cost_per_gb_max)
    return fail(Code::usage, "cost: a number from 0 to 10^9, for 10^9 bytes");
  if (path.dscp < -1 || path.dscp > dscp_max)
    return fail(Code::usage, "dscp: " + std::to_string(path.dscp) + " is not a number from 0 to 63");
  const auto transport = parse_transport(path.transport);
  if (!transport) return std::unexpected(transport.error());
  if (path.slots != 0 && (path.slots < path_slots_min || path.slots > path_slots_max))
    return fail(Code::usage, "slots: " + std::to_string(path.slots) + " is not a number from " +
                                 std::to_string(path_slots_min) + " to " + std::to_string(path_slots_max));
  return {};
}

}  // namespace longhaul
