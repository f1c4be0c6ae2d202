#include "security/aead.h"

#include "base/check.h"
#include "security/keys.h"
#include "security/openssl.h"

namespace longhaul::security {
namespace {

const unsigned char* raw(ConstBytes bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* raw(Bytes bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}
int size_of(ConstBytes bytes) {
  return static_cast<int>(bytes.size());
}

const EVP_CIPHER* evp_of(Cipher cipher) {
  switch (cipher) {
    case Cipher::aes_256_gcm:
      return EVP_aes_256_gcm();
    case Cipher::aes_128_gcm:
      return EVP_aes_128_gcm();
    case Cipher::chacha20_poly1305:
      return EVP_chacha20_poly1305();
    case Cipher::automatic:
    case Cipher::none:
      break;
  }
  LH_CHECK(false, "a cipher that does not seal");
}

class OpensslAead final : public Aead {
 public:
  explicit OpensslAead(Cipher cipher)
      : sealing_(EVP_CIPHER_CTX_new()), opening_(EVP_CIPHER_CTX_new()), kind_(evp_of(cipher)) {
    LH_CHECK(sealing_ && opening_, "OpenSSL has no memory for a cipher");
  }
  std::size_t key_bytes() const override { return static_cast<std::size_t>(EVP_CIPHER_get_key_length(kind_)); }
  void set_key(ConstBytes key) override {
    LH_CHECK(key.size() == key_bytes(), "a key of another cipher");
    const bool set = EVP_EncryptInit_ex2(sealing_.get(), kind_, raw(key), nullptr, nullptr) == 1 &&
                     EVP_DecryptInit_ex2(opening_.get(), kind_, raw(key), nullptr, nullptr) == 1;
    LH_CHECK(set, "OpenSSL refuses a key");
  }
  void seal(const Nonce& nonce, ConstBytes aad, Bytes first, Bytes second, Tag tag) override {
    EVP_CIPHER_CTX* it = sealing_.get();
    int done = 0;
    const bool sealed = EVP_EncryptInit_ex2(it, nullptr, nullptr, raw(nonce), nullptr) == 1 &&
                        EVP_EncryptUpdate(it, nullptr, &done, raw(aad), size_of(aad)) == 1 &&
                        EVP_EncryptUpdate(it, raw(first), &done, raw(first), size_of(first)) == 1 &&
                        EVP_EncryptUpdate(it, raw(second), &done, raw(second), size_of(second)) == 1 &&
                        EVP_EncryptFinal_ex(it, nullptr, &done) == 1 &&
                        EVP_CIPHER_CTX_ctrl(it, EVP_CTRL_AEAD_GET_TAG, tag_bytes, tag.data()) == 1;
    LH_CHECK(sealed, "OpenSSL cannot seal");
  }
  bool open(const Nonce& nonce, ConstBytes aad, Bytes first, Bytes second, Tag tag) override {
    EVP_CIPHER_CTX* it = opening_.get();
    int done = 0;
    const bool opened = EVP_DecryptInit_ex2(it, nullptr, nullptr, raw(nonce), nullptr) == 1 &&
                        EVP_CIPHER_CTX_ctrl(it, EVP_CTRL_AEAD_SET_TAG, tag_bytes, tag.data()) == 1 &&
                        EVP_DecryptUpdate(it, nullptr, &done, raw(aad), size_of(aad)) == 1 &&
                        EVP_DecryptUpdate(it, raw(first), &done, raw(first), size_of(first)) == 1 &&
                        EVP_DecryptUpdate(it, raw(second), &done, raw(second), size_of(second)) == 1;
    LH_CHECK(opened, "OpenSSL cannot open");
    return EVP_DecryptFinal_ex(it, nullptr, &done) == 1;
  }
  std::string_view library() const override { return "OpenSSL"; }

 private:
  Owned<EVP_CIPHER_CTX> sealing_;
  Owned<EVP_CIPHER_CTX> opening_;
  const EVP_CIPHER* kind_;
};

}  // namespace

std::unique_ptr<Aead> make_openssl_aead(Cipher cipher) {
  return std::make_unique<OpensslAead>(cipher);
}

std::string ciphers_text() {
  std::string text;
  for (const Cipher cipher : {Cipher::aes_256_gcm, Cipher::aes_128_gcm, Cipher::chacha20_poly1305}) {
    if (!text.empty()) text += ", ";
    text += name_of(cipher);
    text += " (" + std::string(make_aead(cipher)->library()) + ")";
  }
  return text;
}

std::unique_ptr<Aead> make_aead(Cipher cipher) {
  auto fast = make_multi_buffer_aead(cipher);
  return fast ? std::move(fast) : make_openssl_aead(cipher);
}

}  // namespace longhaul::security
