// How the storage role begins.
#include "engine/storage.h"

#include <gtest/gtest.h>

#include <optional>

#include "deaf_poller.h"
#include "place.h"
#include "protocol/bounds.h"
#include "wire/tcp.h"

namespace longhaul::engine {
namespace {

class StorageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    other_disk_ = place_.fs.make_disk("other");
    make(directory_sink("target"), {});
  }
  void make(std::shared_ptr<Sink> sink, LeaveAlone leave_alone, bool mirror = false, bool dry_run = false,
            bool publish_trees = false) {
    Storage::Setup setup;
    if (mirror) setup.mirror.emplace();
    setup.dry_run = dry_run;
    setup.id = "mine";
    setup.sink = std::move(sink);
    setup.leave_alone = leave_alone;
    setup.publish_trees = publish_trees;
    setup.chunk_bytes = protocol::node_bytes;
    setup.frame_bytes = protocol::frame_bytes_usual;
    setup.frame_bytes_direct = protocol::frame_bytes_direct;
    setup.ready = [this] { ready_ = true; };
    setup.tell = [](const protocol::Message&) {};
    setup.failed = [this](Error error) { failed_ = std::move(error); };
    setup.complete = setup.closed = [] {};
    storage_ = std::make_unique<Storage>(
        Kit{std::make_unique<DeafPoller>(), place_.fs.make_disk("data"), place_.fs.make_disk("plain")}, world_,
        std::move(setup));
  }
  /// As a transfer does that ends and looks who else is there.
  void look_into_its_log() {
    held_ = *journal::ManifestLog::open(*other_disk_, place_.zone->directory(), "manifest.mine.log");
  }

  Place place_;
  std::unique_ptr<disk::Disk> other_disk_;
  std::unique_ptr<wire::Wire> wire_ = wire::make_tcp_wire();
  std::unique_ptr<Runner> runner_ = make_thread_runner();
  World world_{place_.clock, place_.random, *wire_, *runner_};
  std::unique_ptr<journal::ManifestLog> held_;
  std::unique_ptr<Storage> storage_;
  bool ready_ = false;
  std::optional<Error> failed_;
};

TEST_F(StorageTest, AnotherTransferMayLookIntoItsLogForAMoment) {
  look_into_its_log();
  const Time again = storage_->step(second);
  EXPECT_GT(again, second);
  EXPECT_LT(again, 2 * second);
  EXPECT_FALSE(ready_);
  held_.reset();
  storage_->step(again);
  EXPECT_TRUE(ready_);
  EXPECT_FALSE(failed_) << failed_->text;
}

TEST_F(StorageTest, FramesAreAsLargeAsADiskWantsThemWhereFilesLandDirectly) {
  for (const std::uint32_t alignment : {0U, 4096U}) {
    storage_.reset();
    place_.fs.direct_alignment = alignment;
    ready_ = false;
    make(directory_sink("target"), {});
    storage_->step(second);
    ASSERT_TRUE(ready_);
    EXPECT_EQ(storage_->files()->frame_bytes(),
              alignment == 0 ? protocol::frame_bytes_usual : protocol::frame_bytes_direct);
  }
}

TEST_F(StorageTest, WhoeverKeepsItsLogIsNotWaitedForWithoutEnd) {
  look_into_its_log();
  Time now = second;
  for (; !failed_ && now < 5 * second; now += 20 * millisecond) storage_->step(now);
  ASSERT_TRUE(failed_);
  EXPECT_EQ(failed_->code, Code::busy);
  EXPECT_FALSE(ready_);
}

TEST_F(StorageTest, TreesArePublishedInDirectoriesOnlyAndLeaveNothingAlone) {
  for (const bool is_stream : {true, false}) {
    failed_.reset();
    make(is_stream ? std::shared_ptr<Sink>(stream_sink(-1)) : std::shared_ptr<Sink>(directory_sink("target")),
         {.newer = !is_stream}, false, false, true);
    storage_->step(second);
    EXPECT_FALSE(ready_);
    ASSERT_TRUE(failed_);
    EXPECT_EQ(failed_->code, Code::usage);
    EXPECT_NE(failed_->text.find("--publish tree"), std::string::npos) << failed_->text;
  }
}

TEST_F(StorageTest, WhereThereIsNoDirectoryNothingCanBeLeftAlone) {
  make(stream_sink(-1), {.missing = true});
  storage_->step(second);
  EXPECT_FALSE(ready_);
  ASSERT_TRUE(failed_);
  EXPECT_EQ(failed_->code, Code::usage);
  EXPECT_NE(failed_->text.find("--existing"), std::string::npos) << failed_->text;
}

TEST_F(StorageTest, AReceiverMustAllowDeletion) {
  make(directory_sink("target"), {}, true);
  storage_->step(second);
  EXPECT_FALSE(ready_);
  ASSERT_TRUE(failed_);
  EXPECT_EQ(failed_->code, Code::refused);
  EXPECT_NE(failed_->text.find("--allow-delete"), std::string::npos) << failed_->text;
  failed_.reset();
  make(directory_sink("target", false, true), {}, true);
  storage_->step(second);
  EXPECT_TRUE(ready_);
  EXPECT_FALSE(failed_) << failed_->text;
}

TEST_F(StorageTest, ADryRunMakesNoTarget) {
  make(directory_sink("target/none"), {}, false, true);
  storage_->step(second);
  EXPECT_TRUE(ready_);
  EXPECT_FALSE(failed_) << failed_->text;
  EXPECT_EQ(storage_->zone(), nullptr);
  EXPECT_EQ(place_.fs.look("target/none"), nullptr);
  ready_ = false;
  make(directory_sink("target/none/deeper"), {}, false, true);
  storage_->step(second);
  EXPECT_FALSE(ready_);
  ASSERT_TRUE(failed_);
  EXPECT_EQ(failed_->code, Code::not_found);
  for (const bool dry_run : {true, false}) {
    failed_.reset();
    make(stream_sink(-1), {}, true, dry_run);
    storage_->step(second);
    ASSERT_TRUE(failed_);
    EXPECT_EQ(failed_->code, Code::usage);
  }
}

}  // namespace
}  // namespace longhaul::engine
