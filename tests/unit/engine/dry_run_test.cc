#include "engine/dry_run.h"

#include "longhaul/sink.h"
#include "place.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

using protocol::Verdict;

Entry entry_of(EntryType type, std::string path, std::int64_t mtime_ns = 1'000'000'007) {
  Entry entry;
  entry.type = type;
  entry.path = std::move(path);
  entry.mtime_ns = mtime_ns;
  return entry;
}
Entry file(std::string path, std::uint64_t size) {
  Entry entry = entry_of(EntryType::file, std::move(path));
  entry.size = size;
  return entry;
}

class DryRunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    place_.clock.advance(123'456'789);  // times of change have digits
    place_.fs.put_file("target/same", bytes_of("hello"), 0644, 1'000'000'007);
    place_.fs.put_file("target/other mode", bytes_of("hello"), 0600, 1'000'000'007);
    place_.fs.put_file("target/older", bytes_of("hello"), 0644, 1);
    place_.fs.put_symlink("target/link", "there");
    place_.fs.put_dir("target/d");
    reopen();
  }
  void reopen(LeaveAlone leave_alone = {}, bool there = true) {
    run_ = std::make_unique<DryRun>(DryRun::Setup{
        *place_.disk, there ? place_.root : nullptr, *sink_, counters_, leave_alone, nullptr,
        [this](Would would, const std::string& path) { told_.push_back(std::string(name_of(would)) + ' ' + path); }});
  }
  /// The word for an entry; "refused" when it is.
  std::string would(Entry entry) {
    const auto verdict = run_->decide(std::move(entry)).verdict;
    if (verdict.action() == Verdict::REFUSE) return "refused";
    EXPECT_EQ(verdict.action(), Verdict::SKIP);
    return std::string(name_of(would_of(verdict)));
  }

  Place place_;
  std::unique_ptr<Sink> sink_ = directory_sink("target");
  ReceiveCounters counters_;
  std::vector<std::string> told_;
  std::unique_ptr<DryRun> run_;
};

TEST_F(DryRunTest, SaysWhatWouldBecomeOfEachEntryAndChangesNothing) {
  const auto before = place_.fs.tree("target");
  EXPECT_EQ(would(file("same", 5)), "same");
  EXPECT_EQ(would(file("other mode", 5)), "properties");
  EXPECT_EQ(would(file("older", 5)), "changed");
  EXPECT_EQ(would(file("same", 6)), "changed");
  EXPECT_EQ(would(file("new", 7)), "new");
  EXPECT_EQ(would(file("link", 1)), "changed");
  EXPECT_EQ(would(entry_of(EntryType::directory, "not made")), "new");
  EXPECT_EQ(would(file("not made/beneath", 5)), "new");
  EXPECT_EQ(would(file("d", 5)), "refused") << "a directory is in the way";
  EXPECT_EQ(would(file("same/beneath", 5)), "refused");
  EXPECT_EQ(would(file("../out", 5)), "refused");
  EXPECT_EQ(would(entry_of(EntryType::directory, "same")), "refused");
  EXPECT_EQ(would(entry_of(EntryType::special, "pipe")), "refused");
  Entry link = entry_of(EntryType::symlink, "link");
  link.link_target = "there";
  EXPECT_EQ(would(link), "properties") << "its time";
  link.mtime_ns = place_.disk->stat(place_.root, "link")->mtime_ns;
  EXPECT_EQ(would(link), "same");
  link.link_target = "elsewhere";
  EXPECT_EQ(would(link), "changed");
  EXPECT_EQ(run_->decide(entry_of(EntryType::mention, "left out")).verdict.action(), Verdict::DONE);
  EXPECT_EQ(place_.fs.tree("target"), before);
  EXPECT_EQ(counters_.would_send_files, 5U);
  EXPECT_EQ(counters_.would_send_bytes, 5U + 6 + 7 + 1 + 5);
  EXPECT_EQ(counters_.would_change, 2U);
  EXPECT_EQ(counters_.skipped_files, 2U);
  EXPECT_EQ(counters_.directories, 1U);
  EXPECT_EQ(told_.front(), "same same");
  EXPECT_EQ(told_[6], "new not made/");
}

TEST_F(DryRunTest, LeavesAloneWhatTheDeskWould) {
  reopen({.missing = true});
  EXPECT_EQ(would(file("new", 5)), "left-alone");
  EXPECT_EQ(would(file("not made/beneath", 5)), "left-alone");
  EXPECT_EQ(would(file("older", 5)), "changed");
  reopen({.existing = true});
  EXPECT_EQ(would(file("older", 5)), "left-alone");
  EXPECT_EQ(would(file("d", 5)), "left-alone");
  EXPECT_EQ(would(file("same/beneath", 5)), "left-alone");
  EXPECT_EQ(counters_.left_alone, 5U);
}

TEST_F(DryRunTest, WithoutATargetAllIsNew) {
  reopen({}, false);
  EXPECT_EQ(would(entry_of(EntryType::directory, "")), "new");
  EXPECT_EQ(would(file("same", 5)), "new");
  EXPECT_EQ(would(file("a/b/c", 5)), "new");
  reopen({.missing = true}, false);
  EXPECT_EQ(would(file("same", 5)), "left-alone");
}

}  // namespace
}  // namespace longhaul::engine
