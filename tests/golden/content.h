// Bytes that look random and are the same on every machine: the digests that tests know belong to them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace longhaul::test {

/// The first `bytes` of one endless sequence (xorshift64*, 8 bytes a step, little-endian).
inline std::vector<std::byte> content(std::size_t bytes) {
  std::vector<std::byte> out(bytes);
  std::uint64_t state = 0x9E3779B97F4A7C15;
  for (std::size_t i = 0; i < bytes; i += 8) {
    state ^= state >> 12U;
    state ^= state << 25U;
    state ^= state >> 27U;
    const std::uint64_t word = state * 0x2545F4914F6CDD1D;
    for (std::size_t k = 0; k < 8 && i + k < bytes; ++k) out[i + k] = static_cast<std::byte>(word >> (8 * k) & 0xffU);
  }
  return out;
}

}  // namespace longhaul::test
