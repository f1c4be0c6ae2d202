#include "engine/desk.h"

#include <cerrno>

#include "longhaul/sink.h"
#include "place.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

using protocol::Verdict;

TEST(CheckTargetPath, TakesWhatStaysBelow) {
  for (const std::string path : {"", "a", "a/b", "...", ".a", "a/longhaul", "a b\n\xff", ".longhaul2"})
    EXPECT_TRUE(check_target_path(path)) << path;
  EXPECT_TRUE(check_target_path(std::string(255, 'x')));
}

TEST(CheckTargetPath, RefusesWhatLeadsOut) {
  for (const std::string path : {"/", "/etc/passwd", "..", "../a", "a/../b", "a/..", ".", "./a", "a/./b", "a//b", "a/",
                                 ".longhaul", ".longhaul/landing/x", "a/.longhaul", "a/b/.longhaul/tickets"}) {
    const auto checked = check_target_path(path);
    ASSERT_FALSE(checked) << path;
    EXPECT_EQ(checked.error().code, Code::refused);
  }
  EXPECT_FALSE(check_target_path(std::string("a\0b", 3)));
  EXPECT_FALSE(check_target_path("a/" + std::string(256, 'x')));
  std::string deep;
  while (deep.size() <= protocol::path_bytes_max) deep += "d/";
  EXPECT_FALSE(check_target_path(deep + "f"));
}

class DeskTest : public ::testing::Test {
 protected:
  void SetUp() override { reopen(); }
  void reopen(std::uint64_t chunk_bytes = protocol::node_bytes, LeaveAlone leave_alone = {}) {
    files_ = std::make_unique<IncomingFiles>(1, 262144);
    desk_ = std::make_unique<Desk>(Desk::Setup{*place_.disk, place_.random, place_.zone.get(), *sink_, *files_,
                                               counters_, chunk_bytes, false, "scratch.test", false, leave_alone});
    const auto opened = desk_->open();
    ASSERT_TRUE(opened) << opened.error().text;
  }
  static Entry file(std::string path, std::uint64_t size, std::int64_t mtime_ns = 1'000'000'007) {
    Entry entry;
    entry.path = std::move(path);
    entry.size = size;
    entry.mtime_ns = mtime_ns;
    entry.identity = {1, 2, 3};
    return entry;
  }
  static Entry directory(std::string path, std::uint32_t mode = 0755, std::int64_t mtime_ns = 5) {
    Entry entry;
    entry.type = EntryType::directory;
    entry.path = std::move(path);
    entry.mode = mode;
    entry.mtime_ns = mtime_ns;
    return entry;
  }
  static Entry symlink(std::string path, std::string to) {
    Entry entry;
    entry.type = EntryType::symlink;
    entry.path = std::move(path);
    entry.link_target = std::move(to);
    entry.mtime_ns = 77;
    return entry;
  }
  Decision decide(Entry entry) { return desk_->decide(next_id_++, std::move(entry)); }
  std::uint64_t late_failures() {
    const auto late = desk_->finish();
    EXPECT_TRUE(late) << late.error().text;
    return late ? late->count : 1;
  }
  void expect_refused(Entry entry, Code code) {
    const std::string path = entry.path;
    const Decision decision = decide(std::move(entry));
    EXPECT_EQ(decision.verdict.action(), Verdict::REFUSE) << path;
    EXPECT_EQ(static_cast<Code>(decision.verdict.code()), code) << decision.verdict.text();
    EXPECT_FALSE(decision.verdict.text().empty());
    EXPECT_FALSE(decision.file);
  }

  Place place_;
  std::unique_ptr<Sink> sink_ = directory_sink("target");
  std::unique_ptr<IncomingFiles> files_;
  ReceiveCounters counters_;
  std::unique_ptr<Desk> desk_;
  std::uint64_t next_id_ = 0;
};

