// A ticket admits one peer to one session: longhaul://ADDR:PORT[,ADDR:PORT...]/ID?x=EXPIRY,k=KEY#SECRET
//   ID: 32 hex digits (16 bytes). EXPIRY: seconds since the epoch. KEY: the listener's fingerprint, SECRET: 32 random
//   bytes, both as 43 characters of base64url.
// Without its middle and its secret (longhaul://ADDR:PORT/?k=KEY) it says no more than where a listener is and who that
// is: one that knows the dialler's key and trusts it.
// The secret never crosses the wire and is never logged: who dials finds the listener by its fingerprint, and proves to
// it with HMAC-SHA256 that it knows the key made of the secret.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "longhaul/status.h"
#include "security/identity.h"
#include "security/keys.h"

namespace longhaul::security {

using TicketId = std::array<std::byte, 16>;
using TicketKey = Secret;  ///< SHA-256("longhaul ticket v1" || secret): what a dialler proves with

struct Ticket {
  std::vector<std::string> addresses;  ///< "127.0.0.1:4711", "[::1]:4711"; 1..32
  TicketId id{};
  std::int64_t expires_s = 0;  ///< wall clock, seconds since the epoch
  Fingerprint listener{};      ///< who must answer
  Secret secret{};
  bool by_key = false;  ///< no id, expiry and secret: the dialler's own key has to admit it
};

[[nodiscard]] Ticket make_ticket(std::vector<std::string> addresses, std::int64_t expires_s,
                                 const Fingerprint& listener, Random& random);
/// What trusted peers of `listener` dial.
[[nodiscard]] Ticket open_ticket(std::vector<std::string> addresses, const Fingerprint& listener);
[[nodiscard]] std::string format_ticket(const Ticket& ticket);
/// Surrounding white space is forgiven. Errors (Code::usage) never quote the secret.
[[nodiscard]] Result<Ticket> parse_ticket(std::string_view text);
[[nodiscard]] TicketKey key_of(const Ticket& ticket);

/// What a dialler shows to a listener, once TLS stands between them: HMAC-SHA256(key, words || `connection`).
/// `connection`: what TLS exports on this connection and no other, so that a proof cannot be passed on.
[[nodiscard]] Mac proof_of(const TicketKey& key, const Secret& connection);

}  // namespace longhaul::security
