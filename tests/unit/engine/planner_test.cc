#include "engine/planner.h"

#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "place.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

using protocol::bundle_file;
using protocol::node_bytes;
using protocol::Verdict;

/// A pipe that has given three chunks and ended.
class EndedPipe : public StreamReader {
 public:
  Result<std::size_t> read_at(std::uint64_t, Bytes) override { return std::size_t{0}; }
  Result<bool> fill() override { return false; }
  [[nodiscard]] std::uint64_t available() const override { return 3 * node_bytes; }
  [[nodiscard]] bool ended() const override { return true; }
  void release_before(std::uint64_t offset) override { released = offset; }
  [[nodiscard]] bool let_go(std::uint64_t offset) const override { return offset < released; }
  [[nodiscard]] bool full() const override { return false; }
  std::uint64_t released = 0;
};

/// Entries come by hand, and nothing is ever read; at most opened, in `from`.
class NoFeed final : public Feed {
 public:
  std::shared_ptr<StreamReader> pipe;
  disk::DirPtr from;
  Result<> begin(disk::Disk&) override { return {}; }
  Result<bool> next(disk::Disk&, std::vector<Entry>&, std::vector<FileError>&, std::size_t) override { return false; }
  Result<Content> open(disk::Disk& disk, const Entry& entry, bool) override {
    if (pipe) return Content{nullptr, pipe};
    if (from) {
      auto file = disk.open_file(from, entry.path, disk::Open::read, false);
      if (!file) return std::unexpected(file.error());
      return Content{*file, nullptr};
    }
    return fail(Code::internal, "nothing is read here");
  }
  [[nodiscard]] bool rereadable() const override { return true; }
};

class PlannerTest : public ::testing::Test, protected PlannerHost {
 protected:
  struct Assigned {
    std::uint32_t stream;
    ChunkTask task;
  };
  PlannerTest() {
    Planner::Setup setup = usual_setup();
    setup.stall_after = 100 * second;
    make_planner(std::move(setup));
    protocol::AcceptTransfer accept;
    accept.set_transfer(1);
    accept.set_frame_bytes(protocol::frame_bytes_min);
    planner_->accepted(accept);
    planner_->step(1);  // asks the feeder for batches
  }
  Planner::Setup usual_setup() {
    Planner::Setup setup;
    setup.transfer = 1;
    setup.feed = feed_;
    setup.feeder = &feeder_;
    setup.chunk_bytes = node_bytes;
    return setup;
  }
  /// In place of the one that there is.
  void make_planner(Planner::Setup setup) {
    planner_ = std::make_unique<Planner>(*place_.disk, static_cast<PlannerHost&>(*this), std::move(setup), 0);
  }
  /// Anew, with a receiver that takes holes.
  void begin_with_holes(bool wanted) {
    Planner::Setup setup = usual_setup();
    setup.sparse = wanted;
    make_planner(std::move(setup));
    protocol::AcceptTransfer accept;
    accept.set_frame_bytes(protocol::frame_bytes_min);
    accept.set_holes(true);
    planner_->accepted(accept);
    planner_->step(1);
    told_.clear();
    assigned_.clear();
    decided_ = 0;
  }
  static Entry file(const std::string& path, std::uint64_t size) {
    Entry entry;
    entry.path = path;
    entry.size = size;
    return entry;
  }
  void feed(std::vector<Entry> entries, bool end = true) {
    FeedBatch batch;
    batch.entries = std::move(entries);
    batch.end = end;
    planner_->fed(std::move(batch));
    planner_->step(now_);
  }
  std::vector<std::string> announced() {
    std::vector<std::string> paths;
    for (const auto& message : told_)
      for (const auto& entry : message.announce().entries()) paths.push_back(entry.path());
    return paths;
  }
  protocol::Verdicts all(Verdict::Action action, int count) {
    protocol::Verdicts verdicts;
    verdicts.set_first(decided_);
    for (int i = 0; i < count; ++i) verdicts.add_verdicts()->set_action(action);
    decided_ += static_cast<std::uint64_t>(count);
    return verdicts;
  }
  void decide(const protocol::Verdicts& verdicts) {
    planner_->verdicts(verdicts);
    planner_->step(now_);
  }
  static protocol::Chunks one(std::uint64_t file, std::uint64_t chunk) {
    protocol::Chunks list;
    list.add_file(file);
    list.add_chunk(chunk);
    return list;
  }
  void arrive(const Assigned& it) {
    auto list = one(it.task.file_id(), it.task.chunk);
    list.add_attempt(it.task.attempt);
    planner_->received(it.stream, list);
  }
  void fail_chunk(const Assigned& it) {
    protocol::ChunkFailed failed;
    failed.set_file(it.task.file_id());
    failed.set_chunk(it.task.chunk);
    failed.set_attempt(it.task.attempt);
    failed.set_code(static_cast<std::uint32_t>(Code::io));
    failed.set_text("the disk is bad");
    planner_->chunk_failed(failed);
    planner_->step(now_);
  }
  Assigned take() {
    if (assigned_.empty()) {
      ADD_FAILURE() << "nothing was assigned";
      return {};
    }
    Assigned first = assigned_.front();
    assigned_.pop_front();
    return first;
  }
  Report report() {
    Report report;
    planner_->fill(report);
    return report;
  }
  template <class Has>
  std::size_t told(Has has) {
    return static_cast<std::size_t>(std::count_if(told_.begin(), told_.end(), has));
  }

  void tell(protocol::Message message) override { told_.push_back(std::move(message)); }
  void assign(std::uint32_t stream, ChunkTask task) override { assigned_.push_back({stream, std::move(task)}); }
  void cancel(std::uint32_t stream, std::uint32_t, const paths::Load& copy) override {
    cancelled_.emplace_back(stream, copy);
  }
  void call_back(std::uint32_t stream, std::uint32_t, const paths::Load& copy) override {
    called_back_.emplace_back(stream, copy);
  }
  void give_up_stream(std::uint32_t stream) override { given_up_.push_back(stream); }
  void file_durable(std::uint32_t, const std::string& path) override { durable_files_.push_back(path); }
  void compare(std::uint32_t, std::uint64_t, ContentJob) override { ADD_FAILURE() << "nothing is compared here"; }
  void would(std::uint32_t, Would would, const std::string& path) override {
    would_.push_back(std::string(name_of(would)) + ' ' + path);
  }
  void file_error(std::uint32_t, FileError error) override { errors_.push_back(std::move(error)); }

