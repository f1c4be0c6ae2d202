#include "chunk/packing.h"

#include <zstd.h>

#include <cstdint>

#include "base/check.h"

namespace longhaul::chunk {
namespace {

constexpr int window_log = 20;  // a frame is no larger: without it, a high level would reserve 8 MiB and more

void set(ZSTD_CCtx* context, ZSTD_cParameter parameter, int value) {
  const std::size_t done = ZSTD_CCtx_setParameter(context, parameter, value);
  LH_CHECK(ZSTD_isError(done) == 0, "zstd takes what it is set to here");
}

/// Skippable frames, and those of formats before the standard, have other first bytes.
bool is_one_frame(ConstBytes packed) {
  if (packed.size() < sizeof(std::uint32_t) || load<std::uint32_t>(packed.data()) != ZSTD_MAGICNUMBER) return false;
  return ZSTD_findFrameCompressedSize(packed.data(), packed.size()) == packed.size();  // an error is no size
}

}  // namespace

Packer::~Packer() {
  ZSTD_freeCCtx(context_);
}

std::size_t Packer::pack(ConstBytes raw, Bytes into) {
  if (context_ == nullptr) {
    context_ = ZSTD_createCCtx();
    LH_CHECK(context_ != nullptr, "no memory to pack in");
    set(context_, ZSTD_c_compressionLevel, level_);
    set(context_, ZSTD_c_windowLog, window_log);
    set(context_, ZSTD_c_checksumFlag, 0);  // the leaf digests check what comes out
  }
  const std::size_t bytes = ZSTD_compress2(context_, into.data(), into.size(), raw.data(), raw.size());
  return ZSTD_isError(bytes) != 0 ? 0 : bytes;
}

Unpacker::~Unpacker() {
  ZSTD_freeDCtx(context_);
}

bool Unpacker::unpack(ConstBytes packed, Bytes raw) {
  if (!is_one_frame(packed)) return false;
  if (context_ == nullptr) {
    context_ = ZSTD_createDCtx();
    LH_CHECK(context_ != nullptr, "no memory to unpack with");
  }
  return ZSTD_decompressDCtx(context_, raw.data(), raw.size(), packed.data(), packed.size()) == raw.size();
}

}  // namespace longhaul::chunk
