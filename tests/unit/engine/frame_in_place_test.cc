// What a peer could do with a frame that is out of place.
#include <gtest/gtest.h>

#include "engine/landing_ops.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

using protocol::leaf_bytes;
using protocol::node_bytes;

class FrameInPlace : public testing::Test {
 protected:
  FrameInPlace() {
    file_.entry.size = node_bytes + leaf_bytes + 100;
    file_.chunk_bytes = node_bytes;
  }
  /// The frame that an honest sender sends.
  static protocol::FrameHeader honest(std::uint64_t chunk, std::uint16_t index) {
    protocol::FrameHeader header;
    header.chunk = chunk;
    header.frame_index = index;
    header.frame_count = chunk == 0 ? 32 : 2;
    header.offset = chunk * node_bytes + index * leaf_bytes;
    header.raw_bytes = chunk == 1 && index == 1 ? 100 : static_cast<std::uint32_t>(leaf_bytes);
    return header;
  }
  [[nodiscard]] bool fits(const protocol::FrameHeader& header) const {
    return frame_in_place(file_, header, static_cast<std::uint32_t>(leaf_bytes));
  }
  InFile file_;
};

TEST_F(FrameInPlace, HonestFramesAre) {
  for (std::uint16_t index = 0; index < 32; ++index) EXPECT_TRUE(fits(honest(0, index))) << index;
  EXPECT_TRUE(fits(honest(1, 0)));
  EXPECT_TRUE(fits(honest(1, 1)));
}

TEST_F(FrameInPlace, NotAtAnotherOffset) {
  for (const std::uint64_t offset : {std::uint64_t{0}, node_bytes - leaf_bytes, node_bytes + leaf_bytes, node_bytes + 1,
                                     ~std::uint64_t{0} - leaf_bytes + 1}) {
    auto header = honest(1, 0);
    header.offset = offset;
    EXPECT_FALSE(fits(header)) << offset;
  }
}

TEST_F(FrameInPlace, NotInAChunkThatIsNotThereOrWrapsAround) {
  for (const std::uint64_t chunk :
       {std::uint64_t{2}, std::uint64_t{1} << 41, ~std::uint64_t{0} / node_bytes + 1, ~std::uint64_t{0}}) {
    auto header = honest(0, 0);
    header.chunk = chunk;
    header.offset = chunk * node_bytes;
    EXPECT_FALSE(fits(header)) << chunk;
  }
}

TEST_F(FrameInPlace, NotShortNotLongNotCutInAnotherWay) {
  auto header = honest(0, 3);
  header.raw_bytes -= 1;  // would leave a hole
  EXPECT_FALSE(fits(header));
  header = honest(1, 1);
  header.raw_bytes = 101;  // beyond the end
  EXPECT_FALSE(fits(header));
  header = honest(0, 0);
  header.frame_count = 31;
  EXPECT_FALSE(fits(header));
  header.frame_count = 2048;
  EXPECT_FALSE(fits(header));
  header = honest(1, 1);
  header.frame_index = 5;
  header.offset = node_bytes + 5 * leaf_bytes;
  EXPECT_FALSE(fits(header));
}

TEST_F(FrameInPlace, AStreamsLastFrameMayBeShort) {
  file_.entry.size_known = false;
  file_.entry.size = 0;
  auto header = honest(0, 1);
  header.frame_count = 2;
  header.raw_bytes = 7;
  EXPECT_TRUE(fits(header));
  header.frame_index = 0;
  header.offset = 0;
  EXPECT_FALSE(fits(header)) << "only the last";
  header.raw_bytes = static_cast<std::uint32_t>(leaf_bytes);
  header.frame_count = 64;
  EXPECT_FALSE(fits(header)) << "more frames than a chunk holds";
}

TEST_F(FrameInPlace, AHoleStandsForWholeFramesOfAFileWithHoles) {
  const auto hole = [](std::uint64_t chunk, std::uint16_t index, std::uint64_t bytes) {
    auto header = honest(chunk, index);
    header.flags = protocol::flag_sparse;
    header.raw_bytes = static_cast<std::uint32_t>(bytes);
    return header;
  };
  EXPECT_FALSE(fits(hole(0, 0, node_bytes))) << "it was not announced with holes";
  file_.entry.sparse = true;
  EXPECT_TRUE(fits(hole(0, 0, node_bytes)));
  EXPECT_TRUE(fits(hole(0, 3, leaf_bytes)));
  EXPECT_TRUE(fits(hole(0, 3, 29 * leaf_bytes)));
  EXPECT_TRUE(fits(hole(1, 0, leaf_bytes)));
  EXPECT_TRUE(fits(hole(1, 0, leaf_bytes + 100)));
  EXPECT_TRUE(fits(hole(1, 1, 100)));
  EXPECT_FALSE(fits(hole(0, 0, node_bytes + leaf_bytes))) << "past its chunk";
  EXPECT_FALSE(fits(hole(0, 3, node_bytes)));
  EXPECT_FALSE(fits(hole(0, 31, protocol::chunk_bytes_max)));
  EXPECT_FALSE(fits(hole(0, 3, leaf_bytes - 1))) << "a part of a frame";
  EXPECT_FALSE(fits(hole(0, 3, 2 * leaf_bytes + 1)));
  EXPECT_FALSE(fits(hole(1, 0, leaf_bytes + 101))) << "past the end";
  EXPECT_FALSE(fits(hole(1, 0, 2 * leaf_bytes)));
  EXPECT_FALSE(fits(hole(1, 1, 99)));
  EXPECT_FALSE(fits(hole(2, 0, leaf_bytes)));
  file_.entry.size_known = false;
  EXPECT_FALSE(fits(hole(0, 0, node_bytes))) << "nobody knows where it ends";
}

}  // namespace
}  // namespace longhaul::engine
