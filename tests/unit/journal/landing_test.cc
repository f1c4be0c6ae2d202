#include "journal/landing.h"

#include <algorithm>
#include <cerrno>

#include "chunk/digest_tree.h"
#include "journal/journal_file.h"
#include "journal/manifest.h"
#include "places.h"
#include "protocol/bounds.h"
#include "sim/sim_base.h"

namespace longhaul::journal {
namespace {

template <class Place>
class Landing : public JournalTest<Place> {
 protected:
  void SetUp() override {
    JournalTest<Place>::SetUp();
    zone_ = open_zone(*this->disk_);
    entry_.path = "dir/model.bin";
    entry_.size = 2 * protocol::node_bytes + 5;
    entry_.mtime_ns = 1234;
    entry_.identity = {7, 8, 9};
    ASSERT_TRUE(this->disk_->make_dir(this->root_, "dir", 0755));
    parent_ = *this->disk_->open_dir(this->root_, "dir");
  }
  std::unique_ptr<LandingZone> open_zone(disk::Disk& disk) {
    auto zone = LandingZone::open(disk, this->root_, "scratch.test.");
    EXPECT_TRUE(zone) << zone.error().text;
    return std::move(*zone);
  }
  Result<LandingFile> begin() { return zone_->begin_large(entry_, parent_, protocol::node_bytes, false, random_); }
  static Digest digest_for(std::uint64_t node) { return digest_of(bytes_of("node " + std::to_string(node))); }
  void record(const LandingFile& file, std::uint64_t node) {
    const auto bytes = encode_record(file, node, digest_for(node));
    ASSERT_TRUE(disk::write_now(*this->disk_, *file.journal, record_offset(file, node), bytes));
  }
  disk::DirPtr landing() { return *this->disk_->open_dir(this->root_, ".longhaul/landing"); }
  std::string name(const char* suffix) { return digest_of(bytes_of(entry_.path)).hex() + suffix; }

