// In place of TLS, for simulations: proves nothing and seals nothing, so that a witness can read what crosses and an
// abuser can bend it, and costs no time. The handshake has the same shape: the dialler speaks first, the listener
// answers, and only then are both established.
#pragma once

#include <memory>
#include <vector>

#include "wire/secure.h"

namespace longhaul::sim {

[[nodiscard]] std::unique_ptr<wire::Guard> make_clear_guard(const security::Identity& identity);

/// What a dialler with this key says first; `session`: the one that it joins, or empty.
[[nodiscard]] std::vector<std::byte> clear_introduction(const security::Fingerprint& key, std::string_view session);

}  // namespace longhaul::sim
