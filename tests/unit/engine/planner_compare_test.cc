// The sender's half of --checksum.
#include <deque>
#include <utility>

#include "engine/planner.h"
#include "place.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

using protocol::Verdict;

class NamedFeed final : public Feed {
 public:
  Result<> begin(disk::Disk&) override { return {}; }
  Result<bool> next(disk::Disk&, std::vector<Entry>&, std::vector<FileError>&, std::size_t) override { return false; }
  Result<Content> open(disk::Disk&, const Entry&, bool) override {
    return fail(Code::internal, "nothing is read here");
  }
  [[nodiscard]] bool rereadable() const override { return true; }
  [[nodiscard]] std::string words(const Entry& entry) const override { return "source/" + entry.path; }
};

class PlannerCompares : public ::testing::Test, protected PlannerHost {
 protected:
  void SetUp() override { begin(false); }
  void begin(bool dry_run) {
    Planner::Setup setup;
    setup.transfer = 1;
    setup.feed = feed_;
    setup.feeder = &feeder_;
    setup.chunk_bytes = protocol::node_bytes;
    setup.checksum = Delta::xxh3;
    setup.dry_run = dry_run;
    setup.stall_after = 100 * second;
    planner_ = std::make_unique<Planner>(*place_.disk, static_cast<PlannerHost&>(*this), std::move(setup), 0);
    EXPECT_EQ(planner_->opening("id").open_transfer().checksum(), protocol::OpenTransfer::XXH3);
    protocol::AcceptTransfer accept;
    accept.set_transfer(1);
    accept.set_frame_bytes(protocol::frame_bytes_min);
    planner_->accepted(accept);
    planner_->step(1);
    planner_->stream_up(1, 1);
  }
  void announce(const std::vector<std::pair<std::string, std::uint64_t>>& files) {
    FeedBatch batch;
    for (const auto& [path, size] : files) {
      Entry entry;
      entry.path = path;
      entry.size = size;
      entry.mtime_ns = 7;
      batch.entries.push_back(std::move(entry));
    }
    batch.end = true;
    const auto count = batch.entries.size();
    planner_->fed(std::move(batch));
    planner_->step(now_);
    told_.clear();
    protocol::Verdicts verdicts;
    for (std::size_t i = 0; i < count; ++i) verdicts.add_verdicts()->set_action(Verdict::COMPARE);
    planner_->verdicts(verdicts);
    planner_->step(now_);
  }
  void decide(std::uint64_t file, const Verdict& verdict) {
    protocol::Compared decided;
    decided.add_file(file);
    *decided.add_verdicts() = verdict;
    planner_->compared(decided);
    planner_->step(now_);
  }
  static Verdict verdict(Verdict::Action action, Verdict::Would would = Verdict::NOTHING) {
    Verdict it;
    it.set_action(action);
    it.set_would(would);
    return it;
  }
  static Compared found(unsigned char key) {
    Compared it;
    it.digests.key.fill(std::byte{key});
    return it;
  }
  Report report() {
    Report report;
    planner_->fill(report);
    return report;
  }

  void tell(protocol::Message message) override { told_.push_back(std::move(message)); }
  void assign(std::uint32_t, ChunkTask task) override { assigned_.push_back(std::move(task)); }
  void cancel(std::uint32_t, std::uint32_t, const paths::Load&) override {}
  void call_back(std::uint32_t, std::uint32_t, const paths::Load&) override {}
  void give_up_stream(std::uint32_t) override {}
  void file_durable(std::uint32_t, const std::string&) override {}
  void file_error(std::uint32_t, FileError error) override { errors_.push_back(std::move(error)); }
  void compare(std::uint32_t transfer, std::uint64_t file, ContentJob job) override {
    EXPECT_EQ(transfer, 1U);
    EXPECT_EQ(file, jobs_.size());
    jobs_.push_back(std::move(job));
  }
  void would(std::uint32_t, Would would, const std::string& path) override {
    would_.push_back(std::string(name_of(would)) + ' ' + path);
  }

  Place place_;
  std::shared_ptr<Feed> feed_ = std::make_shared<NamedFeed>();
  Feeder feeder_{Kit{}, feed_, [](const FeedBatch&) {}, [] {}};
  Time now_ = second;
  std::unique_ptr<Planner> planner_;
  std::vector<ContentJob> jobs_;
  std::vector<protocol::Message> told_;
  std::vector<ChunkTask> assigned_;
  std::vector<FileError> errors_;
  std::vector<std::string> would_;
};

TEST_F(PlannerCompares, TellsKeysTogetherAndSendsWhatDiffers) {
  announce({{"same", 10}, {"other", 20}});
  ASSERT_EQ(jobs_.size(), 2U);
  EXPECT_EQ(jobs_[1].size, 20U);
  EXPECT_EQ(jobs_[1].by, Delta::xxh3);
  EXPECT_FALSE(jobs_[1].root_too);
  EXPECT_TRUE(planner_->has_unsent());
  planner_->compared_here(0, found(1));
  planner_->compared_here(1, found(2));
  planner_->step(now_);
  ASSERT_EQ(told_.size(), 1U) << "both at once";
  const auto& keys = told_[0].compared();
  ASSERT_EQ(keys.file_size(), 2);
  EXPECT_EQ(keys.transfer(), 1U);
  EXPECT_EQ(keys.file(1), 1U);
  EXPECT_EQ(keys.keys(), std::string(32, '\1') + std::string(32, '\2'));
  decide(0, verdict(Verdict::SKIP));
  decide(1, verdict(Verdict::SEND));
  ASSERT_EQ(assigned_.size(), 1U);
  EXPECT_EQ(assigned_[0].extent.bytes, 20U);
  EXPECT_EQ(report().compared_files, 2U);
  EXPECT_EQ(report().compared_bytes, 30U);
  EXPECT_EQ(report().same_files, 1U);
  EXPECT_EQ(report().skipped_files, 1U);
  EXPECT_FALSE(planner_->failure());
}

