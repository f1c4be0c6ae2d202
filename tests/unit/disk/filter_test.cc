#include "disk/filter.h"

#include <gtest/gtest.h>

#include "longhaul/selection.h"

namespace longhaul::disk {
namespace {

using Rules = std::vector<std::string>;

/// "dir/" asks about a directory. Parents are asked first, as a walk does.
bool takes(const Rules& rules, std::string path, Side side = Side::sender) {
  const auto filter = Filter::make(rules, side);
  EXPECT_TRUE(filter) << filter.error().text;
  const bool directory = path.ends_with('/');
  if (directory) path.pop_back();
  for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1))
    if (!filter->takes(path.substr(0, slash), true)) return false;
  return filter->takes(path, directory);
}

struct Case {
  const char* pattern;
  const char* path;
  bool matches;
};

TEST(Wildcards, MatchAsAShellDoes) {
  constexpr Case cases[] = {
      {"", "", true},
      {"", "a", false},
      {"*", "", true},
      {"*", "abc", true},
      {"*", "a/b", false},
      {"**", "a/b", true},
      {"a*c", "abbbc", true},
      {"a*c", "ab/c", false},
      {"a**c", "ab/c", true},
      {"*.o", "x.o", true},
      {"*.o", "x.oo", false},
      {"?", "a", true},
      {"?", "/", false},
      {"??", "a", false},
      {"[a-c]", "b", true},
      {"[a-c]", "d", false},
      {"[!a-c]", "d", true},
      {"[^a-c]", "b", false},
      {"[]]", "]", true},
      {"[a-]", "-", true},
      {"[!/]", "/", false},
      {"[/]", "/", false},
      {"[[:digit:]]", "7", true},
      {"[[:digit:]x]", "x", true},
      {"[[:alpha:]]", "7", false},
      {"[a", "[a", false},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"a\\b", "ab", true},
      {"[\\]]", "]", true},
      {"*a*b*c*", "xxaxxbxxcxx", true},
      {"*a*b*c*", "xxaxxcxxbxx", false},
      {"**a*b", "a/ab", true},
      {"*/b*/**/d", "a/bc/x/y/d", true},
      {"*/b*/**/d", "a/bc/d", false},
      {"\xff*", "\xff\xfe", true},
      {"*aaaaaaaaaaaaaaaaaaaaaaaaaaab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
  };
  for (const Case& each : cases)
    EXPECT_EQ(matches_wildcards(each.pattern, each.path), each.matches) << each.pattern << " on " << each.path;
}

TEST(Wildcards, ManyStarsTakeNoForever) {
  std::string pattern;
  for (int i = 0; i < 40; ++i) pattern += i % 2 == 0 ? "*a" : "**b";
  EXPECT_FALSE(matches_wildcards(pattern + "c", std::string(3000, 'a')));
}

TEST(Filter, WhatPatternsMean) {
  constexpr Case cases[] = {
      {"*.o", "x.o", true},
      {"*.o", "deep/down/x.o", true},
      {"cache", "cache", true},
      {"cache", "a/cache/b", true},
      {"cache", "cached", false},
      {"cache/", "cache/", true},
      {"cache/", "cache", false},
      {"/cache", "cache/", true},
      {"/cache", "a/cache/", false},
      {"/a/*.o", "a/x.o", true},
      {"/a/*.o", "a/b/x.o", false},
      {"a/b", "x/a/b", true},
      {"a/b", "x/aa/b", false},
      {"a/b", "b", false},
      {"a/*/c", "x/a/b/c", true},
      {"a/*/c", "a/b/b/c", false},
      {"a/**/c", "x/a/b/b/c", true},
      {"a/**/c", "a/c", false},
      {"**/c", "c", true},
      {"**/c", "a/b/c", true},
      {"/**/c", "c", false},
      {"/**/c", "a/c", true},
      {"logs/**", "logs/", false},
      {"logs/**", "logs/a/b", true},
      {"logs/**", "x/logs/a", true},
      {"logs/***", "logs/", true},
      {"logs/***", "x/logs/", true},
      {"logs/***", "logs", false},
      {"logs/***", "logs/a/b", true},
      {"/logs/***", "x/logs/a", false},
      {"l?g*/***", "log7/a", true},
      {"back\\slash", "back\\slash", true},
      {"sp ace", "a/sp ace", true},
  };
  for (const Case& each : cases)
    EXPECT_EQ(takes({std::string("- ") + each.pattern}, each.path), !each.matches)
        << each.pattern << " on " << each.path;
}

TEST(Filter, TheFirstRuleThatMatchesDecides) {
  const Rules rules = {"+ */", "+ *.cc", "- *"};
  EXPECT_TRUE(takes(rules, "a/b/x.cc"));
  EXPECT_FALSE(takes(rules, "a/b/x.h"));
  EXPECT_TRUE(takes(rules, "a/b/"));
  EXPECT_FALSE(takes({"- a/", "+ *.cc"}, "a/x.cc")) << "nobody looks into a directory that is left out";
  EXPECT_TRUE(takes({}, "anything"));
  EXPECT_TRUE(takes({"- *", "!"}, "anything"));
  EXPECT_FALSE(takes({"!", "-_*"}, "anything"));
}

TEST(Filter, RulesMayBeForOneSide) {
  struct Sides {
    const char* rule;
    bool at_sender;  ///< taken there
    bool at_receiver;
  };
  constexpr Sides cases[] = {
      {"- a", false, false}, {"H a", false, true},    {"P a", true, false},   {"-s a", false, true},
      {"-r a", true, false}, {"-sr a", false, false}, {"-,r_a", true, false}, {"-! b", false, false},
      {"P! b", true, false}, {"-! a", true, true},
  };
  for (const Sides& each : cases) {
    EXPECT_EQ(takes({each.rule}, "a", Side::sender), each.at_sender) << each.rule;
    EXPECT_EQ(takes({each.rule}, "a", Side::receiver), each.at_receiver) << each.rule;
  }
  EXPECT_TRUE(takes({"S a", "- *"}, "a", Side::sender));
  EXPECT_FALSE(takes({"S a", "- *"}, "a", Side::receiver));
  EXPECT_TRUE(takes({"R a", "- *"}, "a", Side::receiver));
  EXPECT_FALSE(takes({"R a", "- *"}, "a", Side::sender));
}

TEST(Filter, WhoDeletesWhatIsLeftOutKeepsOnlyRulesForTheReceiver) {
  EXPECT_EQ(Filter::without_left_out({"- a", "P b", "H c", "+ d", "R e", "-r f", "-sr g"}),
            (Rules{"P b", "R e", "-r f", "-sr g"}));
  EXPECT_EQ(Filter::without_left_out({"P a", "!", "P b"}), (Rules{"P b"}));
}

TEST(Filter, WhatIsNoRuleIsSaid) {
  for (const std::string rule : {"", " ", "_x", "-", "- ", "*.o", "-*.o", "= x", "- /", "-, ", "-x a", "-p a", "P,s a",
                                 "Hr a", "+ ***/", "-! a", "-,!r a", "P! a", "-sr a"}) {
    const bool fine = rule == "+ ***/" || rule == "-! a" || rule == "-,!r a" || rule == "P! a" || rule == "-sr a";
    EXPECT_EQ(check_rule(rule).has_value(), fine) << rule;
  }
}

}  // namespace
}  // namespace longhaul::disk
