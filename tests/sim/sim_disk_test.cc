#include "sim_disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "base/bytes.h"
#include "disk/blocking.h"

namespace longhaul::sim {
namespace {

using disk::Open;

std::vector<std::byte> text(std::string_view words) {
  const auto bytes = bytes_of(words);
  return {bytes.begin(), bytes.end()};
}

/// One simulated machine with a directory "d".
struct Machine {
  explicit Machine(std::uint64_t seed) : fs(clock, trace, seed) {
    fs.put_dir("d");
    disk = fs.make_disk("test");
    root = *disk->open_root("");
    dir = *disk->open_dir(root, "d");
  }
  disk::FilePtr make(std::string_view path, std::string_view words) {
    auto file = *disk->open_file(root, path, Open::create, false);
    EXPECT_TRUE(disk::write_now(*disk, *file, 0, bytes_of(words)));
    return file;
  }
  SimClock clock;
  Trace trace{clock};
  SimFileSystem fs;
  std::unique_ptr<disk::Disk> disk;
  disk::DirPtr root;
  disk::DirPtr dir;
};

constexpr std::uint64_t seeds = 200;

TEST(SimDisk, WhatIsSyncedSurvivesACrashAndTheRestMay) {
  int lost = 0;
  int kept = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Machine m(seed);
    auto file = m.make("d/file", "synced");
    ASSERT_TRUE(disk::sync_now(*m.disk, *file, true));
    ASSERT_TRUE(m.disk->sync_dir(m.dir));
    ASSERT_TRUE(disk::write_now(*m.disk, *file, 4096, bytes_of("unsynced")));
    m.fs.crash();
    const auto content = *m.fs.content("d/file");
    ASSERT_GE(content.size(), 6U);
    ASSERT_EQ(text_of(ConstBytes(content).first(6)), "synced");
    const bool there = content.size() == 4104 && text_of(ConstBytes(content).subspan(4096)) == "unsynced";
    ++(there ? kept : lost);
  }
  EXPECT_GT(lost, 0);
  EXPECT_GT(kept, 0);
}

TEST(SimDisk, ACrashTearsBySectors) {
  bool torn = false;
  for (std::uint64_t seed = 1; seed <= seeds && !torn; ++seed) {
    Machine m(seed);
    auto file = m.make("d/file", std::string(3 * 4096, 'a'));
    ASSERT_TRUE(disk::sync_now(*m.disk, *file, true));
    ASSERT_TRUE(m.disk->sync_dir(m.dir));
    ASSERT_TRUE(disk::write_now(*m.disk, *file, 0, bytes_of(std::string(3 * 4096, 'b'))));
    m.fs.crash();
    const auto content = *m.fs.content("d/file");
    ASSERT_EQ(content.size(), 3U * 4096U);
    for (std::size_t sector = 0; sector < 24; ++sector) {
      const auto begin = content.begin() + static_cast<std::ptrdiff_t>(sector * 512);
      ASSERT_TRUE(std::all_of(begin, begin + 512, [&](std::byte b) { return b == *begin; })) << "seed " << seed;
      torn = torn || (sector % 8 != 0 && *begin != *(begin - 512));
    }
  }
  EXPECT_TRUE(torn);
}

TEST(SimDisk, ANewNameSurvivesOnlyASyncOfItsDirectory) {
  int lost = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Machine m(seed);
    auto kept = m.make("d/kept", "x");
    ASSERT_TRUE(m.disk->sync_dir(m.dir));
    auto maybe = m.make("d/maybe", "y");
    ASSERT_TRUE(disk::sync_now(*m.disk, *maybe, true));
    m.fs.crash();
    ASSERT_TRUE(m.fs.content("d/kept"));
    lost += m.fs.content("d/maybe") ? 0 : 1;
  }
  EXPECT_GT(lost, 0);
  EXPECT_LT(lost, static_cast<int>(seeds));
}

TEST(SimDisk, ARenameVanishesOrStays) {
  int moved = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Machine m(seed);
    m.fs.put_file("landing/part", text("content"));
    m.fs.put_file("d/name", text("old"));
    auto landing = *m.disk->open_dir(m.root, "landing");
    ASSERT_TRUE(m.disk->rename(landing, "part", m.dir, "name"));
    m.fs.crash();
    const bool there = m.fs.content("d/name") == text("content");
    ASSERT_TRUE(there || m.fs.content("d/name") == text("old")) << "seed " << seed;
    ASSERT_TRUE(there || m.fs.content("landing/part")) << "seed " << seed;
    moved += there ? 1 : 0;
  }
  EXPECT_GT(moved, 0);
  EXPECT_LT(moved, static_cast<int>(seeds));
}

