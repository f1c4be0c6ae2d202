#include "longhaul/identity.h"

#include "base/clock.h"
#include "security/identity.h"
#include "security/ticket.h"

namespace longhaul {

std::string new_identity() {
  return security::Identity::make(system_random()).to_pem();
}

Result<std::string> fingerprint_of_identity(const std::string& pem) {
  const auto identity = security::Identity::from_pem(pem);
  if (!identity) return std::unexpected(identity.error());
  return security::format_fingerprint(identity->fingerprint());
}

Result<> check_fingerprint(const std::string& text) {
  const auto fingerprint = security::parse_fingerprint(text);
  if (!fingerprint) return std::unexpected(fingerprint.error());
  return {};
}

Result<std::string> ticket_of_trusted(const std::vector<std::string>& addresses, const std::string& fingerprint) {
  const auto listener = security::parse_fingerprint(fingerprint);
  if (!listener) return std::unexpected(listener.error());
  // What has been put together wrongly is refused by whoever reads tickets.
  std::string text = "longhaul://";
  for (const std::string& address : addresses) text += (text.ends_with('/') ? "" : ",") + address;
  text += "/?k=" + fingerprint.substr(fingerprint.find(':') + 1);
  const auto ticket = security::parse_ticket(text);
  if (!ticket) return std::unexpected(ticket.error());
  return security::format_ticket(*ticket);
}

}  // namespace longhaul
