// The desk with --publish tree: what lands where, what is taken over from the tree that is replaced, what appears.
#include "engine/tree_landing.h"

#include <cerrno>
#include <set>

#include "chunk/digest_tree.h"
#include "engine/desk.h"
#include "engine/landing_ops.h"
#include "longhaul/sink.h"
#include "place.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

using protocol::Verdict;

constexpr std::int64_t then_ns = 1'000'000'007;

class TreeDesk : public ::testing::Test {
 protected:
  void SetUp() override { reopen(); }
  void reopen(bool delta = false, bool checksum = false) {
    if (desk_) desk_->abandon();
    desk_.reset();
    files_ = std::make_unique<IncomingFiles>(1, 262144);
    desk_ = std::make_unique<Desk>(Desk::Setup{*place_.disk, place_.random, place_.zone.get(), *sink_, *files_,
                                               counters_, protocol::node_bytes, false, "scratch.test", false,
                                               LeaveAlone{}, nullptr, "target", &trash_, delta, checksum});
    const auto opened = desk_->open();
    ASSERT_TRUE(opened) << opened.error().text;
  }
  static Entry file(std::string path, std::uint64_t size, std::int64_t mtime_ns = then_ns, std::uint32_t mode = 0644) {
    Entry entry;
    entry.path = std::move(path);
    entry.size = size;
    entry.mode = mode;
    entry.mtime_ns = mtime_ns;
    entry.identity = {1, 2, 3};
    return entry;
  }
  static Entry directory(std::string path) {
    Entry entry;
    entry.type = EntryType::directory;
    entry.path = std::move(path);
    entry.mode = 0755;
    entry.mtime_ns = 5;
    return entry;
  }
  Decision decide(Entry entry) { return desk_->decide(next_id_++, std::move(entry)); }
  /// As commit does with a copy.
  void settle(Decision& decision) {
    ASSERT_TRUE(decision.kept);
    EXPECT_EQ(decision.kept->log != nullptr, decision.kept->noted);
    if (const auto copy = std::move(decision.kept->copy)) {
      ASSERT_TRUE(place_.zone->publish(copy->landing_file, copy->parent, copy->name));
    }
  }
  /// What comparing finds: the file is as it is in `tree` of the target's.
  [[nodiscard]] ComparedContent found(const std::string& path, const std::string& tree = "", bool equal = true) const {
    const auto content = place_.content(tree + path);
    return {equal, *place_.disk->stat(place_.root, tree + path), chunk::file_digest(content)};
  }
  void expect_compare(Entry entry, bool of_old) {
    const Decision decision = decide(std::move(entry));
    ASSERT_EQ(decision.verdict.action(), Verdict::COMPARE);
    EXPECT_EQ(decision.compare_in == place_.zone->root(), of_old);
  }
  void make(Entry entry) {
    const std::string path = entry.path;
    EXPECT_EQ(decide(std::move(entry)).verdict.action(), Verdict::DONE) << path;
  }
  /// As a worker and commit do.
  void land(Entry entry) {
    const std::string path = entry.path;
    const Decision decision = decide(std::move(entry));
    ASSERT_EQ(decision.verdict.action(), Verdict::SEND) << path << " " << decision.verdict.text();
    InFile& file = *decision.file;
    EXPECT_TRUE(file.log) << path;
    auto landing = place_.zone->begin_small(*place_.disk, path, file.parent, file.zone);
    ASSERT_TRUE(landing) << landing.error().text;
    ASSERT_TRUE(disk::write_now(*place_.disk, *landing->data, 0, std::vector<std::byte>(file.entry.size)));
    ASSERT_TRUE(set_metadata(*place_.disk, *landing->data, file));
    ASSERT_TRUE(place_.zone->publish(*landing, file.parent, file.name));
    files_->remove(file.id);
  }
  LateFailures finish(bool whole = true) {
    if (whole) {
      EXPECT_TRUE(desk_->settle_trees());
    }
    auto late = desk_->finish();
    EXPECT_TRUE(late) << late.error().text;
    LateFailures failures = late ? *late : LateFailures{};
    desk_->publish_trees(whole, failures);
    return failures;
  }
  [[nodiscard]] std::uint64_t inode(const std::string& path) const {
    const auto stat = place_.disk->stat(place_.root, path);
    return stat ? stat->inode : 0;
  }
  void expect_fatal(Entry entry, const std::string& part) {
    const Decision decision = decide(std::move(entry));
    ASSERT_TRUE(decision.fatal);
    EXPECT_NE(decision.fatal->text.find(part), std::string::npos) << decision.fatal->text;
  }