TEST(SimDisk, ARenameStaysOnceItsDirectoryIsSynced) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Machine m(seed);
    m.fs.put_file("landing/part", text("content"));
    auto landing = *m.disk->open_dir(m.root, "landing");
    ASSERT_TRUE(m.disk->rename(landing, "part", m.dir, "name"));
    ASSERT_TRUE(m.disk->sync_dir(m.dir));
    m.fs.crash();
    ASSERT_EQ(m.fs.content("d/name"), text("content"));
  }
}

TEST(SimDisk, ARemovedFileMayComeBack) {
  int back = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Machine m(seed);
    m.fs.put_file("d/file", text("x"));
    ASSERT_TRUE(m.disk->unlink(m.dir, "file"));
    m.fs.crash();
    back += m.fs.content("d/file") ? 1 : 0;
  }
  EXPECT_GT(back, 0);
  EXPECT_LT(back, static_cast<int>(seeds));
}

TEST(SimDisk, AFailedSyncForgetsWhatWasDirty) {
  int lost = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Machine m(seed);
    auto file = m.make("d/file", "first");
    ASSERT_TRUE(disk::sync_now(*m.disk, *file, true));
    ASSERT_TRUE(m.disk->sync_dir(m.dir));
    ASSERT_TRUE(disk::write_now(*m.disk, *file, 0, bytes_of("other")));
    m.fs.fault = [](const FaultPoint& at) { return at.operation == "sync" && at.path == "d/file" ? EIO : 0; };
    auto failed = disk::sync_now(*m.disk, *file, true);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().system_errno, EIO);
    m.fs.fault = nullptr;
    EXPECT_EQ(m.fs.content("d/file"), text("other"));
    EXPECT_TRUE(disk::sync_now(*m.disk, *file, true));
    EXPECT_FALSE(m.fs.survives("d/file") && m.fs.content("d/file") == text("first"));
    m.fs.crash();
    lost += m.fs.content("d/file") == text("first") ? 1 : 0;
  }
  EXPECT_GT(lost, 0);
  EXPECT_LT(lost, static_cast<int>(seeds));
}

TEST(SimDisk, TheKernelMayDoLessThanItWasAsked) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Machine m(seed);
    m.fs.hiccups = true;
    const std::string content(100'000, 'h');
    auto file = m.make("d/file", content);
    ASSERT_TRUE(disk::sync_now(*m.disk, *file, true));
    EXPECT_EQ(m.fs.content("d/file"), text(content));
    std::vector<std::byte> read(content.size() + 10);
    const auto got = disk::read_now(*m.disk, *file, 0, read);
    ASSERT_TRUE(got);
    EXPECT_EQ(*got, content.size());
  }
}

TEST(SimDisk, OperationsFinishInVirtualTime) {
  Machine m(3);
  auto file = m.make("d/file", "0123456789");
  const Time begin = m.clock.now();
  std::array<disk::Operation, 20> reads;
  std::array<std::array<std::byte, 4>, 20> memory{};
  for (std::size_t i = 0; i < reads.size(); ++i) {
    reads[i] = {
        .kind = disk::Operation::Kind::read, .file = file.get(), .data = memory[i].data(), .offset = 8, .bytes = 4};
    m.disk->submit(reads[i]);
  }
  unsigned at_once = 0;
  while (m.disk->reap() != nullptr) ++at_once;
  EXPECT_GT(at_once, 0U);
  EXPECT_LT(at_once, 20U);
  while (m.disk->in_flight() > 0) {
    const Time due = m.fs.next_due(m.clock.now());
    ASSERT_NE(due, time_never);
    m.clock.advance_to(due);
    const disk::Operation* done = m.disk->reap();
    ASSERT_NE(done, nullptr);
    EXPECT_EQ(done->result, 2);
    EXPECT_EQ(done->data[1], std::byte{'9'});
  }
  EXPECT_GT(m.clock.now(), begin);
  EXPECT_LE(m.clock.now(), begin + m.fs.delay_max);
}

TEST(SimDisk, LocksGoWithTheirFile) {
  Machine m(1);
  auto first = m.make("d/file", "");
  auto second = *m.disk->open_file(m.root, "d/file", Open::read, false);
  EXPECT_TRUE(*m.disk->try_lock(*first));
  EXPECT_TRUE(*m.disk->try_lock(*first));
  EXPECT_FALSE(*m.disk->try_lock(*second));
  first.reset();
  EXPECT_TRUE(*m.disk->try_lock(*second));
}

