#include "security/sha256.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace longhaul::security {
namespace {

/// Looked up once: OpenSSL takes a lock for each look, and small files are hashed by the million.
const EVP_MD* algorithm() {
  static const EVP_MD* const found = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return found;
}

}  // namespace

void Sha256Stream::Free::operator()(EVP_MD_CTX* context) const {
  EVP_MD_CTX_free(context);
}

Sha256Stream::Sha256Stream() : context_(EVP_MD_CTX_new()) {
  const bool begun = context_ != nullptr && EVP_DigestInit_ex2(context_.get(), algorithm(), nullptr) == 1;
  LH_CHECK(begun, "OpenSSL cannot compute SHA-256");
}

void Sha256Stream::add(ConstBytes piece) {
  LH_CHECK(EVP_DigestUpdate(context_.get(), piece.data(), piece.size()) == 1, "OpenSSL cannot compute SHA-256");
}

Sha256 Sha256Stream::finish() {
  Sha256 sum{};
  const bool hashed = EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(sum.data()), nullptr) == 1;
  LH_CHECK(hashed, "OpenSSL cannot compute SHA-256");
  return sum;
}

Sha256 sha256_of(std::initializer_list<ConstBytes> pieces) {
  Sha256Stream stream;
  for (const ConstBytes piece : pieces) stream.add(piece);
  return stream.finish();
}

}  // namespace longhaul::security