  Place place_;
  journal::Trash trash_{*place_.disk, place_.zone->directory(), "test"};
  ReceiveCounters counters_;
  std::unique_ptr<Sink> sink_ = directory_sink("target");
  std::unique_ptr<IncomingFiles> files_;
  std::unique_ptr<Desk> desk_;
  std::uint64_t next_id_ = 0;
};

TEST_F(TreeDesk, NothingIsSeenBeforeTheEnd) {
  make(directory("t"));
  make(directory("t/d"));
  land(file("t/d/f", 7));
  Entry link = file("t/link", 0);
  link.type = EntryType::symlink;
  link.link_target = "d/f";
  make(link);
  Entry second = file("t/second name", 7);
  second.type = EntryType::hard_link;
  second.link_target = "t/d/f";
  make(second);
  EXPECT_FALSE(place_.exists("t"));
  EXPECT_EQ(finish().count, 0U);
  EXPECT_EQ(place_.content("t/d/f").size(), 7U);
  EXPECT_EQ(inode("t/second name"), inode("t/d/f"));
  EXPECT_EQ(place_.disk->stat(place_.root, "t/link")->type, disk::FileType::symlink);
  EXPECT_EQ(place_.disk->stat(place_.root, "t/d")->mtime_ns, 5);
  EXPECT_EQ(place_.disk->stat(place_.root, "t")->mtime_ns, 5);
  EXPECT_EQ(desk_->tree_logs().size(), 1U);
}

TEST_F(TreeDesk, WhatHasNoNameIsRefusedAsAWhole) {
  expect_fatal(directory(""), "--name");
}

TEST_F(TreeDesk, WhatCannotBePublishedIsRefusedBeforeAnythingMoves) {
  place_.put("target/t", "a file");
  expect_fatal(directory("t"), "move that away");
  place_.fs.put_dir("target/u/deep");
  place_.fs.mount("target/u/deep/mnt");
  expect_fatal(directory("u"), "mount points");
  expect_fatal(file("v/f", 1), "before the directory");
}

TEST_F(TreeDesk, ARerunFindsWhatHasLanded) {
  make(directory("t"));
  land(file("t/f", 7));
  reopen();
  make(directory("t"));
  EXPECT_EQ(decide(file("t/f", 7)).verdict.action(), Verdict::SKIP);
  EXPECT_EQ(decide(file("t/g", 8)).verdict.action(), Verdict::SEND);
  reopen();
  make(directory("t"));
  EXPECT_EQ(decide(file("t/f", 7, then_ns + 1)).verdict.action(), Verdict::SEND);
}

TEST_F(TreeDesk, WhatTheSourceHasNotAnyMoreIsNotPublished) {
  make(directory("t"));
  land(file("t/stays", 1));
  land(file("t/gone", 2));
  make(directory("t/gone too"));
  land(file("t/gone too/f", 3));
  make(directory("t/becomes a file"));
  land(file("t/becomes a file/f", 3));
  land(file("t/becomes a directory", 3));
  reopen();
  make(directory("t"));
  EXPECT_EQ(decide(file("t/stays", 1)).verdict.action(), Verdict::SKIP);
  land(file("t/becomes a file", 4));
  make(directory("t/becomes a directory"));
  land(file("t/new", 5));
  EXPECT_EQ(finish().count, 0U);
  std::set<std::string> names;
  for (const auto& [path, entry] : place_.fs.tree("target/t")) names.insert(path);
  EXPECT_EQ(names, (std::set<std::string>{"stays", "becomes a file", "becomes a directory", "new"}));
}

