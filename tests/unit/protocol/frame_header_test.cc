#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <string>

#include "golden/golden.h"
#include "protocol/frame.h"
#include "protocol/message.h"

namespace longhaul::protocol {
namespace {

using HeaderBytes = std::array<std::byte, frame_header_bytes>;

Digest digest_from(unsigned first) {
  Digest digest;
  for (std::size_t i = 0; i < digest.bytes.size(); ++i) digest.bytes[i] = std::byte(first + i);
  return digest;
}

/// Every field differs from every other and from its default.
FrameHeader file_frame() {
  return {.flags = 0,
          .transfer = 0x01020304,
          .attempt = 2,
          .file = 0x1112131415161718,
          .chunk = 0x2122232425262728,
          .offset = 0x0102030405 * leaf_bytes,
          .raw_bytes = 3 * leaf_bytes + 1,
          .wire_bytes = 3 * leaf_bytes + 1,
          .frame_index = 0x0312,
          .frame_count = 0x0456,
          .priority = 0x51,
          .leaf_count = 4,
          .leaves = {digest_from(0x60), digest_from(0x70), digest_from(0x80), digest_from(0x90)}};
}

FrameHeader bundle_frame() {
  return {.flags = flag_bundle,
          .transfer = 5,
          .file = bundle_file,
          .chunk = 77,
          .raw_bytes = 1000,
          .wire_bytes = 1000,
          .leaf_count = 1,
          .leaves = {digest_from(0xa0)}};
}

/// The last of a chunk of 512 MiB.
FrameHeader hole_frame() {
  return {.flags = flag_sparse,
          .transfer = 5,
          .attempt = 1,
          .file = 9,
          .chunk = 3,
          .offset = 3 * chunk_bytes_max + leaf_bytes,
          .raw_bytes = chunk_bytes_max - leaf_bytes - 7,
          .frame_index = 1,
          .frame_count = 2048};
}

/// As `file_frame`, of which the receiver has the content.
FrameHeader matched_frame() {
  FrameHeader header = file_frame();
  header.flags = flag_matched;
  header.wire_bytes = 0;
  return header;
}

/// As `file_frame`, and smaller on the wire.
FrameHeader packed_frame() {
  FrameHeader header = file_frame();
  header.flags = flag_compressed;
  header.wire_bytes = 0x00012345;
  return header;
}

HeaderBytes encoded(const FrameHeader& header) {
  HeaderBytes bytes{};
  encode_frame_header(header, bytes);
  return bytes;
}

/// Makes the check right again after a change: only what the decoder checks beyond it can refuse now.
void seal_check(HeaderBytes& bytes) {
  const ConstBytes all = bytes;
  store(bytes.data() + 16, check_of(all.first(16), all.subspan(24)));
}

void expect_refused(const HeaderBytes& bytes, const std::string& words) {
  const auto header = decode_frame_header(bytes);
  ASSERT_FALSE(header) << "should say: " << words;
  EXPECT_EQ(header.error().code, Code::protocol);
  EXPECT_NE(header.error().text.find(words), std::string::npos) << header.error().text << "\nshould say: " << words;
}

/// Stores `value` at `at` of a sound header's bytes.
template <class T>
void expect_refused_with(const FrameHeader& good, std::size_t at, T value, const std::string& words) {
  HeaderBytes bytes = encoded(good);
  store(bytes.data() + at, value);
  seal_check(bytes);
  expect_refused(bytes, words);
}

void expect_refused_when(FrameHeader header, const std::function<void(FrameHeader&)>& spoil, const std::string& words) {
  spoil(header);
  expect_refused(encoded(header), words);
}

TEST(FrameHeader, IsAsItsGoldenFiles) {
  for (const auto& [name, header] :
       {std::pair("frame_header_file", file_frame()), std::pair("frame_header_bundle", bundle_frame()),
        std::pair("frame_header_hole", hole_frame()), std::pair("frame_header_packed", packed_frame()),
        std::pair("frame_header_matched", matched_frame())}) {
    longhaul::test::expect_golden(name, encoded(header));
    const auto bytes = longhaul::test::read_golden(name);
    ASSERT_EQ(bytes.size(), frame_header_bytes);
    const auto decoded = decode_frame_header(ConstBytes(bytes).first<frame_header_bytes>());
    ASSERT_TRUE(decoded) << decoded.error().text;
    EXPECT_EQ(*decoded, header) << name;
  }
}

TEST(FrameHeader, LiesAsThePictureSays) {
  const HeaderBytes bytes = encoded(file_frame());
  const std::byte* at = bytes.data();
  EXPECT_EQ(text_of(ConstBytes(bytes).first(4)), "LHM1");
  EXPECT_EQ(load<std::uint8_t>(at + 4), 1);
  EXPECT_EQ(load<std::uint8_t>(at + 5), 2);
  EXPECT_EQ(load<std::uint32_t>(at + 8), 136 + 3 * leaf_bytes + 1);
  EXPECT_EQ(load<std::uint32_t>(at + 12), 0U);
  EXPECT_EQ(load<std::uint32_t>(at + 24), 0x01020304U);
  EXPECT_EQ(load<std::uint32_t>(at + 28), 2U);
  EXPECT_EQ(load<std::uint64_t>(at + 32), 0x1112131415161718U);
  EXPECT_EQ(load<std::uint64_t>(at + 40), 0x2122232425262728U);
  EXPECT_EQ(load<std::uint64_t>(at + 48), 0x0102030405 * leaf_bytes);
  EXPECT_EQ(load<std::uint32_t>(at + 60), 3 * leaf_bytes + 1);
  EXPECT_EQ(load<std::uint16_t>(at + 66), 0x0456);
  EXPECT_EQ(load<std::uint32_t>(at + 68), 0U);
  EXPECT_EQ(load<std::uint64_t>(at + 72), 0U);
  EXPECT_EQ(load<std::uint8_t>(at + 81), 4);
  EXPECT_EQ(load<Digest>(at + 144), digest_from(0x90));
}

TEST(FrameHeader, OfASealedRecordThePrefixTellsTagAndNumber) {
  HeaderBytes bytes = encoded(file_frame());
  mark_sealed(std::span(bytes).first<prefix_bytes>(), 0x0102030405060708);
  const auto prefix = decode_prefix(std::span(bytes).first<prefix_bytes>(), 0);
  ASSERT_TRUE(prefix) << prefix.error().text;
  EXPECT_TRUE(prefix->sealed());
  EXPECT_EQ(prefix->check, 0x0102030405060708U);
  EXPECT_EQ(prefix->behind_header(), file_frame().wire_bytes + seal_tag_bytes);
  const auto opened = decode_opened_header(bytes);
  ASSERT_TRUE(opened) << opened.error().text;
  EXPECT_EQ(*opened, file_frame()) << "the seal is of the record, not of what is in it";
  EXPECT_FALSE(decode_frame_header(bytes)) << "a number is no check";
}

TEST(FrameHeader, AnyFlippedBitIsRefused) {
  for (const FrameHeader& good : {file_frame(), bundle_frame(), hole_frame(), packed_frame(), matched_frame()}) {
    for (std::size_t at = 0; at < frame_header_bytes; ++at) {
      for (unsigned bit = 0; bit < 8; ++bit) {
        HeaderBytes bytes = encoded(good);
        bytes[at] ^= std::byte(1U << bit);
        const auto header = decode_frame_header(bytes);
        ASSERT_FALSE(header) << "byte " << at << " bit " << bit;
        EXPECT_EQ(header.error().code, Code::protocol);
      }
    }
  }
}

TEST(FrameHeader, EverySizeOfAFrameGoesBothWays) {
  for (const std::uint64_t raw : {std::uint64_t{1}, leaf_bytes - 1, leaf_bytes, leaf_bytes + 1, 2 * leaf_bytes,
                                  4 * leaf_bytes - 1, 4 * leaf_bytes}) {
    FrameHeader header = file_frame();
    header.raw_bytes = header.wire_bytes = static_cast<std::uint32_t>(raw);
    header.leaf_count = static_cast<std::uint8_t>((raw + leaf_bytes - 1) / leaf_bytes);
    const auto decoded = decode_frame_header(encoded(header));
    ASSERT_TRUE(decoded) << raw << ": " << decoded.error().text;
    for (std::size_t i = header.leaf_count; i < leaves_per_frame_max; ++i) header.leaves[i] = {};
    EXPECT_EQ(*decoded, header) << "digests beyond leaf_count go out as zeros";
  }
}

TEST(FrameHeader, RefusesSizesThatNoFrameHas) {
  expect_refused_with(file_frame(), 56, std::uint32_t{0}, "a size that no frame has");
  expect_refused_with(file_frame(), 56, frame_bytes_max + 1, "a size that no frame has");
  expect_refused_with(file_frame(), 60, std::uint32_t{5}, "a wire size that differs");
  expect_refused_with(file_frame(), 8, std::uint32_t{137}, "two sizes that contradict");
  expect_refused_with(file_frame(), 8, std::uint32_t{136}, "a frame of 136 bytes");
  expect_refused_with(file_frame(), 8, 136 + frame_bytes_max + 1, "bytes; 137 to");
  expect_refused_with(file_frame(), 8, ~std::uint32_t{0}, "bytes; 137 to");
}

TEST(FrameHeader, RefusesPlacesThatNoFrameHas) {
  const auto file = file_frame();
  expect_refused_when(file, [](auto& h) { h.frame_index = h.frame_count; }, "an index past its chunk's frames");
  expect_refused_when(file, [](auto& h) { h.frame_count = 0; }, "a frame count that no chunk has");
  expect_refused_when(file, [](auto& h) { h.frame_count = 2049; }, "a frame count that no chunk has");
  expect_refused_when(file, [](auto& h) { h.offset += 1; }, "an offset that is not at a leaf");
  expect_refused_when(file, [](auto& h) { h.offset = 0 - leaf_bytes; }, "an offset past the largest file");
  expect_refused_when(file, [](auto& h) { h.offset = (1ULL << 63U) - leaf_bytes; }, "an offset past the largest file");
  expect_refused_when(file, [](auto& h) { h.file = bundle_file; }, "a file frame with a bundle's number");
  expect_refused_when(file, [](auto& h) { h.leaf_count = 3; }, "a number of leaves that does not fit");
  expect_refused_when(file, [](auto& h) { h.leaf_count = 0; }, "a number of leaves that does not fit");
  expect_refused_with(file, 81, std::uint8_t{5}, "a number of leaves that does not fit");
  expect_refused_with(file, 81, std::uint8_t{255}, "a number of leaves that does not fit");
}

TEST(FrameHeader, RefusesBundlesThatAreNone) {
  const auto bundle = bundle_frame();
  expect_refused_when(bundle, [](auto& h) { h.file = 3; }, "a bundle that names a file");
  expect_refused_when(bundle, [](auto& h) { h.offset = leaf_bytes; }, "a bundle with an offset");
  expect_refused_when(bundle, [](auto& h) { h.leaf_count = 2; }, "a bundle without its one digest");
  expect_refused_with(bundle, 81, std::uint8_t{0}, "a bundle without its one digest");
  expect_refused_with(bundle, 159, std::byte{1}, "digests beyond its leaves");
}

TEST(FrameHeader, PackedContentIsSmallerAndKeepsItsLeaves) {
  HeaderBytes bytes = encoded(packed_frame());
  mark_sealed(std::span(bytes).first<prefix_bytes>(), 7);
  const auto opened = decode_opened_header(bytes);
  ASSERT_TRUE(opened) << opened.error().text;
  EXPECT_EQ(*opened, packed_frame());
  EXPECT_TRUE(opened->packed());
  const auto packed = packed_frame();
  expect_refused_when(packed, [](auto& h) { h.wire_bytes = h.raw_bytes; }, "packed content that is not smaller");
  expect_refused_when(packed, [](auto& h) { h.wire_bytes = h.raw_bytes + 1; }, "packed content that is not smaller");
  expect_refused_when(packed, [](auto& h) { h.wire_bytes = 0; }, "a frame of 136 bytes");
  expect_refused_with(packed, 60, std::uint32_t{0}, "packed content that is not smaller");
  expect_refused_with(packed, 60, std::uint32_t{0x12344}, "two sizes that contradict");
  expect_refused_when(packed, [](auto& h) { h.raw_bytes = frame_bytes_max + 1; }, "a size that no frame has");
  expect_refused_when(packed, [](auto& h) { h.leaf_count = 1; }, "a number of leaves that does not fit");
  FrameHeader bundle = bundle_frame();
  bundle.flags |= flag_compressed;
  bundle.wire_bytes = 1;
  EXPECT_TRUE(decode_frame_header(encoded(bundle)));
  expect_refused_with(file_frame(), 6, flag_compressed, "packed content that is not smaller");
  FrameHeader hole = hole_frame();
  hole.flags |= flag_compressed;
  expect_refused(encoded(hole), "a hole that is packed");
}

TEST(FrameHeader, AHoleIsAHeaderAlone) {
  const HeaderBytes clear = encoded(hole_frame());
  const auto prefix = decode_prefix(ConstBytes(clear).first<prefix_bytes>(), 0);
  ASSERT_TRUE(prefix) << prefix.error().text;
  EXPECT_EQ(prefix->behind_header(), 0U);
  FrameHeader whole = hole_frame();
  whole.raw_bytes = chunk_bytes_max;
  EXPECT_TRUE(decode_frame_header(encoded(whole)));
  HeaderBytes sealed = encoded(hole_frame());
  mark_sealed(std::span(sealed).first<prefix_bytes>(), 7);
  const auto opened = decode_opened_header(sealed);
  ASSERT_TRUE(opened) << opened.error().text;
  EXPECT_EQ(*opened, hole_frame());
}

TEST(FrameHeader, AMatchIsDigestsAlone) {
  const auto match = matched_frame();
  const HeaderBytes clear = encoded(match);
  const auto prefix = decode_prefix(ConstBytes(clear).first<prefix_bytes>(), 0);
  ASSERT_TRUE(prefix) << prefix.error().text;
  EXPECT_EQ(prefix->behind_header(), 0U);
  EXPECT_TRUE(decode_frame_header(clear)->bare());
  expect_refused_when(match, [](auto& h) { h.wire_bytes = 1; }, "a frame of 137 bytes; 136 to 136");
  expect_refused_with(match, 60, match.raw_bytes, "a match that has content");
  expect_refused_when(match, [](auto& h) { h.flags |= flag_compressed; }, "a match that is packed");
  expect_refused_when(match, [](auto& h) { h.leaf_count = 0; }, "a number of leaves that does not fit");
  expect_refused_when(match, [](auto& h) { h.raw_bytes = frame_bytes_max + 1; }, "a size that no frame has");
  expect_refused_when(match, [](auto& h) { h.flags |= flag_sparse; }, "a hole that is matched");
  FrameHeader bundle = bundle_frame();
  bundle.flags |= flag_matched;
  bundle.wire_bytes = 0;
  expect_refused(encoded(bundle), "a bundle that is matched");
}

TEST(FrameHeader, RefusesHolesThatAreNone) {
  const auto hole = hole_frame();
  expect_refused_when(hole, [](auto& h) { h.wire_bytes = 1; }, "a frame of 137 bytes; 136 to 136");
  expect_refused_with(hole, 60, std::uint32_t{1}, "a hole that has content");
  expect_refused_with(hole, 60, hole.raw_bytes, "a hole that has content");
  expect_refused_when(hole, [](auto& h) { h.leaf_count = 1; }, "a hole with digests");
  expect_refused_with(hole, 96, std::byte{1}, "digests beyond its leaves");
  expect_refused_when(hole, [](auto& h) { h.raw_bytes = 0; }, "a size that no frame has");
  expect_refused_when(hole, [](auto& h) { h.raw_bytes = chunk_bytes_max + 1; }, "a size that no frame has");
  expect_refused_when(hole, [](auto& h) { h.offset += 1; }, "an offset that is not at a leaf");
  expect_refused_when(hole, [](auto& h) { h.offset = (1ULL << 63U) - leaf_bytes; }, "an offset past the largest file");
  expect_refused_when(hole, [](auto& h) { h.file = bundle_file; }, "a file frame with a bundle's number");
  expect_refused_when(hole, [](auto& h) { h.flags = flag_bundle | flag_sparse; }, "a bundle that is a hole");
  expect_refused_with(file_frame(), 6, flag_sparse, "136 to 136");  // one with content
}

TEST(FrameHeader, RefusesWhatIsReservedOrNotUnderstood) {
  for (std::size_t at = 82; at < 96; ++at) {
    expect_refused_with(file_frame(), at, std::byte{1}, "reserved bytes that are not zero");
  }
  for (std::size_t at = 68; at < 80; ++at) {
    expect_refused_with(file_frame(), at, std::byte{1}, "reserved bytes that are not zero");
  }
  for (unsigned bit = 1; bit < 16; ++bit) {
    if (((1U << bit) & flags_understood) != 0) continue;
    expect_refused_with(file_frame(), 6, static_cast<std::uint16_t>(1U << bit), "understands only");
  }
  expect_refused_with(file_frame(), 12, std::uint32_t{1}, "a control sequence number");
}

TEST(FrameHeader, IsNotAMessageAndAMessageIsNoFrame) {
  HeaderBytes bytes = encoded(file_frame());
  Message message;
  const auto decoded = decode_message(ConstBytes(bytes).first<prefix_bytes>(), ConstBytes(bytes).subspan(24), message);
  ASSERT_FALSE(decoded);
  EXPECT_NE(decoded.error().text.find("a frame where a message belongs"), std::string::npos);
  store(bytes.data() + 5, Type::message);
  seal_check(bytes);
  expect_refused(bytes, "a message where a frame belongs");
}

TEST(FrameHeader, AStrangersBytesAreRefusedAsSuch) {
  HeaderBytes bytes{};
  std::ranges::fill(bytes, std::byte{'A'});
  expect_refused(bytes, "does not speak Longhaul");
}

TEST(FrameHeaderDeathTest, MoreLeavesThanRoomIsABugHere) {
  FrameHeader header = file_frame();
  header.leaf_count = 5;
  EXPECT_DEATH((void)encoded(header), "more leaves");
}

}  // namespace
}  // namespace longhaul::protocol