TEST_F(DeskTest, ASmallFileIsWanted) {
  const Decision decision = decide(file("a", 5));
  EXPECT_EQ(decision.verdict.action(), Verdict::SEND);
  ASSERT_TRUE(decision.file);
  EXPECT_EQ(decision.file->landing, Landing::whole);
  EXPECT_EQ(files_->find(0), decision.file);
  EXPECT_FALSE(decision.file->landing_file.data);  // opened by the worker that needs it
  EXPECT_EQ(counters_.files_found, 1U);
  EXPECT_EQ(counters_.bytes_found, 5U);
}

TEST_F(DeskTest, ALargeFileGetsAJournal) {
  const Decision decision = decide(file("a", protocol::whole_bytes_max + 1));
  EXPECT_EQ(decision.verdict.action(), Verdict::SEND);
  ASSERT_TRUE(decision.file);
  EXPECT_EQ(decision.file->landing, Landing::journalled);
  EXPECT_EQ(decision.verdict.chunk_bytes(), protocol::node_bytes);
  EXPECT_EQ(decision.verdict.durable_size(), 0);
  EXPECT_TRUE(decision.file->landing_file.journal);
}

TEST_F(DeskTest, WhatIsDurableOfAnUnfinishedFileIsNotAskedFor) {
  const std::uint64_t size = 5 * protocol::node_bytes + 3;
  {
    const auto landing =
        place_.zone->begin_large(file("a", size), place_.root, protocol::node_bytes, false, place_.random);
    ASSERT_TRUE(landing);
    for (const std::uint64_t node : {0U, 1U, 3U, 5U}) {
      const auto record = journal::encode_record(*landing, node, digest_of(bytes_of("x")));
      ASSERT_TRUE(disk::write_now(*place_.disk, *landing->journal, journal::record_offset(*landing, node), record));
    }
  }
  const Decision decision = decide(file("a", size));
  EXPECT_EQ(std::vector<std::uint64_t>(decision.verdict.durable().begin(), decision.verdict.durable().end()),
            (std::vector<std::uint64_t>{0, 2, 3, 1, 5, 1}));
  EXPECT_TRUE(decision.file->durable.contains(3));
  EXPECT_FALSE(decision.file->durable.contains(2));
}

TEST_F(DeskTest, AChunkIsDurableOnceAllOfItsNodesAre) {
  const std::uint64_t chunk_bytes = 2 * protocol::node_bytes;
  const std::uint64_t size = 5 * protocol::node_bytes + 3;
  {
    const auto landing = place_.zone->begin_large(file("a", size), place_.root, chunk_bytes, false, place_.random);
    ASSERT_TRUE(landing);
    for (const std::uint64_t node : {0U, 1U, 3U, 4U}) {
      const auto record = journal::encode_record(*landing, node, digest_of(bytes_of("x")));
      ASSERT_TRUE(disk::write_now(*place_.disk, *landing->journal, journal::record_offset(*landing, node), record));
    }
  }
  reopen(chunk_bytes);
  const Decision decision = decide(file("a", size));
  EXPECT_EQ(decision.verdict.chunk_bytes(), chunk_bytes);
  EXPECT_EQ(std::vector<std::uint64_t>(decision.verdict.durable().begin(), decision.verdict.durable().end()),
            (std::vector<std::uint64_t>{0, 1}));
}