  Place place_;
  std::shared_ptr<NoFeed> feed_ = std::make_shared<NoFeed>();
  Feeder feeder_{Kit{}, feed_, [](const FeedBatch&) {}, [] {}};
  Time now_ = second;
  std::uint64_t decided_ = 0;
  std::unique_ptr<Planner> planner_;
  std::vector<protocol::Message> told_;
  std::deque<Assigned> assigned_;
  std::vector<FileError> errors_;
  std::vector<std::string> durable_files_;
  std::vector<std::pair<std::uint32_t, paths::Load>> cancelled_;
  std::vector<std::pair<std::uint32_t, paths::Load>> called_back_;
  std::vector<std::uint32_t> given_up_;
  std::vector<std::string> would_;
};

TEST_F(PlannerTest, FramesOfAnotherSizeThanOursAreRefused) {
  for (const std::uint32_t bytes : {0U, protocol::frame_bytes_usual - 1, 2 * protocol::frame_bytes_usual}) {
    make_planner(usual_setup());
    protocol::AcceptTransfer accept;
    accept.set_frame_bytes(bytes);
    planner_->accepted(accept);
    ASSERT_TRUE(planner_->failure()) << bytes;
    EXPECT_EQ(planner_->failure()->code, Code::protocol);
  }
}

// A rail's slots have no room for large ones, and --delta compares frame by frame.
TEST_F(PlannerTest, LargeFramesAreTakenWhereTheyWereOffered) {
  struct Case {
    bool rails;
    Delta delta;
    bool large;
  };
  for (const Case& each : {Case{false, Delta::none, true}, {true, Delta::none, false}, {false, Delta::sha256, false}}) {
    Planner::Setup setup = usual_setup();
    setup.rails = each.rails;
    setup.delta = each.delta;
    make_planner(std::move(setup));
    const std::uint32_t offered = each.large ? protocol::frame_bytes_direct : protocol::frame_bytes_usual;
    EXPECT_EQ(planner_->opening("id").open_transfer().frame_bytes(), offered);
    protocol::AcceptTransfer accept;
    accept.set_frame_bytes(protocol::frame_bytes_direct);
    planner_->accepted(accept);
    EXPECT_EQ(planner_->failure().has_value(), !each.large);
  }
}

/// Chunks that are on their way have been cut by the first.
TEST_F(PlannerTest, ATransferIsAcceptedOnce) {
  make_planner(usual_setup());
  (void)planner_->opening("id");
  protocol::AcceptTransfer accept;
  accept.set_frame_bytes(protocol::frame_bytes_usual);
  planner_->accepted(accept);
  EXPECT_FALSE(planner_->failure());
  accept.set_frame_bytes(protocol::frame_bytes_direct);
  planner_->accepted(accept);
  ASSERT_TRUE(planner_->failure());
  EXPECT_EQ(planner_->failure()->code, Code::protocol);
}

TEST_F(PlannerTest, ADryRunTellsOfEachEntryAndSendsNothing) {
  Planner::Setup setup = usual_setup();
  setup.dry_run = true;
  setup.mirror = {.wanted = true, .excluded_too = false, .ignore_errors = true, .at_most = 7, .tell = false};
  make_planner(std::move(setup));
  const auto opening = planner_->opening("id").open_transfer();
  EXPECT_TRUE(opening.dry_run() && opening.mirror().ignore_errors() && opening.mirror().tell());
  EXPECT_EQ(opening.mirror().delete_max(), 7U);
  protocol::AcceptTransfer accept;
  accept.set_frame_bytes(protocol::frame_bytes_min);
  planner_->accepted(accept);
  planner_->step(1);
  planner_->stream_up(1, 1);
  feed({file("a", 100), file("b", 50), file("c", 7)});
  protocol::Verdicts verdicts = all(Verdict::SKIP, 3);
  verdicts.mutable_verdicts(0)->set_would(Verdict::CHANGE);
  verdicts.mutable_verdicts(1)->set_would(Verdict::SET_PROPERTIES);
  verdicts.mutable_verdicts(2)->set_left_alone(true);
  decide(verdicts);
  EXPECT_EQ(would_, (std::vector<std::string>{"changed a", "properties b", "left-alone c"}));
  EXPECT_TRUE(assigned_.empty());
  EXPECT_EQ(report().would_send_files, 1U);
  EXPECT_EQ(report().would_send_bytes, 100U);
  EXPECT_EQ(report().would_change, 1U);
  EXPECT_EQ(report().skipped_files, 2U);
  EXPECT_EQ(planner_->bytes_left(), 0U);
}

/// Rules are about names at the source: a receiver that cannot find those again must not delete anything.
TEST_F(PlannerTest, AMirrorByAnotherNameIsAskedOfWhoKnowsWhatThatMeans) {
  const auto opening = [&](const std::string& source, Selection selection, bool excluded_too, std::uint64_t features) {
    Planner::Setup setup;
    setup.transfer = 1;
    setup.feed = make_tree_feed({source}, std::move(selection), {}, "data");
    setup.feeder = &feeder_;
    setup.mirror = {.wanted = true, .excluded_too = excluded_too};
    setup.peer_features = features;
    make_planner(std::move(setup));
    return planner_->opening("id").open_transfer().mirror();
  };
  Selection rules;
  rules.rules = {"- /keep"};
  const auto mirror = opening("ckpt/", rules, false, protocol::feature_mirror_name);
  EXPECT_FALSE(planner_->failure());
  EXPECT_EQ(mirror.name().at_target(), "data");
  EXPECT_EQ(mirror.name().at_source(), "");
  EXPECT_EQ(opening("ckpt", rules, false, protocol::feature_mirror_name).name().at_source(), "ckpt");
  (void)opening("ckpt/", rules, false, protocol::features_known & ~protocol::feature_mirror_name);
  ASSERT_TRUE(planner_->failure());
  EXPECT_NE(planner_->failure()->text.find("--delete-excluded"), std::string::npos);
  EXPECT_FALSE(opening("ckpt/", {}, false, 0).has_name());
  EXPECT_FALSE(planner_->failure());
  EXPECT_FALSE(opening("ckpt/", rules, true, 0).has_name());
  EXPECT_FALSE(planner_->failure());
  EXPECT_FALSE(opening("in/data", rules, false, 0).has_name()) << "it is called so anyway";
  EXPECT_FALSE(planner_->failure());
}

TEST_F(PlannerTest, AnnouncesEverythingOnce) {
  feed({file("a", 1), file("b", 2)}, false);
  feed({file("c", 3)});
  std::vector<std::string> paths;
  for (const auto& message : told_) {
    if (!message.has_announce()) continue;
    EXPECT_EQ(message.announce().first(), paths.size());
    for (const auto& entry : message.announce().entries()) paths.push_back(entry.path());
  }
  EXPECT_EQ(paths, (std::vector<std::string>{"a", "b", "c"}));
  ASSERT_TRUE(told_.back().has_end_of_entries());
  EXPECT_EQ(told_.back().end_of_entries().entries(), 3U);
}