  sim::SimRandom random_{5};
  std::unique_ptr<LandingZone> zone_;
  Entry entry_;
  disk::DirPtr parent_;
};
using LandingPlaces = ::testing::Types<RealPlace, SimPlace, MemoryPlace, SimMemoryPlace>;
TYPED_TEST_SUITE(Landing, LandingPlaces);

TYPED_TEST(Landing, NewFileHasSpaceAndNoDurableNodes) {
  auto file = this->begin();
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_EQ(file->durable_nodes, std::vector<bool>(3, false));
  EXPECT_EQ(this->disk_->stat(*file->data)->size, this->entry_.size);
  EXPECT_EQ(this->disk_->stat(*file->data)->mode, 0600U);
  EXPECT_EQ(this->disk_->stat(this->root_, ".longhaul")->mode, 0700U);
  EXPECT_EQ(this->zone_->unfinished_files(), 1U);
}

TYPED_TEST(Landing, AFileWithHolesHasItsSizeAndNoSpace) {
  this->entry_.sparse = true;
  {
    auto file = this->begin();
    ASSERT_TRUE(file) << file.error().text;
    EXPECT_EQ(this->disk_->stat(*file->data)->size, this->entry_.size);
    EXPECT_EQ(this->disk_->stat(*file->data)->allocated_bytes, 0U);
    this->record(*file, 2);  // a hole at its end, which nobody has written
  }
  auto again = this->begin();
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(again->durable_nodes, (std::vector<bool>{false, false, true}));
}

TYPED_TEST(Landing, ContinuesWhatIsDurable) {
  {
    auto file = this->begin();
    ASSERT_TRUE(file);
    this->record(*file, 1);
    ASSERT_TRUE(disk::write_now(*this->disk_, *file->data, protocol::node_bytes, bytes_of("kept")));
  }
  auto again = this->begin();
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(again->durable_nodes, (std::vector<bool>{false, true, false}));
  std::array<std::byte, 4> kept;
  ASSERT_TRUE(disk::read_now(*this->disk_, *again->data, protocol::node_bytes, kept));
  EXPECT_EQ(text_of(kept), "kept");
}

TYPED_TEST(Landing, ContinuesAPartThatAlreadyHadItsReadOnlyMode) {
  {
    auto file = this->begin();
    ASSERT_TRUE(file);
    this->record(*file, 0);
    ASSERT_TRUE(this->disk_->set_mode(*file->data, 0444));
  }
  auto again = this->begin();
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_TRUE(again->durable_nodes[0]);
  EXPECT_TRUE(disk::write_now(*this->disk_, *again->data, 0, bytes_of("x")));
}

TYPED_TEST(Landing, AnyDifferenceOfTheSourceDropsWhatLanded) {
  const auto original = this->entry_;
  const std::vector<std::function<void(Entry&)>> changes = {
      [](Entry& e) { ++e.size; },
      [](Entry& e) { ++e.mtime_ns; },
      [](Entry& e) { ++e.identity.ctime_ns; },
      [](Entry& e) { ++e.identity.inode; },
      [](Entry& e) { ++e.identity.device; },
      [](Entry& e) { e.identity = {}; },
      [](Entry& e) { e.size_known = false; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    this->entry_ = original;
    std::uint64_t inode = 0;
    {
      auto file = this->begin();
      ASSERT_TRUE(file);
      this->record(*file, 0);
      inode = this->disk_->stat(*file->data)->inode;
    }
    ASSERT_TRUE(this->begin()->durable_nodes[0]) << "change " << i;
    // Keeps the old part open, so that its inode number cannot come back.
    auto old = this->disk_->open_file(this->landing(), this->name(".part"), disk::Open::read, false);
    changes[i](this->entry_);
    auto file = this->begin();
    ASSERT_TRUE(file) << file.error().text;
    EXPECT_EQ(std::ranges::count(file->durable_nodes, true), 0) << "change " << i;
    EXPECT_NE(this->disk_->stat(*file->data)->inode, inode) << "change " << i;
    ASSERT_TRUE(this->zone_->drop(*file));
  }
}

TYPED_TEST(Landing, ASourceWithoutIdentityIsNeverContinued) {
  this->entry_.identity = {};
  {
    auto file = this->begin();
    ASSERT_TRUE(file);
    this->record(*file, 0);
  }
  EXPECT_FALSE(this->begin()->durable_nodes[0]);
}

TYPED_TEST(Landing, SecondReceiverIsBusyUntilTheFirstLetsGo) {
  auto other_disk = this->place_.make_disk();
  auto other = this->open_zone(*other_disk);
  {
    auto file = this->begin();
    ASSERT_TRUE(file);
    auto refused = other->begin_large(this->entry_, this->parent_, protocol::node_bytes, false, this->random_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::busy);
    EXPECT_NE(refused.error().text.find("dir/model.bin"), std::string::npos);
    other->sweep();
    EXPECT_TRUE(this->exists(this->landing(), this->name(".part")));
  }
  EXPECT_TRUE(other->begin_large(this->entry_, this->parent_, protocol::node_bytes, false, this->random_));
}

TYPED_TEST(Landing, TornAndForeignRecordsDoNotCount) {
  {
    auto file = this->begin();
    ASSERT_TRUE(file);
    this->record(*file, 0);
    auto torn = encode_record(*file, 1, this->digest_for(1));
    torn[3] ^= std::byte{1};
    ASSERT_TRUE(disk::write_now(*this->disk_, *file->journal, record_offset(*file, 1), torn));
    LandingFile foreign = *file;
    ++foreign.nonce;  // of an earlier journal in the same blocks
    ASSERT_TRUE(disk::write_now(*this->disk_, *file->journal, record_offset(*file, 2),
                                encode_record(foreign, 2, this->digest_for(2))));
    auto root = this->zone_->root_digest(*file, this->entry_.size);
    ASSERT_FALSE(root);
    EXPECT_EQ(root.error().code, Code::corrupt);
  }
  EXPECT_EQ(this->begin()->durable_nodes, (std::vector<bool>{true, false, false}));
}

TYPED_TEST(Landing, ARecordForAnotherNodeDoesNotCount) {
  {
    auto file = this->begin();
    ASSERT_TRUE(file);
    this->record(*file, 0);
    const auto moved = encode_record(*file, 0, this->digest_for(0));
    ASSERT_TRUE(disk::write_now(*this->disk_, *file->journal, record_offset(*file, 2), moved));
  }
  EXPECT_EQ(this->begin()->durable_nodes, (std::vector<bool>{true, false, false}));
}

TYPED_TEST(Landing, DamagedHeaderOrShortPartStartsAnew) {
  {
    auto file = this->begin();
    ASSERT_TRUE(file);
    this->record(*file, 1);
    ASSERT_TRUE(this->disk_->set_size(*file->data, protocol::node_bytes));
  }
  EXPECT_FALSE(this->begin()->durable_nodes[1]);
  {
    auto file = this->begin();
    ASSERT_TRUE(file);
    this->record(*file, 1);
    ASSERT_TRUE(disk::write_now(*this->disk_, *file->journal, 40, bytes_of("damage")));
  }
  EXPECT_FALSE(this->begin()->durable_nodes[1]);
}

TYPED_TEST(Landing, EqualHashesOfTwoPathsAreRefusedInWords) {
  JournalHeader header;
  header.path = "another/file";
  this->write_all(this->landing(), this->name(".journal"), encode_journal_header(header));
  auto file = this->begin();
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Code::busy);
  EXPECT_NE(file.error().text.find("another/file"), std::string::npos);
  EXPECT_TRUE(this->exists(this->landing(), this->name(".journal")));
}

TYPED_TEST(Landing, APathLongerThanOnePageKeepsItsJournal) {
  this->entry_.path = "dir/" + std::string(200, 'a');
  for (int i = 0; i < 60; ++i) this->entry_.path += "/" + std::string(200, 'b');
  {
    auto file = this->begin();
    ASSERT_TRUE(file) << file.error().text;
    EXPECT_EQ(file->header_bytes, 4U * 4096U);
    this->record(*file, 2);
  }
  EXPECT_EQ(this->begin()->durable_nodes, (std::vector<bool>{false, false, true}));
}

TYPED_TEST(Landing, RootDigestComesFromTheRecordsAndPublishMovesTheFile) {
  auto file = this->begin();
  ASSERT_TRUE(file);
  chunk::RootDigest expected;
  for (std::uint64_t node = 0; node < 3; ++node) {
    this->record(*file, node);
    expected.add_node(this->digest_for(node));
  }
  auto root = this->zone_->root_digest(*file, this->entry_.size);
  ASSERT_TRUE(root) << root.error().text;
  EXPECT_EQ(*root, expected.finish(this->entry_.size));
  ASSERT_TRUE(this->zone_->publish(*file, this->parent_, "model.bin"));
  EXPECT_EQ(this->disk_->stat(this->parent_, "model.bin")->size, this->entry_.size);
  // A crash may still take the rename back: the journal stays until both directories have been synced.
  EXPECT_TRUE(this->exists(this->landing(), this->name(".journal")));
  this->zone_->forget_journal(*file);
  EXPECT_EQ(this->names_in(this->landing()).size(), 0U);
}

TYPED_TEST(Landing, ScratchFilesOfTheDeadAreSwept) {
  const auto zone = this->zone_->directory();
  const std::string dead = "scratch.0123";
  const std::string alive = "scratch.4567";
  const std::string own = "scratch.89ab";
  for (const auto& name : {dead, alive, own}) {
    this->write_all(zone, name, bytes_of("directories"));
    this->write_all(this->landing(), name + ".link", bytes_of("a symlink that was being made"));
  }
  auto log = this->disk_->open_file(zone, "manifest.4567.log", disk::Open::create, false);
  ASSERT_TRUE(*this->disk_->try_lock(**log));
  this->zone_->sweep(own);
  EXPECT_FALSE(this->exists(zone, dead));
  EXPECT_FALSE(this->exists(this->landing(), dead + ".link"));
  EXPECT_TRUE(this->exists(zone, alive));
  EXPECT_TRUE(this->exists(this->landing(), alive + ".link"));
  EXPECT_TRUE(this->exists(zone, own));  // in use
  EXPECT_FALSE(this->exists(this->landing(), own + ".link"));
}

TYPED_TEST(Landing, AJournalWithoutItsPartSaysNothing) {
  {
    auto file = this->begin();
    ASSERT_TRUE(file);
    this->record(*file, 0);
    ASSERT_TRUE(this->disk_->rename(this->landing(), this->name(".part"), this->parent_, "model.bin"));
  }
  EXPECT_FALSE(this->begin()->durable_nodes[0]);
  EXPECT_TRUE(this->exists(this->parent_, "model.bin"));
}

TYPED_TEST(Landing, SmallFileIsEmptyAndPublished) {
  const auto zone = this->zone_->zone_for(this->parent_, "dir");
  ASSERT_TRUE(zone) << zone.error().text;
  auto file = this->zone_->begin_small(*this->disk_, this->entry_.path, this->parent_, *zone);
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_EQ(file->name.starts_with("scratch.test."), !this->disk_->best_unnamed(*zone)) << file->name;
  EXPECT_EQ(this->disk_->stat(*file->data)->mode, 0600U);
  ASSERT_TRUE(disk::write_now(*this->disk_, *file->data, 0, bytes_of("small")));
  ASSERT_TRUE(this->zone_->publish(*file, this->parent_, "model.bin"));
  EXPECT_EQ(text_of(this->read_all(this->parent_, "model.bin")), "small");
}

/// Two receivers land the same small file: each has its own, and whoever publishes last is there, whole.
TYPED_TEST(Landing, SmallFilesOfTwoReceiversDoNotMeet) {
  auto other = *LandingZone::open(*this->disk_, this->root_, "scratch.other.");
  auto first = this->zone_->begin_small(*this->disk_, this->entry_.path, this->parent_, this->landing());
  auto second = other->begin_small(*this->disk_, this->entry_.path, this->parent_, this->landing());
  ASSERT_TRUE(first && second);
  ASSERT_TRUE(disk::write_now(*this->disk_, *first->data, 0, bytes_of("first")));
  ASSERT_TRUE(this->zone_->publish(*first, this->parent_, "model.bin"));
  EXPECT_EQ(text_of(this->read_all(this->parent_, "model.bin")), "first");
  ASSERT_TRUE(disk::write_now(*this->disk_, *second->data, 0, bytes_of("second")));
  EXPECT_EQ(text_of(this->read_all(this->parent_, "model.bin")), "first");
  ASSERT_TRUE(other->publish(*second, this->parent_, "model.bin"));
  EXPECT_EQ(text_of(this->read_all(this->parent_, "model.bin")), "second");
}

TYPED_TEST(Landing, SweepTakesOnlyWhatNobodyHolds) {
  auto unfinished = this->begin();
  ASSERT_TRUE(unfinished);
  unfinished = fail(Code::internal, "");
  auto log = ManifestLog::open(*this->disk_, this->zone_->directory(), "manifest.alive.log");
  ASSERT_TRUE(log) << log.error().text;
  auto living_zone = *LandingZone::open(*this->disk_, this->root_, "scratch.alive.");
  auto living = living_zone->begin_small(*this->disk_, "held", this->parent_, this->landing());
  ASSERT_TRUE(living);
  this->write_all(this->landing(), "scratch.killed.0123", bytes_of("left"));
  this->write_all(this->landing(), "0124.part", bytes_of("no journal"));
  this->write_all(this->landing(), "0125.journal", bytes_of("no part"));
  this->zone_->sweep();
  auto names = this->names_in(this->landing());
  std::ranges::sort(names);
  std::vector<std::string> expected = {this->name(".journal"), this->name(".part")};
  if (!living->name.empty()) expected.push_back(living->name);
  std::ranges::sort(expected);
  EXPECT_EQ(names, expected);
  EXPECT_EQ(this->zone_->unfinished_files(), 1U);
}

TYPED_TEST(Landing, DropLeavesNothing) {
  auto large = this->begin();
  auto small = this->zone_->begin_small(*this->disk_, "small", this->parent_, this->landing());
  ASSERT_TRUE(large && small);
  ASSERT_TRUE(this->zone_->drop(*large));
  ASSERT_TRUE(this->zone_->drop(*small));
  EXPECT_EQ(this->names_in(this->landing()).size(), 0U);
}

/// Without a name there is nothing to sweep, and what stands by its final name is replaced in one step all the same.
TYPED_TEST(Landing, SmallFilesReplaceWhatIsThereAndLeaveNothingBehind) {
  this->write_all(this->parent_, "model.bin", bytes_of("old"));
  auto file = this->zone_->begin_small(*this->disk_, this->entry_.path, this->parent_, this->landing());
  ASSERT_TRUE(file) << file.error().text;
  ASSERT_TRUE(disk::write_now(*this->disk_, *file->data, 0, bytes_of("new")));
  EXPECT_EQ(text_of(this->read_all(this->parent_, "model.bin")), "old");
  const auto old = this->disk_->open_file(this->parent_, "model.bin", disk::Open::read, false);
  ASSERT_TRUE(old);
  ASSERT_TRUE(this->zone_->publish(*file, this->parent_, "model.bin"));
  EXPECT_EQ(text_of(this->read_all(this->parent_, "model.bin")), "new");
  std::vector<std::byte> seen(3);
  EXPECT_EQ(disk::read_now(*this->disk_, **old, 0, seen), seen.size());
  EXPECT_EQ(text_of(seen), "old");  // renamed over, not written into
  EXPECT_EQ(this->names_in(this->landing()).size(), 0U);
}

/// The directory of its name is removed, before it is begun or after.
TYPED_TEST(Landing, ASmallFileOfADirectoryThatIsGoneIsNowhere) {
  for (const bool before : {true, false}) {
    const auto goes = [this] { return bool{this->disk_->remove_dir(this->root_, "dir")}; };
    ASSERT_TRUE(!before || goes());
    auto file = this->zone_->begin_small(*this->disk_, this->entry_.path, this->parent_, this->landing());
    ASSERT_TRUE(file) << file.error().text;
    ASSERT_TRUE(before || goes());
    ASSERT_TRUE(this->disk_->make_dir(this->root_, "dir", 0755));  // another one of that name
    const auto refused = this->zone_->publish(*file, this->parent_, "model.bin");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::not_found);
    this->parent_ = *this->disk_->open_dir(this->root_, "dir");
    EXPECT_EQ(this->names_in(this->parent_).size(), 0U);
    EXPECT_TRUE(this->zone_->drop(*file));
    EXPECT_EQ(this->names_in(this->landing()).size(), 0U);
  }
}

TYPED_TEST(Landing, ASmallFileThatCannotBePublishedLeavesNothingBehind) {
  ASSERT_TRUE(this->disk_->make_dir(this->parent_, "model.bin", 0755));
  auto file = this->zone_->begin_small(*this->disk_, this->entry_.path, this->parent_, this->landing());
  ASSERT_TRUE(file) << file.error().text;
  const auto refused = this->zone_->publish(*file, this->parent_, "model.bin");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().system_errno, EISDIR);
  ASSERT_TRUE(this->zone_->drop(*file));
  EXPECT_EQ(this->names_in(this->landing()).size(), 0U);
}