TEST_F(DeskTest, AFileThatIsThereIsSkipped) {
  place_.fs.put_file("target/a", bytes_of("hello"), 0644, 1'000'000'007);
  EXPECT_EQ(decide(file("a", 5)).verdict.action(), Verdict::SKIP);
  EXPECT_EQ(counters_.skipped_files, 1U);
  EXPECT_EQ(counters_.skipped_bytes, 5U);
  EXPECT_EQ(decide(file("a", 6)).verdict.action(), Verdict::SEND);
  EXPECT_EQ(decide(file("a", 5, 1'000'000'008)).verdict.action(), Verdict::SEND);
}

/// Nothing is looked for where nothing can be; where something may be, it is.
TEST_F(DeskTest, FilesAreNotLookedForInDirectoriesThatWereMade) {
  unsigned looks = 0;
  place_.fs.fault = [&looks](const sim::FaultPoint& point) {
    if (point.operation == "stat" && point.path == "a") ++looks;
    return 0;
  };
  place_.fs.put_dir("target/old");
  place_.fs.put_file("target/old/a", bytes_of("hello"), 0644, 1'000'000'007);
  EXPECT_EQ(decide(directory("old")).verdict.action(), Verdict::DONE);
  EXPECT_EQ(decide(directory("new")).verdict.action(), Verdict::DONE);
  EXPECT_EQ(decide(file("new/a", 5)).verdict.action(), Verdict::SEND);
  EXPECT_EQ(looks, 0U);
  EXPECT_EQ(decide(file("old/a", 5)).verdict.action(), Verdict::SKIP);
  EXPECT_EQ(looks, 1U);
  reopen();  // what another transfer has made may have been filled since
  place_.fs.put_file("target/new/a", bytes_of("hello"), 0644, 1'000'000'007);
  EXPECT_EQ(decide(directory("new")).verdict.action(), Verdict::DONE);
  EXPECT_EQ(decide(file("new/a", 5)).verdict.action(), Verdict::SKIP);
  place_.fs.fault = {};
}

/// Two sources may meet in a directory: what the first has put there counts when the second comes to it.
TEST_F(DeskTest, FilesAreLookedForInADirectoryThatIsAnnouncedAgain) {
  EXPECT_EQ(decide(directory("new")).verdict.action(), Verdict::DONE);
  EXPECT_EQ(decide(file("new/a", 5)).verdict.action(), Verdict::SEND);
  EXPECT_EQ(decide(directory("new/sub")).verdict.action(), Verdict::DONE);
  place_.fs.put_file("target/new/a", bytes_of("hello"), 0644, 1'000'000'007);  // published
  EXPECT_EQ(decide(directory("new")).verdict.action(), Verdict::DONE);
  EXPECT_EQ(decide(file("new/a", 5)).verdict.action(), Verdict::SKIP);
  expect_refused(file("new/sub", 5), Code::busy);
}

/// Where the case of letters counts for nothing, one that is there may be one that was made, by another name.
TEST_F(DeskTest, ADirectoryThatIsThereEndsTheTrustInAllThatWereMade) {
  place_.fs.put_dir("target/NEW");
  EXPECT_EQ(decide(directory("new")).verdict.action(), Verdict::DONE);
  EXPECT_EQ(decide(directory("NEW")).verdict.action(), Verdict::DONE);
  place_.fs.put_file("target/new/a", bytes_of("hello"), 0644, 1'000'000'007);
  EXPECT_EQ(decide(file("new/a", 5)).verdict.action(), Verdict::SKIP);
}

/// What somebody else has put into a directory of ours is left alone all the same, when that was asked for.
TEST_F(DeskTest, FilesAreLookedForWhereSomeAreLeftAlone) {
  reopen(protocol::node_bytes, {.existing = true});
  EXPECT_EQ(decide(directory("new")).verdict.action(), Verdict::DONE);
  place_.fs.put_file("target/new/a", bytes_of("theirs"));
  const Decision decision = decide(file("new/a", 5));
  EXPECT_EQ(decision.verdict.action(), Verdict::SKIP);
  EXPECT_TRUE(decision.verdict.left_alone());
}

TEST_F(DeskTest, ASkippedFileGetsItsMode) {
  place_.fs.put_file("target/a", bytes_of("hello"), 0600, 1'000'000'007);
  EXPECT_EQ(decide(file("a", 5)).verdict.action(), Verdict::SKIP);
  EXPECT_EQ(place_.disk->stat(place_.root, "a")->mode, 0644U);
}

TEST_F(DeskTest, AFileThatItsModeKeepsFromBeingReadGetsItsModeAllTheSame) {
  place_.fs.put_file("target/a", bytes_of("hello"), 0, 1'000'000'007);
  place_.fs.fault = [&](const sim::FaultPoint& point) {  // who is root could read it
    return point.operation == "open" && point.path == "a" && place_.fs.look("target/a")->cached.mode == 0 ? EACCES : 0;
  };
  const Decision decision = decide(file("a", 5));
  EXPECT_EQ(decision.verdict.action(), Verdict::SKIP);
  EXPECT_TRUE(decision.kept) << "it is to be synced";
  EXPECT_EQ(place_.disk->stat(place_.root, "a")->mode, 0644U);
  EXPECT_EQ(counters_.modes_not_kept, 0U);
}

TEST_F(DeskTest, AModeThatCannotBeSetIsSaid) {
  place_.fs.put_file("target/a", bytes_of("hello"), 0600, 1'000'000'007);
  for (const int error : {EPERM, EIO}) {
    place_.fs.fault = [&](const sim::FaultPoint& point) { return point.operation == "set_mode" ? error : 0; };
    EXPECT_EQ(decide(file("a", 5)).verdict.action(), error == EIO ? Verdict::REFUSE : Verdict::SKIP);
  }
  EXPECT_EQ(counters_.modes_not_kept, 1U);
}

void expect_left_alone(const Decision& decision) {
  EXPECT_EQ(decision.verdict.action(), Verdict::SKIP);
  EXPECT_TRUE(decision.verdict.left_alone());
  EXPECT_FALSE(decision.file);
  EXPECT_FALSE(decision.dirty);
}

TEST_F(DeskTest, UpdateLeavesAloneWhatIsNewer) {
  place_.fs.put_file("target/newer", bytes_of("hello"), 0600, 2'000'000'000);
  place_.fs.put_file("target/older", bytes_of("hello"), 0600, 1'000'000'000);
  place_.fs.put_file("target/same", bytes_of("hello"), 0600, 1'000'000'007);
  place_.fs.put_symlink("target/link", "anywhere");
  reopen(protocol::node_bytes, {.newer = true});
  expect_left_alone(decide(file("newer", 9)));
  expect_left_alone(decide(file("newer", 5)));
  EXPECT_EQ(place_.disk->stat(place_.root, "newer")->mode, 0600U) << "its attributes as well";
  EXPECT_EQ(counters_.left_alone, 2U);
  EXPECT_EQ(counters_.skipped_files, 2U);
  EXPECT_EQ(counters_.skipped_bytes, 14U);
  EXPECT_EQ(decide(file("older", 5)).verdict.action(), Verdict::SEND);
  EXPECT_EQ(decide(file("same", 6)).verdict.action(), Verdict::SEND);
  const Decision same = decide(file("same", 5));
  EXPECT_EQ(same.verdict.action(), Verdict::SKIP);
  EXPECT_FALSE(same.verdict.left_alone());
  EXPECT_EQ(decide(file("absent", 5)).verdict.action(), Verdict::SEND);
  EXPECT_EQ(decide(file("link", 5, 1)).verdict.action(), Verdict::SEND) << "of another type";
  EXPECT_EQ(decide(symlink("link", "elsewhere")).verdict.action(), Verdict::DONE) << "files only";
  EXPECT_EQ(*place_.disk->read_link(place_.root, "link"), "elsewhere");
}

TEST_F(DeskTest, ExistingMakesNothing) {
  place_.fs.put_dir("target/d");
  place_.fs.put_file("target/d/f", bytes_of("old"), 0600, 5);
  place_.fs.put_symlink("target/link", "anywhere");
  reopen(protocol::node_bytes, {.missing = true});
  EXPECT_EQ(decide(directory("")).verdict.action(), Verdict::DONE);
  EXPECT_EQ(decide(directory("d")).verdict.action(), Verdict::DONE);
  EXPECT_EQ(decide(file("d/f", 5)).verdict.action(), Verdict::SEND);
  EXPECT_EQ(decide(symlink("link", "elsewhere")).verdict.action(), Verdict::DONE);
  expect_left_alone(decide(file("d/g", 5)));
  expect_left_alone(decide(symlink("d/l", "x")));
  expect_left_alone(decide(directory("e")));
  expect_left_alone(decide(file("e/f", 7)));
  expect_left_alone(decide(directory("e/sub")));
  expect_left_alone(decide(symlink("e/sub/l", "x")));
  EXPECT_FALSE(place_.exists("e"));
  EXPECT_FALSE(place_.exists("d/l"));
  EXPECT_EQ(counters_.left_alone, 6U);
  EXPECT_EQ(counters_.skipped_files, 2U);
  EXPECT_EQ(counters_.directories, 2U);
}

TEST_F(DeskTest, IgnoreExistingMakesOnlyWhatIsMissing) {
  place_.fs.put_dir("target/d");
  place_.fs.put_file("target/d/f", bytes_of("old"), 0600, 5);
  place_.fs.put_file("target/file", bytes_of("old"), 0600, 5);
  place_.fs.put_symlink("target/link", "d");
  reopen(protocol::node_bytes, {.existing = true});
  EXPECT_EQ(decide(directory("d")).verdict.action(), Verdict::DONE);
  expect_left_alone(decide(file("d/f", 5)));
  expect_left_alone(decide(file("d/f", 3, 5)));
  EXPECT_EQ(place_.disk->stat(place_.root, "d/f")->mode, 0600U);
  expect_left_alone(decide(symlink("link", "elsewhere")));
  expect_left_alone(decide(file("d", 5)));
  expect_left_alone(decide(directory("file")));
  expect_left_alone(decide(file("file/below", 5)));
  expect_left_alone(decide(directory("link")));
  expect_left_alone(decide(file("link/below", 5)));
  EXPECT_EQ(*place_.disk->read_link(place_.root, "link"), "d");
  EXPECT_EQ(decide(file("d/g", 5)).verdict.action(), Verdict::SEND);
  EXPECT_EQ(decide(directory("e")).verdict.action(), Verdict::DONE);
  EXPECT_EQ(decide(symlink("e/l", "x")).verdict.action(), Verdict::DONE);
}

TEST_F(DeskTest, WithoutBeingAskedNothingIsLeftAlone) {
  expect_refused(file("nowhere/f", 5), Code::not_found);
  EXPECT_EQ(counters_.left_alone, 0U);
}

TEST_F(DeskTest, DirectoriesAreMadeAndFinishedLast) {
  EXPECT_EQ(decide(directory("d", 0500)).verdict.action(), Verdict::DONE);
  const Decision inner = decide(directory("d/e", 0755, 6));
  EXPECT_EQ(inner.verdict.action(), Verdict::DONE);
  EXPECT_TRUE(inner.dirty);
  EXPECT_EQ(place_.disk->stat(place_.root, "d")->mode & 0700, 0700U);
  EXPECT_EQ(decide(file("d/e/f", 3)).verdict.action(), Verdict::SEND);
  ASSERT_TRUE(place_.disk->sync_dir(place_.root));
  ASSERT_TRUE(place_.disk->sync_dir(*place_.disk->open_dir(place_.root, "d")));
  EXPECT_EQ(late_failures(), 0U);
  EXPECT_EQ(counters_.directories, 2U);
  // Durable, too.
  desk_.reset();
  place_.fs.crash();
  EXPECT_EQ(place_.disk->stat(place_.root, "d")->mode, 0500U);
  EXPECT_EQ(place_.disk->stat(place_.root, "d")->mtime_ns, 5);
  EXPECT_EQ(place_.disk->stat(place_.root, "d/e")->mtime_ns, 6);
}

TEST_F(DeskTest, AReadOnlyDirectoryOfAnEarlierRunIsOpened) {
  place_.fs.permissions = true;
  ASSERT_EQ(decide(directory("d", 0500)).verdict.action(), Verdict::DONE);
  ASSERT_EQ(late_failures(), 0U);
  reopen();
  ASSERT_EQ(decide(directory("d", 0500)).verdict.action(), Verdict::DONE);
  EXPECT_EQ(decide(directory("d/e")).verdict.action(), Verdict::DONE);
  ASSERT_EQ(late_failures(), 0U);
  EXPECT_EQ(place_.disk->stat(place_.root, "d")->mode, 0500U);
}

TEST_F(DeskTest, SymlinksAreMadeInOneStep) {
  EXPECT_EQ(decide(symlink("l", "to/there")).verdict.action(), Verdict::DONE);
  EXPECT_EQ(place_.disk->read_link(place_.root, "l"), "to/there");
  EXPECT_EQ(place_.disk->stat(place_.root, "l")->mtime_ns, 77);
  const Decision same = decide(symlink("l", "to/there"));
  EXPECT_EQ(same.verdict.action(), Verdict::DONE);
  EXPECT_FALSE(same.dirty);
  EXPECT_TRUE(decide(symlink("l", "elsewhere")).dirty);
  EXPECT_EQ(place_.disk->read_link(place_.root, "l"), "elsewhere");
  EXPECT_EQ(counters_.symlinks, 3U);
}

TEST_F(DeskTest, NothingOfAnotherKindIsReplaced) {
  place_.fs.put_dir("target/d");
  place_.fs.put_file("target/f", bytes_of("x"));
  expect_refused(file("d", 3), Code::busy);
  expect_refused(symlink("d", "x"), Code::busy);
  expect_refused(directory("f"), Code::busy);
}

TEST_F(DeskTest, ASymlinkIsNeverFollowed) {
  place_.fs.put_dir("elsewhere");
  place_.fs.put_symlink("target/l", "../elsewhere");
  EXPECT_EQ(decide(file("l/f", 3)).verdict.action(), Verdict::REFUSE);
  EXPECT_EQ(decide(directory("l/d")).verdict.action(), Verdict::REFUSE);
  EXPECT_TRUE(place_.fs.tree("elsewhere").empty());
}

TEST_F(DeskTest, NamesThatLeadOutAreRefused) {
  expect_refused(file("../f", 3), Code::refused);
  expect_refused(directory("a/../../d"), Code::refused);
  expect_refused(symlink(".longhaul", "x"), Code::refused);
  expect_refused(file("", 3), Code::refused);
}

TEST_F(DeskTest, AFullTargetIsFatal) {
  place_.fs.capacity_bytes = place_.fs.used_bytes() + 10'000;
  const Decision decision = decide(file("large", 3 * protocol::node_bytes));
  EXPECT_EQ(decision.verdict.action(), Verdict::REFUSE);
  ASSERT_TRUE(decision.fatal);
  EXPECT_EQ(decision.fatal->code, Code::no_space);
}

TEST_F(DeskTest, AFileThatAnotherReceiverLandsIsBusy) {
  const auto held = place_.zone->begin_large(file("a", 2 * protocol::node_bytes), place_.root, protocol::node_bytes,
                                             false, place_.random);
  ASSERT_TRUE(held);
  expect_refused(file("a", 2 * protocol::node_bytes), Code::busy);
}

Entry hard_link(std::string path, std::string to) {
  return {.type = EntryType::hard_link,
          .path = std::move(path),
          .link_target = std::move(to),
          .size = 7,
          .mtime_ns = 1};  // as Place::put() makes them, of "content"
}
Entry pipe(std::string path) {
  return {.type = EntryType::special, .path = std::move(path), .mode = 0640, .mtime_ns = 9, .special = Special{}};
}

TEST_F(DeskTest, FurtherNamesAreMadeWhenTheirFilesAreThere) {
  decide(directory("d"));
  place_.put("target/one", "content");
  place_.put("target/d/stale", "old");
  for (const char* name : {"two", "d/three", "d/stale"})
    EXPECT_EQ(decide(hard_link(name, "one")).verdict.action(), Verdict::DONE) << name;
  decide(hard_link("lost", "never came"));
  decide(hard_link("d/of a directory", "d"));
  const auto late = desk_->finish();
  ASSERT_TRUE(late) << late.error().text;
  const auto one = place_.fs.look("target/one");
  ASSERT_TRUE(one);
  for (const char* name : {"target/two", "target/d/three", "target/d/stale"})
    EXPECT_EQ(place_.fs.look(name), one) << name;
  EXPECT_EQ(one->links, 4U);
  EXPECT_EQ(counters_.hard_links, 3U);
  EXPECT_EQ(late->count, 2U);
  ASSERT_EQ(late->first.size(), 2U);
  for (const FileError& failed : late->first) {
    EXPECT_EQ(failed.error.code, Code::not_found);
    EXPECT_FALSE(place_.fs.look("target/" + failed.path)) << failed.path;
  }
  EXPECT_TRUE(place_.fs.name_survives("target/two"));
  EXPECT_TRUE(place_.fs.name_survives("target/d/three"));
}

TEST_F(DeskTest, FurtherNamesThatAreThereStay) {
  place_.put("target/one", "content");
  for (int run = 0; run < 2; ++run) {
    decide(hard_link("two", "one"));
    ASSERT_TRUE(desk_->finish());
    reopen();
  }
  EXPECT_EQ(place_.fs.look("target/one")->links, 2U);
}

TEST_F(DeskTest, FurtherNamesReplaceNothingThatIsNewer) {
  place_.put("target/one", "content");
  place_.fs.put_file("target/newer", bytes_of("mine"), 0644, 2);
  place_.fs.put_file("target/newer at last", bytes_of("mine"), 0644, 0);
  place_.fs.put_file("target/older", bytes_of("mine"), 0644, 0);
  reopen(protocol::node_bytes, {.newer = true});
  expect_left_alone(decide(hard_link("newer", "one")));
  for (const char* name : {"newer at last", "older", "absent"})
    EXPECT_EQ(decide(hard_link(name, "one")).verdict.action(), Verdict::DONE) << name;
  place_.fs.put_file("target/newer at last", bytes_of("mine"), 0644, 2);
  EXPECT_EQ(late_failures(), 0U);
  EXPECT_EQ(place_.content("newer").size(), 4U);
  EXPECT_EQ(place_.content("newer at last").size(), 4U);
  EXPECT_EQ(place_.fs.look("target/one")->links, 3U);
  EXPECT_EQ(counters_.hard_links, 2U);
  EXPECT_EQ(counters_.left_alone, 2U);
}

TEST_F(DeskTest, FurtherNamesReplaceNothingThatExistsIfThatIsToBeLeftAlone) {
  place_.put("target/one", "content");
  reopen(protocol::node_bytes, {.existing = true});
  for (const char* name : {"taken", "just taken", "absent"})
    EXPECT_EQ(decide(hard_link(name, "one")).verdict.action(), Verdict::DONE) << name;
  place_.put("target/taken", "mine");
  place_.fs.fault = [&](const sim::FaultPoint& point) {
    if (point.operation == "rename_to_new" && point.path == "just taken") place_.put("target/just taken", "mine");
    return 0;
  };
  EXPECT_EQ(late_failures(), 0U);
  place_.fs.fault = nullptr;
  EXPECT_EQ(place_.content("taken").size(), 4U);
  EXPECT_EQ(place_.content("just taken").size(), 4U);
  EXPECT_EQ(place_.fs.look("target/one")->links, 2U) << "of the scratch name, too, nothing may be left";
  EXPECT_EQ(counters_.left_alone, 2U);
  expect_left_alone(decide(symlink("taken", "elsewhere")));
}

TEST_F(DeskTest, NoNameIsGivenToAnotherVersion) {
  place_.put("target/longer", "not the content");
  place_.fs.put_file("target/later", bytes_of("content"), 0644, 2);
  decide(hard_link("a", "longer"));
  decide(hard_link("b", "later"));
  const auto late = desk_->finish();
  ASSERT_TRUE(late);
  EXPECT_EQ(late->count, 2U);
  for (const FileError& failed : late->first) EXPECT_EQ(failed.error.code, Code::source_changed);
  EXPECT_FALSE(place_.fs.look("target/a") || place_.fs.look("target/b"));
}

TEST_F(DeskTest, HardLinksLeadNowhereElse) {
  for (const char* target : {"../../etc/passwd", "/etc/passwd", ".longhaul/manifest"})
    expect_refused(hard_link("a", target), Code::refused);
  expect_refused(hard_link("../a", "b"), Code::refused);
}

TEST_F(DeskTest, WhatGivesPowersMustBeAllowed) {
  expect_refused(pipe("pipe"), Code::refused);
  Entry powerful = file("a", 5);
  powerful.mode = 06755;
  powerful.attributes = Attributes{.extended = true,
                                   .acls = true,
                                   .list = {{"security.capability", "all"}, {"system.other", "all"}, {"user.a", "x"}}};
  Decision decision = decide(powerful);
  ASSERT_TRUE(decision.file);
  EXPECT_EQ(decision.file->entry.mode, 0755U);
  ASSERT_EQ(decision.file->entry.attributes->list.size(), 1U);
  EXPECT_EQ(counters_.modes_not_kept, 1U);
  EXPECT_EQ(counters_.attributes_not_kept, 1U);
  sink_ = directory_sink("target", true);
  reopen();
  decision = decide(powerful);
  ASSERT_TRUE(decision.file);
  EXPECT_EQ(decision.file->entry.mode, 06755U);
  EXPECT_EQ(decision.file->entry.attributes->list.size(), 3U);
  EXPECT_EQ(decide(pipe("pipe")).verdict.action(), Verdict::DONE);
  const auto made = place_.fs.look("target/pipe");
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->special);
  EXPECT_EQ(made->cached.mode, 0640U);
  EXPECT_EQ(made->cached.mtime_ns, 9);
  EXPECT_FALSE(decide(pipe("pipe")).dirty) << "one that is there is made again";
}

TEST_F(DeskTest, PropertiesOfWhatIsThereAreBroughtUpToDate) {
  place_.put("target/a", "12345");
  const auto there = place_.fs.look("target/a");
  Entry entry = file("a", 5, there->cached.mtime_ns);
  entry.mode = 0600;
  entry.owner = Owner{.user = 7, .group = 8, .user_name = {}, .group_name = {}};
  entry.attributes = Attributes{.extended = true, .acls = false, .list = {{"user.new", "1"}}};
  const auto set = *place_.disk->open_file(place_.root, "a", disk::Open::read, false);
  ASSERT_TRUE(place_.disk->set_attribute(*set, {"user.stray", "2"}));
  ASSERT_TRUE(place_.disk->set_attribute(*set, {"system.posix_acl_access", "not asked about"}));
  ASSERT_TRUE(place_.disk->set_attribute(*set, {"security.capability", "of this machine"}));
  EXPECT_EQ(decide(entry).verdict.action(), Verdict::SKIP);
  EXPECT_EQ(there->cached.user, 7U);
  EXPECT_EQ(there->cached.group, 8U);
  EXPECT_EQ(there->cached.mode, 0600U);
  EXPECT_EQ(there->cached.attributes,
            (std::map<std::string, std::string>{{"user.new", "1"},
                                                {"system.posix_acl_access", "not asked about"},
                                                {"security.capability", "of this machine"}}));
}

}  // namespace
}  // namespace longhaul::engine
