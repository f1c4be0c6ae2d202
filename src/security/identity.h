// Who an endpoint is: an Ed25519 key, and a certificate that it has signed itself, because TLS wants one. Nobody looks
// at names or dates in it: peers know each other by the fingerprint of the key.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "longhaul/status.h"
#include "security/keys.h"

namespace longhaul::security {

/// SHA-256 of the public key in its DER form (SubjectPublicKeyInfo).
using Fingerprint = std::array<std::byte, 32>;

/// "SHA256:" and 43 characters of base64url, as people see and type it.
[[nodiscard]] std::string format_fingerprint(const Fingerprint& fingerprint);
/// Errors: Code::usage.
[[nodiscard]] Result<Fingerprint> parse_fingerprint(std::string_view text);

class Identity {
 public:
  /// A new one.
  static Identity make(Random& random);
  /// Of `to_pem`. Errors (Code::usage) do not show what was read.
  static Result<Identity> from_pem(std::string_view pem);
  Identity(Identity&&) noexcept;
  Identity& operator=(Identity&&) noexcept;
  ~Identity();

  [[nodiscard]] const Fingerprint& fingerprint() const;
  /// The private key, PKCS #8 without a passphrase.
  [[nodiscard]] std::string to_pem() const;
  [[nodiscard]] EVP_PKEY* key() const;      ///< owned here
  [[nodiscard]] X509* certificate() const;  ///< owned here

 private:
  struct Parts;
  explicit Identity(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

/// Of a certificate that a peer has shown; none when its key is not Ed25519.
[[nodiscard]] Result<Fingerprint> fingerprint_of(X509* certificate);

}  // namespace longhaul::security