// --- what only a simulated file system can show ------------------------------------------------------------------

class SimLanding : public Landing<SimPlace> {};

TEST_F(SimLanding, NoSpaceDropsWhatWasBegun) {
  place_.fs().capacity_bytes = 1024 * 1024;
  auto file = begin();
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Code::no_space);
  EXPECT_EQ(names_in(landing()).size(), 0U);
}

/// Kernels and file systems differ in what they say to O_TMPFILE.
TEST_F(SimLanding, WhereNoFileCanBeWithoutANameItHasOne) {
  place_.fs().best_unnamed = true;
  for (const int refusal : {EOPNOTSUPP, EISDIR}) {
    place_.fs().fault = [refusal](const sim::FaultPoint& point) {
      return point.operation == "open_unnamed" ? refusal : 0;
    };
    auto file = zone_->begin_small(*disk_, entry_.path, parent_, landing());
    ASSERT_TRUE(file) << file.error().text;
    EXPECT_TRUE(file->name.starts_with("scratch.test."));
    ASSERT_TRUE(zone_->publish(*file, parent_, "model.bin"));
  }
  place_.fs().fault = [](const sim::FaultPoint& point) { return point.operation == "open_unnamed" ? ENOSPC : 0; };
  EXPECT_EQ(zone_->begin_small(*disk_, entry_.path, parent_, landing()).error().code, Code::no_space);
}

