#include "journal/name_set.h"

#include <cerrno>
#include <set>

#include "journal/path_list.h"
#include "places.h"

namespace longhaul::journal {
namespace {

template <class Place>
class Names : public JournalTest<Place> {};
TYPED_TEST_SUITE(Names, Places);

std::string name_of(unsigned number) {
  return "dir/" + std::to_string(number);
}

/// Every name of `count` that is even is in it, and no other.
void expect_even_ones(NameSet& set, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    const auto found = set.contains(name_of(i));
    ASSERT_TRUE(found) << found.error().text;
    ASSERT_EQ(*found, i % 2 == 0) << i;
  }
}

TYPED_TEST(Names, AFewStayInMemory) {
  NameSet set(*this->disk_, this->root_, "scratch.names");
  EXPECT_EQ(set.contains("a"), false);
  ASSERT_TRUE(set.add(""));
  ASSERT_TRUE(set.add(std::string("\0\xff", 2)));
  for (int settled = 0; settled < 2; ++settled) {
    EXPECT_EQ(set.contains(""), true);
    EXPECT_EQ(set.contains(std::string("\0\xff", 2)), true);
    EXPECT_EQ(set.contains("a"), false);
    ASSERT_TRUE(set.settle());
  }
  EXPECT_FALSE(this->exists(this->root_, "scratch.names"));
}

TYPED_TEST(Names, ManyGoToRunsThatAreMerged) {
  for (const std::size_t run : {1U, 7U, 600U, 5000U}) {
    NameSet set(*this->disk_, this->root_, "scratch.names", run);
    constexpr unsigned count = 3000;
    for (unsigned i = 0; i < count; i += 2) ASSERT_TRUE(set.add(name_of(i)));
    for (unsigned i = 0; i < 40; i += 2) ASSERT_TRUE(set.add(name_of(i)));  // some twice
    EXPECT_EQ(this->exists(this->root_, "scratch.names"), run < 5000);
    expect_even_ones(set, 50);  // before they are merged
    ASSERT_TRUE(set.settle());
    expect_even_ones(set, count);
    ASSERT_TRUE(set.remove());
    for (const char* name : {"scratch.names", "scratch.names.sorted"}) EXPECT_FALSE(this->exists(this->root_, name));
  }
}

/// As where what stands in the way of entries goes while others are announced: a question may come after each name.
TYPED_TEST(Names, QuestionsComeBetweenNames) {
  constexpr std::size_t in_memory = 100'000;
  for (const std::size_t run : {5U, 700U, 2000U, static_cast<unsigned>(in_memory)}) {
    NameSet set(*this->disk_, this->root_, "scratch.names", run);
    constexpr unsigned count = 6000;
    for (unsigned i = 0; i < count; i += 2) {
      ASSERT_TRUE(set.add(name_of(i)));
      if (run < 700 && i % 500 != 0) continue;
      for (const unsigned each : {0U, i / 2, i, i + 1, i + 2}) {
        const auto found = set.contains(name_of(each));
        ASSERT_TRUE(found) << found.error().text;
        ASSERT_EQ(*found, each <= i && each % 2 == 0) << each << " after " << i;
      }
    }
    expect_even_ones(set, run < 700 ? 50 : count);
    ASSERT_TRUE(set.settle());
    expect_even_ones(set, count);
    ASSERT_TRUE(set.remove());
    ASSERT_EQ(set.contains(name_of(0)), false);
  }
}

TYPED_TEST(Names, WithoutANameNothingIsToBeSeen) {
  NameSet set(*this->disk_, this->root_, "", 10);
  for (unsigned i = 0; i < 1000; i += 2) ASSERT_TRUE(set.add(name_of(i)));
  ASSERT_TRUE(set.settle());
  expect_even_ones(set, 1000);
  std::vector<disk::DirEntry> names;
  ASSERT_TRUE((*this->disk_->open_stream(this->root_, 0))->next(names, 10));
  EXPECT_TRUE(names.empty());
}

TYPED_TEST(Names, WhatAKilledRunLeftIsNotTaken) {
  {
    NameSet old(*this->disk_, this->root_, "scratch.names", 1);
    ASSERT_TRUE(old.add("old"));
  }
  ASSERT_TRUE(this->exists(this->root_, "scratch.names"));
  NameSet set(*this->disk_, this->root_, "scratch.names", 1);
  ASSERT_TRUE(set.add("new"));
  ASSERT_TRUE(set.settle());
  EXPECT_EQ(set.contains("old"), false);
  EXPECT_EQ(set.contains("new"), true);
}

TYPED_TEST(Names, AListGivesBackWhatWasAdded) {
  PathList list(*this->disk_, this->root_, "scratch.list");
  const auto path_of = [](unsigned i) { return std::string(i % 1000 == 500 ? 700'000 : i % 300, 'd') + name_of(i); };
  constexpr unsigned count = 6000;
  ASSERT_TRUE(list.read([](const std::string&, bool) -> Result<> { return fail(Code::internal, "nothing is in it"); }));
  for (unsigned i = 0; i < count; ++i) ASSERT_TRUE(list.add(i == 0 ? "" : path_of(i), i % 3 == 0));
  EXPECT_EQ(list.count(), count);
  for (int pass = 0; pass < 2; ++pass) {
    unsigned next = 0;
    const auto read = list.read([&](const std::string& path, bool mark) -> Result<> {
      EXPECT_EQ(path, next == 0 ? "" : path_of(next));
      EXPECT_EQ(mark, next % 3 == 0);
      ++next;
      return {};
    });
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_EQ(next, count);
  }
  const auto stopped = list.read([](const std::string&, bool) -> Result<> { return fail(Code::busy, "stop"); });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Code::busy);
  ASSERT_TRUE(list.remove());
  EXPECT_FALSE(this->exists(this->root_, "scratch.list"));
}

}  // namespace
}  // namespace longhaul::journal
