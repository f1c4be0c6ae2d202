#include "paths/policy.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace longhaul::paths {
namespace {

using Words = std::vector<std::string>;

TEST(Policy, WithoutOneEverythingIsPermitted) {
  EXPECT_TRUE(permits({}, {}, {}));
  EXPECT_TRUE(permits({}, {}, Words{"us"}));
}

TEST(Policy, EveryRequiredTagMustBeThere) {
  EXPECT_TRUE(permits(Words{"us"}, {}, Words{"fiber", "us"}));
  EXPECT_FALSE(permits(Words{"us", "fiber"}, {}, Words{"us"}));
  EXPECT_FALSE(permits(Words{"us"}, {}, {})) << "no tags: a path that was discovered";
  EXPECT_FALSE(permits(Words{"us"}, {}, Words{"us-east", "US", "u"})) << "tags are whole words";
}

TEST(Policy, OneForbiddenTagExcludes) {
  EXPECT_FALSE(permits({}, Words{"metered"}, Words{"us", "metered"}));
  EXPECT_TRUE(permits({}, Words{"metered"}, Words{"us", "metered2"}));
  EXPECT_TRUE(permits({}, Words{"metered"}, {}));
  EXPECT_FALSE(permits(Words{"us"}, Words{"us"}, Words{"us"})) << "forbidding wins";
}

TEST(Policy, SaysWhyNot) {
  EXPECT_EQ(why_excluded(Words{"us"}, Words{"metered"}, Words{"us"}), "");
  EXPECT_EQ(why_excluded({}, Words{"metered"}, Words{"metered"}), "the tag 'metered' is forbidden");
  EXPECT_EQ(why_excluded(Words{"us", "fiber"}, Words{"metered", "guest"}, Words{"us", "guest"}),
            "the tag 'guest' is forbidden, the tag 'fiber' is required and missing");
}

/// Against sets, over all small policies; words exactly where it says no.
TEST(Policy, IsSetAlgebra) {
  std::mt19937 random(4);
  const Words all = {"a", "b", "c", "d"};
  const auto pick = [&] {
    Words some;
    for (const std::string& tag : all)
      if (random() % 3 == 0) some.push_back(tag);
    return some;
  };
  int excluded = 0;
  for (int round = 0; round < 2000; ++round) {
    const Words require = pick();
    const Words forbid = pick();
    const Words tags = pick();
    const std::set<std::string> set(tags.begin(), tags.end());
    bool expected = true;
    for (const std::string& tag : require) expected = expected && set.contains(tag);
    for (const std::string& tag : forbid) expected = expected && !set.contains(tag);
    ASSERT_EQ(permits(require, forbid, tags), expected);
    ASSERT_EQ(why_excluded(require, forbid, tags).empty(), expected);
    excluded += expected ? 0 : 1;
  }
  EXPECT_GT(excluded, 500);
  EXPECT_LT(excluded, 1900);
}

}  // namespace
}  // namespace longhaul::paths