TEST_F(TreeDesk, WhatIsThereAlreadyIsNotSentAndTheOldTreeStaysAsItIs) {
  place_.fs.put_file("target/t/d/same", std::vector<std::byte>(7), 0644, then_ns);
  place_.fs.put_file("target/t/other mode", std::vector<std::byte>(7), 0600, then_ns);
  place_.fs.put_file("target/t/newer", std::vector<std::byte>(7), 0644, then_ns + 1);
  place_.fs.put_file("target/t/gone", std::vector<std::byte>(7), 0644, then_ns);
  const auto before = place_.fs.tree("target/t");
  const std::uint64_t same = inode("t/d/same");
  const std::uint64_t other = inode("t/other mode");
  make(directory("t"));
  make(directory("t/d"));
  EXPECT_EQ(decide(file("t/d/same", 7)).verdict.action(), Verdict::SKIP);
  land(file("t/other mode", 7));
  land(file("t/newer", 7));
  EXPECT_EQ(place_.fs.tree("target/t"), before);
  // And when the source changes before it is published, what has two names is not changed but replaced.
  reopen();
  make(directory("t"));
  make(directory("t/d"));
  EXPECT_EQ(decide(file("t/d/same", 7, then_ns, 0640)).verdict.action(), Verdict::SEND);
  EXPECT_EQ(decide(file("t/other mode", 7)).verdict.action(), Verdict::SKIP);
  EXPECT_EQ(decide(file("t/newer", 7)).verdict.action(), Verdict::SKIP);
  reopen();
  make(directory("t"));
  make(directory("t/d"));
  EXPECT_EQ(decide(file("t/d/same", 7)).verdict.action(), Verdict::SKIP);
  EXPECT_EQ(decide(file("t/other mode", 7)).verdict.action(), Verdict::SKIP);
  EXPECT_EQ(decide(file("t/newer", 7)).verdict.action(), Verdict::SKIP);
  EXPECT_EQ(place_.fs.tree("target/t"), before);
  EXPECT_EQ(finish().count, 0U);
  EXPECT_EQ(inode("t/d/same"), same);
  EXPECT_NE(inode("t/other mode"), other);
  EXPECT_EQ(place_.disk->stat(place_.root, "t/other mode")->mode, 0644U);
  EXPECT_FALSE(place_.exists("t/gone"));
}

TEST_F(TreeDesk, WhereLinksCannotBeMadeItIsSent) {
  place_.fs.put_file("target/t/same", std::vector<std::byte>(7), 0644, then_ns);
  place_.fs.fault = [](const sim::FaultPoint& point) { return point.operation == "link" ? EPERM : 0; };
  make(directory("t"));
  land(file("t/same", 7));
  EXPECT_EQ(finish().count, 0U);
}

TEST_F(TreeDesk, ALargeFileIsComparedWithWhatTheOldTreeHasOrAnEarlierRunHasLanded) {
  constexpr std::uint64_t large = 9'000'000;
  place_.fs.put_file("target/t/large", std::vector<std::byte>(large - 1), 0644, 1);
  place_.fs.put_dir("target/t/directory");
  const auto older_bytes = [&](const std::string& name, std::uint64_t size, bool delta = true) {
    reopen(delta);
    make(directory("t"));
    const Decision decision = decide(file("t/" + name, size));
    EXPECT_EQ(decision.verdict.action(), Verdict::SEND) << decision.verdict.text();
    EXPECT_EQ(decision.verdict.older(), decision.file->older != nullptr);
    return decision.file->older_bytes;
  };
  EXPECT_EQ(older_bytes("large", large), large - 1);
  EXPECT_EQ(older_bytes("large", 70), 0U) << "small ones are sent";
  EXPECT_EQ(older_bytes("new", large), 0U);
  EXPECT_EQ(older_bytes("directory", large), 0U);
  EXPECT_EQ(older_bytes("large", large, false), 0U) << "nobody asked";
  reopen(true);
  make(directory("t"));
  land(file("t/large", large, then_ns + 1));
  EXPECT_EQ(older_bytes("large", large + 5), large) << "what has landed is nearer";
  reopen(true);
  make(directory("another"));
  EXPECT_FALSE(decide(file("another/large", large)).verdict.older()) << "it replaces nothing";
}

