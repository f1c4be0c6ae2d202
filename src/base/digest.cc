#include "base/digest.h"

#if defined(__x86_64__)
// Replaces XXH3_* by symbols that pick AVX2 or AVX-512 when the program runs.
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#include <cstring>
#include <memory>
#include <new>

#include "base/bytes.h"
#include "base/check.h"

namespace longhaul {
namespace {

/// Up to here two pieces are joined on the stack, which is cheaper than a hash state on the heap.
constexpr std::size_t joined_bytes_max = 1024;

struct StateFree {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

std::uint64_t check_of_streamed(std::span<const std::byte> head, std::span<const std::byte> body) {
  const std::unique_ptr<XXH3_state_t, StateFree> state(XXH3_createState());
  if (!state) throw std::bad_alloc();
  bool hashed = XXH3_64bits_reset(state.get()) == XXH_OK;
  for (const auto piece : {head, body}) {  // xxHash refuses the null pointer of an empty piece
    if (!piece.empty()) hashed = hashed && XXH3_64bits_update(state.get(), piece.data(), piece.size()) == XXH_OK;
  }
  LH_CHECK(hashed, "xxHash refused its own state");
  return XXH3_64bits_digest(state.get());
}

}  // namespace

std::string Digest::hex() const {
  return to_hex(bytes);
}

Digest digest_of(std::span<const std::byte> data) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(data.data(), data.size()));
  Digest digest;
  static_assert(sizeof canonical.digest == sizeof digest.bytes);
  std::memcpy(digest.bytes.data(), canonical.digest, sizeof canonical.digest);
  return digest;
}

std::uint64_t check_of(std::span<const std::byte> data) {
  return XXH3_64bits(data.data(), data.size());
}

std::uint64_t check_of(std::span<const std::byte> head, std::span<const std::byte> body) {
  if (head.size() > joined_bytes_max || body.size() > joined_bytes_max - head.size()) {
    return check_of_streamed(head, body);
  }
  std::array<std::byte, joined_bytes_max> joined;  // left uninitialised: only what is copied is read
  if (!head.empty()) std::memcpy(joined.data(), head.data(), head.size());
  if (!body.empty()) std::memcpy(joined.data() + head.size(), body.data(), body.size());
  return check_of(std::span(joined).first(head.size() + body.size()));
}

}  // namespace longhaul