TEST_F(PlannerTest, LargeFilesDoNotKeepSmallOnesFromBeingAnnounced) {
  std::vector<Entry> entries;
  for (int i = 0; i < 70; ++i) entries.push_back(file("large-" + std::to_string(i), 20 * node_bytes));
  entries.push_back(file("small", 5));
  feed(std::move(entries));
  ASSERT_EQ(announced().size(), 65U);
  EXPECT_EQ(announced().back(), "small");
  EXPECT_FALSE(told_.back().has_end_of_entries());
  decide(all(Verdict::SKIP, 1));  // one of the large ones is done with
  EXPECT_EQ(announced().size(), 66U);
  EXPECT_EQ(announced().back(), "large-64");
  decide(all(Verdict::SKIP, 65));
  EXPECT_EQ(announced().size(), 71U);
  EXPECT_EQ(announced().back(), "large-69");
  EXPECT_TRUE(told_.back().has_end_of_entries());
}

TEST_F(PlannerTest, SmallFilesDoNotKeepLargeOnesFromBeingAnnounced) {
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < protocol::entries_open_max; ++i) entries.push_back(file("small-" + std::to_string(i), 5));
  Entry directory = file("d", 0);
  directory.type = EntryType::directory;
  entries.push_back(directory);
  entries.push_back(file("d/large", 20 * node_bytes));
  feed(std::move(entries));
  const auto paths = announced();
  EXPECT_LT(paths.size(), protocol::entries_open_max);
  ASSERT_GT(paths.size(), 2U);
  EXPECT_EQ(paths[paths.size() - 2], "d");
  EXPECT_EQ(paths.back(), "d/large");
  EXPECT_FALSE(told_.back().has_end_of_entries());
  decide(all(Verdict::SKIP, static_cast<int>(paths.size())));
  EXPECT_EQ(announced().size(), protocol::entries_open_max + 2);
  EXPECT_TRUE(told_.back().has_end_of_entries());
}

TEST_F(PlannerTest, AFileOfOneChunkDoesNotWaitForALargeOne) {
  planner_->stream_up(1, 1);
  feed({file("large", 100 * node_bytes), file("middle", protocol::bundled_bytes_max + 1), file("small", 5)});
  decide(all(Verdict::SEND, 3));
  std::set<std::uint64_t> first;
  for (int i = 0; i < 3; ++i) {
    const Assigned it = take();
    first.insert(it.task.file_id());
    arrive(it);
    planner_->step(now_);
  }
  EXPECT_EQ(first, (std::set<std::uint64_t>{0, 1, bundle_file}));
}

TEST_F(PlannerTest, TellsHowMuchTheWalkCouldNotRead) {
  FeedBatch batch;
  batch.entries = {file("a", 1)};
  batch.errors = {{"b", {Code::permission, "cannot be read", 0}}, {"c", {Code::permission, "cannot be read", 0}}};
  planner_->fed(std::move(batch));
  feed({});
  ASSERT_TRUE(told_.back().has_end_of_entries());
  EXPECT_EQ(told_.back().end_of_entries().entries(), 1U);
  EXPECT_EQ(told_.back().end_of_entries().failed(), 2U);
}