TEST_F(TreeDesk, WithChecksumWhatIsTheSameIsTakenOverAndTheOldTreeStaysAsItIs) {
  for (const char* name : {"same", "other time", "other mode", "other content"})
    place_.fs.put_file(std::string("target/t/") + name, std::vector<std::byte>(5000, std::byte{7}), 0644, then_ns);
  const auto before = place_.fs.tree("target/t");
  const std::uint64_t same = inode("t/same");
  const Entry other_time = file("t/other time", 5000, then_ns + 1);
  const Entry other_mode = file("t/other mode", 5000, then_ns, 0600);
  reopen(false, true);
  make(directory("t"));
  for (const Entry& entry : {file("t/same", 5000), other_time, other_mode, file("t/other content", 5000)})
    expect_compare(entry, true);
  for (const Entry& entry : {file("t/same", 5000), other_time, other_mode}) {
    Decision decision = desk_->decide_compared(1, entry, found(entry.path));
    EXPECT_EQ(decision.verdict.action(), Verdict::SKIP) << entry.path;
    settle(decision);
  }
  EXPECT_EQ(
      desk_->decide_compared(1, file("t/other content", 5000), found("t/other content", "", false)).verdict.action(),
      Verdict::SEND);
  EXPECT_EQ(place_.fs.tree("target/t"), before);
  // Another run compares what has landed, and changes of it only what nobody else has.
  reopen(false, true);
  make(directory("t"));
  const std::string landing = ".longhaul/tree/";
  const Entry same_later = file("t/same", 5000, then_ns + 9);
  const Entry other_later = file("t/other time", 5000, then_ns + 9, 0640);
  for (const Entry& entry : {same_later, other_later, other_mode}) {
    expect_compare(entry, false);
    Decision decision = desk_->decide_compared(1, entry, found(entry.path, landing));
    EXPECT_EQ(decision.verdict.action(), Verdict::SKIP) << entry.path;
    EXPECT_EQ(decision.kept && decision.kept->copy, entry.path == "t/same") << entry.path;
    settle(decision);
  }
  land(file("t/other content", 5001));
  EXPECT_EQ(place_.fs.tree("target/t"), before);
  EXPECT_EQ(finish().count, 0U);
  EXPECT_NE(inode("t/same"), same);
  EXPECT_EQ(place_.disk->stat(place_.root, "t/same")->mtime_ns, then_ns + 9);
  EXPECT_EQ(place_.disk->stat(place_.root, "t/other time")->mtime_ns, then_ns + 9);
  EXPECT_EQ(place_.disk->stat(place_.root, "t/other time")->mode, 0640U);
  EXPECT_EQ(place_.disk->stat(place_.root, "t/other mode")->mode, 0600U);
  EXPECT_EQ(place_.content("t/other time"), std::vector<std::byte>(5000, std::byte{7}));
}

TEST_F(TreeDesk, ALargeFileOfTheSameContentAndAnotherTimeIsADelta) {
  constexpr std::uint64_t large = 9'000'000;
  place_.fs.put_file("target/t/large", std::vector<std::byte>(large), 0644, 1);
  reopen(true, true);
  make(directory("t"));
  expect_compare(file("t/large", large), true);
  const Decision decision = desk_->decide_compared(1, file("t/large", large), found("t/large"));
  EXPECT_EQ(decision.verdict.action(), Verdict::SEND);
  EXPECT_TRUE(decision.verdict.older());
}

TEST_F(TreeDesk, WhatHasBecomeAnotherSinceItWasComparedIsSent) {
  place_.put("target/t/changed", "hello");
  place_.put("target/t/silently", "hello");
  place_.put("target/t/unreadable", "hello");
  reopen(false, true);
  make(directory("t"));
  const auto decided = [&](const std::string& path, const ComparedContent& compared) {
    return desk_->decide_compared(1, file(path, 5), compared).verdict.action();
  };
  const ComparedContent changed = found("t/changed");
  place_.clock.advance(second);
  place_.fs.rewrite("target/t/changed", std::vector<std::byte>(5), 7);
  EXPECT_EQ(decided("t/changed", changed), Verdict::SEND);
  ComparedContent silently = found("t/silently");
  silently.root = chunk::file_digest(std::vector<std::byte>(5));
  EXPECT_EQ(decided("t/silently", silently), Verdict::SEND) << "a copy that is not what was compared";
  place_.fs.fault = [](const sim::FaultPoint& point) { return point.operation == "read" ? EIO : 0; };
  EXPECT_EQ(decided("t/unreadable", found("t/unreadable")), Verdict::SEND);
  std::size_t left = 0;
  place_.fs.for_each("target/.longhaul/landing", "", [&](const std::string&, const sim::Inode&) { ++left; });
  EXPECT_EQ(left, 0U) << "landing files";
}

