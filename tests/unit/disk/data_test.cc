// Reading, writing and syncing: with io_uring and without, on a device and in memory.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <set>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "disk/blocking.h"
#include "place.h"

namespace longhaul::disk {
namespace {

using Kind = Operation::Kind;

struct FreeMemory {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<std::byte[], FreeMemory>;

Memory aligned_memory(std::size_t bytes) {
  Memory memory(static_cast<std::byte*>(std::aligned_alloc(4096, bytes)));
  for (std::size_t i = 0; i < bytes; ++i) memory[i] = static_cast<std::byte>(i * 7 + i / 4096);
  return memory;
}

class DataTest : public testing::TestWithParam<std::tuple<bool, Where>> {
 protected:
  void SetUp() override {
    if (!scratch_.made()) GTEST_SKIP() << "this machine has no /dev/shm to write in";
    if (test_disk_.disk == nullptr) GTEST_SKIP() << test_disk_.reason;
    auto root = disk().open_root(scratch_.path());
    ASSERT_TRUE(root.has_value()) << text_of_error(root);
    root_ = *root;
  }
  Disk& disk() { return *test_disk_.disk; }
  FilePtr open(const std::string& name, Open how, bool direct) {
    auto file = disk().open_file(root_, name, how, direct);
    EXPECT_TRUE(file.has_value()) << text_of_error(file);
    return file ? *file : nullptr;
  }
  std::int64_t run(Operation operation) {
    disk().submit(operation);
    EXPECT_EQ(disk().wait(), &operation);
    return operation.result;
  }

