#include "security/seal.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"

namespace longhaul::security {

Seal::Seal(Cipher cipher, const Secret& stream_secret, Way way)
    : aead_(make_aead(cipher)),
      secret_(derive(stream_secret, way == Way::to_listener ? "longhaul to listener" : "longhaul to dialler")) {}

Seal::~Seal() {
  forget(secret_);
  forget(nonce_base_);
}

/// The nonce of the next record, under the key of its epoch.
Nonce Seal::spend() {
  const std::uint64_t number = next_++;
  LH_CHECK(next_ != 0, "a stream of 2^64 records");
  if (number % records_per_epoch == 0) {
    std::array<std::byte, key_bytes_max + nonce_bytes> made{};
    const auto of_epoch = Bytes(made).first(aead_->key_bytes() + nonce_bytes);
    expand(secret_, "longhaul epoch " + std::to_string(number / records_per_epoch), of_epoch);
    aead_->set_key(of_epoch.first(aead_->key_bytes()));
    std::ranges::copy(of_epoch.last(nonce_bytes), nonce_base_.begin());
    forget(made);
  }
  Nonce nonce = nonce_base_;
  for (std::size_t byte = 0; byte < sizeof number; ++byte)
    nonce[nonce_bytes - 1 - byte] ^= static_cast<std::byte>(number >> 8 * byte & 0xffU);
  return nonce;
}

void Seal::seal(ConstBytes aad, Bytes first, Bytes second, Tag tag) {
  aead_->seal(spend(), aad, first, second, tag);
}

bool Seal::open(ConstBytes aad, Bytes first, Bytes second, Tag tag) {
  return aead_->open(spend(), aad, first, second, tag);
}

Seals make_seals(Cipher cipher, const Secret& stream_secret, bool dialled) {
  const Way out = dialled ? Way::to_listener : Way::to_dialler;
  const Way in = dialled ? Way::to_dialler : Way::to_listener;
  return {std::make_unique<Seal>(cipher, stream_secret, out), std::make_unique<Seal>(cipher, stream_secret, in)};
}

}  // namespace longhaul::security
