#include "base/bytes.h"
#include "security/keys.h"
#include "security/sha256.h"
#include "security/ticket.h"

namespace longhaul::security {

TicketKey key_of(const Ticket& ticket) {
  return sha256_of({bytes_of("longhaul ticket v1"), ticket.secret});
}

Mac proof_of(const TicketKey& key, const Secret& connection) {
  std::string proven = "longhaul ticket proof v1";
  proven += text_of(connection);
  return hmac_sha256(key, bytes_of(proven));
}

}  // namespace longhaul::security
