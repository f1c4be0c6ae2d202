// Walks over what a list names.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/fd.h"
#include "disk/tree_walk.h"
#include "place.h"

namespace longhaul::disk {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

class ListWalkTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* directory : {"a/b/c", "d/e", "z"}) fs::create_directories(in(directory));
    for (const char* file : {"top", "a/f", "a/b/g", "a/b/c/h", "d/i", "d/e/j"}) put_file(in(file), file);
  }
  [[nodiscard]] std::string in(const std::string& name) const { return scratch_ / name; }

  /// The entries in the order of announcement; errors in `errors_`. `max`: taken at once.
  Names walk(const Names& names, bool recursive = false, const Selection& selection = {}, std::size_t max = 1000) {
    SortedNames::Maker maker(*disk_, system_random(), 1 << 20, scratch_.path());
    for (const std::string& raw : names) EXPECT_TRUE(maker.add(*clean_name(raw)));
    auto walk = TreeWalk::open_listed(*disk_, scratch_.path(), *maker.finish(), recursive, selection);
    EXPECT_TRUE(walk) << text_of_error(walk);
    if (mentions_) (*walk)->mention_left_out();
    std::vector<Entry> entries;
    errors_.clear();
    for (bool more = true; more;) {
      const std::size_t before = entries.size();
      more = (*walk)->next(*disk_, entries, errors_, max);
      EXPECT_LE(entries.size() - before, max);
    }
    left_out_ = (*walk)->not_kept().left_out;
    landing_zones_ = (*walk)->not_kept().landing_zones;
    Names all;
    with_content_.clear();
    for (const Entry& entry : entries)
      if (entry.content) with_content_.push_back(entry.path);
    for (const Entry& entry : entries) {
      all.push_back(entry.path + (entry.type == EntryType::directory ? "/" : ""));
      EXPECT_TRUE(entry.type != EntryType::file || (*walk)->open_content(*disk_, entry, false)) << entry.path;
    }
    return all;
  }
  static Names sorted(Names names) {
    std::ranges::sort(names);
    return names;
  }

  ScratchDir scratch_{Where::device};
  std::unique_ptr<Disk> disk_ = make_system_disk(nullptr);
  std::vector<FileError> errors_;
  std::uint64_t left_out_ = 0;
  std::uint64_t landing_zones_ = 0;
  bool mentions_ = false;  ///< as for a mirror
  Names with_content_;     ///< directories of which all names came
};

TEST_F(ListWalkTest, DirectoriesLeadToNamesOnceEach) {
  EXPECT_EQ(walk({"d/i", "a/b/g", "a/f", "a/b/g", "./a//f", "top"}),
            (Names{"a/", "a/b/", "a/b/g", "a/f", "d/", "d/i", "top"}));
  EXPECT_TRUE(errors_.empty());
  EXPECT_EQ(walk({}), Names{});
}

TEST_F(ListWalkTest, FewAtOnceAreTheSame) {
  const Names names = {"d/", "a/b/c/h", "a/", "z", "d/e/j"};
  EXPECT_EQ(walk(names, false, {}, 1), walk(names));
}

TEST_F(ListWalkTest, ADirectoryArrivesWithoutItsContentAndWithASlashWithOneLevelOfIt) {
  EXPECT_EQ(walk({"a", "d"}), (Names{"a/", "d/"}));
  EXPECT_EQ(sorted(walk({"a/"})), (Names{"a/", "a/b/", "a/f"}));
  EXPECT_EQ(sorted(walk({"."})), (Names{"/", "a/", "d/", "top", "z/"}));
}

TEST_F(ListWalkTest, RecursiveBringsAllOfIt) {
  EXPECT_EQ(sorted(walk({"a"}, true)), (Names{"a/", "a/b/", "a/b/c/", "a/b/c/h", "a/b/g", "a/f"}));
  EXPECT_EQ(walk({"."}, true).size(), 13U);
}

TEST_F(ListWalkTest, WhatHasComeWithContentDoesNotComeAgain) {
  EXPECT_EQ(sorted(walk({"a/", "a/f", "a/b"})), (Names{"a/", "a/b/", "a/f"}));
  EXPECT_EQ(sorted(walk({"a/", "a/b/"})), (Names{"a/", "a/b/", "a/b/c/", "a/b/g", "a/f"}));
  EXPECT_EQ(sorted(walk({"a/", "a/b/c/h"})), (Names{"a/", "a/b/", "a/b/c/", "a/b/c/h", "a/f"}));
  EXPECT_EQ(sorted(walk({"a", "a/b/c/h", "a/b"}, true)), sorted(walk({"a"}, true)));
  EXPECT_EQ(sorted(walk({".", "a/f", "d/e/"})), (Names{"/", "a/", "a/f", "d/", "d/e/", "d/e/j", "top", "z/"}));
}

