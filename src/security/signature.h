// What an identity has said about some bytes, for others to check later: Ed25519, through OpenSSL.
#pragma once

#include <array>
#include <cstddef>

#include "base/bytes.h"
#include "security/identity.h"

namespace longhaul::security {

/// A public key, and what it is said to have signed with. Nothing has been checked.
struct Signature {
  std::array<std::byte, 32> key{};
  std::array<std::byte, 64> signature{};
  bool operator==(const Signature&) const = default;
};

/// `message` must begin with words that say what it is: the same key signs in TLS as well, and no signature may be
/// taken for one of something else.
[[nodiscard]] Signature sign(const Identity& identity, ConstBytes message);

/// Whether its key has signed `message`. Any bytes may stand in it.
[[nodiscard]] bool holds(const Signature& signature, ConstBytes message);

/// Of its key, as peers pin it.
[[nodiscard]] Fingerprint signer_of(const Signature& signature);

}  // namespace longhaul::security
