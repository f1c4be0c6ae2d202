// XXH3-128: finds accidents, not attackers.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace longhaul {

/// In canonical (big-endian) byte order, as it goes on the wire and to disk.
struct Digest {
  std::array<std::byte, 16> bytes{};
  auto operator<=>(const Digest&) const = default;
  [[nodiscard]] std::string hex() const;
};
static_assert(sizeof(Digest) == 16);

/// XXH3-128 of `data` with seed 0, through the CPU-dispatching symbols (LIMITS: 4.5 x the plain ones).
[[nodiscard]] Digest digest_of(std::span<const std::byte> data);
/// XXH3-64 of `data`: check of small records and messages.
[[nodiscard]] std::uint64_t check_of(std::span<const std::byte> data);
/// The same over `head` followed by `body`, which need not lie side by side.
[[nodiscard]] std::uint64_t check_of(std::span<const std::byte> head, std::span<const std::byte> body);

}  // namespace longhaul