TEST_F(PlannerTest, SmallFilesTravelTogetherUntilTheyAreDurable) {
  planner_->stream_up(1, 1);
  feed({file("a", 100), file("b", 0), file("c", 200)});
  decide(all(Verdict::SEND, 3));
  const Assigned bundle = take();
  EXPECT_TRUE(assigned_.empty());
  ASSERT_TRUE(bundle.task.bundle);
  EXPECT_EQ(bundle.task.file_id(), bundle_file);
  EXPECT_EQ(bundle.task.bundle->files.size(), 3U);
  arrive(bundle);
  EXPECT_EQ(report().files, 0U);
  EXPECT_TRUE(durable_files_.empty());
  EXPECT_EQ(planner_->bytes_not_durable(), 300U);
  planner_->durable(one(bundle_file, bundle.task.chunk));
  EXPECT_EQ(report().files, 3U);
  EXPECT_EQ(durable_files_, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(report().bytes, 300U);
  EXPECT_EQ(planner_->bytes_not_durable(), 0U);
}

TEST_F(PlannerTest, ARetiredStreamEndsWhatItHasAndGetsNothingNew) {
  planner_->stream_up(1, 1);
  feed({file("large", 20 * node_bytes)});
  decide(all(Verdict::SEND, 1));
  std::deque<Assigned> before = std::exchange(assigned_, {});
  ASSERT_GE(before.size(), 2U);
  planner_->retire_stream(1);
  planner_->stream_up(2, 2);
  planner_->step(now_);
  EXPECT_TRUE(planner_->carries(1));
  while (!before.empty()) {
    EXPECT_TRUE(planner_->carries(1));
    arrive(before.front());
    before.pop_front();
    planner_->step(now_);
  }
  EXPECT_FALSE(planner_->carries(1));
  ASSERT_FALSE(assigned_.empty());
  for (const Assigned& it : assigned_) EXPECT_EQ(it.stream, 2U);
  planner_->stream_down(1);
  planner_->step(now_);
  EXPECT_EQ(planner_->resent_bytes(), 0U);
  // Back in use.
  assigned_.clear();
  planner_->stream_up(3, 3);
  planner_->retire_stream(3);
  planner_->stream_up(3, 3);
  planner_->step(now_);
  ASSERT_FALSE(assigned_.empty());
  EXPECT_EQ(assigned_.front().stream, 3U);
}

TEST_F(PlannerTest, WhilePausedNothingIsAssignedAndNoDeadlineRuns) {
  planner_->stream_up(1, 1);
  planner_->pause(true);
  feed({file("large", 20 * node_bytes)});
  decide(all(Verdict::SEND, 1));
  EXPECT_TRUE(assigned_.empty());
  EXPECT_EQ(report().verdict, "paused");
  EXPECT_TRUE(report().paused);
  for (now_ = second; now_ < 1000 * second; now_ += 10 * second) planner_->step(now_);
  EXPECT_FALSE(planner_->failure());
  planner_->pause(false);
  planner_->step(now_);
  EXPECT_FALSE(assigned_.empty());
  EXPECT_FALSE(report().paused);
  planner_->step(now_ + 200 * second);  // and the deadline runs again
  EXPECT_TRUE(planner_->failure());
}

TEST_F(PlannerTest, RefusedAndSkippedFilesAreCounted) {
  feed({file("there", 5), file("busy", 6)});
  protocol::Verdicts verdicts = all(Verdict::SKIP, 2);
  auto& refused = *verdicts.mutable_verdicts(1);
  refused.set_action(Verdict::REFUSE);
  refused.set_code(static_cast<std::uint32_t>(Code::busy));
  refused.set_text("another receiver lands it");
  decide(verdicts);
  EXPECT_EQ(report().skipped_files, 1U);
  EXPECT_EQ(report().skipped_bytes, 5U);
  EXPECT_EQ(report().failed_files, 1U);
  ASSERT_EQ(errors_.size(), 1U);
  EXPECT_EQ(errors_[0].path, "busy");
  EXPECT_EQ(errors_[0].error.code, Code::busy);
}

TEST_F(PlannerTest, WhatIsLeftAloneInTheEndIsNoFailure) {
  planner_->stream_up(1, 1);
  feed({file("large", 2 * node_bytes), file("small", 5), file("other", 7)});
  decide(all(Verdict::SEND, 3));
  planner_->durable(one(0, 0));
  for (const std::uint64_t id : {0U, 1U, 1U}) {
    protocol::FileFailed failed;
    failed.set_file(id);
    failed.set_left_alone(true);
    planner_->file_failed(failed);
  }
  while (!assigned_.empty()) {
    const Assigned it = take();
    if (it.task.bundle) planner_->durable(one(bundle_file, it.task.chunk));
    planner_->step(now_);
  }
  EXPECT_TRUE(errors_.empty());
  const Report told = report();
  EXPECT_EQ(told.left_alone, 2U);
  EXPECT_EQ(told.skipped_files, 2U);
  EXPECT_EQ(told.failed_files, 0U);
  EXPECT_EQ(told.files, 1U);
  EXPECT_EQ(told.bytes + told.skipped_bytes, 2 * node_bytes + 7);
  EXPECT_FALSE(planner_->has_unsent());
}

TEST_F(PlannerTest, WhatIsLeftAloneIsCountedByItself) {
  Entry directory = file("d", 0);
  directory.type = EntryType::directory;
  feed({file("newer", 5), directory, file("there", 6)});
  protocol::Verdicts verdicts = all(Verdict::SKIP, 3);
  for (const int i : {0, 1}) verdicts.mutable_verdicts(i)->set_left_alone(true);
  decide(verdicts);
  EXPECT_EQ(report().left_alone, 2U);
  EXPECT_EQ(report().skipped_files, 2U);
  EXPECT_EQ(report().skipped_bytes, 11U);
  EXPECT_EQ(report().directories, 0U);
}

TEST_F(PlannerTest, LargeFilesAreCutAndEndOnceTheyArrived) {
  planner_->stream_up(1, 1);
  planner_->stream_up(2, 2);
  feed({file("large", 3 * node_bytes + 10)});
  decide(all(Verdict::SEND, 1));
  std::vector<std::uint64_t> chunks;
  while (!assigned_.empty()) {
    const Assigned it = take();
    chunks.push_back(it.task.chunk);
    EXPECT_EQ(it.task.extent.offset, it.task.chunk * node_bytes);
    EXPECT_EQ(it.task.extent.bytes, it.task.chunk == 3 ? 10U : node_bytes);
    EXPECT_EQ(told([](const auto& message) { return message.has_file_end(); }), 0U);
    arrive(it);
    planner_->step(now_ += second);
  }
  EXPECT_EQ(chunks, (std::vector<std::uint64_t>{0, 1, 2, 3}));
  EXPECT_EQ(told([](const auto& message) {
              return message.has_file_end() && message.file_end().state() == protocol::FileEnd::WHOLE &&
                     message.file_end().size() == 3 * node_bytes + 10;
            }),
            1U);
  for (const std::uint64_t chunk : chunks) {
    planner_->durable(one(0, chunk));
    EXPECT_TRUE(durable_files_.empty());
  }
  EXPECT_EQ(report().files, 0U);  // until it stands at its final name, all of it may be asked for again
  planner_->durable(one(0, protocol::published_chunk));
  EXPECT_EQ(report().files, 1U);
  EXPECT_EQ(durable_files_, (std::vector<std::string>{"large"}));
  EXPECT_EQ(report().bytes, 3 * node_bytes + 10);
  EXPECT_EQ(planner_->resent_bytes(), 0U);
}

TEST_F(PlannerTest, WhatIsDurableIsNotSentAgain) {
  planner_->stream_up(1, 1);
  feed({file("large", 4 * node_bytes)});
  protocol::Verdicts verdicts = all(Verdict::SEND, 1);
  for (const std::uint64_t number : {0U, 2U, 3U, 1U}) verdicts.mutable_verdicts(0)->add_durable(number);
  decide(verdicts);
  EXPECT_EQ(take().task.chunk, 2U);
  EXPECT_TRUE(assigned_.empty());
  EXPECT_EQ(report().skipped_bytes, 3 * node_bytes);
}

TEST_F(PlannerTest, ADeadStreamsChunksGoToAnother) {
  planner_->stream_up(1, 1);
  feed({file("large", 2 * node_bytes)});
  decide(all(Verdict::SEND, 1));
  const Assigned first = take();
  const Assigned second_chunk = take();
  EXPECT_EQ(first.stream, 1U);
  arrive(first);
  planner_->stream_down(1);
  planner_->step(now_);
  EXPECT_TRUE(assigned_.empty());
  planner_->stream_up(2, 2);
  planner_->step(now_);
  const Assigned again = take();
  EXPECT_TRUE(assigned_.empty()) << "what has arrived was sent again";
  EXPECT_EQ(again.stream, 2U);
  EXPECT_EQ(again.task.chunk, second_chunk.task.chunk);
  EXPECT_EQ(again.task.attempt, 1U);
  EXPECT_EQ(planner_->resent_bytes(), node_bytes);
}

TEST_F(PlannerTest, AFailureOfAnOlderCopyCountsForNothing) {
  planner_->stream_up(1, 1);
  feed({file("large", node_bytes + 1)});
  decide(all(Verdict::SEND, 1));
  const Assigned first = take();
  take();
  arrive(first);
  fail_chunk(first);
  const Assigned second_copy = take();
  EXPECT_EQ(second_copy.task.attempt, 1U);
  for (int again = 0; again < 3; ++again) fail_chunk(first);  // more frames of the same bad copy
  EXPECT_TRUE(assigned_.empty());
  EXPECT_TRUE(errors_.empty());
}

TEST_F(PlannerTest, AFailureCountsAlsoWhenItsStreamWentDownFirst) {
  for (std::uint32_t stream = 1; stream < 9; ++stream) planner_->stream_up(stream, stream);
  feed({file("large", node_bytes + 1)});
  decide(all(Verdict::SEND, 1));
  Assigned bad = take();
  take();
  for (int time = 0; time < 3; ++time) {
    EXPECT_TRUE(errors_.empty());
    planner_->stream_down(bad.stream);
    planner_->step(now_);
    const Assigned next = take();
    fail_chunk(bad);
    bad = next;
  }
  EXPECT_EQ(errors_.size(), 1U);
}

TEST_F(PlannerTest, AChunkThatFailsThreeTimesFailsItsFile) {
  planner_->stream_up(1, 1);
  feed({file("large", node_bytes + 1)});
  decide(all(Verdict::SEND, 1));
  Assigned bad = take();
  take();
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    arrive(bad);
    fail_chunk(bad);
    if (attempt == 3) break;
    const std::uint64_t chunk = bad.task.chunk;
    bad = take();
    EXPECT_EQ(bad.task.chunk, chunk);
    EXPECT_EQ(bad.task.attempt, attempt);
  }
  EXPECT_TRUE(assigned_.empty());
  ASSERT_EQ(errors_.size(), 1U);
  EXPECT_NE(errors_[0].error.text.find("the disk is bad"), std::string::npos);
  EXPECT_EQ(report().failed_files, 1U);
  EXPECT_EQ(told([](const auto& message) {
              return message.has_file_end() && message.file_end().state() == protocol::FileEnd::FAILED;
            }),
            1U);
  EXPECT_EQ(planner_->bytes_not_durable(), 0U);
  EXPECT_FALSE(planner_->failure());
}

