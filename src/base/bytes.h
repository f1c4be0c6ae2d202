// Little helpers for bytes: little-endian fields, hex, views.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace longhaul {

using Bytes = std::span<std::byte>;
using ConstBytes = std::span<const std::byte>;

static_assert(std::endian::native == std::endian::little, "formats are little-endian and stored as they are");

template <class T>
  requires std::is_trivially_copyable_v<T>
void store(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

template <class T>
  requires std::is_trivially_copyable_v<T>
[[nodiscard]] T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

[[nodiscard]] inline ConstBytes bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
[[nodiscard]] inline std::string_view text_of(ConstBytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Lower-case hex.
[[nodiscard]] std::string to_hex(ConstBytes bytes);
[[nodiscard]] std::optional<std::string> from_hex(std::string_view hex);

/// A name of any bytes made safe for a terminal or a log: control bytes and invalid UTF-8 as \xNN, backslash doubled.
[[nodiscard]] std::string printable(std::string_view name);

}  // namespace longhaul
