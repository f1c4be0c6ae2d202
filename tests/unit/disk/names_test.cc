// Names beneath a directory: what is opened, made, moved, and what is refused.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "../ring/forbid.h"
#include "base/bytes.h"
#include "disk/beneath.h"
#include "disk/blocking.h"
#include "disk/mounts.h"
#include "place.h"

namespace longhaul::disk {
namespace {

namespace fs = std::filesystem;

class NamesTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (test_disk_.disk == nullptr) GTEST_SKIP() << test_disk_.reason;
    auto root = disk().open_root(scratch_.path());
    ASSERT_TRUE(root.has_value()) << text_of_error(root);
    root_ = *root;
  }
  Disk& disk() { return *test_disk_.disk; }
  std::vector<std::string> names_in(const DirPtr& dir, std::size_t batch) {
    std::vector<DirEntry> all;
    auto stream = disk().open_stream(dir, 0);
    EXPECT_TRUE(stream.has_value()) << text_of_error(stream);
    for (;;) {
      const std::size_t before = all.size();
      const Result<bool> more = (*stream)->next(all, batch);
      EXPECT_TRUE(more.has_value()) << text_of_error(more);
      EXPECT_LE(all.size() - before, batch);
      if (!more || !*more) break;
    }
    std::vector<std::string> names;
    for (DirEntry& each : all) names.push_back(std::move(each.name));
    std::ranges::sort(names);
    return names;
  }

  ScratchDir scratch_{Where::device};
  TestDisk test_disk_{GetParam()};
  DirPtr root_;
};

/// The directory that was passed last is remembered, and nothing depends on that: it may be moved or replaced.
TEST_P(NamesTest, WhatWasSeenIsOpenedWhateverBecomesOfItsDirectory) {
  const auto put = [&](const std::string& name) { put_file(scratch_ / name, name); };
  const auto content_of = [&](const std::string& path) {
    const auto file = disk().open_seen(root_, path, 0);
    if (!file) return text_of_error(file);
    std::string text(16, '\0');
    text.resize(read_now(disk(), **file, 0, std::as_writable_bytes(std::span(text))).value_or(0));
    return text;
  };
  for (const char* dir : {"a", "a/b", "c"}) fs::create_directory(scratch_ / dir);
  for (const char* file : {"f", "a/f", "a/g", "a/b/f", "c/f"}) put(file);
  for (const char* path : {"a/f", "a/g", "a/b/f", "c/f", "f", "a/f"}) EXPECT_EQ(content_of(path), path);
  fs::rename(scratch_ / "a", scratch_ / "moved");
  fs::create_directory(scratch_ / "a");
  put("a/h");
  EXPECT_EQ(content_of("a/h"), "a/h");  // not in the one that is remembered
  EXPECT_EQ(content_of("c/f"), "c/f");
  EXPECT_FALSE(disk().open_seen(root_, "a/f", 0));
  fs::create_symlink("f", scratch_ / "c/link");
  EXPECT_FALSE(disk().open_seen(root_, "c/link", 0));
}

TEST_P(NamesTest, PathsThatCouldLeadOutAreRefusedEverywhere) {
  put_file(scratch_ / "f", "x");
  const std::vector<std::string> bad = {
      "",    "/",    "/etc/passwd",         ".", "..", "../x", "a/../b", "a/./b", "a//b", "f/",
      "./f", "a/..", std::string("a\0b", 3)};
  for (const std::string& path : bad) {
    const auto code = [&](const auto& result) { return result ? Code::internal : result.error().code; };
    EXPECT_EQ(code(disk().open_file(root_, path, Open::read, false)), Code::refused) << path;
    EXPECT_EQ(code(disk().open_file(root_, path, Open::create, false)), Code::refused) << path;
    EXPECT_EQ(code(disk().make_dir(root_, path, 0700)), Code::refused) << path;
    EXPECT_EQ(code(disk().make_symlink("t", root_, path)), Code::refused) << path;
    EXPECT_EQ(code(disk().read_link(root_, path)), Code::refused) << path;
    EXPECT_EQ(code(disk().rename(root_, path, root_, "new")), Code::refused) << path;
    EXPECT_EQ(code(disk().rename(root_, "f", root_, path)), Code::refused) << path;
    EXPECT_EQ(code(disk().unlink(root_, path)), Code::refused) << path;
    EXPECT_EQ(code(disk().remove_dir(root_, path)), Code::refused) << path;
    EXPECT_EQ(code(disk().set_link_mtime(root_, path, 0)), Code::refused) << path;
    EXPECT_FALSE(disk().has_xattrs(root_, path)) << path;
    if (path.empty()) continue;  // the base itself
    EXPECT_EQ(code(disk().open_dir(root_, path)), Code::refused) << path;
    EXPECT_EQ(code(disk().stat(root_, path)), Code::refused) << path;
  }
  EXPECT_TRUE(disk().stat(root_, "f").has_value());
  EXPECT_EQ(*disk().open_dir(root_, ""), root_);
}

