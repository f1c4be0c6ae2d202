// Who an endpoint is to its peers: an Ed25519 key, known by its fingerprint. Where it is kept is the caller's business.
#pragma once

#include <string>

#include "longhaul/status.h"

namespace longhaul {

/// A new private key as PEM text (PKCS #8), for `Options::identity_pem`. Whoever reads it can pose as this endpoint.
[[nodiscard]] std::string new_identity();

/// "SHA256:" and 43 characters: what peers pin. Errors (Code::usage): `pem` is no Ed25519 private key; they do not show
/// it.
[[nodiscard]] Result<std::string> fingerprint_of_identity(const std::string& pem);

}  // namespace longhaul
