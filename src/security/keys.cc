#include "security/keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <string>

#include "base/check.h"

namespace longhaul::security {

Mac hmac_sha256(ConstBytes key, ConstBytes data) {
  Mac mac{};
  std::size_t mac_bytes = 0;
  const unsigned char* made = EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, key.data(), key.size(),
                                        reinterpret_cast<const unsigned char*>(data.data()), data.size(),
                                        reinterpret_cast<unsigned char*>(mac.data()), mac.size(), &mac_bytes);
  LH_CHECK(made != nullptr && mac_bytes == mac.size(), "OpenSSL cannot compute HMAC-SHA256");
  return mac;
}

Secret extract(ConstBytes salt, ConstBytes material) {
  return hmac_sha256(salt, material);
}

void expand(const Secret& secret, std::string_view info, Bytes out) {
  LH_CHECK(out.size() <= 255 * sizeof(Mac), "HKDF gives at most 255 blocks");
  std::string block;
  for (unsigned char number = 1; !out.empty(); ++number) {
    block += info;
    block.push_back(static_cast<char>(number));
    Mac next = hmac_sha256(secret, bytes_of(block));
    const std::size_t count = std::min(out.size(), next.size());
    std::copy_n(next.begin(), count, out.begin());
    out = out.subspan(count);
    block.assign(text_of(next));
    forget(next);
  }
  OPENSSL_cleanse(block.data(), block.size());
}

Secret derive(const Secret& secret, std::string_view info) {
  Secret made{};
  expand(secret, info, made);
  return made;
}

bool same_secret(ConstBytes a, ConstBytes b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void forget(Bytes secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
}

}  // namespace longhaul::security