TEST_F(ListWalkTest, AMirrorIsToldOfWhichDirectoriesAllNamesCome) {
  mentions_ = true;
  walk({"a", "d/i"});
  EXPECT_EQ(with_content_, Names{});
  walk({"a/", "d"});
  EXPECT_EQ(with_content_, Names{"a"});
  walk({"a/", "a/b/"});  // a/b came with a, and is looked into later
  EXPECT_EQ(sorted(with_content_), (Names{"a", "a/b"}));
  walk({"a"}, true);
  EXPECT_EQ(sorted(with_content_), (Names{"a", "a/b", "a/b/c"}));
}

TEST_F(ListWalkTest, WhatIsNotThereIsAnErrorOfThatNameOnly) {
  EXPECT_EQ(walk({"a/f", "a/nope", "nope", "x/y", "top/z", "z/nope"}), (Names{"a/", "a/f"}));
  ASSERT_EQ(errors_.size(), 5U);
  Names names;
  for (const FileError& each : errors_) {
    names.push_back(each.path);
    EXPECT_EQ(each.error.code, Code::not_found) << each.error.text;
  }
  EXPECT_EQ(sorted(names), (Names{in("a/nope"), in("nope"), in("top/z"), in("x/y"), in("z/nope")}));
  EXPECT_TRUE(walk({"a/b", "a/b/nope"}, true).size() > 3);
  EXPECT_EQ(errors_.size(), 1U) << "beneath what has come already";
}

TEST_F(ListWalkTest, NamesAreNotFollowedThroughSymlinks) {
  fs::create_symlink("a", in("link"));
  EXPECT_EQ(walk({"link"}), (Names{"link"}));
  EXPECT_EQ(walk({"link/f", "link/b/g", "top"}), (Names{"top"}));
  ASSERT_EQ(errors_.size(), 2U);
  EXPECT_NE(errors_[0].error.text.find("symlink"), std::string::npos) << errors_[0].error.text;
  EXPECT_EQ(walk({"link/"}), Names{});
  ASSERT_EQ(errors_.size(), 1U);
  EXPECT_EQ(errors_[0].path, in("link"));
}

TEST_F(ListWalkTest, RulesAreAboutNamesAndContentNotAboutWhatLeadsThere) {
  const auto without = [](const char* rule) { return Selection{.rules = {rule}}; };
  EXPECT_EQ(walk({"a/b/g", "d/i"}, false, without("- b")), (Names{"a/", "a/b/", "a/b/g", "d/", "d/i"}));
  EXPECT_EQ(walk({"a/b/g", "d/i"}, false, without("- g")), (Names{"d/", "d/i"}));
  EXPECT_EQ(left_out_, 1U);
  EXPECT_EQ(sorted(walk({"a"}, true, without("- b"))), (Names{"a/", "a/f"}));
  EXPECT_EQ(left_out_, 1U);
  EXPECT_EQ(sorted(walk({"a", "a/b/c/h"}, true, without("- b"))), (Names{"a/", "a/b/", "a/b/c/", "a/b/c/h", "a/f"}));
  EXPECT_EQ(walk({"a/b/"}, false, without("- b")), Names{});
  EXPECT_EQ(walk({"a/f", "top"}, false, {.min_bytes = 3, .max_bytes = 3}), (Names{"a/", "a/f", "top"}));
}

TEST_F(ListWalkTest, TheLandingZoneIsNotSent) {
  fs::create_directories(in(".longhaul/x"));
  fs::create_directories(in("z/.longhaul"));
  EXPECT_EQ(walk({".longhaul", ".longhaul/x", "z", "z/.longhaul"}), (Names{"z/"}));
  EXPECT_EQ(landing_zones_, 3U);
  EXPECT_EQ(left_out_, 0U);
  EXPECT_EQ(walk({"z/"}), (Names{"z/"}));
  EXPECT_EQ(landing_zones_, 1U);
  EXPECT_EQ(sorted(walk({"."})), (Names{"/", "a/", "d/", "top", "z/"}));
}

TEST_F(ListWalkTest, AManyLevelsDeepNameLeadsThereStepByStep) {
  std::string path;
  Fd at(::open(scratch_.path().c_str(), O_RDONLY | O_DIRECTORY));
  for (int i = 0; i < 3000; ++i) {  // longer than PATH_MAX
    ASSERT_EQ(::mkdirat(at.get(), "dd", 0755), 0);
    at = Fd(::openat(at.get(), "dd", O_RDONLY | O_DIRECTORY));
    path += i == 0 ? "dd" : "/dd";
  }
  EXPECT_EQ(walk({path}, false, {}, 7).size(), 3000U);
  EXPECT_TRUE(errors_.empty());
}

TEST_F(ListWalkTest, TheSourceMustBeADirectory) {
  SortedNames::Maker maker(*disk_, system_random(), 1 << 20, scratch_.path());
  const auto names = *maker.finish();
  EXPECT_FALSE(TreeWalk::open_listed(*disk_, in("top"), names, false, {}));
  EXPECT_FALSE(TreeWalk::open_listed(*disk_, in("nope"), names, false, {}));
  EXPECT_TRUE(TreeWalk::open_listed(*disk_, in("a"), names, false, {}));
}

}  // namespace
}  // namespace longhaul::disk
