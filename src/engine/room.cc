#include "engine/room.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "protocol/bounds.h"
#include "wire/fabric/rail.h"

namespace longhaul::engine {

bool goes_by_fabric(const PathOptions& path) {
  const auto transport = parse_transport(path.transport);
  return transport && !transport->provider.empty();
}

unsigned slots_left(std::size_t held) {
  return static_cast<unsigned>(protocol::session_slots_max - std::min(held, protocol::session_slots_max));
}

Result<> has_room(const Held& held, const PathOptions& path) {
  const std::string name = printable(path.name);
  if (held.streams >= protocol::session_streams_max)
    return fail(Code::refused, fmt::format("the side that listens takes {} streams of one session, and has them: a "
                                           "further one of path {} is too many; ask for fewer (streams=)",
                                           protocol::session_streams_max, name));
  if (held.streams_of_path >= protocol::streams_per_path_max)
    return fail(Code::refused, fmt::format("the side that listens takes {} streams of one path, and path {} has them; "
                                           "ask for fewer (streams=)",
                                           protocol::streams_per_path_max, name));
  const unsigned wanted = path.slots != 0 ? path.slots : wire::fabric::rail_slots;
  if (!goes_by_fabric(path) || slots_left(held.slots) >= wanted) return {};
  return fail(Code::refused, fmt::format("the side that listens keeps {} slots for all fabric streams of one session, "
                                         "{} are left, and a stream of path {} wants {}; ask for fewer (slots=, "
                                         "streams=)",
                                         protocol::session_slots_max, slots_left(held.slots), name, wanted));
}

}  // namespace longhaul::engine