TEST_F(PlannerCompares, OnlyTheVersionThatWasAnnouncedIsRead) {
  announce({{"file", 10}});
  disk::Stat there{.type = disk::FileType::file, .size = 10, .mtime_ns = 7};
  EXPECT_TRUE(jobs_.at(0).check(there));
  there.mtime_ns = 8;
  ASSERT_FALSE(jobs_.at(0).check(there));
  EXPECT_EQ(jobs_.at(0).check(there).error().code, Code::source_changed);
}

TEST_F(PlannerCompares, ASourceThatCannotBeReadIsGivenUp) {
  announce({{"bad", 10}, {"changed", protocol::whole_bytes_max + 1}, {"good", 5}});
  planner_->compared_here(0, fail(Code::io, "cannot read: Input/output error"));
  planner_->compared_here(1, fail(Code::source_changed, "it changed while it was read"));
  planner_->step(now_);
  ASSERT_EQ(errors_.size(), 2U);
  EXPECT_EQ(errors_[0].path, "source/bad");
  EXPECT_EQ(errors_[0].error.text,
            "cannot compare source/bad with what is at the target: cannot read: Input/output error");
  EXPECT_EQ(errors_[1].error.code, Code::source_changed);
  EXPECT_NE(errors_[1].error.text.find("send it again when it is at rest"), std::string::npos);
  ASSERT_EQ(told_.size(), 2U);
  EXPECT_EQ(told_[1].file_end().file(), 1U);
  EXPECT_EQ(told_[1].file_end().state(), protocol::FileEnd::FAILED);
  EXPECT_EQ(planner_->bytes_left(), 5U);
  decide(0, verdict(Verdict::SEND));  // it crossed with the news
  EXPECT_TRUE(assigned_.empty());
  EXPECT_FALSE(planner_->failure());
}

TEST_F(PlannerCompares, TheReceiverMayDecideBeforeItsKey) {
  announce({{"file", 10}});
  decide(0, verdict(Verdict::SEND));
  EXPECT_EQ(assigned_.size(), 1U);
  planner_->compared_here(0, found(1));
  planner_->step(now_);
  EXPECT_TRUE(told_.empty()) << "nobody needs it any more";
}

TEST_F(PlannerCompares, ADryRunTellsOfWhatWouldBeSent) {
  begin(true);
  announce({{"same", 10}, {"properties", 10}, {"other", 20}});
  decide(0, verdict(Verdict::SKIP));
  decide(1, verdict(Verdict::SKIP, Verdict::SET_PROPERTIES));
  decide(2, verdict(Verdict::SKIP, Verdict::CHANGE));
  EXPECT_EQ(would_, (std::vector<std::string>{"same same", "properties properties", "changed other"}));
  EXPECT_EQ(report().would_send_files, 1U);
  EXPECT_EQ(report().same_files, 2U);
}

TEST_F(PlannerCompares, ReadingIsProgressAtEitherEnd) {
  announce({{"file", 10}});
  const auto sleep = [&] { planner_->step(now_ += 60 * second); };
  sleep();
  jobs_.at(0).tally->bytes += 1;
  sleep();
  sleep();
  EXPECT_FALSE(planner_->failure());
  planner_->compared({});  // the receiver reads
  sleep();
  EXPECT_FALSE(planner_->failure());
  sleep();
  ASSERT_TRUE(planner_->failure());
  EXPECT_EQ(planner_->failure()->code, Code::stalled);
  EXPECT_NE(planner_->failure()->text.find("to be compared"), std::string::npos) << planner_->failure()->text;
}

TEST_F(PlannerCompares, NobodyReadsForATransferThatHasEnded) {
  announce({{"file", 10}});
  EXPECT_FALSE(jobs_.at(0).tally->ended);
  planner_.reset();
  EXPECT_TRUE(jobs_.at(0).tally->ended);
}

TEST_F(PlannerCompares, NonsenseFailsTheTransfer) {
  announce({{"file", 10}});
  protocol::Compared odd;
  odd.add_file(0);
  planner_->compared(odd);
  ASSERT_TRUE(planner_->failure()) << "a file without its verdict";
  EXPECT_EQ(planner_->failure()->code, Code::protocol);
  jobs_.clear();
  begin(false);
  announce({{"file", 10}});
  decide(0, verdict(Verdict::COMPARE));
  ASSERT_TRUE(planner_->failure()) << "again";
  jobs_.clear();
  Planner::Setup plain;
  plain.transfer = 1;
  plain.feed = feed_;
  plain.feeder = &feeder_;
  plain.chunk_bytes = protocol::node_bytes;
  planner_ = std::make_unique<Planner>(*place_.disk, static_cast<PlannerHost&>(*this), std::move(plain), 0);
  protocol::AcceptTransfer accept;
  accept.set_frame_bytes(protocol::frame_bytes_min);
  planner_->accepted(accept);
  announce({{"file", 10}});
  ASSERT_TRUE(planner_->failure()) << "nobody asked for it";
  EXPECT_TRUE(jobs_.empty());
}

}  // namespace
}  // namespace longhaul::engine