/// Not in the landing directory, but where it will be: what it is linked to lies beside it, whatever is mounted there.
TEST_F(SimLanding, WithoutANameItIsBegunInTheDirectoryOfItsName) {
  place_.fs().best_unnamed = true;
  place_.fs().mount("target/mnt");
  auto parent = *disk_->open_dir(root_, "mnt");
  const auto elsewhere = landing();
  auto file = zone_->begin_small(*disk_, "mnt/file", parent, elsewhere);
  ASSERT_TRUE(file) << file.error().text;
  ASSERT_TRUE(zone_->publish(*file, parent, "file"));
  EXPECT_TRUE(exists(parent, "file"));
  EXPECT_EQ(names_in(elsewhere).size(), 0U);
}

/// It is published, or not, by whoever publishes; what is begun need not be sent again for that.
TEST_F(SimLanding, WhereItsDirectoryTakesNoFileItIsBegunInTheLandingDirectory) {
  place_.fs().best_unnamed = true;
  for (const int refusal : {EACCES, ENOENT, EPERM, EROFS}) {
    unsigned asked = 0;
    place_.fs().fault = [&asked, refusal](const sim::FaultPoint& point) {
      return point.operation == "open_unnamed" && asked++ == 0 ? refusal : 0;
    };
    auto file = zone_->begin_small(*disk_, entry_.path, parent_, landing());
    ASSERT_TRUE(file) << file.error().text;
    EXPECT_EQ(asked, 2U);
    EXPECT_TRUE(file->name.empty());
    ASSERT_TRUE(zone_->publish(*file, parent_, "model.bin"));
  }
}

