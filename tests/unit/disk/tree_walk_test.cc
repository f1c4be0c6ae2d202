#include "disk/tree_walk.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "disk/blocking.h"
#include "place.h"

namespace longhaul::disk {
namespace {

namespace fs = std::filesystem;

struct Walked {
  std::vector<Entry> entries;
  std::vector<FileError> errors;
  NotKept not_kept;

  [[nodiscard]] std::vector<std::string> paths() const {
    std::vector<std::string> all;
    for (const Entry& each : entries) all.push_back(each.path);
    std::ranges::sort(all);
    return all;
  }
  [[nodiscard]] const Entry* find(const std::string& path) const {
    const auto found = std::ranges::find(entries, path, &Entry::path);
    return found == entries.end() ? nullptr : &*found;
  }
};

using Names = std::vector<std::string>;

class TreeWalkTest : public testing::Test {
 protected:
  void SetUp() override { previous_ = fs::current_path(); }
  void TearDown() override { fs::current_path(previous_); }

  std::unique_ptr<TreeWalk> open(const Names& paths) {
    auto walk = TreeWalk::open(*disk_, paths);
    EXPECT_TRUE(walk.has_value()) << text_of_error(walk);
    return walk ? std::move(*walk) : nullptr;
  }
  Error refused(const Names& paths) {
    auto walk = TreeWalk::open(*disk_, paths);
    EXPECT_FALSE(walk.has_value());
    return walk ? Error{} : walk.error();
  }
  Walked finish(TreeWalk& walk, std::size_t max) {
    Walked all;
    for (bool more = true; more;) {
      const std::size_t before = all.entries.size();
      more = walk.next(*disk_, all.entries, all.errors, max);
      EXPECT_LE(all.entries.size() - before, max);
    }
    all.not_kept = walk.not_kept();
    return all;
  }
  Walked walk(const Names& paths, std::size_t max = 1000) {
    const auto opened = open(paths);
    return opened == nullptr ? Walked{} : finish(*opened, max);
  }
  std::string in(const std::string& name) const { return scratch_ / name; }