TEST_P(NamesTest, NoSymlinkLeadsAnywhere) {
  const ScratchDir outside(Where::device);
  put_file(outside / "secret", "secret");
  fs::create_directory(scratch_ / "inside");
  put_file(scratch_ / "inside/f", "x");
  fs::create_directory_symlink(outside.path(), scratch_ / "out");
  fs::create_directory_symlink("inside", scratch_ / "in");
  fs::create_symlink(outside / "secret", scratch_ / "link");
  fs::create_symlink(outside / "new", scratch_ / "dangling");
  for (const Open how : {Open::read, Open::write, Open::create_or_open}) {
    EXPECT_FALSE(disk().open_file(root_, "link", how, false).has_value());
    EXPECT_FALSE(disk().open_file(root_, "dangling", how, false).has_value());
    EXPECT_FALSE(disk().open_file(root_, "out/secret", how, false).has_value());
    EXPECT_FALSE(disk().open_file(root_, "in/f", how, false).has_value());
  }
  EXPECT_FALSE(disk().open_file(root_, "out/new", Open::create, false).has_value());
  EXPECT_FALSE(disk().open_file(root_, "dangling", Open::create, false).has_value());
  EXPECT_FALSE(disk().open_dir(root_, "out").has_value());
  EXPECT_FALSE(disk().open_dir(root_, "in").has_value());
  EXPECT_FALSE(disk().make_dir(root_, "out/new", 0700).has_value());
  EXPECT_FALSE(disk().make_symlink("x", root_, "out/new").has_value());
  EXPECT_FALSE(disk().unlink(root_, "out/secret").has_value());
  EXPECT_FALSE(disk().rename(root_, "inside/f", root_, "out/f").has_value());
  EXPECT_FALSE(disk().rename(root_, "out/secret", root_, "got").has_value());
  EXPECT_FALSE(disk().stat(root_, "out/secret").has_value());
  EXPECT_FALSE(disk().has_xattrs(root_, "out/secret"));
  EXPECT_FALSE(fs::exists(outside / "new"));
  EXPECT_TRUE(fs::exists(outside / "secret"));
  const auto refused = disk().open_file(root_, "in/f", Open::read, false);
  EXPECT_NE(refused.error().text.find("symlink"), std::string::npos) << refused.error().text;
  EXPECT_EQ(disk().stat(root_, "link")->type, FileType::symlink);
  EXPECT_EQ(*disk().read_link(root_, "link"), outside / "secret");
}

TEST_P(NamesTest, TheUsersOwnRootMayBeASymlink) {
  fs::create_directory(scratch_ / "real");
  put_file(scratch_ / "real/f", "x");
  fs::create_directory_symlink("real", scratch_ / "way");
  const auto root = disk().open_root(scratch_ / "way");
  ASSERT_TRUE(root.has_value()) << text_of_error(root);
  EXPECT_TRUE(disk().open_file(*root, "f", Open::read, false).has_value());
  const auto missing = disk().open_root(scratch_ / "missing");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, Code::not_found);
  EXPECT_NE(missing.error().text.find("missing"), std::string::npos);
}

TEST_P(NamesTest, OnlyRegularFilesAreOpened) {
  ASSERT_EQ(::mkfifo((scratch_ / "pipe").c_str(), 0600), 0);
  fs::create_directory(scratch_ / "dir");
  for (const char* name : {"pipe", "dir"})
    for (const Open how : {Open::read, Open::write, Open::create_or_open})
      EXPECT_FALSE(disk().open_file(root_, name, how, true).has_value()) << name;
}

TEST_P(NamesTest, CreateIsExclusiveAndPrivate) {
  ASSERT_TRUE(disk().open_file(root_, "f", Open::create, false).has_value());
  EXPECT_EQ(disk().stat(root_, "f")->mode, 0600U);
  const auto again = disk().open_file(root_, "f", Open::create, false);
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().system_errno, EEXIST);
  EXPECT_TRUE(disk().open_file(root_, "f", Open::create_or_open, false).has_value());
  EXPECT_TRUE(disk().open_file(root_, "g", Open::create_or_open, false).has_value());
  EXPECT_EQ(disk().open_file(root_, "h", Open::write, false).error().code, Code::not_found);
}

