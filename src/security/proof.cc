#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <string>

#include "base/check.h"
#include "security/sha256.h"
#include "security/ticket.h"

namespace longhaul::security {
namespace {

std::string_view label_of(Side side) {
  switch (side) {
    case Side::dialler:
      return "dialler";
    case Side::listener:
      return "listener";
  }
  LH_CHECK(false, "a side that does not exist");
}

Mac hmac_sha256(ConstBytes key, ConstBytes data) {
  Mac mac{};
  std::size_t mac_bytes = 0;
  const unsigned char* made = EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, key.data(), key.size(),
                                        reinterpret_cast<const unsigned char*>(data.data()), data.size(),
                                        reinterpret_cast<unsigned char*>(mac.data()), mac.size(), &mac_bytes);
  LH_CHECK(made != nullptr && mac_bytes == mac.size(), "OpenSSL cannot compute HMAC-SHA256");
  return mac;
}

/// What tells this machine from others; the host name where there is no machine id (some containers).
std::string machine_name() {
  std::string name;
  std::ifstream("/etc/machine-id") >> name;
  if (!name.empty()) return name;
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) return "nameless";
  return host.data();
}

}  // namespace

TicketKey key_of(const Ticket& ticket) {
  return sha256_of({bytes_of("longhaul ticket v1"), ticket.secret});
}

Mac proof_of(const TicketKey& key, Side side, ConstBytes dialler_hello, ConstBytes listener_hello) {
  const Sha256 dialler = sha256_of({dialler_hello});
  const Sha256 listener = sha256_of({listener_hello});
  std::string proven(label_of(side));
  proven += text_of(dialler);
  proven += text_of(listener);
  return hmac_sha256(key, bytes_of(proven));
}

bool same_mac(ConstBytes a, ConstBytes b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::array<std::byte, 32> local_identity(const TicketId& ticket) {
  // Tied to the ticket, so that nobody can follow a machine from one ticket to the next; lengths are fixed by the NULs.
  const std::string who = machine_name() + '\0' + std::to_string(geteuid()) + '\0';
  return sha256_of({bytes_of("longhaul identity v1"), bytes_of(who), ticket});
}

}  // namespace longhaul::security
