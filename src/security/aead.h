// Authenticated encryption of one piece of data with its associated data, in place. Two implementations: OpenSSL's EVP
// is the reference and works everywhere; Intel's multi-buffer library takes a quarter of the time where the processor
// has what it wants (LIMITS: 20 against 4.8 GB/s a core).
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "longhaul/options.h"

namespace longhaul::security {

constexpr std::size_t tag_bytes = 16;
constexpr std::size_t nonce_bytes = 12;
constexpr std::size_t key_bytes_max = 32;
using Nonce = std::array<std::byte, nonce_bytes>;
using Tag = std::span<std::byte, tag_bytes>;

/// One key at a time; one thread. Plaintext that `open` leaves behind when it returns false must not be looked at.
class Aead {
 public:
  virtual ~Aead() = default;
  [[nodiscard]] virtual std::size_t key_bytes() const = 0;
  virtual void set_key(ConstBytes key) = 0;
  /// Encrypts `first` and then `second` as one text, and writes the tag over it and `aad`.
  virtual void seal(const Nonce& nonce, ConstBytes aad, Bytes first, Bytes second, Tag tag) = 0;
  /// False: not what was sealed with this key, nonce and `aad`.
  [[nodiscard]] virtual bool open(const Nonce& nonce, ConstBytes aad, Bytes first, Bytes second, Tag tag) = 0;
  [[nodiscard]] virtual std::string_view library() const = 0;
};

/// The fastest that this build and processor have. `cipher` seals: not `none`, not `automatic`.
[[nodiscard]] std::unique_ptr<Aead> make_aead(Cipher cipher);
[[nodiscard]] std::unique_ptr<Aead> make_openssl_aead(Cipher cipher);
/// What there is, for people: "aes-256-gcm, aes-128-gcm (ipsec-mb), chacha20-poly1305 (OpenSSL)".
[[nodiscard]] std::string ciphers_text();
/// Null where the library, the processor's instructions or the cipher are missing.
[[nodiscard]] std::unique_ptr<Aead> make_multi_buffer_aead(Cipher cipher);

}  // namespace longhaul::security
