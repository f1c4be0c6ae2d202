// Keys made of keys: HKDF-SHA256 (RFC 5869) and HMAC-SHA256, through OpenSSL.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "base/bytes.h"

namespace longhaul::security {

using Secret = std::array<std::byte, 32>;
using Mac = std::array<std::byte, 32>;

[[nodiscard]] Mac hmac_sha256(ConstBytes key, ConstBytes data);
/// HKDF-Extract.
[[nodiscard]] Secret extract(ConstBytes salt, ConstBytes material);
/// HKDF-Expand: fills `out`, at most 255 x 32 bytes.
void expand(const Secret& secret, std::string_view info, Bytes out);
/// HKDF-Expand to one secret.
[[nodiscard]] Secret derive(const Secret& secret, std::string_view info);
/// Constant-time comparison.
[[nodiscard]] bool same_secret(ConstBytes a, ConstBytes b);
/// Overwrites what must not be found in memory later.
void forget(Bytes secret);

}  // namespace longhaul::security
