// An entry as it crosses the wire, and as logs in the landing zone keep it.
#pragma once

#include "longhaul/entry.h"
#include "protocol/message.h"

namespace longhaul::protocol {

/// Names and values.
[[nodiscard]] std::size_t attribute_bytes(const longhaul::Entry& entry);
[[nodiscard]] protocol::Entry to_wire(const longhaul::Entry& entry);
/// Takes what the peer says: nothing has been checked. Its strings are moved.
[[nodiscard]] longhaul::Entry from_wire(protocol::Entry from);

}  // namespace longhaul::protocol
