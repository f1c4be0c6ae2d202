#include "security/signature.h"

#include <openssl/err.h>

#include "base/check.h"
#include "security/openssl.h"
#include "security/sha256.h"

namespace longhaul::security {
namespace {

/// What stands before the 32 bytes of an Ed25519 key in its DER form (RFC 8410).
constexpr std::array<unsigned char, 12> der_head = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                                    0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

struct ContextFree {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, ContextFree>;

const unsigned char* raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

}  // namespace

Signature sign(const Identity& identity, ConstBytes message) {
  Signature made;
  std::size_t key_bytes = made.key.size();
  std::size_t bytes = made.signature.size();
  const Context context(EVP_MD_CTX_new());
  auto* const key = reinterpret_cast<unsigned char*>(made.key.data());
  auto* const signature = reinterpret_cast<unsigned char*>(made.signature.data());
  const bool signed_it = context && EVP_PKEY_get_raw_public_key(identity.key(), key, &key_bytes) == 1 &&
                         EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, identity.key()) == 1 &&
                         EVP_DigestSign(context.get(), signature, &bytes, raw(message.data()), message.size()) == 1;
  LH_CHECK(signed_it && key_bytes == made.key.size() && bytes == made.signature.size(), "OpenSSL cannot sign");
  return made;
}

bool holds(const Signature& signature, ConstBytes message) {
  const Owned<EVP_PKEY> key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw(signature.key.data()), signature.key.size()));
  const Context context(EVP_MD_CTX_new());
  const bool fine = key && context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
                    EVP_DigestVerify(context.get(), raw(signature.signature.data()), signature.signature.size(),
                                     raw(message.data()), message.size()) == 1;
  ERR_clear_error();  // a wrong signature leaves words behind, which the next failure would be told with
  return fine;
}

Fingerprint signer_of(const Signature& signature) {
  return sha256_of({std::as_bytes(std::span(der_head)), signature.key});
}

}  // namespace longhaul::security
