// What every target has.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/check.h"

/// Called by libFuzzer with one input after the other.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes);

namespace longhaul::fuzz {

inline ConstBytes input(const std::uint8_t* data, std::size_t bytes) {
  return std::as_bytes(std::span(data, bytes));
}

}  // namespace longhaul::fuzz
