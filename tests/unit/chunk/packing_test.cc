#include "chunk/packing.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "golden/content.h"

namespace longhaul::chunk {
namespace {

using Buffer = std::vector<std::byte>;

constexpr std::size_t frame = 1024 * 1024;

Buffer text(std::size_t bytes) {
  std::string lines;
  for (unsigned line = 0; lines.size() < bytes; ++line)
    lines += "step " + std::to_string(line) + " loss " + std::to_string(line * 2654435761U % 10007) + "\n";
  const auto all = bytes_of(lines).first(bytes);
  return {all.begin(), all.end()};
}

/// What packs it without limits: not what is tested.
Buffer zstd_of(ConstBytes raw, int checksum = 0, int content_size = 1, int window_log = 0) {
  Buffer packed(ZSTD_compressBound(raw.size()));
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, checksum);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, content_size);
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
  const std::size_t bytes = ZSTD_compress2(context, packed.data(), packed.size(), raw.data(), raw.size());
  ZSTD_freeCCtx(context);
  EXPECT_FALSE(ZSTD_isError(bytes)) << ZSTD_getErrorName(bytes);
  packed.resize(bytes);
  return packed;
}

Buffer joined(std::initializer_list<Buffer> parts) {
  Buffer all;
  for (const Buffer& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

/// Frames that decoders skip: 0x184D2A50 to ..5F, a size, and anything.
Buffer skippable(std::size_t bytes) {
  Buffer all(8 + bytes);
  store(all.data(), std::uint32_t{0x184D2A50});
  store(all.data() + 4, static_cast<std::uint32_t>(bytes));
  return all;
}

bool unpacks(ConstBytes packed, std::size_t raw_bytes) {
  Unpacker unpacker;
  // What lies behind must stay as it is.
  Buffer raw(raw_bytes + 64, std::byte{0xa5});
  const bool good = unpacker.unpack(packed, Bytes(raw).first(raw_bytes));
  EXPECT_TRUE(std::all_of(raw.end() - 64, raw.end(), [](std::byte byte) { return byte == std::byte{0xa5}; }));
  return good;
}

TEST(Packing, WhatIsPackedUnpacks) {
  Unpacker unpacker;
  for (const int level : {-20, 1, 3, 19}) {
    Packer packer(level);
    for (const Buffer& raw : {text(1000), Buffer(frame), Buffer(50), text(level > 3 ? 200'001 : frame)}) {
      Buffer packed(raw.size());
      const std::size_t bytes = packer.pack(raw, packed);
      ASSERT_GT(bytes, 0U) << raw.size() << " at " << level;
      EXPECT_LT(bytes, raw.size());
      Buffer again(raw.size());
      ASSERT_TRUE(unpacker.unpack(ConstBytes(packed).first(bytes), again)) << raw.size() << " at " << level;
      EXPECT_TRUE(again == raw) << raw.size() << " at " << level;
    }
  }
}

TEST(Packing, AHigherLevelShrinksMore) {
  const Buffer raw = text(200'000);
  Buffer packed(frame);
  Packer fast(-20);
  Packer small(19);
  const std::size_t much = fast.pack(raw, packed);
  EXPECT_LT(small.pack(raw, packed), much * 2 / 3);
}

TEST(Packing, WhatDoesNotShrinkDoesNotFit) {
  Packer packer(1);
  const Buffer raw = test::content(frame);  // random
  Buffer packed(frame - frame / 10);
  EXPECT_EQ(packer.pack(raw, packed), 0U);
  EXPECT_EQ(packer.pack(text(100), Bytes(packed).first(3)), 0U);
  EXPECT_EQ(packer.pack(text(100), {}), 0U);
  EXPECT_GT(packer.pack(text(frame), packed), 0U) << "and it goes on";
}

TEST(Packing, ASizeThatIsNotTheRightOneIsRefused) {
  const Buffer packed = zstd_of(text(10'000));
  EXPECT_TRUE(unpacks(packed, 10'000));
  for (const std::size_t bytes : {0UL, 1UL, 9'999UL, 10'001UL, frame}) EXPECT_FALSE(unpacks(packed, bytes)) << bytes;
  // And where the zstd frame does not say how much it holds.
  const Buffer silent = zstd_of(text(10'000), 0, 0);
  EXPECT_TRUE(unpacks(silent, 10'000));
  for (const std::size_t bytes : {0UL, 1UL, 9'999UL, 10'001UL, frame}) EXPECT_FALSE(unpacks(silent, bytes)) << bytes;
}

/// 16 MiB of zeros are a kilobyte or two: no more is unpacked of it than was asked for.
TEST(Packing, ABombIsRefusedInItsBounds) {
  for (const int content_size : {0, 1}) {
    const Buffer bomb = zstd_of(Buffer(16 * frame), 0, content_size, 24);
    ASSERT_LT(bomb.size(), frame / 10);
    EXPECT_FALSE(unpacks(bomb, frame));
    EXPECT_FALSE(unpacks(bomb, 1));
  }
}

/// A frame may ask for a window of gigabytes: it gets none, for it is unpacked to where it belongs.
TEST(Packing, ALargeWindowTakesNoMemory) {
  const Buffer raw = text(frame);
  Buffer packed = zstd_of(raw, 0, 0, 20);
  // Without its content's size a header is magic, descriptor, window: exponent << 3. 31 + 10 bits: 2 TiB.
  ASSERT_EQ(packed.at(4), std::byte{0});
  for (const unsigned exponent : {17U, 20U, 21U}) {
    packed.at(5) = static_cast<std::byte>(exponent << 3U);
    EXPECT_TRUE(unpacks(packed, frame)) << exponent;
  }
  packed.at(5) = std::byte{0xff};  // beyond what zstd knows
  EXPECT_FALSE(unpacks(packed, frame));
}

TEST(Packing, AnyCutIsRefused) {
  const Buffer packed = zstd_of(text(3000));
  for (std::size_t bytes = 0; bytes < packed.size(); ++bytes)
    EXPECT_FALSE(unpacks(ConstBytes(packed).first(bytes), 3000)) << bytes;
}

TEST(Packing, NothingMayStandBesideTheOneFrame) {
  const Buffer one = zstd_of(text(3000));
  const Buffer half = zstd_of(text(1500));
  EXPECT_FALSE(unpacks(joined({one, {std::byte{0}}}), 3000)) << "a byte behind it";
  EXPECT_FALSE(unpacks(joined({half, half}), 3000)) << "two frames";
  EXPECT_FALSE(unpacks(joined({one, zstd_of({})}), 3000)) << "an empty one behind it";
  EXPECT_FALSE(unpacks(joined({skippable(8), one}), 3000));
  EXPECT_FALSE(unpacks(joined({one, skippable(8)}), 3000));
  EXPECT_FALSE(unpacks(skippable(100), 100));
  EXPECT_FALSE(unpacks(skippable(0), 0));
}

TEST(Packing, ADictionaryIsRefused) {
  const Buffer raw = text(3000);
  Buffer packed = zstd_of(raw, 0, 0);
  // One byte of dictionary id: two bits of the descriptor, and the byte behind the window.
  packed.at(4) |= std::byte{1};
  packed.insert(packed.begin() + 6, std::byte{77});
  EXPECT_FALSE(unpacks(packed, raw.size()));
  packed.at(6) = std::byte{0};  // "none"
  EXPECT_TRUE(unpacks(packed, raw.size())) << "only the dictionary was wrong";
}

TEST(Packing, ADamagedChecksumIsRefused) {
  Buffer packed = zstd_of(text(3000), 1);
  EXPECT_TRUE(unpacks(packed, 3000));
  packed.back() ^= std::byte{1};
  EXPECT_FALSE(unpacks(packed, 3000));
}

/// Most are refused; what is not fills its bounds and no more. The digests find the rest.
TEST(Packing, AnyFlippedBitStaysInBounds) {
  const Buffer packed = zstd_of(text(600));
  for (std::size_t at = 0; at < packed.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      Buffer bent = packed;
      bent[at] ^= static_cast<std::byte>(1U << bit);
      (void)unpacks(bent, 600);
    }
  }
}

TEST(Packing, AnUnpackerGoesOnAfterWhatItRefused) {
  Unpacker unpacker;
  const Buffer raw = text(5000);
  const Buffer packed = zstd_of(raw);
  Buffer again(raw.size());
  for (int round = 0; round < 3; ++round) {
    EXPECT_FALSE(unpacker.unpack(ConstBytes(packed).first(packed.size() - 3), again));
    EXPECT_FALSE(unpacker.unpack(test::content(500), again));
    ASSERT_TRUE(unpacker.unpack(packed, again));
    EXPECT_TRUE(again == raw);
  }
}

}  // namespace
}  // namespace longhaul::chunk
