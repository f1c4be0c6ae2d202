// Golden files: the bytes of every format, kept in the tree. A test fails when a layout changes; a change on purpose
// needs a new version, and new files from LONGHAUL_WRITE_GOLDEN=1. LONGHAUL_GOLDEN_DIR comes from meson.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace longhaul::test {

inline std::string golden_path(const std::string& name) {
  return std::string(LONGHAUL_GOLDEN_DIR) + "/" + name + ".hex";
}

/// The bytes of golden/NAME.hex: hex digits, in lines of any length.
inline std::vector<std::byte> read_golden(const std::string& name) {
  std::ifstream file(golden_path(name));
  EXPECT_TRUE(file) << golden_path(name) << " is missing";
  std::string hex;
  for (std::string line; file >> line;) hex += line;
  const auto bytes = from_hex(hex);
  EXPECT_TRUE(bytes) << golden_path(name) << " is not hex";
  const auto view = bytes_of(*bytes);
  return {view.begin(), view.end()};
}

inline void expect_golden(const std::string& name, ConstBytes encoded) {
  if (std::getenv("LONGHAUL_WRITE_GOLDEN") != nullptr) {
    std::ofstream file(golden_path(name));
    constexpr std::size_t line_bytes = 32;
    for (std::size_t at = 0; at < encoded.size(); at += line_bytes) {
      file << to_hex(encoded.subspan(at, std::min(line_bytes, encoded.size() - at))) << "\n";
    }
  }
  EXPECT_EQ(to_hex(encoded), to_hex(read_golden(name))) << "the layout of " << name << " has changed";
}

}  // namespace longhaul::test
