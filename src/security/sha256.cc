#include "security/sha256.h"

#include <openssl/evp.h>

#include <memory>

#include "base/check.h"

namespace longhaul::security {
namespace {

struct ContextFree {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

Sha256 sha256_of(std::initializer_list<ConstBytes> pieces) {
  const std::unique_ptr<EVP_MD_CTX, ContextFree> context(EVP_MD_CTX_new());
  bool hashed = context != nullptr && EVP_DigestInit_ex2(context.get(), EVP_sha256(), nullptr) == 1;
  for (const ConstBytes piece : pieces) {
    hashed = hashed && EVP_DigestUpdate(context.get(), piece.data(), piece.size()) == 1;
  }
  Sha256 sum{};
  hashed = hashed && EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(sum.data()), nullptr) == 1;
  LH_CHECK(hashed, "OpenSSL cannot compute SHA-256");
  return sum;
}

}  // namespace longhaul::security
