// What this processor has of the instructions that digests and ciphers are quick by. For people: libraries look
// themselves.
#pragma once

#include <string>

namespace longhaul {

struct Processor {
  bool known = false;     ///< the others mean something
  std::string vectors;    ///< the widest: "avx512", "avx2", "sse2", "neon"
  bool aes = false;       ///< and carry-less multiplication, without which AES-GCM is slow as well
  bool wide_aes = false;  ///< on whole vectors (VAES)
  bool sha = false;       ///< SHA-256

  /// "avx512 aes vaes sha"; empty: not known.
  [[nodiscard]] std::string text() const;
};

[[nodiscard]] Processor this_processor();

}  // namespace longhaul
