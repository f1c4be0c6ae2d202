#include "journal/landing_tree.h"

#include <cerrno>
#include <sstream>
#include <utility>

#include "journal/journal_file.h"
#include "journal/manifest_stream.h"
#include "places.h"

namespace longhaul::journal {
namespace {

template <class Place>
class Trees : public JournalTest<Place> {
 protected:
  void SetUp() override {
    JournalTest<Place>::SetUp();
    auto zone = LandingZone::open(*this->disk_, this->root_);
    ASSERT_TRUE(zone) << zone.error().text;
    zone_ = *std::move(zone);
    trash_ = std::make_unique<Trash>(*this->disk_, zone_->directory(), "test");
    open();
  }
  void open() {
    trees_.reset();  // its logs are locked
    auto trees = LandingTrees::open(*this->disk_, *zone_, "scratch.test", *trash_);
    ASSERT_TRUE(trees) << trees.error().text;
    trees_ = *std::move(trees);
  }
  void settle() {
    trees_.reset();
    const auto settled = settle_trees(*this->disk_, *zone_, *trash_);
    ASSERT_TRUE(settled) << settled.error().text;
    open();
  }
  disk::DirPtr dir(const disk::DirPtr& base, const char* path) {
    auto opened = this->disk_->open_dir(base, path);
    EXPECT_TRUE(opened) << opened.error().text;
    return opened ? *opened : nullptr;
  }
  void put(const disk::DirPtr& base, const char* name, const char* content) {
    this->write_all(base, name, bytes_of(std::string_view(content)));
  }
  std::string content(const char* path) {
    const std::string whole = path;
    const auto slash = whole.rfind('/');
    const auto in = slash == std::string::npos ? Result<disk::DirPtr>(this->root_)
                                               : this->disk_->open_dir(this->root_, whole.substr(0, slash));
    if (!in) return "(no directory)";
    return std::string(text_of(this->read_all(*in, whole.substr(slash + 1))));
  }
  /// The tree "t" with the one file "f".
  LandingTree& land(const char* what) {
    auto tree = trees_->begin("t", true);
    EXPECT_TRUE(tree) << tree.error().text;
    (void)this->disk_->make_dir(trees_->directory(), "t", 0755);
    put(dir(trees_->directory(), "t"), "f", what);
    return **tree;
  }
  std::vector<std::string> logs(std::string_view suffix) {
    std::vector<std::string> found;
    for (const auto& name : this->names_in(zone_->directory()))
      if (name.ends_with(suffix)) found.push_back(name);
    return found;
  }
  std::size_t in_trash() {
    auto opened = this->disk_->open_dir(zone_->directory(), "trash");
    return opened ? this->names_in(*opened).size() : 0;
  }