TEST_F(SimLanding, ALargeFileThatIsTakenBackIsALandingFileAgain) {
  const auto large = begin();
  ASSERT_TRUE(large) << large.error().text;
  ASSERT_TRUE(zone_->publish(*large, parent_, "elsewhere"));
  EXPECT_FALSE(exists(landing(), large->name + ".part"));
  zone_->take_back(*large, parent_, "elsewhere");
  EXPECT_FALSE(exists(parent_, "elsewhere"));
  EXPECT_TRUE(exists(landing(), large->name + ".part"));
  const auto small = zone_->begin_small(*disk_, "small", parent_, landing());
  ASSERT_TRUE(small && zone_->publish(*small, parent_, "elsewhere"));
  zone_->take_back(*small, parent_, "elsewhere");
  EXPECT_FALSE(exists(parent_, "elsewhere"));
}

TEST_F(SimLanding, MountPointsHaveLandingZonesOfTheirOwn) {
  place_.fs().mount("target/mnt");
  place_.fs().put_dir("target/mnt/a/b");
  auto parent = *disk_->open_dir(root_, "mnt/a/b");
  entry_.path = "mnt/a/b/file";
  auto file = zone_->begin_large(entry_, parent, protocol::node_bytes, false, random_);
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_TRUE(exists(root_, "mnt/.longhaul/landing/" + file->name + ".part"));
  EXPECT_EQ(zone_->unfinished_files(), 1U);
  zone_->sweep();
  EXPECT_TRUE(exists(root_, "mnt/.longhaul/landing"));
  ASSERT_TRUE(zone_->publish(*file, parent, "file"));
  zone_->forget_journal(*file);
  zone_->sweep("scratch.test");
  EXPECT_FALSE(exists(root_, "mnt/.longhaul"));
  EXPECT_TRUE(exists(root_, ".longhaul/landing"));
}

