// 32 bytes as people pass them on: 43 characters that no shell and no URL minds.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace longhaul::security {

[[nodiscard]] std::string base64url(ConstBytes bytes);
/// False when `text` is not the one way to write 32 bytes.
[[nodiscard]] bool read_base64url(std::string_view text, std::array<std::byte, 32>& out);

}  // namespace longhaul::security
