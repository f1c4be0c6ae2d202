// Who an endpoint is to its peers: an Ed25519 key, known by its fingerprint. Where it is kept is the caller's business.
#pragma once

#include <string>
#include <vector>

#include "longhaul/status.h"

namespace longhaul {

/// A new private key as PEM text (PKCS #8), for `Options::identity_pem`. Whoever reads it can pose as this endpoint.
[[nodiscard]] std::string new_identity();

/// "SHA256:" and 43 characters: what peers pin. Errors (Code::usage): `pem` is no Ed25519 private key; they do not show
/// it.
[[nodiscard]] Result<std::string> fingerprint_of_identity(const std::string& pem);

/// Whether `text` is such a fingerprint. Errors: Code::usage.
[[nodiscard]] Result<> check_fingerprint(const std::string& text);

/// What `Session::dial` takes, to reach a listener that trusts this endpoint's key: "longhaul://ADDR:PORT,.../?k=KEY".
/// `addresses`: ADDR:PORT. Errors: Code::usage.
[[nodiscard]] Result<std::string> ticket_of_trusted(const std::vector<std::string>& addresses,
                                                    const std::string& fingerprint);

}  // namespace longhaul