/// As containers have them: one device, two mounts, and no rename from one to the other.
TEST_F(SimLanding, MountsOfOneFileSystemHaveLandingZonesOfTheirOwn) {
  place_.fs().bind("target/dir/bound");
  place_.fs().put_dir("target/dir/bound/a");
  auto parent = *disk_->open_dir(root_, "dir/bound/a");
  ASSERT_EQ(disk_->stat(parent, "")->device, disk_->stat(root_, "")->device);
  entry_.path = "dir/bound/a/file";
  const auto zone = zone_->zone_for(parent, "dir/bound/a");
  ASSERT_TRUE(zone) << zone.error().text;
  auto large = zone_->begin_large(entry_, parent, protocol::node_bytes, false, random_);
  auto small = zone_->begin_small(*disk_, "dir/bound/a/small", parent, *zone);
  ASSERT_TRUE(large && small);
  EXPECT_TRUE(exists(root_, "dir/bound/.longhaul/landing/" + large->name + ".part"));
  EXPECT_TRUE(zone_->publish(*large, parent, "file"));
  EXPECT_TRUE(zone_->publish(*small, parent, "small"));
  zone_->forget_journal(*large);
  zone_->sweep("scratch.test");
  EXPECT_FALSE(exists(root_, "dir/bound/.longhaul"));
}

TEST_F(SimLanding, WhereMountsAreNotToldOfItSaysWhatToDo) {
  place_.fs().tells_mounts = false;
  place_.fs().bind("target/bound");
  auto parent = *disk_->open_dir(root_, "bound");
  auto file = zone_->begin_small(*disk_, "bound/small", parent, *zone_->zone_for(parent, "bound"));
  ASSERT_TRUE(file) << file.error().text;
  const auto refused = zone_->publish(*file, parent, "small");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("bound/small"), std::string::npos) << refused.error().text;
  EXPECT_NE(refused.error().text.find("a target of its own"), std::string::npos) << refused.error().text;
}

