// XXH3-128 of what comes in pieces.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "base/digest.h"

struct XXH3_state_s;

namespace longhaul {

/// `digest_of` of all pieces, one behind the other. Used by one thread.
class DigestStream {
 public:
  DigestStream();
  void add(std::span<const std::byte> piece);
  [[nodiscard]] Digest finish() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

}  // namespace longhaul
