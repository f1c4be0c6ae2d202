// SHA-256 over pieces, through OpenSSL.
#pragma once

#include <openssl/types.h>

#include <array>
#include <cstddef>
#include <initializer_list>
#include <memory>

#include "base/bytes.h"

namespace longhaul::security {

using Sha256 = std::array<std::byte, 32>;

/// Over all `pieces`, back to back.
[[nodiscard]] Sha256 sha256_of(std::initializer_list<ConstBytes> pieces);

/// The same of what comes bit by bit. Used by one thread.
class Sha256Stream {
 public:
  Sha256Stream();
  void add(ConstBytes piece);
  [[nodiscard]] Sha256 finish();  ///< once

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const;
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

}  // namespace longhaul::security