TEST_F(SimLanding, ALandingZoneOnAnotherMountIsRefusedBeforeAnythingLands) {
  place_.fs().bind("target/.longhaul/landing");
  const auto refused = LandingZone::open(*disk_, root_, "scratch.other.");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("unmount"), std::string::npos) << refused.error().text;
}

/// What two receivers need of a mount point below the target: whoever ends first leaves it to the other.
TEST_F(SimLanding, ALandingDirectoryThatAnotherUsesIsNotSwept) {
  place_.fs().mount("target/mnt");
  const auto parent = *disk_->open_dir(root_, "mnt");
  const auto other_log = ManifestLog::open(*disk_, zone_->directory(), "manifest.other.log");
  const auto log = ManifestLog::open(*disk_, zone_->directory(), "manifest.test.log");
  ASSERT_TRUE(log && other_log);
  auto other = *LandingZone::open(*disk_, root_, "scratch.other.1.");
  const auto zone = other->zone_for(parent, "mnt");
  ASSERT_TRUE(zone && zone_->zone_for(parent, "mnt"));
  zone_->sweep("scratch.test");
  const auto small = other->begin_small(*disk_, "mnt/small", parent, *zone);
  ASSERT_TRUE(small) << small.error().text;
  EXPECT_TRUE(other->publish(*small, parent, "small"));
  EXPECT_TRUE(disk_->make_symlink("nowhere", *zone, "scratch.other.link"));
  EXPECT_TRUE(exists(parent, ".longhaul/landing"));
  other->sweep("scratch.other");
  EXPECT_FALSE(exists(parent, ".longhaul"));
}

/// A mount point below one receiver's target may be the target of another: neither sees the other's log where it looks.
TEST_F(SimLanding, ATargetWithinATargetIsSweptByNeither) {
  place_.fs().mount("target/mnt");
  const auto parent = *disk_->open_dir(root_, "mnt");
  auto inner = *LandingZone::open(*disk_, parent, "scratch.inner.1.");
  const auto log = ManifestLog::open(*disk_, zone_->directory(), "manifest.test.log");
  const auto inner_log = ManifestLog::open(*disk_, inner->directory(), "manifest.inner.log");
  ASSERT_TRUE(log && inner_log);
  const auto zone = zone_->zone_for(parent, "mnt");
  ASSERT_TRUE(zone) << zone.error().text;
  const auto put = [&](const char* name) { ASSERT_TRUE(disk_->make_symlink("nowhere", *zone, name)); };
  const auto is_there = [&](const char* name) { return disk_->stat(*zone, name).has_value(); };
  put("scratch.inner.link");
  put("scratch.inner.1.abc");
  put("scratch.test.abc");
  put("scratch.dead.abc");
  inner->sweep("scratch.nobody");
  EXPECT_TRUE(is_there("scratch.test.abc"));
  EXPECT_FALSE(is_there("scratch.dead.abc"));
  zone_->sweep("scratch.test");
  EXPECT_TRUE(is_there("scratch.inner.link"));
  EXPECT_TRUE(is_there("scratch.inner.1.abc"));
  inner->sweep("scratch.inner");
  EXPECT_FALSE(is_there("scratch.inner.link"));
  const auto again = *LandingZone::open(*disk_, root_, "scratch.test.2.");
  ASSERT_TRUE(again->zone_for(parent, "mnt"));
  again->sweep("scratch.test");
  EXPECT_TRUE(inner->begin_small(*disk_, "small", parent, *inner->zone_for(parent, "")))
      << "its landing directory stays, if it is empty or not";
}

/// ... also at the very moment at which the other comes.
TEST_F(SimLanding, ALandingDirectoryThatGoesAsItIsTakenIsMadeAgain) {
  place_.fs().mount("target/mnt");
  const auto parent = *disk_->open_dir(root_, "mnt");
  unsigned taken_away = 0;
  place_.fs().fault = [&](const sim::FaultPoint& at) {
    if (at.operation != "open" || !at.path.ends_with("held") || taken_away == 3) return 0;
    ++taken_away;
    EXPECT_TRUE(place_.fs().make_disk("other")->remove_dir(root_, "mnt/.longhaul/landing"));
    return 0;
  };
  const auto zone = zone_->zone_for(parent, "mnt");
  ASSERT_TRUE(zone) << zone.error().text;
  EXPECT_EQ(taken_away, 3U);
  EXPECT_TRUE(zone_->begin_small(*disk_, "mnt/small", parent, *zone));
}