  ScratchDir scratch_{Where::device};
  std::unique_ptr<Disk> disk_ = make_system_disk(nullptr);
  fs::path previous_;
};

TEST_F(TreeWalkTest, ADirectoryLandsByNameAndItsContentWithASlash) {
  fs::create_directories(in("dir/sub"));
  put_file(in("dir/f"), "abc");
  put_file(in("dir/sub/g"), "");
  EXPECT_EQ(walk({in("dir")}).paths(), (Names{"dir", "dir/f", "dir/sub", "dir/sub/g"}));
  EXPECT_EQ(walk({in("dir/")}).paths(), (Names{"", "f", "sub", "sub/g"}));
  EXPECT_EQ(walk({in("dir/.")}).paths(), (Names{"", "f", "sub", "sub/g"}));
  EXPECT_EQ(walk({in("dir/sub/..")}).paths(), (Names{"", "f", "sub", "sub/g"}));
  EXPECT_EQ(walk({in("dir/f")}).paths(), (Names{"f"}));
  EXPECT_EQ(walk({in("dir/f"), in("dir/sub")}).paths(), (Names{"f", "sub", "sub/g"}));
  fs::current_path(in("dir"));
  EXPECT_EQ(walk({"."}).paths(), (Names{"", "f", "sub", "sub/g"}));
  EXPECT_EQ(walk({"f"}).paths(), (Names{"f"}));
  EXPECT_EQ(walk({"./sub"}).paths(), (Names{"sub", "sub/g"}));
  fs::current_path(in("dir/sub"));
  EXPECT_EQ(walk({".."}).paths(), (Names{"", "f", "sub", "sub/g"}));
  const auto root = open({"/"});
  EXPECT_NE(root, nullptr);
}

TEST_F(TreeWalkTest, EntriesCarryWhatTheSourceHas) {
  fs::create_directory(in("dir"));
  put_file(in("dir/f"), "hello");
  fs::permissions(in("dir/f"), fs::perms(0640));
  fs::permissions(in("dir"), fs::perms(0751));
  fs::create_symlink("../anywhere \xff", in("dir/l"));
  const Walked all = walk({in("dir")});
  EXPECT_TRUE(all.errors.empty());
  struct stat raw{};
  ASSERT_EQ(::lstat(in("dir/f").c_str(), &raw), 0);
  const Entry* file = all.find("dir/f");
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->type, EntryType::file);
  EXPECT_EQ(file->size, 5U);
  EXPECT_TRUE(file->size_known);
  EXPECT_EQ(file->mode, 0640U);
  EXPECT_EQ(file->mtime_ns, raw.st_mtim.tv_sec * second + raw.st_mtim.tv_nsec);
  EXPECT_EQ(file->identity, (Identity{.ctime_ns = raw.st_ctim.tv_sec * second + raw.st_ctim.tv_nsec,
                                      .inode = raw.st_ino,
                                      .device = raw.st_dev}));
  const Entry* directory = all.find("dir");
  ASSERT_NE(directory, nullptr);
  EXPECT_EQ(directory->type, EntryType::directory);
  EXPECT_EQ(directory->mode, 0751U);
  EXPECT_EQ(directory->size, 0U);
  const Entry* link = all.find("dir/l");
  ASSERT_NE(link, nullptr);
  ASSERT_EQ(::lstat(in("dir/l").c_str(), &raw), 0);
  EXPECT_EQ(link->type, EntryType::symlink);
  EXPECT_EQ(link->link_target, "../anywhere \xff");
  EXPECT_EQ(link->mtime_ns, raw.st_mtim.tv_sec * second + raw.st_mtim.tv_nsec);
}

TEST_F(TreeWalkTest, SymlinksAreSentNotFollowed) {
  fs::create_directories(in("real/sub"));
  put_file(in("real/f"), "");
  fs::create_directory_symlink("real", in("way"));
  fs::create_directory_symlink("../real", in("real/loop"));
  EXPECT_EQ(walk({in("way")}).paths(), (Names{"way"}));
  EXPECT_EQ(walk({in("way")}).entries.front().type, EntryType::symlink);
  EXPECT_EQ(walk({in("way/")}).paths(), (Names{"", "f", "loop", "sub"}));
  EXPECT_EQ(walk({in("way/sub")}).paths(), (Names{"sub"}));
}

TEST_F(TreeWalkTest, WhatIsNotKeptIsCounted) {
  fs::create_directory(in("dir"));
  put_file(in("dir/one"), "x");
  fs::create_hard_link(in("dir/one"), in("dir/two"));
  ASSERT_EQ(::mkfifo(in("dir/pipe").c_str(), 0600), 0);
  put_file(in("dir/marked"), "");
  const bool attributes = ::setxattr(in("dir/marked").c_str(), "user.note", "x", 1, 0) == 0;
  const Walked all = walk({in("dir")});
  EXPECT_TRUE(all.errors.empty());
  EXPECT_EQ(all.not_kept.hard_links, 2U);
  EXPECT_EQ(all.not_kept.special_files, 1U);
  EXPECT_EQ(all.not_kept.xattr_files, attributes ? 1U : 0U);
  EXPECT_EQ(all.paths(), (Names{"dir", "dir/marked", "dir/one", "dir/two"}));
}

TEST_F(TreeWalkTest, AMirrorIsToldWhatIsLeftOutAndWhereAllIsNamed) {
  fs::create_directories(in("dir/sub"));
  fs::create_directories(in("dir/excluded"));
  put_file(in("dir/large"), "0123456789");
  put_file(in("dir/x"), "0123456789");
  put_file(in("dir/sub/small"), "x");
  ASSERT_EQ(::mkfifo(in("dir/pipe").c_str(), 0600), 0);
  const auto opened = TreeWalk::open(*disk_, {in("dir/")}, {.rules = {"- excluded", "- x"}, .max_bytes = 5});
  ASSERT_TRUE(opened) << text_of_error(opened);
  (*opened)->mention_left_out();
  const Walked all = finish(**opened, 2);
  EXPECT_EQ(all.paths(), (Names{"", "large", "pipe", "sub", "sub/small"}));
  for (const char* name : {"large", "pipe"}) EXPECT_EQ(all.find(name)->type, EntryType::mention) << name;
  for (const char* name : {"", "sub"}) EXPECT_TRUE(all.find(name)->content) << name;
  EXPECT_FALSE(all.find("sub/small")->content);
  EXPECT_EQ(all.not_kept.left_out, 3U);
  EXPECT_EQ(all.not_kept.special_files, 1U);
}

TEST_F(TreeWalkTest, FilesWithHolesAreToldFromOthers) {
  fs::create_directory(in("dir"));
  put_file(in("dir/hole"), "");
  fs::resize_file(in("dir/hole"), 1 << 20);
  put_file(in("dir/dense"), std::string(1 << 20, 'd'));
  put_file(in("dir/zeros"), std::string(1 << 20, '\0'));
  put_file(in("dir/tail"), "x");
  fs::resize_file(in("dir/tail"), 4000);  // less than a block
  put_file(in("dir/one block of two"), "x");
  fs::resize_file(in("dir/one block of two"), 8192);
  for (const Entry& entry : walk({in("dir")}).entries)
    EXPECT_EQ(entry.sparse, entry.path == "dir/hole" || entry.path == "dir/one block of two") << entry.path;
}

TEST_F(TreeWalkTest, WhatIsAskedForIsKept) {
  fs::create_directory(in("dir"));
  put_file(in("dir/one"), "x");
  fs::create_hard_link(in("dir/one"), in("dir/two"));
  put_file(in("alone"), "x");
  fs::create_hard_link(in("alone"), in("its other name is elsewhere"));
  ASSERT_EQ(::mkfifo(in("dir/pipe").c_str(), 0600), 0);
  const bool attributes = ::setxattr(in("dir").c_str(), "user.note", "x", 1, 0) == 0;
  auto opened = TreeWalk::open(
      *disk_, {in("dir"), in("alone")}, {},
      {.owners = true, .numeric_ids = false, .xattrs = true, .acls = true, .hard_links = true, .special = true});
  ASSERT_TRUE(opened) << text_of_error(opened);
  const Walked all = finish(**opened, 3);
  EXPECT_TRUE(all.errors.empty());
  EXPECT_EQ(all.not_kept.hard_links + all.not_kept.special_files + all.not_kept.xattr_files, 0U);
  ASSERT_EQ(all.paths(), (Names{"alone", "dir", "dir/one", "dir/pipe", "dir/two"}));
  const Entry* one = all.find("dir/one");
  const Entry* two = all.find("dir/two");
  if (one->type == EntryType::hard_link) std::swap(one, two);
  EXPECT_EQ(one->type, EntryType::file);
  EXPECT_EQ(two->type, EntryType::hard_link);
  EXPECT_EQ(two->link_target, one->path);
  EXPECT_EQ(all.find("alone")->type, EntryType::file);
  EXPECT_EQ(all.find("dir/pipe")->special, Special{});
  for (const Entry& each : all.entries)
    if (each.type != EntryType::hard_link) {
      ASSERT_TRUE(each.owner) << each.path;
      EXPECT_EQ(each.owner->user, ::geteuid());
      if (::geteuid() == 0) {
        EXPECT_EQ(each.owner->user_name, "root");
      }
    }
  if (!attributes) GTEST_SKIP() << "this directory takes no attributes; the rest holds";
  ASSERT_TRUE(all.find("dir")->attributes);
  EXPECT_EQ(all.find("dir")->attributes->list, (std::vector<Attribute>{{"user.note", "x"}}));
}

TEST_F(TreeWalkTest, ParentsComeBeforeChildrenInBatchesOfAnySize) {
  std::set<std::string> expected = {"t"};
  fs::create_directory(in("t"));
  for (int i = 0; i < 300; ++i) {  // more than one batch of names
    const std::string name = "t/d" + std::to_string(i);
    fs::create_directory(in(name));
    put_file(in(name + "/f"), "");
    expected.insert({name, name + "/f"});
  }
  for (const std::size_t max : {std::size_t{1}, std::size_t{7}, std::size_t{10'000}}) {
    const Walked all = walk({in("t")}, max);
    std::set<std::string> seen;
    for (const Entry& each : all.entries) {
      EXPECT_TRUE(each.path == "t" || seen.contains(each.path.substr(0, each.path.rfind('/')))) << each.path;
      EXPECT_TRUE(seen.insert(each.path).second) << each.path;
    }
    EXPECT_EQ(seen, expected);
    EXPECT_TRUE(all.errors.empty());
  }
}

struct Deep {
  Where where;
  int depth;
};

class DeepTreeTest : public testing::TestWithParam<Deep> {};

std::ptrdiff_t count_open_files() {
  return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator{});
}

TEST_P(DeepTreeTest, FewDescriptorsAreHeldAndNothingIsForgotten) {
  const ScratchDir scratch(GetParam().where);
  if (!scratch.made()) GTEST_SKIP() << "this machine has no /dev/shm to write in";
  const auto depth = static_cast<std::size_t>(GetParam().depth);
  const std::unique_ptr<Disk> disk = make_system_disk(nullptr);
  DirPtr at = *disk->open_root(scratch.path());
  for (std::size_t i = 0; i < depth; ++i) {
    ASSERT_TRUE(disk->make_dir(at, "d", 0700).has_value());
    // Names on both sides of the way down, so that a directory that is opened again has some left.
    for (const char* name : {"a", "b", "c", "x", "y", "z"})
      if (i % 10 == 0) {
        ASSERT_TRUE(disk->open_file(at, name, Open::create, false).has_value());
      }
    at = *disk->open_dir(at, "d");
  }
  at.reset();
  auto walk = TreeWalk::open(*disk, {scratch.path() + "/"});
  ASSERT_TRUE(walk.has_value()) << text_of_error(walk);
  const auto before = count_open_files();
  Walked all;
  std::ptrdiff_t most = 0;
  for (bool more = true; more; most = std::max(most, count_open_files() - before))
    more = (*walk)->next(*disk, all.entries, all.errors, 50);
  EXPECT_TRUE(all.errors.empty()) << all.errors.front().error.text;
  EXPECT_EQ(all.entries.size(), 1 + depth + 6 * depth / 10);
  const Names paths = all.paths();
  EXPECT_EQ(std::ranges::adjacent_find(paths), paths.end());
  EXPECT_GE(most, 64);
  EXPECT_LE(most, 2 * 64 + 4);
  const auto longest = std::ranges::max(paths, {}, [](const std::string& each) { return each.size(); });
  EXPECT_EQ(longest.size(), 2 * depth - 1);
}

INSTANTIATE_TEST_SUITE_P(Both, DeepTreeTest, testing::Values(Deep{Where::device, 150}, Deep{Where::memory, 2200}),
                         [](const auto& each) { return each.param.where == Where::device ? "device" : "memory"; });

TEST_F(TreeWalkTest, ADirectoryThatIsReplacedMeanwhileIsToldNotMixedUp) {
  std::string path = "top";
  fs::create_directory(in(path));
  for (int i = 0; i < 100; ++i) fs::create_directory(in(path += "/d"));
  const auto walk = open({in("top")});
  Walked all;
  ASSERT_TRUE(walk->next(*disk_, all.entries, all.errors, 90));  // "top" has been closed to save descriptors
  fs::rename(in("top"), in("aside"));
  fs::create_directory(in("top"));
  put_file(in("top/stranger"), "");
  while (walk->next(*disk_, all.entries, all.errors, 90)) {
  }
  EXPECT_EQ(all.find("top/stranger"), nullptr);
  ASSERT_FALSE(all.errors.empty());
  EXPECT_EQ(all.errors.back().error.code, Code::source_changed);
  EXPECT_EQ(all.errors.back().path, in("top"));
}

TEST_F(TreeWalkTest, AFileThatVanishesIsAnErrorAndTheWalkGoesOn) {
  fs::create_directory(in("dir"));
  for (int i = 0; i < 20; ++i) put_file(in("dir/f" + std::to_string(i)), "");
  const auto opened = open({in("dir")});
  Walked all;
  ASSERT_TRUE(opened->next(*disk_, all.entries, all.errors, 2));  // the names are read, the files are not looked at yet
  ASSERT_EQ(all.entries.size(), 2U);
  for (int i = 0; i < 10; ++i) fs::remove(in("dir/f" + std::to_string(i)));
  const Walked rest = finish(*opened, 3);
  const bool early_removed = all.entries[1].path.size() == 6 && all.entries[1].path != "dir/f";
  EXPECT_EQ(rest.errors.size(), early_removed ? 9U : 10U);
  EXPECT_EQ(rest.entries.size(), early_removed ? 10U : 9U);
  for (const FileError& each : rest.errors) {
    EXPECT_EQ(each.error.code, Code::not_found);
    EXPECT_TRUE(each.path.starts_with(in("dir/f"))) << each.path;
  }
}

TEST_F(TreeWalkTest, AnUnreadableDirectoryIsAnEntryAndAnError) {
  if (::geteuid() == 0) GTEST_SKIP() << "root reads every directory";
  fs::create_directories(in("dir/closed"));
  put_file(in("dir/f"), "");
  fs::permissions(in("dir/closed"), fs::perms::none);
  const Walked all = walk({in("dir")});
  fs::permissions(in("dir/closed"), fs::perms::owner_all);
  EXPECT_EQ(all.paths(), (Names{"dir", "dir/closed", "dir/f"}));
  EXPECT_TRUE(all.find("dir")->content);
  EXPECT_FALSE(all.find("dir/closed")->content) << "nothing in it was named";
  ASSERT_EQ(all.errors.size(), 1U);
  EXPECT_EQ(all.errors[0].path, in("dir/closed"));
  EXPECT_EQ(all.errors[0].error.code, Code::permission);
}

/// What is sent may be a target, or hold some: their tickets are secret, and unfinished files are of no use elsewhere.
TEST_F(TreeWalkTest, LandingZonesAreNotSent) {
  fs::create_directories(in("dir/.longhaul/x"));
  fs::create_directories(in("dir/sub/.longhaul"));
  fs::create_directories(in("dir/sub/longhaul"));
  for (const bool by_name : {false, true}) {
    const Walked all = walk({by_name ? in("dir") : in("dir/")});
    EXPECT_EQ(all.paths(),
              by_name ? (Names{"dir", "dir/sub", "dir/sub/longhaul"}) : (Names{"", "sub", "sub/longhaul"}));
    EXPECT_EQ(all.not_kept.landing_zones, 2U);
  }
  EXPECT_EQ(refused({in("dir/.longhaul")}).code, Code::usage);
}

TEST_F(TreeWalkTest, SourcesThatCannotBeAreRefused) {
  fs::create_directories(in("a/name"));
  fs::create_directories(in("b/name"));
  fs::create_directories(in("c"));
  EXPECT_EQ(refused({in("missing")}).code, Code::not_found);
  EXPECT_NE(refused({in("missing")}).text.find(in("missing")), std::string::npos);
  EXPECT_EQ(refused({in("missing/")}).code, Code::not_found);
  EXPECT_EQ(refused({in("missing/x")}).code, Code::not_found);
  EXPECT_EQ(refused({""}).code, Code::usage);
  EXPECT_EQ(refused({in("a/name"), in("b/name")}).code, Code::usage);
  EXPECT_EQ(refused({in("a/"), in("b/")}).code, Code::usage);
  EXPECT_EQ(refused({in("a/"), in("b/name")}).code, Code::usage);
  EXPECT_EQ(walk({in("a"), in("b"), in("c/")}).paths(), (Names{"", "a", "a/name", "b", "b/name"}));
  ASSERT_EQ(::mkfifo(in("pipe").c_str(), 0600), 0);
  EXPECT_EQ(refused({in("pipe")}).code, Code::usage);
}

TEST_F(TreeWalkTest, NamesAreWrittenAsTheUserWroteThem) {
  fs::create_directories(in("dir/sub"));
  put_file(in("dir/f"), "content");
  fs::current_path(scratch_.path());
  const std::map<std::string, Names> cases = {
      {"dir", {"dir", "dir/f", "dir/sub"}},         {"dir/", {"dir/", "dir/f", "dir/sub"}},
      {"./dir", {"./dir", "./dir/f", "./dir/sub"}}, {"dir/.", {"dir/.", "dir/./f", "dir/./sub"}},
      {"dir//", {"dir//", "dir//f", "dir//sub"}},   {"dir/f", {"dir/f"}}};
  for (const auto& [given, expected] : cases) {
    const auto opened = open({given});
    Names names;
    for (const Entry& each : finish(*opened, 100).entries) names.push_back(opened->source_path(each));
    std::ranges::sort(names);
    EXPECT_EQ(names, expected) << given;
  }
}

TEST_F(TreeWalkTest, ContentIsOpenedOrSaysWhyNot) {
  fs::create_directory(in("dir"));
  fs::create_directory(in("other"));
  for (const char* name : {"dir/kept", "dir/gone", "dir/turned", "other/kept"}) put_file(in(name), name);
  const auto opened = open({in("dir/"), in("other")});
  const Walked all = finish(*opened, 100);
  for (const char* path : {"kept", "other/kept"}) {
    const auto file = opened->open_content(*disk_, *all.find(path), false);
    ASSERT_TRUE(file.has_value()) << text_of_error(file);
    std::vector<std::byte> content(100);
    const auto got = read_now(*disk_, **file, 0, content);
    EXPECT_EQ(text_of({content.data(), *got}), std::string(path) == "kept" ? "dir/kept" : "other/kept");
  }
  fs::remove(in("dir/gone"));
  fs::remove(in("dir/turned"));
  fs::create_symlink("kept", in("dir/turned"));
  for (const char* path : {"gone", "turned"}) {
    const auto file = opened->open_content(*disk_, *all.find(path), true);
    ASSERT_FALSE(file.has_value());
    EXPECT_EQ(file.error().code, Code::source_changed);
    EXPECT_NE(file.error().text.find(in("dir/") + path), std::string::npos) << file.error().text;
  }
}

}  // namespace
}  // namespace longhaul::disk
