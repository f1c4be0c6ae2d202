#include "engine/content_key.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "chunk/digest_tree.h"

namespace longhaul::engine {
namespace {

constexpr std::size_t piece_bytes = ContentHash::piece_bytes;

std::vector<std::byte> content_of(std::size_t bytes) {
  std::vector<std::byte> content(bytes);
  for (std::size_t at = 0; at < bytes; ++at) content[at] = static_cast<std::byte>(at * 7 + at / 251);
  return content;
}

ContentDigests digests_of(ConstBytes content, Delta by, bool root_too) {
  ContentHash hash(by, root_too);
  for (ConstBytes rest = content; !rest.empty();) {
    const ConstBytes piece = rest.first(std::min(rest.size(), piece_bytes));
    hash.add(piece);
    rest = rest.subspan(piece.size());
  }
  return hash.finish();
}

TEST(ContentKey, IsSha256OfThePiecesAndTheSize) {
  const auto content = content_of(2 * piece_bytes + 5);
  const ConstBytes all = content;
  security::Sha256Stream expected;
  expected.add(security::sha256_of({all.first(piece_bytes)}));
  expected.add(security::sha256_of({all.subspan(piece_bytes, piece_bytes)}));
  expected.add(security::sha256_of({all.last(5)}));
  std::array<std::byte, 8> size{};
  store(size.data(), static_cast<std::uint64_t>(content.size()));
  expected.add(size);
  EXPECT_EQ(digests_of(all, Delta::sha256, false).key, expected.finish());
}

TEST(ContentKey, ByXxh3ItIsTheRootOfManifests) {
  const auto content = content_of(3 * piece_bytes / 2);
  const ContentDigests found = digests_of(content, Delta::xxh3, false);
  const Digest root = chunk::file_digest(content);
  EXPECT_EQ(found.root, root);
  EXPECT_TRUE(std::ranges::equal(root.bytes, std::span(found.key).first(sizeof root)));
  EXPECT_TRUE(
      std::ranges::all_of(std::span(found.key).subspan(sizeof root), [](auto byte) { return byte == std::byte{0}; }));
}

TEST(ContentKey, TheRootComesBesideItWhereItIsAskedFor) {
  const auto content = content_of(1000);
  EXPECT_EQ(digests_of(content, Delta::sha256, true).root, chunk::file_digest(content));
  EXPECT_EQ(digests_of(content, Delta::sha256, true).key, digests_of(content, Delta::sha256, false).key);
  EXPECT_EQ(digests_of({}, Delta::sha256, true).root, chunk::file_digest({})) << "of nothing";
}

TEST(ContentKey, TellsContentApart) {
  auto content = content_of(2 * piece_bytes);
  for (const Delta by : {Delta::sha256, Delta::xxh3}) {
    const auto before = digests_of(content, by, false).key;
    for (const std::size_t at : {std::size_t{0}, piece_bytes - 1, piece_bytes, content.size() - 1}) {
      content[at] ^= std::byte{1};
      EXPECT_NE(digests_of(content, by, false).key, before) << at;
      content[at] ^= std::byte{1};
    }
    EXPECT_NE(digests_of(ConstBytes(content).first(content.size() - 1), by, false).key, before);
    EXPECT_EQ(digests_of(content, by, false).key, before);
  }
}

TEST(ContentKey, ZerosNeedNotBeAnywhere) {
  std::vector<std::byte> content(12 * piece_bytes + 3);
  content[10 * piece_bytes] = std::byte{1};
  for (const Delta by : {Delta::sha256, Delta::xxh3}) {
    const ContentDigests read = digests_of(content, by, true);
    ContentHash hash(by, true);
    hash.add_zeros(1);
    hash.add_zeros(9);
    hash.add(ConstBytes(content).subspan(10 * piece_bytes, piece_bytes));
    hash.add_zeros(1);
    hash.add(ConstBytes(content).last(3));
    const ContentDigests passed = hash.finish();
    EXPECT_EQ(passed.key, read.key);
    EXPECT_EQ(passed.root, read.root);
  }
}

}  // namespace
}  // namespace longhaul::engine
