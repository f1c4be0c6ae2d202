#include "protocol/entry.h"

#include <gtest/gtest.h>

#include <utility>

namespace longhaul::protocol {
namespace {

longhaul::Entry sample() {
  longhaul::Entry entry;
  entry.type = EntryType::hard_link;
  entry.path = "a directory with a long name/and a file";
  entry.link_target = "another directory with a long name/and a file";
  entry.size = 7;
  entry.size_known = false;
  entry.sparse = entry.content = true;
  entry.mode = 04751;
  entry.mtime_ns = -5;
  entry.identity = {1, 2, 3};
  entry.owner = longhaul::Owner{4, 5, "somebody", "a group"};
  entry.attributes = longhaul::Attributes{true, true, {{"user.one", std::string("\0x", 2)}, {"user.two", ""}}};
  entry.special = longhaul::Special{longhaul::Special::Kind::block_device, 8, 9};
  return entry;
}

void expect_sample(const longhaul::Entry& entry) {
  const longhaul::Entry wanted = sample();
  EXPECT_EQ(entry.type, wanted.type);
  EXPECT_EQ(entry.path, wanted.path);
  EXPECT_EQ(entry.link_target, wanted.link_target);
  EXPECT_EQ(entry.size, wanted.size);
  EXPECT_EQ(entry.size_known, wanted.size_known);
  EXPECT_EQ(entry.sparse, wanted.sparse);
  EXPECT_EQ(entry.content, wanted.content);
  EXPECT_EQ(entry.mode, wanted.mode);
  EXPECT_EQ(entry.mtime_ns, wanted.mtime_ns);
  EXPECT_EQ(entry.identity, wanted.identity);
  EXPECT_EQ(entry.owner, wanted.owner);
  ASSERT_TRUE(entry.attributes);
  EXPECT_EQ(entry.attributes->extended, wanted.attributes->extended);
  EXPECT_EQ(entry.attributes->acls, wanted.attributes->acls);
  EXPECT_EQ(entry.attributes->list, wanted.attributes->list);
  EXPECT_EQ(entry.special, wanted.special);
}

TEST(EntryOnTheWire, ComesBackAsItWas) {
  Entry wire = to_wire(sample());
  expect_sample(from_wire(wire));
  expect_sample(from_wire(std::move(wire)));  // of which the first was a copy
}

TEST(EntryOnTheWire, WithoutWhatIsNotKept) {
  longhaul::Entry plain;
  plain.path = "file";
  const longhaul::Entry back = from_wire(to_wire(plain));
  EXPECT_EQ(back.path, "file");
  EXPECT_EQ(back.link_target, "");
  EXPECT_FALSE(back.owner || back.attributes || back.special);
}

}  // namespace
}  // namespace longhaul::protocol
