#include "chunk/digest_tree.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "golden/content.h"

namespace longhaul::chunk {
namespace {

using protocol::leaf_bytes;
using protocol::node_bytes;

struct Known {
  std::size_t bytes;
  const char* root;  ///< printed by tests/digest.py
};

constexpr std::array known = {
    Known{0, "2c0a8a99dc147d5445c3b49d035665b2"},
    Known{1, "7eea5184f181cc527c75e2ec71d61405"},
    Known{leaf_bytes - 1, "27101dc55c952045ce462024ee905034"},
    Known{leaf_bytes, "d5ea66d906df75a0ec13ae2a4de5f204"},
    Known{leaf_bytes + 1, "d2db29792560a5243672a8705be6f300"},
    Known{node_bytes, "775b575a3f1f4058b51e77dbf180b7ea"},
    Known{node_bytes + 1, "542f70df7faf5c0365b0ea7cacf4563e"},
    Known{3 * node_bytes + 5, "4277ca51335ddad5127266e90ec236d4"},
};

/// One sequence for all: shorter contents are its beginnings.
ConstBytes content_of(std::size_t bytes) {
  static const std::vector<std::byte> all = test::content(3 * node_bytes + 5);
  return ConstBytes(all).first(bytes);
}

/// As the wire has it: frames bring leaves, leaves make nodes, nodes the root.
Digest digest_by_nodes(ConstBytes content) {
  RootDigest root;
  std::vector<Digest> leaves;
  for (std::size_t at = 0; at < content.size(); at += leaf_bytes) {
    leaves.push_back(digest_of(content.subspan(at, std::min<std::size_t>(leaf_bytes, content.size() - at))));
    if (leaves.size() == protocol::leaves_per_node || at + leaf_bytes >= content.size()) {
      root.add_node(node_digest(leaves));
      leaves.clear();
    }
  }
  return root.finish(content.size());
}

TEST(DigestTree, WholeContentAsTheScriptSays) {
  for (const Known& one : known) EXPECT_EQ(file_digest(content_of(one.bytes)).hex(), one.root) << one.bytes;
}

TEST(DigestTree, NodeByNodeAsTheScriptSays) {
  for (const Known& one : known) EXPECT_EQ(digest_by_nodes(content_of(one.bytes)).hex(), one.root) << one.bytes;
}

TEST(DigestTree, ZerosDigestAlikeWhetherTheyAreThereOrNot) {
  const std::vector<std::byte> zeros(3 * node_bytes + 5);
  for (const std::uint64_t bytes : {std::uint64_t{1}, leaf_bytes - 1, leaf_bytes})
    EXPECT_EQ(zero_leaf(bytes), digest_of(ConstBytes(zeros).first(bytes))) << bytes;
  for (const std::size_t before : {std::size_t{0}, std::size_t{1}, leaf_bytes, node_bytes - 1, node_bytes}) {
    for (const std::size_t hole : {std::size_t{0}, std::size_t{1}, leaf_bytes - 1, leaf_bytes + 1, node_bytes,
                                   2 * node_bytes + leaf_bytes + 7}) {
      FileDigest there;
      FileDigest left_out;
      for (FileDigest* digest : {&there, &left_out}) digest->add(content_of(before));
      there.add(ConstBytes(zeros).first(hole));
      left_out.add_zeros(hole);
      for (FileDigest* digest : {&there, &left_out}) digest->add(content_of(100));
      EXPECT_EQ(left_out.finish(), there.finish()) << before << " bytes, then a hole of " << hole;
    }
  }
}

TEST(DigestTree, OddPiecesGiveTheSameDigest) {
  const auto digest_in_pieces = [](ConstBytes content, std::size_t piece_bytes) {
    FileDigest digest;
    for (std::size_t at = 0; at < content.size(); at += piece_bytes) {
      digest.add(content.subspan(at, std::min(piece_bytes, content.size() - at)));
      digest.add({});
    }
    return digest.finish().hex();
  };
  for (const Known& one : known) {
    for (const std::size_t piece_bytes : {std::size_t{4097}, leaf_bytes - 1, leaf_bytes, leaf_bytes + 1,
                                          std::size_t{1000003}, node_bytes + 7, 4 * node_bytes}) {
      EXPECT_EQ(digest_in_pieces(content_of(one.bytes), piece_bytes), one.root) << one.bytes << " by " << piece_bytes;
    }
  }
  EXPECT_EQ(digest_in_pieces(content_of(leaf_bytes + 1), 1), known[4].root);
}

TEST(DigestTree, PiecesThatBeginInsideALeafAndSpanSeveral) {
  const ConstBytes content = content_of(3 * node_bytes + 5);
  FileDigest digest;
  digest.add(content.first(3));
  digest.add(content.subspan(3, 2 * leaf_bytes));
  digest.add(content.subspan(3 + 2 * leaf_bytes));
  EXPECT_EQ(digest.finish().hex(), known.back().root);
}

TEST(DigestTree, OneBitAnywhereChangesTheRoot) {
  std::vector<std::byte> content = test::content(node_bytes + leaf_bytes + 9);
  const Digest whole = file_digest(content);
  for (const std::size_t at : {std::size_t{0}, leaf_bytes - 1, leaf_bytes, node_bytes, content.size() - 1}) {
    content[at] ^= std::byte{1};
    EXPECT_NE(file_digest(content), whole) << at;
    content[at] ^= std::byte{1};
  }
  EXPECT_EQ(file_digest(content), whole);
}

TEST(DigestTree, TheSizeCounts) {
  const Digest node = node_digest(std::array{digest_of(content_of(5))});
  RootDigest five;
  five.add_node(node);
  RootDigest six;
  six.add_node(node);
  EXPECT_EQ(five.finish(5), file_digest(content_of(5)));
  EXPECT_NE(six.finish(6), file_digest(content_of(5)));
}

TEST(DigestTree, CountsLeavesAndNodes) {
  EXPECT_EQ(leaves_of(0), 0U);
  EXPECT_EQ(leaves_of(1), 1U);
  EXPECT_EQ(leaves_of(leaf_bytes), 1U);
  EXPECT_EQ(leaves_of(leaf_bytes + 1), 2U);
  EXPECT_EQ(nodes_of(0), 0U);
  EXPECT_EQ(nodes_of(node_bytes), 1U);
  EXPECT_EQ(nodes_of(3 * node_bytes + 5), 4U);
}

TEST(DigestTreeDeathTest, ANodeHasOneTo32Leaves) {
  const std::vector<Digest> leaves(33);
  EXPECT_DEATH((void)node_digest(leaves), "1 to 32 leaves");
  EXPECT_DEATH((void)node_digest({}), "1 to 32 leaves");
}

}  // namespace
}  // namespace longhaul::chunk
