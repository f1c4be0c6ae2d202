#include "base/digest_stream.h"

#if defined(__x86_64__)
// Replaces XXH3_* by symbols that pick AVX2 or AVX-512 when the program runs.
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#include <cstring>
#include <new>

#include "base/check.h"

namespace longhaul {

void DigestStream::Free::operator()(XXH3_state_s* state) const {
  XXH3_freeState(state);
}

DigestStream::DigestStream() : state_(XXH3_createState()) {
  if (!state_) throw std::bad_alloc();
  LH_CHECK(XXH3_128bits_reset(state_.get()) == XXH_OK, "xxHash refused its own state");
}

void DigestStream::add(std::span<const std::byte> piece) {
  if (piece.empty()) return;  // xxHash refuses its null pointer
  LH_CHECK(XXH3_128bits_update(state_.get(), piece.data(), piece.size()) == XXH_OK, "xxHash refused its own state");
}

Digest DigestStream::finish() const {
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, XXH3_128bits_digest(state_.get()));
  Digest digest;
  static_assert(sizeof bytes.digest == sizeof digest.bytes);
  std::memcpy(digest.bytes.data(), bytes.digest, sizeof bytes.digest);
  return digest;
}

}  // namespace longhaul