TEST_P(NamesTest, NamesOfAnyBytes) {
  std::vector<std::string> names = {std::string(255, 'n'), "-rf *", "\xff\xfe\x80", "line\nbreak", "...",
                                    "\"'\\$(x)",           "..x"};
  for (int byte = 1; byte < 256; ++byte)
    if (byte != '/' && byte != '.') names.emplace_back(1, static_cast<char>(byte));
  for (const std::string& name : names) {
    const auto file = disk().open_file(root_, name, Open::create, false);
    ASSERT_TRUE(file.has_value()) << text_of_error(file);
  }
  std::ranges::sort(names);
  EXPECT_EQ(names_in(root_, 1000), names);
  EXPECT_EQ(names_in(root_, 7), names);
  EXPECT_FALSE(disk().open_file(root_, std::string(256, 'n'), Open::create, false).has_value());
}

TEST_P(NamesTest, AStreamGoesOnWhereAnotherStopped) {
  for (int i = 0; i < 500; ++i) put_file(scratch_ / ("f" + std::to_string(i)), "");
  std::vector<DirEntry> seen;
  std::uint64_t position = 0;
  while (true) {
    auto stream = disk().open_stream(root_, position);
    ASSERT_TRUE(stream.has_value()) << text_of_error(stream);
    const Result<bool> more = (*stream)->next(seen, 37);
    ASSERT_TRUE(more.has_value());
    if (!*more) break;
    position = seen.back().resume_at;
  }
  std::vector<std::string> names;
  for (const DirEntry& each : seen) names.push_back(each.name);
  std::ranges::sort(names);
  EXPECT_EQ(names.size(), 500U);
  EXPECT_EQ(std::ranges::unique(names).size(), 0U);
}

TEST_P(NamesTest, PathsFarBeyondPathMax) {
  constexpr int depth = 3000;
  const ScratchDir scratch(Where::memory);  // making directories is slow on a device
  if (!scratch.made()) GTEST_SKIP() << "this machine has no /dev/shm to write in";
  const DirPtr root = *disk().open_root(scratch.path());
  std::string path;
  DirPtr at = root;
  for (int i = 0; i < depth; ++i) {
    ASSERT_TRUE(disk().make_dir(at, "deep", 0700).has_value());
    auto next = disk().open_dir(at, "deep");
    ASSERT_TRUE(next.has_value()) << text_of_error(next);
    at = *next;
    path += path.empty() ? "deep" : "/deep";
  }
  auto opened = disk().open_dir(root, path);
  ASSERT_TRUE(opened.has_value()) << text_of_error(opened);
  EXPECT_EQ(disk().stat(*opened, "")->inode, disk().stat(at, "")->inode);
  const auto file = disk().open_file(root, path + "/f", Open::create, false);
  ASSERT_TRUE(file.has_value()) << text_of_error(file);
  EXPECT_TRUE(disk().stat(root, path + "/f").has_value());
  EXPECT_TRUE(disk().rename(root, path + "/f", root, "up").has_value());
  EXPECT_TRUE(disk().stat(root, "up").has_value());
  EXPECT_FALSE(disk().open_dir(root, path + "/" + std::string(5000, 'x')).has_value());
}

