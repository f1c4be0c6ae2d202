// A ticket admits one peer to one session: longhaul://ADDR:PORT[,ADDR:PORT...]/ID?x=EXPIRY#SECRET
//   ID: 32 hex digits (16 bytes). EXPIRY: seconds since the epoch. SECRET: 43 characters of base64url (32 random
//   bytes).
// The secret never crosses the wire and is never logged: each side proves with HMAC-SHA256 that it knows the key made
// of it.
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

namespace longhaul::security {

using TicketId = std::array<std::byte, 16>;
using TicketKey = std::array<std::byte, 32>;  ///< SHA-256("longhaul ticket v1" || secret): what both sides prove with

struct Ticket {
  std::vector<std::string> addresses;  ///< "127.0.0.1:4711", "[::1]:4711"; 1..32
  TicketId id{};
  std::int64_t expires_s = 0;  ///< wall clock, seconds since the epoch
  std::array<std::byte, 32> secret{};
};

[[nodiscard]] Ticket make_ticket(std::vector<std::string> addresses, std::int64_t expires_s, Random& random);
[[nodiscard]] std::string format_ticket(const Ticket& ticket);
/// Surrounding white space is forgiven. Errors (Code::usage) never quote the secret.
[[nodiscard]] Result<Ticket> parse_ticket(std::string_view text);
[[nodiscard]] TicketKey key_of(const Ticket& ticket);

/// HMAC-SHA256(key, label || SHA-256(dialler_hello) || SHA-256(listener_hello)); the label differs for each side
/// ("dialler", "listener"), so that a proof cannot be reflected. Hellos: the encoded message bodies as they crossed the
/// wire. Hashed one by one: over both joined, a stranger in the middle could move bytes from one Hello into the other.
enum class Side : std::uint8_t { dialler, listener };
using Mac = std::array<std::byte, 32>;
[[nodiscard]] Mac proof_of(const TicketKey& key, Side side, ConstBytes dialler_hello, ConstBytes listener_hello);
/// Constant-time comparison.
[[nodiscard]] bool same_mac(ConstBytes a, ConstBytes b);

/// Who this user on this machine is, until there are real identities: SHA-256 of (machine id or host name, uid, ticket
/// id).
[[nodiscard]] std::array<std::byte, 32> local_identity(const TicketId& ticket);

}  // namespace longhaul::security