TEST(SimDisk, RefusesWhatARealOneRefuses) {
  Machine m(1);
  m.fs.put_symlink("link", "d");
  m.fs.put_file("d/file", text("x"), 0444);
  m.fs.mount("mnt");
  const auto error_of = [](const auto& result) { return result ? 0 : result.error().system_errno; };
  EXPECT_EQ(error_of(m.disk->open_dir(m.root, "link")), ELOOP);
  EXPECT_EQ(error_of(m.disk->open_file(m.root, "link/file", Open::read, false)), ELOOP);
  EXPECT_EQ(error_of(m.disk->open_file(m.root, "link", Open::create_or_open, false)), ELOOP);
  EXPECT_EQ(error_of(m.disk->open_file(m.root, "d/file", Open::create, false)), EEXIST);
  EXPECT_EQ(error_of(m.disk->open_file(m.root, "d/file", Open::write, false)), EACCES);
  EXPECT_EQ(error_of(m.disk->open_file(m.root, "d/../d/file", Open::read, false)), EINVAL);
  EXPECT_EQ(error_of(m.disk->open_file(m.root, "d/none", Open::read, false)), ENOENT);
  EXPECT_EQ(error_of(m.disk->open_file(m.root, "d/file/x", Open::read, false)), ENOTDIR);
  EXPECT_EQ(error_of(m.disk->rename(m.dir, "file", *m.disk->open_dir(m.root, "mnt"), "file")), EXDEV);
  EXPECT_EQ(error_of(m.disk->remove_dir(m.root, "d")), ENOTEMPTY);
  EXPECT_EQ(error_of(m.disk->unlink(m.root, "d")), EISDIR);
  EXPECT_EQ(error_of(m.disk->make_dir(m.root, std::string(256, 'n'), 0755)), ENAMETOOLONG);
  m.fs.capacity_bytes = 100;
  auto file = m.make("new", std::string(60, 'a'));
  EXPECT_EQ(error_of(disk::write_now(*m.disk, *file, 60, bytes_of(std::string(60, 'b')))), ENOSPC);
  EXPECT_EQ(error_of(m.disk->allocate(*file, 1000)), ENOSPC);
}

TEST(SimDisk, AListingGoesOnWhereItWasLeft) {
  Machine m(1);
  std::vector<std::string> expected;
  for (int i = 0; i < 30; ++i) {
    expected.push_back("f" + std::to_string(i));
    m.fs.put_file("d/" + expected.back(), {});
  }
  std::vector<disk::DirEntry> entries;
  ASSERT_TRUE(*(*m.disk->open_stream(m.dir, 0))->next(entries, 11));
  ASSERT_EQ(entries.size(), 11U);
  auto rest = *m.disk->open_stream(m.dir, entries.back().resume_at);
  while (*rest->next(entries, 4)) continue;
  std::vector<std::string> names;
  for (const auto& entry : entries) names.push_back(entry.name);
  EXPECT_NE(names, expected);  // no order may be counted on
  std::ranges::sort(names);
  std::ranges::sort(expected);
  EXPECT_EQ(names, expected);
}

TEST(SimDisk, WhatNobodyWroteIsAHole) {
  Machine m(1);
  constexpr std::uint64_t page = SimFileSystem::page_bytes;
  const auto file = m.make("d/file", "begins with data");
  ASSERT_TRUE(m.disk->set_size(*file, 10 * page + 5));
  ASSERT_TRUE(disk::write_now(*m.disk, *file, 4 * page - 1, bytes_of("xy")));
  const auto expect_data = [&](std::uint64_t offset, std::uint64_t begin, std::uint64_t end) {
    const auto found = m.disk->next_data(*file, offset);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->begin, begin) << offset;
    EXPECT_EQ(found->end, end) << offset;
  };
  expect_data(0, 0, page);
  expect_data(page, 3 * page, 5 * page);
  expect_data(4 * page + 7, 4 * page + 7, 5 * page);
  expect_data(5 * page, disk::Disk::no_offset, disk::Disk::no_offset);
  EXPECT_EQ(m.disk->stat(*file)->allocated_bytes, 3 * page);
  ASSERT_TRUE(m.disk->allocate(*file, 10 * page));
  expect_data(5 * page, 5 * page, 10 * page + 5);
  std::vector<std::byte> content(3 * page + 1, std::byte{1});
  std::fill_n(content.begin() + page, page, std::byte{});
  m.fs.put_file("d/dug", content);
  m.fs.dig("d/dug");
  EXPECT_EQ(m.fs.look("d/dug")->holes, std::set<std::uint64_t>{1});
}

TEST(SimDisk, TreesCompare) {
  Machine a(1);
  Machine b(2);
  for (Machine* m : {&a, &b}) {
    m->fs.put_file("t/x/file", text("same"), 0640, 77);
    m->fs.put_symlink("t/link", "x");
  }
  a.fs.put_file("t/.longhaul/manifest", text("only here"));
  const auto plain = [](Tree tree) {
    std::erase_if(tree, [](const auto& entry) { return entry.second.type != disk::FileType::file; });
    return tree;
  };
  EXPECT_EQ(plain(a.fs.tree("t", ".longhaul")), plain(b.fs.tree("t")));
  EXPECT_EQ(b.fs.tree("t").at("link").link_target, "x");
  b.fs.put_file("t/x/file", text("diff"), 0640, 77);
  EXPECT_NE(plain(a.fs.tree("t", ".longhaul")), plain(b.fs.tree("t")));
}

}  // namespace
}  // namespace longhaul::sim