TEST_F(SimLanding, ALandingDirectoryThatAnotherSweptIsMadeAgain) {
  place_.fs().mount("target/mnt");
  auto parent = *disk_->open_dir(root_, "mnt");
  ASSERT_TRUE(zone_->zone_for(parent, "mnt"));
  ASSERT_TRUE(disk_->unlink(root_, "mnt/.longhaul/landing/scratch.test.held"));
  ASSERT_TRUE(disk_->remove_dir(root_, "mnt/.longhaul/landing"));
  ASSERT_TRUE(disk_->remove_dir(root_, "mnt/.longhaul"));
  entry_.path = "mnt/file";
  auto file = zone_->begin_large(entry_, parent, protocol::node_bytes, false, random_);
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_TRUE(exists(root_, "mnt/.longhaul/landing/" + file->name + ".part"));
}

TEST_F(SimLanding, JournalPublishedBetweenOpenAndLockIsLookedUpAgain) {
  std::optional<LandingFile> first = *begin();
  place_.fs().fault = [&](const sim::FaultPoint& at) {
    if (at.operation == "try_lock" && at.process == "second") {
      place_.fs().fault = nullptr;
      EXPECT_TRUE(zone_->publish(*first, parent_, "model.bin"));
      first.reset();
    }
    return 0;
  };
  auto second_disk = place_.fs().make_disk("second");
  auto other = open_zone(*second_disk);
  auto second = other->begin_large(entry_, parent_, protocol::node_bytes, false, random_);
  ASSERT_TRUE(second) << second.error().text;
  EXPECT_TRUE(exists(landing(), name(".journal")));
  EXPECT_EQ(disk_->stat(parent_, "model.bin")->size, entry_.size);
  EXPECT_TRUE(*still_named(*disk_, *second->journal, landing(), name(".journal")));
}

/// Whatever a loss of power leaves, no journal may speak for a part that does not hold its nodes.
TEST_F(SimLanding, NoCrashMakesAJournalSpeakForAnotherPart) {
  const std::string old_content = "old version";
  for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
    sim::SimClock clock;
    sim::Trace trace(clock);
    sim::SimFileSystem fs(clock, trace, seed);
    fs.put_dir("target");
    auto disk = fs.make_disk("test");
    auto root = *disk->open_root("target");
    auto zone = *LandingZone::open(*disk, root);
    sim::SimRandom random(seed);
    Entry old = entry_;
    old.path = "model.bin";
    old.size = 50'000;
    {
      auto file = *zone->begin_large(old, root, protocol::node_bytes, false, random);
      ASSERT_TRUE(disk::write_now(*disk, *file.data, 0, bytes_of(old_content)));
      ASSERT_TRUE(disk::sync_now(*disk, *file.data, false));
      ASSERT_TRUE(disk::write_now(*disk, *file.journal, record_offset(file, 0), encode_record(file, 0, digest_for(0))));
      ASSERT_TRUE(disk::sync_now(*disk, *file.journal, false));
    }
    // A new version begins, and power goes at a random call of it.
    Entry changed = old;
    ++changed.mtime_ns;
    std::uint64_t left = random.below(20);
    fs.fault = [&](const sim::FaultPoint&) { return left == 0 ? EIO : (--left, 0); };
    (void)zone->begin_large(changed, root, protocol::node_bytes, false, random);
    fs.fault = nullptr;
    fs.crash();
    zone = *LandingZone::open(*disk, root);
    auto file = zone->begin_large(old, root, protocol::node_bytes, false, random);
    ASSERT_TRUE(file) << file.error().text << " seed " << seed;
    if (!file->durable_nodes[0]) continue;
    std::vector<std::byte> found(old_content.size());
    ASSERT_TRUE(disk::read_now(*disk, *file->data, 0, found));
    ASSERT_EQ(text_of(found), old_content) << "seed " << seed;
  }
}

}  // namespace
}  // namespace longhaul::journal
