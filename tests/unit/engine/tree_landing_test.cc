// The desk with --publish tree: what lands where, what is taken over from the tree that is replaced, what appears.
#include "engine/tree_landing.h"

#include <cerrno>
#include <set>

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
  void reopen() {
    if (desk_) desk_->abandon();
    desk_.reset();
    files_ = std::make_unique<IncomingFiles>(1, 262144);
    desk_ = std::make_unique<Desk>(Desk::Setup{*place_.disk, place_.random, place_.zone.get(), *sink_, *files_,
                                               counters_, protocol::node_bytes, false, "scratch.test", false,
                                               LeaveAlone{}, nullptr, "target", &trash_});
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
