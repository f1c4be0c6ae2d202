// SHA-256 over pieces, through OpenSSL.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>

#include "base/bytes.h"

namespace longhaul::security {

using Sha256 = std::array<std::byte, 32>;

/// Over all `pieces`, back to back.
[[nodiscard]] Sha256 sha256_of(std::initializer_list<ConstBytes> pieces);

}  // namespace longhaul::security
