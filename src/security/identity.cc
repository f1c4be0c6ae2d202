#include "security/identity.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "security/base64url.h"
#include "security/openssl.h"
#include "security/sha256.h"

namespace longhaul::security {
namespace {

constexpr std::string_view fingerprint_head = "SHA256:";
constexpr std::array<char, 16> never = {"99991231235959Z"};  // RFC 5280: no date of expiry
constexpr std::array<char, 16> always = {"19700101000000Z"};

/// The same key gives the same certificate.
Owned<X509> certify(EVP_PKEY* key) {
  Owned<X509> made(X509_new());
  X509_NAME* name = made ? X509_get_subject_name(made.get()) : nullptr;
  const auto* words = reinterpret_cast<const unsigned char*>("longhaul");
  const bool fine = name != nullptr && X509_set_version(made.get(), X509_VERSION_3) == 1 &&
                    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1) == 1 &&
                    ASN1_TIME_set_string_X509(X509_getm_notBefore(made.get()), always.data()) == 1 &&
                    ASN1_TIME_set_string_X509(X509_getm_notAfter(made.get()), never.data()) == 1 &&
                    X509_set_pubkey(made.get(), key) == 1 &&
                    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, words, -1, -1, 0) == 1 &&
                    X509_set_issuer_name(made.get(), name) == 1 && X509_sign(made.get(), key, nullptr) > 0;
  LH_CHECK(fine, "OpenSSL cannot make a certificate");
  return made;
}

Fingerprint fingerprint_of_key(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int bytes = i2d_PUBKEY(key, &der);
  LH_CHECK(bytes > 0, "OpenSSL cannot write a public key");
  const Fingerprint made = sha256_of({ConstBytes(reinterpret_cast<std::byte*>(der), static_cast<std::size_t>(bytes))});
  OPENSSL_free(der);
  return made;
}

}  // namespace

std::string openssl_words() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "error " + std::to_string(code);
}

std::string format_fingerprint(const Fingerprint& fingerprint) {
  return std::string(fingerprint_head) + base64url(fingerprint);
}

Result<Fingerprint> parse_fingerprint(std::string_view text) {
  Fingerprint read{};
  if (text.starts_with(fingerprint_head) && read_base64url(text.substr(fingerprint_head.size()), read)) return read;
  return fail(Code::usage, "\"" + printable(text.substr(0, 80)) +
                               "\" is no fingerprint: it is SHA256: and 43 characters, as longhaul keygen prints it");
}

struct Identity::Parts {
  Owned<EVP_PKEY> key;
  Owned<X509> certificate;
  Fingerprint fingerprint{};
};

Identity::Identity(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {
  parts_->certificate = certify(parts_->key.get());
  parts_->fingerprint = fingerprint_of_key(parts_->key.get());
}
Identity::Identity(Identity&&) noexcept = default;
Identity& Identity::operator=(Identity&&) noexcept = default;
Identity::~Identity() = default;

Identity Identity::make(Random& random) {
  Secret seed{};
  random.fill(seed);
  auto parts = std::make_unique<Parts>();
  parts->key.reset(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr,
                                                reinterpret_cast<const unsigned char*>(seed.data()), seed.size()));
  forget(seed);
  LH_CHECK(parts->key != nullptr, "OpenSSL cannot make an Ed25519 key");
  return Identity(std::move(parts));
}

Result<Identity> Identity::from_pem(std::string_view pem) {
  const Owned<BIO> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  auto parts = std::make_unique<Parts>();
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  if (in) parts->key.reset(PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr));
  if (!parts->key) return fail(Code::usage, "it holds no private key that can be read (" + openssl_words() + ")");
  if (EVP_PKEY_get_id(parts->key.get()) != EVP_PKEY_ED25519)
    return fail(Code::usage, "its private key is not an Ed25519 key");
  return Identity(std::move(parts));
}

const Fingerprint& Identity::fingerprint() const {
  return parts_->fingerprint;
}

EVP_PKEY* Identity::key() const {
  return parts_->key.get();
}

X509* Identity::certificate() const {
  return parts_->certificate.get();
}

std::string Identity::to_pem() const {
  const Owned<BIO> out(BIO_new(BIO_s_secmem()));
  const bool written =
      out && PEM_write_bio_PKCS8PrivateKey(out.get(), key(), nullptr, nullptr, 0, nullptr, nullptr) == 1;
  char* text = nullptr;
  const long bytes = written ? BIO_get_mem_data(out.get(), &text) : 0;
  LH_CHECK(bytes > 0, "OpenSSL cannot write a private key");
  return {text, static_cast<std::size_t>(bytes)};
}

Result<Fingerprint> fingerprint_of(X509* certificate) {
  EVP_PKEY* key = certificate != nullptr ? X509_get0_pubkey(certificate) : nullptr;
  if (key == nullptr || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519)
    return fail(Code::refused, "the peer's certificate is not of Longhaul: its key is not an Ed25519 key");
  return fingerprint_of_key(key);
}

}  // namespace longhaul::security