TEST_P(NamesTest, MetadataIsKept) {
  const auto file = disk().open_file(root_, "f", Open::create, false);
  ASSERT_TRUE(file.has_value());
  ASSERT_TRUE(disk().make_dir(root_, "d", 0700).has_value());
  const auto dir = disk().open_dir(root_, "d");
  ASSERT_TRUE(dir.has_value());
  ASSERT_TRUE(disk().make_symlink("nowhere", root_, "l").has_value());
  ASSERT_TRUE(disk().set_size(**file, 12'345).has_value());
  ASSERT_TRUE(disk().set_mode(**file, 04751).has_value());
  ASSERT_TRUE(disk().set_mtime(**file, 1'600'000'000'123'456'789).has_value());
  ASSERT_TRUE(disk().set_mode(*dir, 01755).has_value());
  ASSERT_TRUE(disk().set_mtime(*dir, -1'500'000'000).has_value());  // before 1970
  ASSERT_TRUE(disk().set_link_mtime(root_, "l", 42'000'000'007).has_value());
  const Stat of_file = *disk().stat(**file);
  EXPECT_EQ(of_file.type, FileType::file);
  EXPECT_EQ(of_file.size, 12'345U);
  EXPECT_EQ(of_file.mode, 04751U);
  EXPECT_EQ(of_file.mtime_ns, 1'600'000'000'123'456'789);
  EXPECT_EQ(of_file.links, 1U);
  EXPECT_EQ(of_file.inode, disk().stat(root_, "f")->inode);
  EXPECT_EQ(disk().stat(root_, "d")->mode, 01755U);
  EXPECT_EQ(disk().stat(*dir, "")->mtime_ns, -1'500'000'000);
  EXPECT_EQ(disk().stat(root_, "l")->mtime_ns, 42'000'000'007);
  EXPECT_EQ(*disk().read_link(root_, "l"), "nowhere");
  EXPECT_TRUE(disk().sync_dir(root_).has_value());
  const auto space = disk().space(root_);
  ASSERT_TRUE(space.has_value());
  EXPECT_GT(space->free_bytes, 0U);
  EXPECT_LE(space->free_bytes, space->total_bytes);
  EXPECT_EQ(space->file_system, of_file.device);
}

TEST_P(NamesTest, RenameReplacesAndRemoveRemoves) {
  put_file(scratch_ / "a", "new");
  put_file(scratch_ / "b", "old content");
  ASSERT_TRUE(disk().rename(root_, "a", root_, "b").has_value());
  EXPECT_EQ(disk().stat(root_, "b")->size, 3U);
  EXPECT_EQ(disk().stat(root_, "a").error().code, Code::not_found);
  ASSERT_TRUE(disk().unlink(root_, "b").has_value());
  ASSERT_TRUE(disk().make_dir(root_, "d", 0755).has_value());
  ASSERT_TRUE(disk().make_dir(root_, "d/e", 0755).has_value());
  EXPECT_FALSE(disk().remove_dir(root_, "d").has_value());
  ASSERT_TRUE(disk().remove_dir(root_, "d/e").has_value());
  ASSERT_TRUE(disk().remove_dir(root_, "d").has_value());
  EXPECT_TRUE(names_in(root_, 10).empty());
}

TEST_P(NamesTest, ALockKeepsOthersOutUntilItsFileIsClosed) {
  auto first = disk().open_file(root_, "lock", Open::create_or_open, false);
  const auto second = disk().open_file(root_, "lock", Open::create_or_open, false);
  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_TRUE(*disk().try_lock(**first));
  EXPECT_TRUE(*disk().try_lock(**first));  // its own
  EXPECT_FALSE(*disk().try_lock(**second));
  first->reset();
  EXPECT_TRUE(*disk().try_lock(**second));
}

TEST_P(NamesTest, ExtendedAttributesAreSeen) {
  put_file(scratch_ / "plain", "");
  put_file(scratch_ / "marked", "");
  if (::setxattr((scratch_ / "marked").c_str(), "user.note", "x", 1, 0) != 0)
    GTEST_SKIP() << "this file system keeps no extended attributes";
  EXPECT_FALSE(disk().has_xattrs(root_, "plain"));
  EXPECT_TRUE(disk().has_xattrs(root_, "marked"));
  fs::create_symlink("marked", scratch_ / "link");
  EXPECT_FALSE(disk().has_xattrs(root_, "link"));
}

TEST(Beneath, PathsAreCheckedByComponent) {
  for (const char* good : {"a", "a/b/..c/.d", "...", "a b"}) EXPECT_TRUE(check_path(good).has_value()) << good;
  for (const char* bad : {"", "/", "a/", "/a", "a//b", ".", "..", "a/.", "a/b/../c"})
    EXPECT_FALSE(check_path(bad).has_value()) << bad;
}

/// 0, or the number of the expectation that does not hold.
int open_and_be_refused(const ScratchDir& scratch) {
  const Fd base(::open(scratch.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!open_beneath(base.get(), "a/b/f", O_RDONLY)) return 1;
  if (open_beneath(base.get(), "a/b/missing", O_RDONLY)) return 2;
  if (open_beneath(base.get(), "a/way/f", O_RDONLY)) return 3;
  if (open_beneath(base.get(), "a/b/link", O_RDONLY)) return 4;
  if (!open_beneath(base.get(), "a/b", O_RDONLY | O_DIRECTORY)) return 5;
  if (place_beneath(base.get(), "a/b/f").directory < 0) return 6;
  if (place_beneath(base.get(), "a/way/f").directory >= 0) return 7;
  return 0;
}

TEST(Beneath, KernelsWithoutOpenat2AreAsStrict) {
  const ScratchDir scratch(Where::device);
  fs::create_directories(scratch / "a/b");
  put_file(scratch / "a/b/f", "x");
  fs::create_directory_symlink("b", scratch / "a/way");
  fs::create_symlink("f", scratch / "a/b/link");
  EXPECT_EQ(open_and_be_refused(scratch), 0);
  for (const int error : {ENOSYS, EPERM})
    EXPECT_EXIT(std::_Exit(forbid_call(SYS_openat2, error) ? open_and_be_refused(scratch) : 99),
                testing::ExitedWithCode(0), "");
}

TEST(FileLimit, IsRaisedToTheHardLimit) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = std::min<rlim_t>(256, before.rlim_max);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  raise_file_limit();
  rlimit after{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
}

TEST_P(NamesTest, TwoNamesChangePlaces) {
  ASSERT_TRUE(disk().make_dir(root_, "old", 0755));
  ASSERT_TRUE(disk().make_dir(root_, "in", 0755));
  ASSERT_TRUE(disk().make_dir(root_, "in/new", 0755));
  put_file(scratch_ / "old/of the old", "x");
  put_file(scratch_ / "in/new/of the new", "x");
  ASSERT_TRUE(disk().exchange(root_, "in/new", root_, "old").has_value());
  EXPECT_TRUE(fs::exists(scratch_ / "old/of the new"));
  EXPECT_TRUE(fs::exists(scratch_ / "in/new/of the old"));
  EXPECT_EQ(disk().exchange(root_, "old", root_, "nothing").error().code, Code::not_found);
  EXPECT_EQ(disk().exchange(root_, "../x", root_, "old").error().code, Code::refused);
  EXPECT_EQ(disk().exchange(root_, "old", root_, "../x").error().code, Code::refused);
}

TEST_P(NamesTest, ARenameToANewNameReplacesNothing) {
  ASSERT_TRUE(disk().make_dir(root_, "d", 0755));
  ASSERT_TRUE(disk().make_dir(root_, "empty", 0755));
  const auto refused = disk().rename_to_new(root_, "d", root_, "empty");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().system_errno, EEXIST);
  EXPECT_TRUE(disk().rename_to_new(root_, "d", root_, "new").has_value());
  EXPECT_TRUE(fs::exists(scratch_ / "new"));
}

TEST_P(NamesTest, MountsAreFoundAtAndBeneathADirectory) {
  const auto proc = disk().open_root("/proc");
  ASSERT_TRUE(proc.has_value()) << text_of_error(proc);
  EXPECT_EQ(disk().holds_mounts(*proc), true);
  EXPECT_EQ(disk().holds_mounts(*disk().open_root("/")), true);
  ASSERT_TRUE(disk().make_dir(root_, "d", 0755));
  EXPECT_EQ(disk().holds_mounts(*disk().open_dir(root_, "d")), false);
}

TEST(Mounts, AreReadAsTheKernelWritesThem) {
  const std::string_view text =
      "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
      "30 22 0:25 / /data/with\\040space\\134 rw shared:5 - tmpfs tmpfs rw\n"
      "31 22 0:26 /sub /data/tree/deep/mnt rw - ext4 /dev/sdb rw\n";
  EXPECT_TRUE(names_mount_beneath(text, "/"));
  EXPECT_TRUE(names_mount_beneath(text, "/data"));
  EXPECT_TRUE(names_mount_beneath(text, "/data/tree"));
  EXPECT_TRUE(names_mount_beneath(text, "/data/tree/deep/mnt"));
  EXPECT_TRUE(names_mount_beneath(text, "/data/with space\\"));
  EXPECT_FALSE(names_mount_beneath(text, "/data/tr"));
  EXPECT_FALSE(names_mount_beneath(text, "/data/tree/deep/mnt/further"));
  EXPECT_FALSE(names_mount_beneath(text, "/data/with"));
  EXPECT_FALSE(names_mount_beneath("", "/"));
  EXPECT_FALSE(names_mount_beneath("nonsense\n\n", "/"));
}

INSTANTIATE_TEST_SUITE_P(Both, NamesTest, testing::Bool(),
                         [](const auto& each) { return each.param ? "ring" : "posix"; });

}  // namespace
}  // namespace longhaul::disk