  std::unique_ptr<LandingZone> zone_;
  std::unique_ptr<Trash> trash_;
  std::unique_ptr<LandingTrees> trees_;
};
TYPED_TEST_SUITE(Trees, Places);

TYPED_TEST(Trees, ANewTreeAppears) {
  LandingTree& tree = this->land("new");
  EXPECT_FALSE(tree.continued);
  EXPECT_FALSE(tree.replaces);
  EXPECT_FALSE(this->exists(this->root_, "t"));
  const auto published = this->trees_->publish(tree);
  ASSERT_TRUE(published) << published.error().text;
  EXPECT_EQ(this->content("t/f"), "new");
  EXPECT_EQ(this->logs(".log"), std::vector{tree.log_name});
  EXPECT_EQ(this->names_in(this->trees_->directory()), std::vector<std::string>{});
  EXPECT_EQ(this->in_trash(), 0U);
}

TYPED_TEST(Trees, AnOldTreeIsReplacedAndGoesToTheTrash) {
  ASSERT_TRUE(this->disk_->make_dir(this->root_, "t", 0755));
  this->put(this->dir(this->root_, "t"), "gone", "old");
  LandingTree& tree = this->land("new");
  EXPECT_TRUE(tree.replaces);
  EXPECT_EQ(this->content("t/gone"), "old");
  ASSERT_TRUE(this->trees_->publish(tree));
  EXPECT_EQ(this->content("t/f"), "new");
  EXPECT_FALSE(this->exists(this->root_, "t/gone"));
  EXPECT_EQ(this->in_trash(), 1U);
  while (this->trash_->remove_some(1)) continue;
  EXPECT_EQ(this->in_trash(), 0U);
  EXPECT_EQ(this->trash_->stuck(), "");
}

TYPED_TEST(Trees, AnEarlierReceiversTreeIsContinuedWithItsLog) {
  LandingTree& first = this->land("kept");
  std::vector<std::byte> record;
  encode_manifest_record({.path = "t/f", .size = 4, .mtime_ns = 0, .root = {}}, record);
  ASSERT_TRUE(disk::write_now(*this->disk_, first.log->file(), first.log->end_offset(), record));
  this->settle();
  auto again = this->trees_->begin("t", true);
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_TRUE((*again)->continued);
  std::vector<std::string> paths;
  ASSERT_TRUE(read_manifest(*this->disk_, this->zone_->directory(), (*again)->log_name, true, [&](const auto& each) {
    paths.push_back(each.path);
    return true;
  }));
  EXPECT_EQ(paths, (std::vector<std::string>{"t/", "t/f"}));
}

TYPED_TEST(Trees, WhatHasNoLogIsNobodys) {
  ASSERT_TRUE(this->disk_->make_dir(this->trees_->directory(), "t", 0755));
  this->put(this->dir(this->trees_->directory(), "t"), "of whom?", "x");
  auto tree = this->trees_->begin("t", true);
  ASSERT_TRUE(tree) << tree.error().text;
  EXPECT_FALSE((*tree)->continued);
  EXPECT_FALSE(this->exists(this->trees_->directory(), "t"));
}

TYPED_TEST(Trees, OnlyOneReceiverLandsATree) {
  ASSERT_TRUE(this->trees_->begin("t", true));
  Trash trash(*this->disk_, this->zone_->directory(), "other");
  auto other = LandingTrees::open(*this->disk_, *this->zone_, "scratch.other", trash);
  ASSERT_TRUE(other);
  const auto second = (*other)->begin("t", true);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::busy);
  EXPECT_TRUE((*other)->begin("u", true));
}

TYPED_TEST(Trees, WhatStandsInTheWayIsRefusedAtOnce) {
  this->put(this->root_, "t", "a file");
  const auto tree = this->trees_->begin("t", true);
  ASSERT_FALSE(tree);
  EXPECT_EQ(tree.error().code, Code::busy);
  ASSERT_TRUE(this->disk_->make_dir(this->root_, "d", 0755));
  const auto file = this->trees_->begin("d", false);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Code::busy);
  ASSERT_TRUE(this->disk_->make_symlink("nowhere", this->root_, "link"));
  EXPECT_FALSE(this->trees_->begin("link", true));
}

TYPED_TEST(Trees, AFileIsATreeOfOneName) {
  this->put(this->root_, "one", "old");
  auto tree = this->trees_->begin("one", false);
  ASSERT_TRUE(tree) << tree.error().text;
  this->put(this->trees_->directory(), "one", "new");
  ASSERT_TRUE(this->trees_->publish(**tree));
  EXPECT_EQ(this->content("one"), "new");
  EXPECT_EQ(this->names_in(this->trees_->directory()), std::vector<std::string>{});
}

TYPED_TEST(Trees, AFileThatIsThereAlreadyLosesItsSecondName) {
  this->put(this->root_, "one", "same");
  auto tree = this->trees_->begin("one", false);
  ASSERT_TRUE(tree) << tree.error().text;
  ASSERT_TRUE(this->disk_->make_hard_link(this->root_, "one", this->trees_->directory(), "one"));
  ASSERT_TRUE(this->trees_->publish(**tree));
  EXPECT_EQ(this->content("one"), "same");
  EXPECT_EQ(this->disk_->stat(this->root_, "one")->links, 1U);
}

// --- killed right at the rename -----------------------------------------------------------------------------------

/// As publish() leaves it right before the rename.
template <class Test>
void make_ready(Test& test, LandingTree& tree) {
  std::ostringstream inode;
  inode << std::hex << test.disk_->stat(test.trees_->directory(), "t")->inode;
  const std::string name = tree.log_name.substr(0, tree.log_name.size() - std::string_view("tree").size());
  ASSERT_TRUE(test.disk_->rename(test.zone_->directory(), tree.log_name, test.zone_->directory(),
                                 name + inode.str() + ".ready"));
}

template <class Place>
class KilledTrees : public Trees<Place> {
 public:
  using Trees<Place>::disk_;
  using Trees<Place>::trees_;
  using Trees<Place>::zone_;
};
TYPED_TEST_SUITE(KilledTrees, Places);

TYPED_TEST(KilledTrees, BeforeItTheTreeGoesOnLanding) {
  make_ready(*this, this->land("new"));
  this->settle();
  EXPECT_FALSE(this->exists(this->root_, "t"));
  EXPECT_EQ(this->logs(".ready"), std::vector<std::string>{});
  auto again = this->trees_->begin("t", true);
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_TRUE((*again)->continued);
}