TEST_F(PlannerTest, ABundleThatFailsIsSentAgainInTheSameFrames) {
  planner_->stream_up(1, 1);
  feed({file("a", 100'000), file("b", 120'000), file("c", 130'000)});
  decide(all(Verdict::SEND, 3));
  const Assigned first = take();
  EXPECT_EQ(first.task.frame_count(), 2U);
  fail_chunk(first);
  const Assigned again = take();
  EXPECT_EQ(again.task.bundle, first.task.bundle);
  EXPECT_EQ(again.task.attempt, 1U);
}

TEST_F(PlannerTest, AFileThatStartsAnewIsCutAnew) {
  planner_->stream_up(1, 1);
  feed({file("large", 2 * node_bytes)});
  decide(all(Verdict::SEND, 1));
  arrive(take());
  planner_->durable(one(0, 0));
  assigned_.clear();
  EXPECT_EQ(report().bytes, node_bytes);
  protocol::FileFailed failed;
  failed.set_file(0);
  failed.set_restart(true);
  planner_->file_failed(failed);
  planner_->step(now_);
  EXPECT_EQ(take().task.chunk, 0U);
  EXPECT_EQ(take().task.chunk, 1U);
  EXPECT_EQ(report().failed_files, 0U);
  EXPECT_EQ(report().bytes, 0U);  // what was durable is so no more
}

TEST_F(PlannerTest, AResumedFileThatStartsAnewWasNotSkipped) {
  planner_->stream_up(1, 1);
  feed({file("large", 2 * node_bytes)});
  protocol::Verdicts verdicts = all(Verdict::SEND, 1);
  for (const std::uint64_t number : {0U, 1U}) verdicts.mutable_verdicts(0)->add_durable(number);
  decide(verdicts);
  EXPECT_EQ(report().skipped_bytes, node_bytes);
  protocol::FileFailed failed;
  failed.set_file(0);
  failed.set_restart(true);
  planner_->file_failed(failed);
  EXPECT_EQ(report().skipped_bytes, 0U);
}

TEST_F(PlannerTest, AFileMayStartAnewAfterItsLastChunkWasDurable) {
  planner_->stream_up(1, 1);
  feed({file("large", 2 * node_bytes)});
  decide(all(Verdict::SEND, 1));
  for (std::uint64_t chunk = 0; chunk < 2; ++chunk) {
    arrive(take());
    planner_->durable(one(0, chunk));
  }
  protocol::FileFailed failed;  // its last sync, of metadata, went wrong
  failed.set_file(0);
  failed.set_restart(true);
  planner_->file_failed(failed);
  planner_->step(now_);
  for (std::uint64_t chunk = 0; chunk < 2; ++chunk) {
    const Assigned again = take();
    EXPECT_EQ(again.task.chunk, chunk);
    EXPECT_GT(again.task.attempt, 1U);  // an answer to the copy of before counts for nothing
    planner_->received(again.stream, one(0, chunk));
    EXPECT_EQ(told([](const auto& message) { return message.has_file_end() && message.file_end().restarts() == 1; }),
              0U);
    arrive(again);
    planner_->durable(one(0, chunk));
  }
  EXPECT_EQ(told([](const auto& message) { return message.has_file_end() && message.file_end().restarts() == 1; }), 1U);
}

TEST_F(PlannerTest, HolesAreAnnouncedToWhoTakesThemAndCountedOtherwise) {
  Entry with_holes = file("image", 10 * node_bytes);
  with_holes.sparse = true;
  feed({with_holes, file("dense", 1)}, false);  // this receiver has not said that it takes them
  ASSERT_FALSE(told_.empty());
  EXPECT_FALSE(told_.back().announce().entries(0).sparse());
  EXPECT_EQ(report().sparse_files, 1U);
  for (const bool wanted : {true, false}) {
    begin_with_holes(wanted);
    feed({with_holes, file("dense", 1)}, false);
    EXPECT_EQ(told_.back().announce().entries(0).sparse(), wanted);
    EXPECT_FALSE(told_.back().announce().entries(1).sparse());
    EXPECT_EQ(report().sparse_files, wanted ? 0U : 1U);
  }
}

TEST_F(PlannerTest, ChunksThatAreHolesDoNotWaitForEachOther) {
  const auto made = *place_.disk->open_file(place_.root, "image", disk::Open::create, false);
  ASSERT_TRUE(place_.disk->set_size(*made, 9 * node_bytes + 5));
  ASSERT_TRUE(disk::write_now(*place_.disk, *made, 9 * node_bytes, bytes_of("data")));
  const disk::Stat found = *place_.disk->stat(*made);
  Entry image = file("image", found.size);
  image.sparse = true;
  image.mtime_ns = found.mtime_ns;
  image.identity = {found.ctime_ns, found.inode, found.device};
  feed_->from = place_.root;
  Entry changed = image;
  ++changed.identity.ctime_ns;
  // Holes of another version than the one that was announced are none.
  for (const auto& [entry, assigned] : {std::pair(image, 10U), std::pair(changed, 2U)}) {
    begin_with_holes(true);
    planner_->stream_up(1, 0);
    planner_->sampled(1, {.at = 1, .rtt = 100 * millisecond});
    feed({entry});
    decide(all(Verdict::SEND, 1));
    ASSERT_EQ(assigned_.size(), assigned);
    for (const Assigned& each : assigned_) EXPECT_EQ(each.task.hole, assigned == 10 && each.task.chunk < 9);
  }
}

TEST_F(PlannerTest, TheReceiversWindowIsKept) {
  make_planner(usual_setup());
  protocol::AcceptTransfer accept;
  accept.set_frame_bytes(protocol::frame_bytes_min);
  accept.set_window_chunks(3);
  planner_->accepted(accept);
  planner_->step(1);
  for (std::uint32_t stream = 1; stream < 9; ++stream) planner_->stream_up(stream, stream);
  feed({file("large", 10 * node_bytes)});
  decide(all(Verdict::SEND, 1));
  EXPECT_EQ(assigned_.size(), 3U);
  planner_->durable(one(0, 1));  // out of order: nothing moves
  planner_->step(now_);
  EXPECT_EQ(assigned_.size(), 3U);
  planner_->durable(one(0, 0));
  planner_->step(now_);
  EXPECT_EQ(assigned_.size(), 5U);
}

TEST_F(PlannerTest, APeerThatTalksNonsenseFailsTheTransfer) {
  feed({file("a", 1)});
  protocol::Verdicts verdicts;
  verdicts.set_first(7);
  verdicts.add_verdicts();
  planner_->verdicts(verdicts);
  ASSERT_TRUE(planner_->failure());
  EXPECT_EQ(planner_->failure()->code, Code::protocol);
}

TEST_F(PlannerTest, AnswersToWhatWasNeverSentAreNoMatter) {
  planner_->stream_up(1, 1);
  feed({file("a", 1)});
  planner_->durable(one(17, 4));
  planner_->received(1, one(17, 4));
  protocol::ChunkFailed failed;
  failed.set_file(17);
  planner_->chunk_failed(failed);
  planner_->step(now_);
  EXPECT_FALSE(planner_->failure());
  EXPECT_EQ(report().bytes, 0U);
}

TEST_F(PlannerTest, NoProgressEndsInWords) {
  planner_->stream_up(1, 1);
  feed({file("large", 2 * node_bytes)});
  decide(all(Verdict::SEND, 1));
  planner_->step(90 * second);
  EXPECT_FALSE(planner_->failure());
  planner_->step(150 * second);
  ASSERT_TRUE(planner_->failure());
  EXPECT_EQ(planner_->failure()->code, Code::stalled);
  EXPECT_NE(planner_->failure()->text.find("acknowledged none of 2 chunks"), std::string::npos);
}

/// A thin line takes longer for a chunk than the deadline is.
TEST_F(PlannerTest, WhatThePeersKernelAcknowledgesIsProgress) {
  planner_->stream_up(1, 1);
  feed({file("large", 2 * node_bytes)});
  decide(all(Verdict::SEND, 1));
  std::uint64_t acked = 0;
  const auto sample = [&](std::uint64_t more) {
    now_ += 30 * second;
    acked += more;
    planner_->step(now_);
    planner_->sampled(1, {.at = now_, .rtt = 10 * millisecond, .acked_bytes = acked, .waiting = true});
    planner_->step(now_);
  };
  for (int i = 0; i < 40; ++i) sample(1000);
  EXPECT_FALSE(planner_->failure());
  for (int i = 0; i < 4; ++i) sample(0);
  ASSERT_TRUE(planner_->failure()) << "nothing more is";
  EXPECT_EQ(planner_->failure()->code, Code::stalled);
}

// --- streams that stall (law 6) -----------------------------------------------------------------------------------

class StalledStream : public PlannerTest {
 protected:
  static constexpr std::uint64_t node = protocol::node_bytes;

  /// A large file of four chunks, two on each of two streams; then nothing of stream 1 is acknowledged any more.
  void SetUp() override {
    feed({file("big", 4 * node)});
    planner_->stream_up(1, 0);
    planner_->stream_up(2, 1);
    decide(all(Verdict::SEND, 1));
    for (int i = 0; i < 4; ++i) {
      const Assigned it = take();
      (it.stream == 1 ? on_1_ : on_2_).push_back(it);
    }
    ASSERT_EQ(on_1_.size(), 2U);
    ASSERT_EQ(on_2_.size(), 2U);
    for (int i = 0; i < 20; ++i) {
      now_ += 25 * millisecond;
      sample(1, 0, true);
      sample(2, static_cast<std::uint64_t>(i) * 1000, true);
      planner_->step(now_);
    }
  }
  void sample(std::uint32_t stream, std::uint64_t acked, bool waiting) {
    planner_->sampled(stream, {.at = now_, .rtt = 10 * millisecond, .acked_bytes = acked, .waiting = waiting});
  }

  std::vector<Assigned> on_1_;
  std::vector<Assigned> on_2_;
};

TEST_F(StalledStream, ItsChunksGoOutOnTheOther) {
  ASSERT_TRUE(assigned_.empty()) << "the other one has no room yet";
  EXPECT_EQ(cancelled_.size(), 2U) << "what has not gone out stays here";
  arrive(on_2_[0]);
  planner_->step(now_);
  const Assigned copy = take();
  EXPECT_EQ(copy.stream, 2U);
  EXPECT_GT(copy.task.attempt, 0U);
  arrive(on_2_[1]);
  planner_->step(now_);
  EXPECT_EQ(take().stream, 2U);
  EXPECT_TRUE(given_up_.empty());
}

TEST_F(StalledStream, TheCopyThatArrivesFirstCounts) {
  arrive(on_2_[0]);
  planner_->step(now_);
  const Assigned copy = take();
  const Assigned& first = copy.task.chunk == on_1_[0].task.chunk ? on_1_[0] : on_1_[1];
  cancelled_.clear();
  arrive(first);  // the path has healed
  ASSERT_EQ(cancelled_.size(), 1U);
  EXPECT_EQ(cancelled_[0].first, copy.stream);
  EXPECT_EQ(cancelled_[0].second.attempt, copy.task.attempt);
  arrive(copy);  // it had gone out all the same: no harm
  arrive(on_2_[1]);
  planner_->step(now_);
  arrive(take());
  planner_->step(now_);
  EXPECT_TRUE(assigned_.empty());
  EXPECT_EQ(told([](const auto& message) { return message.has_file_end(); }), 1U);
}

TEST_F(StalledStream, WhatAnotherCopyFailedAtIsSentWhole) {
  arrive(on_2_[0]);
  planner_->step(now_);
  const Assigned copy = take();
  const Assigned& first = copy.task.chunk == on_1_[0].task.chunk ? on_1_[0] : on_1_[1];
  fail_chunk(first);
  arrive(copy);  // it may have left out what the first one was writing
  arrive(on_2_[1]);
  planner_->step(now_);
  std::set<std::uint64_t> again;
  while (!assigned_.empty()) {
    const Assigned it = take();
    EXPECT_EQ(it.stream, 2U);
    again.insert(it.task.chunk);
    arrive(it);
    planner_->step(now_);
  }
  EXPECT_EQ(again.size(), 2U);
  EXPECT_TRUE(again.contains(copy.task.chunk));
}

TEST_F(StalledStream, ACopyThatIsDroppedIsNotWaitedFor) {
  for (const auto& [stream, load] : cancelled_) planner_->task_dropped(stream, load);
  arrive(on_2_[0]);
  arrive(on_2_[1]);
  planner_->step(now_);
  const Assigned first = take();
  const Assigned second = take();
  planner_->stream_down(2);
  planner_->step(now_);
  EXPECT_TRUE(assigned_.empty()) << "stream 1 is still stalled";
  now_ += 25 * millisecond;
  sample(1, 1000, true);  // it is alive again
  planner_->step(now_);
  EXPECT_EQ(take().stream, 1U);
  EXPECT_EQ(take().stream, 1U);
}

TEST_F(StalledStream, TheOlderCopyGoesOnWhenTheNewerOneIsDropped) {
  arrive(on_2_[0]);
  planner_->step(now_);
  const Assigned copy = take();
  const Assigned& older = copy.task.chunk == on_1_[0].task.chunk ? on_1_[0] : on_1_[1];
  cancelled_.clear();
  planner_->task_dropped(2, {0, copy.task.chunk, copy.task.attempt, 0});
  planner_->step(now_);
  const Assigned again = take();
  EXPECT_EQ(again.task.chunk, copy.task.chunk);
  EXPECT_EQ(again.stream, 2U);
  EXPECT_TRUE(cancelled_.empty()) << "it may be all but there";
  arrive(older);
  ASSERT_EQ(cancelled_.size(), 1U) << "and counts when it is";
  EXPECT_TRUE(cancelled_[0].second.same_copy({0, again.task.chunk, again.task.attempt, 0}));
}

TEST_F(StalledStream, WhatHasArrivedIsNotSentAgainForTheCopyThatIsDropped) {
  arrive(on_2_[0]);
  planner_->step(now_);
  const Assigned copy = take();
  cancelled_.clear();
  arrive(copy);
  ASSERT_EQ(cancelled_.size(), 1U) << "the first copy is not needed any more";
  EXPECT_EQ(cancelled_[0].first, 1U);
  planner_->task_dropped(cancelled_[0].first, cancelled_[0].second);
  arrive(on_2_[1]);
  planner_->step(now_);
  EXPECT_FALSE(assigned_.empty()) << "the other chunk of stream 1";
  while (!assigned_.empty()) {
    const Assigned it = take();
    EXPECT_NE(it.task.chunk, copy.task.chunk);
    arrive(it);
    planner_->step(now_);
  }
  EXPECT_EQ(told([](const auto& message) { return message.has_file_end(); }), 1U);
}

/// What became durable is the copy on stream 1, whose `received` waits on its stream.
TEST_F(StalledStream, WhatIsDurableBeforeItsCopyArrivesIsCancelledAndStillExpected) {
  arrive(on_2_[0]);
  planner_->step(now_);
  const Assigned copy = take();
  cancelled_.clear();
  planner_->durable(one(0, copy.task.chunk));
  planner_->step(now_);
  ASSERT_EQ(cancelled_.size(), 2U) << "both copies";
  EXPECT_EQ(cancelled_[1].first, copy.stream);
  EXPECT_TRUE(cancelled_[1].second.same_copy({0, copy.task.chunk, copy.task.attempt, 0}));
  EXPECT_TRUE(assigned_.empty()) << "until its worker has let go of it, the stream has two chunks";
  const std::uint64_t resent = planner_->resent_bytes();
  planner_->task_dropped(copy.stream, {0, copy.task.chunk, copy.task.attempt, 1000});
  EXPECT_EQ(planner_->resent_bytes(), resent - (node - 1000));
  planner_->step(now_);
  const Assigned next = take();
  EXPECT_EQ(next.stream, 2U);
  EXPECT_NE(next.task.chunk, copy.task.chunk);
}

TEST_F(PlannerTest, APipeIsKeptUntilItIsDurable) {
  const auto pipe = std::make_shared<EndedPipe>();
  feed_->pipe = pipe;
  Entry entry = file("pipe", 0);
  entry.size_known = false;
  planner_->stream_up(1, 0);
  feed({entry});
  decide(all(Verdict::SEND, 1));
  for (int i = 0; i < 3; ++i) {
    arrive(take());
    planner_->step(now_);
  }
  EXPECT_EQ(pipe->released, 0U);
  planner_->durable(one(0, 1));
  EXPECT_EQ(pipe->released, 0U) << "the first may have to be sent again";
  planner_->durable(one(0, 0));
  EXPECT_EQ(pipe->released, 2 * node_bytes);
  planner_->durable(one(0, 2));
  EXPECT_EQ(pipe->released, 3 * node_bytes);
}

/// Two streams as they carry chunks: `per_look` bytes each in 25 ms, in order.
class TwoStreams : public PlannerTest {
 protected:
  struct Line {
    std::uint64_t per_look = 0;
    std::uint64_t acked = 0;
    std::uint64_t begun = 0;  ///< of its first chunk
    std::deque<Assigned> queue;
  };
  void look() {
    now_ += 25 * millisecond;
    while (!assigned_.empty()) {
      Assigned it = take();
      lines_.at(it.stream).queue.push_back(std::move(it));
    }
    for (auto& [stream, line] : lines_) carry(stream, line);
    answer(std::exchange(cancelled_, {}), true);
    answer(std::exchange(called_back_, {}), false);
    planner_->step(now_);
  }
  void carry(std::uint32_t stream, Line& line) {
    std::uint64_t left = line.queue.empty() ? 0 : line.per_look;
    line.acked += left;
    line.begun += left;
    planner_->sampled(stream, {.at = now_, .rtt = 10 * millisecond, .acked_bytes = line.acked, .waiting = left > 0});
    for (; !line.queue.empty() && line.begun >= node_bytes; line.begun -= node_bytes) {
      const Assigned it = std::move(line.queue.front());
      line.queue.pop_front();
      arrive(it);
      planner_->durable(one(it.task.file_id(), it.task.chunk));
      durable_.insert(it.task.chunk);
    }
    if (line.queue.empty()) line.begun = 0;
  }
  void answer(const std::vector<std::pair<std::uint32_t, paths::Load>>& asked, bool also_begun) {
    for (const auto& [stream, load] : asked) {
      Line& line = lines_.at(stream);
      const auto at = std::ranges::find_if(line.queue, [&](const Assigned& it) {
        return it.task.chunk == load.chunk && it.task.attempt == load.attempt;
      });
      if (at == line.queue.end()) continue;
      const bool begun = at == line.queue.begin() && line.begun > 0;
      if (begun && !also_begun) continue;
      if (begun) line.begun = 0;
      line.queue.erase(at);
      ++taken_back_;
      paths::Load dropped = load;
      dropped.bytes = 0;
      planner_->task_dropped(stream, dropped);
    }
  }
  std::map<std::uint32_t, Line> lines_;
  std::set<std::uint64_t> durable_;
  unsigned taken_back_ = 0;  ///< loads that were on their way
};

/// A pipe gives eight chunks, and no more before the first of them is durable.
class OpenPipe final : public EndedPipe {
 public:
  [[nodiscard]] std::uint64_t available() const override { return released + 8 * node_bytes; }
  [[nodiscard]] bool ended() const override { return false; }
};

TEST_F(TwoStreams, ASlowOneDoesNotHoldUpAPipe) {
  const auto pipe = std::make_shared<OpenPipe>();
  feed_->pipe = pipe;
  Entry entry = file("pipe", 0);
  entry.size_known = false;
  lines_[1].per_look = node_bytes / 4;  // 80 MB/s
  lines_[2].per_look = node_bytes / 400;
  planner_->stream_up(1, 0);
  planner_->stream_up(2, 1);
  feed({entry});
  decide(all(Verdict::SEND, 1));
  for (int i = 0; i < 4000; ++i) look();  // 100 s
  EXPECT_GT(durable_.size(), 700U) << "of 1000 that the fast one carries by itself";
  EXPECT_FALSE(planner_->failure());
}

/// The tail of a transfer is what is really left: a slow stream is not given what faster ones will have carried.
TEST_F(TwoStreams, WhatWasLostOfAFileDoesNotRemain) {
  lines_[1].per_look = node_bytes / 4;
  lines_[2].per_look = node_bytes / 40;
  planner_->stream_up(1, 0);
  planner_->stream_up(2, 1);
  feed({file("lost", 4000 * node_bytes), file("whole", 40 * node_bytes)});
  decide(all(Verdict::SEND, 2));
  for (int i = 0; i < 80; ++i) look();
  for (auto& [stream, line] : lines_) line.queue.clear();
  planner_->source_failed(0, {"lost", {Code::io, "it is bad", 0}});
  durable_.clear();
  taken_back_ = 0;
  for (int i = 0; i < 400 && durable_.size() < 40; ++i) look();
  EXPECT_EQ(durable_.size(), 40U);
  EXPECT_EQ(taken_back_, 0U);
}

TEST_F(PlannerTest, WhatASlowStreamHasNotBegunGoesOutElsewhereOnce) {
  feed({file("big", 40 * node_bytes)});
  planner_->stream_up(1, 0);
  planner_->stream_up(2, 1);
  decide(all(Verdict::SEND, 1));
  std::map<std::uint32_t, std::uint64_t> acked;
  std::deque<Assigned> fast;
  std::vector<Assigned> slow;
  for (int i = 0; i < 400 && called_back_.empty(); ++i) {
    now_ += 25 * millisecond;
    while (!assigned_.empty()) {
      Assigned it = take();
      if (it.stream == 1)
        fast.push_back(std::move(it));
      else
        slow.push_back(std::move(it));
    }
    acked[1] += fast.empty() ? 0 : node_bytes;
    acked[2] += 10'000;
    for (std::uint32_t stream = 1; stream <= 2; ++stream)
      planner_->sampled(stream, {.at = now_, .rtt = 10 * millisecond, .acked_bytes = acked[stream], .waiting = true});
    if (!fast.empty()) {
      arrive(fast.front());
      fast.pop_front();
    }
    planner_->step(now_);
  }
  ASSERT_EQ(called_back_.size(), 1U);
  EXPECT_EQ(called_back_[0].first, 2U);
  EXPECT_EQ(called_back_[0].second.chunk, slow.back().task.chunk);
  paths::Load dropped = called_back_[0].second;
  dropped.bytes = 0;  // so far it had gone out
  planner_->task_dropped(2, dropped);
  planner_->step(now_);
  const Assigned again = take();
  EXPECT_EQ(again.stream, 1U);
  EXPECT_EQ(again.task.chunk, slow.back().task.chunk);
  EXPECT_EQ(planner_->resent_bytes(), 0U);
}

TEST_F(PlannerTest, WhatARetiredStreamHasNotBegunGoesOutElsewhereOnce) {
  planner_->stream_up(1, 1);
  feed({file("large", 20 * node_bytes)});
  decide(all(Verdict::SEND, 1));
  ASSERT_GE(assigned_.size(), 2U);
  const Assigned last = assigned_.back();
  const std::size_t given = std::exchange(assigned_, {}).size();
  planner_->stream_up(2, 2);
  planner_->retire_stream(1);
  EXPECT_EQ(called_back_.size(), given);
  paths::Load dropped = called_back_.back().second;
  EXPECT_EQ(dropped.chunk, last.task.chunk);
  dropped.bytes = 0;  // so far it had gone out
  planner_->task_dropped(1, dropped);
  planner_->step(now_);
  ASSERT_FALSE(assigned_.empty());
  EXPECT_EQ(assigned_.front().stream, 2U);
  EXPECT_EQ(assigned_.front().task.chunk, last.task.chunk);
  EXPECT_EQ(planner_->resent_bytes(), 0U);
}

TEST_F(PlannerTest, WhatIsRefusedOrFailsIsNotLeft) {
  feed({file("large", 3 * node_bytes), file("other", 2 * node_bytes)});
  EXPECT_EQ(planner_->bytes_left(), 5 * node_bytes);
  protocol::Verdicts verdicts = all(Verdict::SEND, 2);
  verdicts.mutable_verdicts(1)->set_action(Verdict::REFUSE);
  decide(verdicts);
  EXPECT_EQ(planner_->bytes_left(), 3 * node_bytes);
  EXPECT_TRUE(planner_->has_unsent());
  planner_->source_failed(0, {"large", {Code::io, "cannot be read", 5}});
  EXPECT_EQ(planner_->bytes_left(), 0U);
}

TEST_F(PlannerTest, AStreamThatComesBackIsNoProgress) {
  planner_->stream_up(1, 1);
  feed({file("large", 20 * node_bytes)});
  decide(all(Verdict::SEND, 1));
  for (int i = 0; i < 400 && !planner_->failure(); ++i) {
    now_ += second;
    planner_->retire_stream(1);
    planner_->stream_up(1, 1);
    planner_->step(now_);
  }
  EXPECT_TRUE(planner_->failure()) << "spared and called in again and again, it would wait for ever";
}

TEST_F(StalledStream, ItIsGivenUpAfterAWhile) {
  for (int i = 0; i < 200; ++i) {
    now_ += 25 * millisecond;
    sample(1, 0, true);
    planner_->step(now_);
  }
  ASSERT_FALSE(given_up_.empty());
  EXPECT_EQ(given_up_[0], 1U);
}

}  // namespace
}  // namespace longhaul::engine
