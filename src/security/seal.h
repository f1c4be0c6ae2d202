// The seal of one stream: what goes each way is a row of records, numbered from 0, each sealed under the number it has.
// Keys are HKDF's of the stream's secret, for each direction and each epoch of `records_per_epoch`; none is used for
// two streams. What was replayed, left out, reordered, reflected or taken from elsewhere does not open.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "security/aead.h"
#include "security/keys.h"

namespace longhaul::security {

/// Of 1 MiB at most: 2^30 blocks under one key, where AES-GCM in TLS may have 2^34.5 (RFC 8446, 5.5).
constexpr std::uint64_t records_per_epoch = std::uint64_t{1} << 14U;

enum class Way : std::uint8_t { to_listener, to_dialler };

/// One direction, at the side that seals or at the side that opens. One thread at a time.
class Seal {
 public:
  Seal(Cipher cipher, const Secret& stream_secret, Way way);
  ~Seal();
  Seal(const Seal&) = delete;
  Seal& operator=(const Seal&) = delete;

  /// The number of the next record. It belongs into the associated data, and is spent by `seal` and by `open`.
  [[nodiscard]] std::uint64_t next() const { return next_; }
  void seal(ConstBytes aad, Bytes first, Bytes second, Tag tag);
  /// False: this is not the next record of the other side. The stream must be given up.
  [[nodiscard]] bool open(ConstBytes aad, Bytes first, Bytes second, Tag tag);

 private:
  Nonce spend();

  std::unique_ptr<Aead> aead_;
  Secret secret_;  ///< of this direction
  Nonce nonce_base_{};
  std::uint64_t next_ = 0;
};

/// What a stream needs.
struct Seals {
  std::unique_ptr<Seal> out;
  std::unique_ptr<Seal> in;
};
[[nodiscard]] Seals make_seals(Cipher cipher, const Secret& stream_secret, bool dialled);

}  // namespace longhaul::security