/// As a power failure in the middle of the rename of the log may leave it.
TYPED_TEST(KilledTrees, ALogWithBothItsNamesLosesOne) {
  LandingTree& tree = this->land("new");
  const std::string name = tree.log_name;
  make_ready(*this, tree);
  const auto ready = this->logs(".ready");
  ASSERT_EQ(ready.size(), 1U);
  ASSERT_TRUE(this->disk_->make_hard_link(this->zone_->directory(), ready.front(), this->zone_->directory(), name));
  this->settle();
  EXPECT_EQ(this->logs(".ready"), std::vector<std::string>{});
  const auto again = this->trees_->begin("t", true);
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_TRUE((*again)->continued);
}

TYPED_TEST(KilledTrees, AfterAnExchangeTheOldTreeIsNotTakenForALandingOne) {
  ASSERT_TRUE(this->disk_->make_dir(this->root_, "t", 0755));
  this->put(this->dir(this->root_, "t"), "f", "old");
  make_ready(*this, this->land("new"));
  ASSERT_TRUE(this->disk_->exchange(this->trees_->directory(), "t", this->root_, "t"));
  this->settle();
  EXPECT_EQ(this->content("t/f"), "new");
  EXPECT_EQ(this->logs(".ready"), std::vector<std::string>{});
  EXPECT_EQ(this->logs(".log").size(), 1U);
  EXPECT_FALSE(this->exists(this->trees_->directory(), "t"));
  EXPECT_EQ(this->in_trash(), 1U);
}

TYPED_TEST(KilledTrees, AfterAPlainRenameTheLogIsToBeMerged) {
  make_ready(*this, this->land("new"));
  ASSERT_TRUE(this->disk_->rename_to_new(this->trees_->directory(), "t", this->root_, "t"));
  this->settle();
  EXPECT_EQ(this->content("t/f"), "new");
  EXPECT_EQ(this->logs(".log").size(), 1U);
}

TYPED_TEST(KilledTrees, WhatCannotBeToldIsGivenUp) {
  LandingTree& tree = this->land("new");
  make_ready(*this, tree);
  // Both are other directories than that which was to be published.
  ASSERT_TRUE(this->disk_->rename(this->trees_->directory(), "t", this->root_, "elsewhere"));
  ASSERT_TRUE(this->disk_->make_dir(this->trees_->directory(), "t", 0755));
  ASSERT_TRUE(this->disk_->make_dir(this->root_, "t", 0755));
  this->settle();
  EXPECT_TRUE(this->exists(this->root_, "t"));
  EXPECT_FALSE(this->exists(this->trees_->directory(), "t"));
  EXPECT_EQ(this->logs(".ready").size() + this->logs(".log").size(), 0U);
}

// --- file systems ---------------------------------------------------------------------------------------------------

class SimTrees : public Trees<SimPlace> {};

TEST_F(SimTrees, MountPointsAreRefused) {
  place_.fs().put_dir("target/t/deep/er");
  place_.fs().mount("target/t/deep/mnt");
  const auto tree = trees_->begin("t", true);
  ASSERT_FALSE(tree);
  EXPECT_EQ(tree.error().code, Code::unsupported);
  EXPECT_NE(tree.error().text.find("mount"), std::string::npos);
}

TEST_F(SimTrees, WithoutExchangeOnlyANewNameWillDo) {
  place_.fs().put_dir("target/t");
  place_.fs().fault = [](const sim::FaultPoint& point) {
    return point.operation == "exchange" || point.operation == "rename_to_new" ? EINVAL : 0;
  };
  const auto replaced = trees_->begin("t", true);
  ASSERT_FALSE(replaced);
  EXPECT_NE(replaced.error().text.find("change places"), std::string::npos) << replaced.error().text;
  auto fresh = trees_->begin("u", true);
  ASSERT_TRUE(fresh) << fresh.error().text;
  ASSERT_TRUE(disk_->make_dir(trees_->directory(), "u", 0755));
  EXPECT_TRUE(trees_->publish(**fresh));
  EXPECT_TRUE(exists(root_, "u"));
}

TEST_F(SimTrees, WithoutRoomForATrashNothingIsBegun) {
  trees_.reset();
  trash_ = std::make_unique<Trash>(*disk_, zone_->directory(), "test");
  ASSERT_TRUE(disk_->remove_dir(zone_->directory(), "trash"));
  place_.fs().fault = [](const sim::FaultPoint& point) {
    return point.operation == "make_dir" && point.path == "trash" ? ENOSPC : 0;
  };
  const auto trees = LandingTrees::open(*disk_, *zone_, "scratch.test", *trash_);
  ASSERT_FALSE(trees);
  EXPECT_EQ(trees.error().code, Code::no_space);
}

