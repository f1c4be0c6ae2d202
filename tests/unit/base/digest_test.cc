#include "base/digest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/digest_stream.h"
#include "golden/content.h"

namespace longhaul {
namespace {

struct Known {
  std::size_t bytes;
  const char* digest;   ///< python3-xxhash: xxh3_128_hexdigest
  std::uint64_t check;  ///< python3-xxhash: xxh3_64_intdigest
};

// One line for each branch of XXH3 by length: 0, 1-3, 4-8 .. 16, 17-128, 129-240, more, several blocks.
constexpr std::array known = {
    Known{0, "99aa06d3014798d86001c324468d497f", 0x2d06800538d394c2},
    Known{1, "7c282968b0591d9654a7d9dde88eadb0", 0x54a7d9dde88eadb0},
    Known{3, "cdf6c9396941a949886460a25d7d1e16", 0x886460a25d7d1e16},
    Known{16, "eb8604bcf11e829918ef7420b80330c8", 0x01a9d408275e3ce7},
    Known{17, "b3f1642d17e1b40a15764b4e894eb670", 0xb573f994ef34c910},
    Known{128, "b6e4c2da0f2be5bda9747400415d6e49", 0x59d373fa641af4b2},
    Known{129, "f375ca9dcf478d04c2f174483d155e29", 0xaecf3f2e1c0add2f},
    Known{240, "f5c43d7acf16c3837e44531aabe308a8", 0x1f273bef558d6086},
    Known{241, "8a023a6ca3712c5b0454428eb1bd0340", 0x0454428eb1bd0340},
    Known{1024, "c83471745c0eb1a8ca90fd6f43131929", 0xca90fd6f43131929},
    Known{4096, "fcc6021fdbaa2650fbd392f054e620e7", 0xfbd392f054e620e7},
    Known{262144, "8969d9ed8cd754f99567bcd453dc0175", 0x9567bcd453dc0175},
    Known{1048576, "06453246eeb393953a833827bb4667d6", 0x3a833827bb4667d6},
};

TEST(Digest, KnownValuesInCanonicalOrder) {
  for (const Known& one : known) EXPECT_EQ(digest_of(test::content(one.bytes)).hex(), one.digest) << one.bytes;
}

TEST(Digest, OfPiecesIsThatOfTheWhole) {
  for (const Known& one : known) {
    const auto content = test::content(one.bytes);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{1000}, std::size_t{1} << 20U}) {
      if (one.bytes / piece > 5000) continue;
      DigestStream stream;
      for (std::span<const std::byte> rest = content; !rest.empty();) {
        const auto next = rest.first(std::min(piece, rest.size()));
        stream.add(next);
        stream.add({});
        rest = rest.subspan(next.size());
      }
      EXPECT_EQ(stream.finish().hex(), one.digest) << one.bytes << " in pieces of " << piece;
    }
  }
}

TEST(Digest, KnownChecks) {
  for (const Known& one : known) EXPECT_EQ(check_of(test::content(one.bytes)), one.check) << one.bytes;
}

TEST(Digest, CheckOfTwoPiecesIsTheCheckOfBothJoined) {
  for (const Known& one : known) {
    const auto content = test::content(one.bytes);
    const std::span<const std::byte> all = content;
    for (const std::size_t cut : {std::size_t{0}, one.bytes / 3, one.bytes}) {
      EXPECT_EQ(check_of(all.first(cut), all.subspan(cut)), one.check) << one.bytes << " cut at " << cut;
    }
  }
  EXPECT_EQ(check_of({}, test::content(4096)), 0xfbd392f054e620e7U);  // a null pointer is an empty piece
  EXPECT_EQ(check_of(test::content(4096), {}), 0xfbd392f054e620e7U);
}

}  // namespace
}  // namespace longhaul
