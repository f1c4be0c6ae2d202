// Packs the payload of one frame with zstd, and unpacks it: every frame by itself, so that any copy of it may take any
// way. What comes from a peer is unpacked into memory of a size that our own header and limits give; nothing that a
// zstd frame says of itself is believed.
#pragma once

#include <cstddef>
#include <memory>

#include "base/bytes.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace longhaul::chunk {

/// Used by one thread. Its memory is allocated at the first `pack` and kept: 1 MiB at level 1, some 20 MiB at level 19.
class Packer {
 public:
  /// `level`: Compression::level_min to level_max.
  explicit Packer(int level) : level_(level) {}
  ~Packer();
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;
  /// Packs into `into`; returns how many bytes that took. 0: there is no room for it.
  [[nodiscard]] std::size_t pack(ConstBytes raw, Bytes into);

 private:
  int level_;
  ZSTD_CCtx_s* context_ = nullptr;
};

/// Used by one thread. Its memory, some 100 KiB, is allocated at the first `unpack` and kept: content goes straight to
/// where it belongs, so that no window is needed beside it, whatever size a frame asks for.
class Unpacker {
 public:
  Unpacker() = default;
  ~Unpacker();
  Unpacker(const Unpacker&) = delete;
  Unpacker& operator=(const Unpacker&) = delete;
  /// True: `packed` is one zstd frame, with nothing before, between or behind, that unpacks to exactly `raw.size()`
  /// bytes. False: it is not, and `raw` holds anything.
  [[nodiscard]] bool unpack(ConstBytes packed, Bytes raw);

 private:
  ZSTD_DCtx_s* context_ = nullptr;
};

}  // namespace longhaul::chunk