TEST_F(SimTrees, WhatIsLeftToDoOfAPublishedTreeIsDoneByTheNextReceiver) {
  ASSERT_TRUE(disk_->make_dir(root_, "t", 0755));
  put(dir(root_, "t"), "f", "old");
  LandingTree& tree = land("new");
  const auto full = [](const sim::FaultPoint& point) {  // nothing goes into the trash
    return point.operation == "rename_to" && point.path.starts_with("test.") ? ENOSPC : 0;
  };
  place_.fs().fault = full;
  EXPECT_FALSE(trees_->publish(tree));
  EXPECT_TRUE(tree.placed);
  EXPECT_FALSE(tree.published);
  EXPECT_EQ(content("t/f"), "new");
  settle();  // which keeps nobody from going on
  EXPECT_EQ(logs(".ready").size(), 1U);
  EXPECT_TRUE(trees_->begin("another", true));
  const auto same = trees_->begin("t", true);
  ASSERT_FALSE(same);
  EXPECT_NE(same.error().text.find("an earlier transfer"), std::string::npos) << same.error().text;
  place_.fs().fault = nullptr;
  settle();
  EXPECT_EQ(logs(".ready").size(), 0U);
  EXPECT_EQ(logs(".log").size(), 1U);
  EXPECT_EQ(in_trash(), 1U);
  EXPECT_EQ(content("t/f"), "new");
  EXPECT_TRUE(trees_->begin("t", true));
}

TEST_F(SimTrees, ARenameThatFailsLeavesTheTreeToBeContinued) {
  LandingTree& tree = land("new");
  place_.fs().fault = [](const sim::FaultPoint& point) { return point.operation == "rename_to_new" ? EIO : 0; };
  EXPECT_FALSE(trees_->publish(tree));
  place_.fs().fault = nullptr;
  EXPECT_FALSE(tree.published);
  settle();
  auto again = trees_->begin("t", true);
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_TRUE((*again)->continued);
  EXPECT_TRUE(trees_->publish(**again));
  EXPECT_EQ(content("t/f"), "new");
}

// --- the trash ------------------------------------------------------------------------------------------------------

TYPED_TEST(Trees, TheTrashIsEmptiedWhateverItsShape) {
  auto& disk = *this->disk_;
  ASSERT_TRUE(disk.make_dir(this->root_, "big", 0755));
  disk::DirPtr at = this->dir(this->root_, "big");
  for (int depth = 0; depth < 40; ++depth) {
    for (int i = 0; i < 10; ++i) this->put(at, ("f" + std::to_string(i)).c_str(), "x");
    ASSERT_TRUE(disk.make_symlink("/etc", at, "link"));
    ASSERT_TRUE(disk.make_dir(at, "d", 0755));
    at = this->dir(at, "d");
  }
  this->put(this->root_, "stays", "y");
  ASSERT_TRUE(this->trash_->take(this->root_, "big"));
  EXPECT_TRUE(this->trash_->take(this->root_, "nothing of that name"));
  EXPECT_FALSE(this->exists(this->root_, "big"));
  unsigned calls = 0;
  while (this->trash_->remove_some(50)) ASSERT_LT(++calls, 1000U);
  EXPECT_GT(calls, 5U) << "it does not stop where it should";
  EXPECT_EQ(this->in_trash(), 0U);
  EXPECT_EQ(this->trash_->stuck(), "");
  EXPECT_TRUE(this->exists(this->root_, "stays"));
}

class Displacing : public SimTrees {
 protected:
  using Give = decltype(Naming::give);
  Give rename_new() {
    return [this](const disk::DirPtr& in, std::string_view name) { return disk_->rename(root_, "new", in, name); };
  }
  Result<> displace(const Give& give) {
    return trash_->displace(root_, "big",
                            {.give = give, .take_back = [this](const disk::DirPtr& in, std::string_view name) {
                               EXPECT_TRUE(disk_->rename(in, name, root_, "new"));
                             }});
  }
  Result<> displace() { return displace(rename_new()); }
  void SetUp() override {
    SimTrees::SetUp();
    place_.fs().put_file("target/big/g", bytes_of("old"));
    place_.fs().put_file("target/new", bytes_of("new"));
  }
  void expect_displaced() {
    EXPECT_EQ(content("big"), "new");
    EXPECT_FALSE(exists(root_, "new"));
    EXPECT_EQ(in_trash(), 1U);
  }
};

