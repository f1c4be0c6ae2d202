#include "disk/scouts.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "disk/tree_walk.h"
#include "passing_disk.h"
#include "place.h"

namespace longhaul::disk {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

constexpr Time far = 100'000;  // ns that a look takes
constexpr Time near = 1000;

/// A clock on which everything takes the same time, for every thread by itself.
class EvenClock final : public Clock {
 public:
  explicit EvenClock(Time step) : step_(step) {}
  Time now() override {
    static thread_local Time now = 0;
    return now += step_.load();
  }
  std::int64_t wall_ns() override { return 0; }
  void set_step(Time step) { step_ = step; }

 private:
  std::atomic<Time> step_;
};

/// Who has looked at what, and where the first look at each name takes long.
struct Looks {
  std::mutex mutex;
  std::set<std::string> known;  ///< last components
  std::size_t far_of_owner = 0;
  bool slow = false;

  void note(std::string_view path, bool owner) {
    const std::string name(path.substr(path.rfind('/') + 1));
    {
      const std::lock_guard lock(mutex);
      if (!known.insert(name).second) return;
      if (owner) ++far_of_owner;
    }
    if (slow) std::this_thread::sleep_for(std::chrono::microseconds(300));
  }
  bool knows(const std::string& name) {
    const std::lock_guard lock(mutex);
    return known.contains(name);
  }
};

class FarDisk final : public PassingDisk {
 public:
  FarDisk(Looks& looks, bool owner) : PassingDisk(make_system_disk(nullptr)), looks_(looks), owner_(owner) {}

  [[nodiscard]] DiskMaker maker() const override {
    return [this] { return std::make_unique<FarDisk>(looks_, false); };
  }
  Result<Stat> stat(OpenFile& file) override { return under_->stat(file); }
  Result<Stat> stat(const DirPtr& base, std::string_view path) override {
    looks_.note(path, owner_);
    return under_->stat(base, path);
  }

 private:
  Looks& looks_;
  bool owner_;
};

/// Named so that its last component says where it is.
std::string file_in(const std::string& directory, int number) {
  return directory + '/' + directory + 'f' + std::to_string(number);
}

class ScoutsTest : public testing::Test {
 protected:
  std::unique_ptr<Scouts> scouts(Clock& clock, unsigned threads = 4) {
    return std::make_unique<Scouts>(
        Scouts::Setup{.make_disk = disk_.maker(), .attributes = true, .threads = threads, .clock = &clock});
  }
  DirPtr root() {
    auto opened = disk_.open_root(scratch_ / "");
    EXPECT_TRUE(opened);
    return opened ? *opened : nullptr;
  }
  std::string in(const std::string& name) const { return scratch_ / name; }
  static void own_looks(Scouts& of, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(of.timed([] { return 7; }), 7);
  }
  template <class Condition>
  static void until(const Condition& holds) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!holds() && std::chrono::steady_clock::now() < give_up)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  /// A little later, when there may be more than there should be.
  static std::uint64_t settled(const Scouts& of) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return of.looked();
  }
  static std::uint64_t looked(const Scouts& of, std::uint64_t wanted) {
    until([&] { return of.looked() >= wanted; });
    return settled(of);
  }

  ScratchDir scratch_{Where::device};
  Looks looks_;
  FarDisk disk_{looks_, true};
};

TEST_F(ScoutsTest, AreNeededWhereLooksTakeLong) {
  EvenClock clock(near);
  const auto made = scouts(clock);
  own_looks(*made, 1000);
  EXPECT_FALSE(made->needed());
  clock.set_step(1000 * far);
  own_looks(*made, 1);
  clock.set_step(near);
  own_looks(*made, 100);
  EXPECT_FALSE(made->needed()) << "one look that hangs is no slow file system";
  clock.set_step(far);
  own_looks(*made, 20);
  EXPECT_TRUE(made->needed());
  clock.set_step(near);
  own_looks(*made, 1000);
  EXPECT_TRUE(made->needed()) << "the owner's looks are short because of them";
  Names names;
  for (int i = 0; i < 8000; ++i) names.push_back("none" + std::to_string(i));
  made->look({.directory = root(), .path = {}, .names = names});
  until([&] { return !made->needed(); });
  EXPECT_FALSE(made->needed()) << "their own looks were short";
  EXPECT_LT(settled(*made), names.size() / 2) << "nobody needs them any more";
  made->look({.directory = root(), .path = {}, .names = names});
  EXPECT_LT(settled(*made), names.size() / 2);
}

TEST_F(ScoutsTest, LookIntoWhatTheOwnerWouldLookInto) {
  for (const char* name : {"yes/deep", "no", "odd/.longhaul"}) fs::create_directories(in(name));
  for (const char* name : {"yes/a", "yes/deep/b", "no/c", "odd/.longhaul/d", "odd/e"}) put_file(in(name), "x");
  fs::create_symlink("nowhere", in("yes/link"));
  EvenClock clock(far);
  std::mutex mutex;
  std::set<std::string> asked;
  const auto made = scouts(clock);
  own_looks(*made, 20);
  const DirPtr directory = root();
  made->look({.directory = directory, .path = "top", .names = {"yes", "no", "odd", "missing"}},
             [&](const std::string& path, const Stat& found) {
               EXPECT_EQ(found.type, FileType::directory);
               const std::lock_guard lock(mutex);
               asked.insert(path);
               return path != "top/no";
             });
  EXPECT_EQ(looked(*made, 9), 9U);
  for (const char* name : {"yes", "a", "deep", "b", "link", "no", "odd", "e", "missing"})
    EXPECT_TRUE(looks_.knows(name)) << name;
  for (const char* name : {"c", ".longhaul", "d"}) EXPECT_FALSE(looks_.knows(name)) << name;
  EXPECT_EQ(asked, (std::set<std::string>{"top/yes", "top/yes/deep", "top/no", "top/odd"}));
  const auto yes = disk_.stat(directory, "yes");
  const auto no = disk_.stat(directory, "no");
  ASSERT_TRUE(yes && no);
  EXPECT_TRUE(made->enter(yes->device, yes->inode));
  EXPECT_FALSE(made->enter(no->device, no->inode));
}

