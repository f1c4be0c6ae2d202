#include "longhaul/identity.h"

#include "base/clock.h"
#include "security/identity.h"

namespace longhaul {

std::string new_identity() {
  return security::Identity::make(system_random()).to_pem();
}

Result<std::string> fingerprint_of_identity(const std::string& pem) {
  const auto identity = security::Identity::from_pem(pem);
  if (!identity) return std::unexpected(identity.error());
  return security::format_fingerprint(identity->fingerprint());
}

}  // namespace longhaul