  ScratchDir scratch_{std::get<1>(GetParam())};
  TestDisk test_disk_{std::get<0>(GetParam())};
  DirPtr root_;
};

TEST_P(DataTest, WritesSyncsAndReadsBackBuffered) {
  const FilePtr file = open("f", Open::create, false);
  EXPECT_EQ(file->alignment(), 1U);
  ASSERT_TRUE(write_now(disk(), *file, 5, bytes_of("hello")).has_value());
  ASSERT_TRUE(sync_now(disk(), *file, false).has_value());
  ASSERT_TRUE(sync_now(disk(), *file, true).has_value());
  std::vector<std::byte> back(100, std::byte{9});
  const auto got = read_now(disk(), *file, 0, back);
  ASSERT_TRUE(got.has_value()) << text_of_error(got);
  EXPECT_EQ(*got, 10U);
  EXPECT_EQ(text_of({back.data() + 5, 5}), "hello");
  EXPECT_EQ(back[4], std::byte{0});
  EXPECT_EQ(back[10], std::byte{9});
  EXPECT_EQ(*read_now(disk(), *file, 10, back), 0U);
  EXPECT_EQ(disk().in_flight(), 0U);
}

TEST_P(DataTest, AllIsSyncedAtOnceWhereTheFileSystemIsKnownToDoIt) {
  struct statfs found{};
  ASSERT_EQ(::statfs(scratch_.path().c_str(), &found), 0);
  const std::set<long> known{EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC};
  EXPECT_EQ(disk().syncs_all(root_), known.contains(found.f_type));
  if (scratch_.in_memory()) {
    EXPECT_FALSE(disk().syncs_all(root_));
  }
  const FilePtr file = open("f", Open::create, false);
  ASSERT_TRUE(write_now(disk(), *file, 0, bytes_of("hello")).has_value());
  const auto synced = disk().sync_all(root_);
  EXPECT_TRUE(synced.has_value()) << text_of_error(synced);
}

TEST_P(DataTest, DirectRoundTripWithATail) {
  const std::size_t size = 3 * 1024 * 1024 + 12'345;
  const FilePtr file = open("f", Open::create, true);
  const std::uint32_t alignment = file->alignment();
  if (scratch_.in_memory()) {
    EXPECT_EQ(alignment, 1U) << "tmpfs takes O_DIRECT and ignores it";
  }
  const std::size_t padded = (size + alignment - 1) / alignment * alignment;
  Memory memory = aligned_memory(4 * 1024 * 1024);
  ASSERT_TRUE(disk().allocate(*file, size).has_value());
  ASSERT_TRUE(write_now(disk(), *file, 0, {memory.get(), padded}).has_value());
  ASSERT_TRUE(disk().set_size(*file, size).has_value());
  EXPECT_EQ(run({.kind = Kind::sync_file, .file = file.get()}), 0);

  const FilePtr again = open("f", Open::read, true);
  Memory back(static_cast<std::byte*>(std::aligned_alloc(4096, std::size_t{4} * 1024 * 1024)));
  EXPECT_EQ(run({.kind = Kind::read, .file = again.get(), .data = back.get(), .bytes = 4 * 1024 * 1024}),
            static_cast<std::int64_t>(size));
  EXPECT_EQ(std::memcmp(back.get(), memory.get(), size), 0);
  // The last megabyte alone: begins on a block, ends with the file.
  EXPECT_EQ(run({.kind = Kind::read, .file = again.get(), .data = back.get(), .offset = 3 << 20, .bytes = 1 << 20}),
            12'345);
  EXPECT_EQ(std::memcmp(back.get(), memory.get() + (3 << 20), 12'345), 0);
}

TEST_P(DataTest, DirectIsUsedWhereTheFileSystemDoesIt) {
  const FilePtr file = open("f", Open::create, true);
  const Fd plain(::open((scratch_ / "f").c_str(), O_RDONLY | O_CLOEXEC));
  struct statx raw{};
  ASSERT_EQ(::statx(plain.get(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &raw), 0);
  const bool offered = (raw.stx_mask & STATX_DIOALIGN) != 0 && raw.stx_dio_offset_align != 0;
  EXPECT_EQ(file->alignment() > 1, offered);
}

TEST_P(DataTest, ManyAtOnceEachFinishOnce) {
  constexpr std::size_t count = 64;
  constexpr std::size_t bytes = 64 * 1024;
  const FilePtr file = open("f", Open::create, true);
  Memory memory = aligned_memory(count * bytes);
  std::vector<Operation> operations(count);
  for (std::size_t i = 0; i < count; ++i) {
    operations[i] = {
        .kind = Kind::write, .file = file.get(), .data = memory.get() + i * bytes, .offset = i * bytes, .bytes = bytes};
    disk().submit(operations[i]);
  }
  EXPECT_EQ(disk().in_flight(), count);
  std::set<Operation*> finished;
  while (disk().in_flight() > 0) {
    Operation* one = disk().reap();
    if (one == nullptr) one = disk().wait();
    ASSERT_NE(one, nullptr);
    EXPECT_TRUE(finished.insert(one).second);
    EXPECT_EQ(one->result, static_cast<std::int64_t>(bytes));
  }
  EXPECT_EQ(finished.size(), count);
  EXPECT_EQ(disk().reap(), nullptr);
  EXPECT_EQ(disk().wait(), nullptr);
  std::vector<std::byte> back(count * bytes);
  const FilePtr again = open("f", Open::read, false);
  EXPECT_EQ(*read_now(disk(), *again, 0, back), back.size());
  EXPECT_EQ(std::memcmp(back.data(), memory.get(), back.size()), 0);
}

TEST_P(DataTest, ColdReadsComeFromTheDevice) {
  const std::string content(1'000'000, 'c');
  put_file(scratch_ / "f", content);
  const FilePtr file = open("f", Open::read, false);
  const Fd other(::open((scratch_ / "f").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::fsync(other.get()), 0);
  ASSERT_EQ(::posix_fadvise(other.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
  std::string back(content.size() + 10, '\0');
  const auto got = read_now(disk(), *file, 0, std::as_writable_bytes(std::span(back.data(), back.size())));
  ASSERT_TRUE(got.has_value()) << text_of_error(got);
  EXPECT_EQ(*got, content.size());
  EXPECT_EQ(back.substr(0, content.size()), content);
}

TEST_P(DataTest, RegisteredMemory) {
  Memory arena = aligned_memory(1 << 20);
  disk().register_memory({arena.get(), 1 << 20});
  const FilePtr file = open("f", Open::create, true);
  EXPECT_EQ(run({.kind = Kind::write, .file = file.get(), .data = arena.get() + 4096, .bytes = 65536}), 65536);
  EXPECT_EQ(run({.kind = Kind::read, .file = file.get(), .data = arena.get() + (1 << 19), .bytes = 65536}), 65536);
  EXPECT_EQ(std::memcmp(arena.get() + 4096, arena.get() + (1 << 19), 65536), 0);
}

TEST_P(DataTest, BlocksAreSharedOrNothingHappens) {
  constexpr std::uint64_t piece = Disk::share_bytes;
  const FilePtr older = open("older", Open::create, false);
  const FilePtr newer = open("newer", Open::create, false);
  ASSERT_TRUE(write_now(disk(), *older, 0, std::vector<std::byte>(3 * piece, std::byte{1})).has_value());
  ASSERT_TRUE(write_now(disk(), *newer, 0, std::vector<std::byte>(4 * piece, std::byte{2})).has_value());
  const bool shared = disk().share_range(*older, *newer, piece, piece);
  std::vector<std::byte> want(4 * piece, std::byte{2});
  if (shared) std::fill_n(want.begin() + piece, piece, std::byte{1});
  std::vector<std::byte> got(4 * piece);
  ASSERT_EQ(*read_now(disk(), *newer, 0, got), got.size());
  EXPECT_EQ(got, want);
  EXPECT_FALSE(disk().share_range(*older, *newer, 3 * piece, piece)) << "there is nothing of it";
  ASSERT_EQ(*read_now(disk(), *newer, 0, got), got.size());
  EXPECT_EQ(got, want);
}

TEST_P(DataTest, HolesAreFoundWhereTheFileSystemHasThem) {
  constexpr std::uint64_t mib = 1 << 20;
  const FilePtr file = open("f", Open::create, false);
  EXPECT_EQ(disk().next_data(*file, 0)->begin, Disk::no_offset) << "an empty file";
  ASSERT_TRUE(disk().set_size(*file, 100 * mib).has_value());
  const std::vector<std::byte> data(mib, std::byte{1});
  ASSERT_TRUE(write_now(disk(), *file, 20 * mib, data).has_value());
  ASSERT_TRUE(write_now(disk(), *file, 50 * mib, data).has_value());
  if (disk().next_data(*file, 0)->begin == 0) GTEST_SKIP() << "this file system knows no holes";
  const auto expect_data = [&](std::uint64_t offset, std::uint64_t begin, std::uint64_t end) {
    const auto found = disk().next_data(*file, offset);
    ASSERT_TRUE(found.has_value()) << text_of_error(found);
    EXPECT_EQ(found->begin, begin) << offset;
    EXPECT_EQ(found->end, end) << offset;
  };
  expect_data(0, 20 * mib, 21 * mib);
  expect_data(20 * mib, 20 * mib, 21 * mib);
  expect_data(21 * mib - 5, 21 * mib - 5, 21 * mib);
  expect_data(21 * mib, 50 * mib, 51 * mib);
  expect_data(51 * mib, Disk::no_offset, Disk::no_offset);
  expect_data(100 * mib, Disk::no_offset, Disk::no_offset);
  expect_data(1ULL << 40U, Disk::no_offset, Disk::no_offset);
  std::vector<std::byte> back(1);
  ASSERT_TRUE(read_now(disk(), *file, 20 * mib, back).has_value());
  EXPECT_EQ(back[0], std::byte{1}) << "where it was looked at says nothing of where it is read";
  EXPECT_LT(disk().stat(*file)->allocated_bytes, 4 * mib);
}

TEST_P(DataTest, ErrorsAreToldNotCountedAsData) {
  put_file(scratch_ / "f", "content");
  const FilePtr read_only = open("f", Open::read, false);
  Memory memory = aligned_memory(1 << 20);
  EXPECT_EQ(run({.kind = Kind::write, .file = read_only.get(), .data = memory.get(), .bytes = 100}), -EBADF);
  EXPECT_EQ(run({.kind = Kind::write, .file = read_only.get(), .data = memory.get(), .bytes = 1 << 20}), -EBADF);
  const auto failed = write_now(disk(), *read_only, 0, {memory.get(), 10});
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().system_errno, EBADF);
}

TEST_P(DataTest, NothingIsDoneAtOnce) {
  const FilePtr file = open("f", Open::create, true);
  EXPECT_EQ(run({.kind = Kind::write, .file = file.get(), .data = nullptr, .bytes = 0}), 0);
  EXPECT_EQ(run({.kind = Kind::read, .file = file.get(), .data = nullptr, .bytes = 0}), 0);
}

TEST_P(DataTest, UnalignedDirectOperationsAreAProgrammersError) {
  const FilePtr file = open("f", Open::create, true);
  if (file->alignment() == 1) GTEST_SKIP() << "no O_DIRECT on this file system";
  Memory memory = aligned_memory(1 << 16);
  EXPECT_DEATH(run({.kind = Kind::write, .file = file.get(), .data = memory.get() + 1, .bytes = 4096}), "aligned");
  EXPECT_DEATH(run({.kind = Kind::write, .file = file.get(), .data = memory.get(), .offset = 100, .bytes = 4096}),
               "aligned");
  EXPECT_DEATH(run({.kind = Kind::read, .file = file.get(), .data = memory.get(), .bytes = 100}), "aligned");
}

TEST_P(DataTest, ADiskWaitsForItsMemoryBeforeItGoes) {
  const FilePtr file = open("f", Open::create, true);
  Memory memory = aligned_memory(1 << 20);
  std::vector<Operation> operations(4);
  for (std::size_t i = 0; i < operations.size(); ++i) {
    operations[i] = {
        .kind = Kind::write, .file = file.get(), .data = memory.get(), .offset = i << 20, .bytes = 1 << 20};
    disk().submit(operations[i]);
  }
  test_disk_.disk.reset();
  test_disk_.ring.reset();  // would stop the program if something were still in flight
  for (const Operation& each : operations) EXPECT_EQ(each.result, 1 << 20);
}

INSTANTIATE_TEST_SUITE_P(All, DataTest,
                         testing::Combine(testing::Bool(), testing::Values(Where::device, Where::memory)),
                         [](const auto& each) {
                           return std::string(std::get<0>(each.param) ? "ring" : "posix") +
                                  (std::get<1>(each.param) == Where::device ? "_device" : "_memory");
                         });

}  // namespace
}  // namespace longhaul::disk
