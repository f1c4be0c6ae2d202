#include "protocol/path_terms.h"

#include <algorithm>

#include "protocol/bounds.h"
#include "protocol/message.h"

namespace longhaul::protocol {

void put_path(const PathOptions& path, Hello& hello) {
  hello.set_path(path.name);
  PathTerms& terms = *hello.mutable_terms();
  terms.set_cap_bits_per_s(std::min(path.cap_bits_per_s, path_cap_max));
  if (path.weight != PathOptions{}.weight) terms.set_weight(path.weight);
  terms.set_cost_per_gb(path.cost_per_gb);
  for (const std::string& tag : path.tags) terms.add_tags(tag);
  if (path.dscp >= 0) terms.set_dscp(static_cast<std::uint32_t>(path.dscp));
  terms.set_congestion(path.congestion);
  if (path.transport != transport_tcp) terms.set_transport(path.transport);
  terms.set_slots(path.slots);
}

Result<PathOptions> path_of(const Hello& hello) {
  const auto refused = [](const std::string& why) {
    return fail(Code::protocol, "the peer tells of a path that cannot be: " + why);
  };
  PathOptions path;
  path.name = hello.path();
  const PathTerms& terms = hello.terms();
  path.cap_bits_per_s = terms.cap_bits_per_s();
  if (terms.has_weight()) path.weight = terms.weight();
  path.cost_per_gb = terms.cost_per_gb();
  if (static_cast<std::size_t>(terms.tags_size()) > path_tags_max) return refused("too many tags");
  for (const std::string& tag : terms.tags()) path.tags.push_back(tag);
  if (terms.has_dscp()) {
    if (terms.dscp() > static_cast<std::uint32_t>(dscp_max)) return refused("dscp: over 63");
    path.dscp = static_cast<int>(terms.dscp());
  }
  path.congestion = terms.congestion();
  path.transport = terms.transport();
  path.slots = terms.slots();
  if (path.cap_bits_per_s > path_cap_max) return refused("cap: over 2^50 bits per second");
  if (auto fine = check_path(path); !fine) return refused(fine.error().text);
  return path;
}

}  // namespace longhaul::protocol