TEST_F(TreeDesk, ACopyThatCannotBeWrittenIsTold) {
  place_.put("target/t/f", "hello");
  reopen(false, true);
  make(directory("t"));
  for (const int error : {EDQUOT, EIO}) {
    place_.fs.fault = [error](const sim::FaultPoint& point) { return point.operation == "write" ? error : 0; };
    const Decision decision = desk_->decide_compared(1, file("t/f", 5), found("t/f"));
    EXPECT_EQ(decision.verdict.action(), Verdict::REFUSE);
    EXPECT_NE(decision.verdict.text().find("cannot copy t/f"), std::string::npos) << decision.verdict.text();
    EXPECT_EQ(decision.fatal.has_value(), error == EDQUOT) << "nothing else would fit either";
  }
}

TEST_F(TreeDesk, HolesOfACopyStayHoles) {
  std::vector<std::byte> content(3'000'000);
  content[1'500'000] = content.back() = std::byte{1};
  place_.fs.put_file("target/t/f", content, 0644, 1);
  reopen(false, true);
  make(directory("t"));
  Entry entry = file("t/f", content.size());
  entry.sparse = true;
  std::uint64_t written = 0;
  place_.fs.fault = [&](const sim::FaultPoint& point) {
    if (point.operation == "write") written += point.bytes;
    return 0;
  };
  Decision decision = desk_->decide_compared(1, entry, found("t/f"));
  settle(decision);
  EXPECT_LT(written, 100'000U);
  EXPECT_EQ(place_.content(".longhaul/tree/t/f"), content);
}

TEST_F(TreeDesk, AFileThatIsASourceAppearsAfterTheDirectoriesBeforeIt) {
  place_.fs.put_file("target/LATEST", std::vector<std::byte>(3), 0644, then_ns);
  make(directory("t"));
  land(file("t/f", 7));
  land(file("LATEST", 4));
  EXPECT_EQ(place_.content("LATEST").size(), 3U);
  std::vector<std::string> order;
  place_.fs.fault = [&](const sim::FaultPoint& point) {
    if (point.operation == "rename_to" && point.path.find('.') == std::string::npos) order.emplace_back(point.path);
    return 0;
  };
  EXPECT_EQ(finish().count, 0U);
  EXPECT_EQ(order, (std::vector<std::string>{"t", "LATEST"}));
  EXPECT_EQ(place_.content("LATEST").size(), 4U);
}

TEST_F(TreeDesk, WhatIsNotWholeIsNotPublishedAndKept) {
  place_.put("target/t/old", "old");
  make(directory("t"));
  land(file("t/f", 7));
  const LateFailures late = finish(false);
  ASSERT_EQ(late.count, 1U);
  EXPECT_EQ(late.first.front().path, "t");
  EXPECT_NE(late.first.front().error.text.find("is not published"), std::string::npos);
  EXPECT_TRUE(place_.exists("t/old"));
  EXPECT_TRUE(desk_->tree_logs().empty());
  reopen();
  make(directory("t"));
  EXPECT_EQ(decide(file("t/f", 7)).verdict.action(), Verdict::SKIP);
}

TEST_F(TreeDesk, WhatFailsAfterTheRenameIsNotCalledUnpublished) {
  place_.put("target/t/f", "old");
  make(directory("t"));
  land(file("t/f", 7));
  place_.fs.fault = [](const sim::FaultPoint& point) {
    return point.operation == "rename_to" && point.path.starts_with("test.") ? ENOSPC : 0;
  };
  const LateFailures late = finish();
  ASSERT_EQ(late.count, 1U);
  EXPECT_EQ(late.first.front().error.text.find("is not published"), std::string::npos);
  EXPECT_NE(late.first.front().error.text.find("t is published, but"), std::string::npos);
  EXPECT_EQ(place_.content("t/f").size(), 7U);
}

TEST_F(TreeDesk, AHardLinkThatCannotBeMadeKeepsTheTreeBack) {
  make(directory("t"));
  Entry second = file("t/second name", 7);
  second.type = EntryType::hard_link;
  second.link_target = "t/never came";
  make(second);
  EXPECT_EQ(finish().count, 2U);
  EXPECT_FALSE(place_.exists("t"));
}

}  // namespace
}  // namespace longhaul::engine
