// Names hold any bytes; terminals and JSON do not. Everything that is shown goes through here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace longhaul::cli {

[[nodiscard]] bool is_utf8(std::string_view bytes);

/// For terminals: control characters (escape sequences too), direction overrides and bytes that are not UTF-8 become
/// \xNN.
[[nodiscard]] std::string printable(std::string_view bytes);

/// For JSON, when `bytes` is not UTF-8: bad bytes and backslashes become \xNN, the rest stays.
[[nodiscard]] std::string escaped_utf8(std::string_view bytes);
[[nodiscard]] std::string hex_of(std::string_view bytes);

/// The first `columns` characters of `line`.
[[nodiscard]] std::string cut_to(std::string_view line, unsigned columns);
[[nodiscard]] unsigned columns_of(std::string_view line);

/// "1,234,567".
[[nodiscard]] std::string grouped(std::uint64_t number);
/// "1 file", "2,000 files".
[[nodiscard]] std::string counted(std::uint64_t number, std::string_view one, std::string_view many);

}  // namespace longhaul::cli