TEST_F(Displacing, TheNameIsNeverNobodys) {
  bool looks = false;
  place_.fs().fault = [&](const sim::FaultPoint& point) {
    if (std::exchange(looks, true)) return 0;  // our own look
    EXPECT_TRUE(exists(root_, "big")) << point.operation;
    looks = false;
    return 0;
  };
  const auto done = displace();
  ASSERT_TRUE(done) << done.error().text;
  place_.fs().fault = nullptr;
  expect_displaced();
}

TEST_F(Displacing, WhereNothingCanBeExchangedItTakesTwoSteps) {
  place_.fs().fault = [](const sim::FaultPoint& point) { return point.operation == "exchange" ? EINVAL : 0; };
  const auto done = displace();
  ASSERT_TRUE(done) << done.error().text;
  expect_displaced();
}

TEST_F(Displacing, WhatTheTrashCannotHaveTakesTwoSteps) {
  const auto done = displace([this](const disk::DirPtr& in, std::string_view name) -> Result<> {
    if (in != root_) return fail(Code::unsupported, "another mount", EXDEV);
    return disk_->rename(root_, "new", in, name);
  });
  ASSERT_TRUE(done) << done.error().text;
  expect_displaced();
}

TEST_F(Displacing, WhatCannotBeNamedLeavesTheDirectoryWhereItIs) {
  for (const int refusal : {0, EINVAL}) {  // also where no rename refuses to replace
    place_.fs().fault = [refusal](const sim::FaultPoint& point) {
      return point.operation == "rename_to_new" ? refusal : 0;
    };
    for (const int error : {EXDEV, EIO}) {
      const auto done =
          displace([&](const disk::DirPtr&, std::string_view) { return fail(Code::io, "no name", error); });
      ASSERT_FALSE(done);
      EXPECT_EQ(done.error().text, "no name");
      EXPECT_EQ(content("big/g"), "old");
      EXPECT_EQ(in_trash(), 0U);
    }
  }
}

// Of two steps; then it stays in the trash.
TEST_F(Displacing, WhatHasComeToBeThereIsNotReplacedByTheDirectory) {
  for (const int refusal : {0, EINVAL}) {
    place_.fs().fault = [refusal](const sim::FaultPoint& point) {
      return point.operation == "rename_to_new" ? refusal : 0;
    };
    const auto done = displace([&](const disk::DirPtr& in, std::string_view) -> Result<> {
      if (in == root_) place_.fs().put_file("target/big", bytes_of("another's"));
      return fail(Code::io, "no name", EXDEV);
    });
    ASSERT_FALSE(done);
    EXPECT_NE(done.error().text.find("what was there cannot be put back"), std::string::npos) << done.error().text;
    EXPECT_EQ(content("big"), "another's");
    EXPECT_EQ(in_trash(), 1U);
    while (trash_->remove_some(10)) continue;
    ASSERT_TRUE(disk_->unlink(root_, "big"));
    place_.fs().put_file("target/big/g", bytes_of("old"));
  }
}

TEST_F(Displacing, WhatCannotBeTakenAwayStays) {
  place_.fs().fault = [](const sim::FaultPoint& point) { return point.operation == "exchange" ? EBUSY : 0; };
  const auto done = displace();
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().text.find("what is there cannot be taken away"), std::string::npos) << done.error().text;
  EXPECT_EQ(content("big/g"), "old");
  EXPECT_EQ(content("new"), "new") << "nor is what was to displace it lost";
  EXPECT_EQ(in_trash(), 0U);
}

TEST_F(SimTrees, WhatCannotBeRemovedIsSaidAndNotTriedForEver) {
  place_.fs().put_file("target/big/sub/f", bytes_of("x"));
  place_.fs().put_file("target/big/g", bytes_of("x"));
  ASSERT_TRUE(trash_->take(root_, "big"));
  place_.fs().fault = [](const sim::FaultPoint& point) {
    return point.operation == "unlink" && point.path == "g" ? EBUSY : 0;
  };
  for (unsigned calls = 0; trash_->remove_some(10); ++calls) ASSERT_LT(calls, 100U);
  EXPECT_NE(trash_->stuck(), "");
  EXPECT_EQ(in_trash(), 1U);
  place_.fs().fault = nullptr;
  Trash next(*disk_, zone_->directory(), "next");
  while (next.remove_some(10)) continue;
  EXPECT_EQ(in_trash(), 0U);
}

}  // namespace
}  // namespace longhaul::journal