TEST_F(ScoutsTest, AreNotFarAhead) {
  constexpr std::uint64_t at_once = 8192;
  constexpr std::uint64_t lead_most = 2 * at_once;
  EvenClock clock(far);
  const auto made = scouts(clock);
  own_looks(*made, 20);
  ASSERT_TRUE(made->needed());
  Names names;
  for (std::uint64_t i = 0; i < at_once; ++i) names.push_back("n" + std::to_string(i));
  const DirPtr directory = root();
  for (std::uint64_t round = 1; round <= 2; ++round) {
    made->look({.directory = directory, .path = {}, .names = names});
    EXPECT_EQ(looked(*made, round * at_once), round * at_once);
  }
  made->look({.directory = directory, .path = {}, .names = names});
  EXPECT_EQ(looked(*made, lead_most), lead_most) << "nobody has passed any of them";
  own_looks(*made, at_once);
  EXPECT_EQ(looked(*made, 3 * at_once), 3 * at_once);
}

TEST_F(ScoutsTest, EnterNothingThatTheOwnerHasEntered) {
  fs::create_directories(in("dir"));
  put_file(in("dir/file"), "x");
  EvenClock clock(far);
  const auto made = scouts(clock);
  own_looks(*made, 20);
  const DirPtr directory = root();
  const auto found = disk_.stat(directory, "dir");
  ASSERT_TRUE(found);
  EXPECT_FALSE(made->enter(found->device, found->inode));
  made->look({.directory = directory, .path = {}, .names = {"dir"}}, [](const auto&, const auto&) { return true; });
  EXPECT_EQ(looked(*made, 1), 1U);
  EXPECT_FALSE(looks_.knows("file"));
}

TEST_F(ScoutsTest, WhatHasNoRoomIsLeftToTheOwner) {
  constexpr int directories = 40;
  constexpr int files = 200;  // 25 jobs each: more than there is room for
  for (int d = 0; d < directories; ++d) {
    const std::string name = "d" + std::to_string(d);
    fs::create_directories(in(name));
    for (int f = 0; f < files; ++f) put_file(in(file_in(name, f)), "x");
  }
  EvenClock clock(far);
  const auto made = scouts(clock, 1);
  own_looks(*made, 20);
  const DirPtr directory = root();
  Names names;
  for (int d = 0; d < directories; ++d) names.push_back("d" + std::to_string(d));
  made->look({.directory = directory, .path = {}, .names = names}, [](const auto&, const auto&) { return true; });
  std::uint64_t before = 0;
  until([&] { return std::exchange(before, settled(*made)) == settled(*made); });
  for (int d = 0; d < directories; ++d) {
    const std::string name = "d" + std::to_string(d);
    const auto found = disk_.stat(directory, name);
    ASSERT_TRUE(found);
    const bool entered = made->enter(found->device, found->inode);
    for (int f = 0; f < files; ++f)
      ASSERT_EQ(looks_.knows(name + 'f' + std::to_string(f)), entered) << name << ", file " << f;
  }
}

TEST_F(ScoutsTest, EndWithWorkLeft) {
  EvenClock clock(far);
  looks_.slow = true;
  auto made = scouts(clock);
  own_looks(*made, 20);
  Names names;
  for (int i = 0; i < 8000; ++i) names.push_back("n" + std::to_string(i));
  made->look({.directory = root(), .path = {}, .names = names});
  made.reset();
  const std::lock_guard lock(looks_.mutex);
  EXPECT_LT(looks_.known.size(), names.size());
}

TEST_F(ScoutsTest, AWalkFindsTheSameAndWaitsForFewer) {
  Names expected;
  for (int d = 0; d < 30; ++d) {
    const std::string directory = "d" + std::to_string(d);
    fs::create_directory(in(directory));
    expected.push_back(directory);
    for (int f = 0; f < 40; ++f) {
      expected.push_back(file_in(directory, f));
      put_file(in(expected.back()), "x");
    }
  }
  const auto walked = [&](Disk& disk, const Selection& selection) {
    auto walk = TreeWalk::open(disk, {in("")}, selection);
    EXPECT_TRUE(walk) << text_of_error(walk);
    std::vector<Entry> entries;
    std::vector<FileError> errors;
    while ((*walk)->next(disk, entries, errors, 100)) {
    }
    EXPECT_TRUE(errors.empty());
    Names names;
    for (const Entry& each : entries)
      if (!each.path.empty()) names.push_back(each.path);
    return names;
  };
  looks_.slow = true;
  const Names found = walked(disk_, {});
  EXPECT_EQ(found, walked(*make_system_disk(nullptr), {})) << "in the same order";
  EXPECT_EQ(found.size(), expected.size());
  {
    const std::lock_guard lock(looks_.mutex);
    EXPECT_LT(looks_.far_of_owner, expected.size() / 2) << "of " << expected.size();
    looks_.known.clear();
  }
  const Selection without{.rules = {"- d1*/"}};
  EXPECT_EQ(walked(disk_, without).size(), expected.size() - std::size_t{11} * 41);
  EXPECT_FALSE(looks_.knows("d10f0")) << "in a directory that the rules leave out";
  EXPECT_TRUE(looks_.knows("d20f0"));
}

}  // namespace
}  // namespace longhaul::disk
