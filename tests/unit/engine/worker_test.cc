// A worker's streams, as control and a peer meet them.
#include "engine/worker.h"

#include <gtest/gtest.h>

#include "deaf_poller.h"
#include "longhaul/source.h"
#include "pair.h"
#include "place.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

class WorkerTest : public ::testing::Test, protected StreamEvents {
 protected:
  void SetUp() override {
    worker_ = std::make_unique<Worker>(
        Kit{std::make_unique<DeafPoller>(), std::move(place_.data_disk), std::move(place_.disk)}, 0,
        static_cast<StreamEvents&>(*this), WorkerSetup{.touch_memory = false});
    auto setup = std::make_shared<StreamSetup>();
    setup->id = 1;
    setup->channel = pair_.listener(2, 0);
    setup->counters = counters_;
    worker_->post([setup](Worker& worker) { worker.join(std::move(*setup)); });
  }
  void stream_down(std::uint32_t, Error error) override { down_ = error.text; }
  void stream_message(std::uint32_t, protocol::Message) override {}
  void task_dropped(std::uint32_t, std::uint32_t, paths::Load copy) override { dropped_.push_back(copy); }
  void source_failed(std::uint32_t, std::uint64_t, FileError error) override { source_failed_ = error.error.text; }

  void open(std::uint32_t transfer) {
    auto files = std::make_shared<IncomingFiles>(transfer, 0);
    files->announced(1'000'000);
    worker_->post([files](Worker& worker) { worker.open_incoming({files, nullptr, nullptr}); });
  }
  void send(wire::TestFrame frame) {
    dialler_->begin_frame(frame.bytes);
    while (dialler_->sending()) ASSERT_TRUE(dialler_->flush());
  }

  Place place_;
  Pair pair_;
  std::shared_ptr<StreamCounters> counters_ = std::make_shared<StreamCounters>();
  std::unique_ptr<wire::Channel> dialler_ = pair_.dialler();
  std::unique_ptr<Worker> worker_;
  std::string down_;
  std::vector<paths::Load> dropped_;
  std::string source_failed_;
};

/// A worker that is held up between reading its mail and its streams finds the frame first. Nobody would send it again.
TEST_F(WorkerTest, AFrameThatComesBeforeTheMailThatOpensItsTransferIsTaken) {
  const auto frame = wire::make_frame(0, 1000, 1);
  send(frame);
  worker_->step(0);
  EXPECT_EQ(counters_->frames, 0U);
  open(frame.header.transfer);
  worker_->step(0);
  EXPECT_EQ(counters_->frames, 1U);
  EXPECT_EQ(down_, "");
}

TEST_F(WorkerTest, AFrameOfATransferThatHasEndedIsDroppedAndTheNextIsTaken) {
  auto frame = wire::make_frame(0, 1000, 1);
  open(frame.header.transfer + 1);
  send(frame);
  for (int steps = 0; steps < 3; ++steps) worker_->step(0);
  EXPECT_EQ(counters_->frames, 0U);
  ++frame.header.transfer;
  protocol::encode_frame_header(frame.header, std::span<std::byte, protocol::frame_header_bytes>(
                                                  frame.bytes.data(), protocol::frame_header_bytes));
  send(frame);
  for (int steps = 0; steps < 3; ++steps) worker_->step(0);
  EXPECT_EQ(counters_->frames, 1U);
  EXPECT_EQ(down_, "");
}

class LandingWorker : public WorkerTest, protected LandingEvents {
 protected:
  static constexpr unsigned frames = protocol::node_bytes / protocol::leaf_bytes;

  void SetUp() override {
    auto data = place_.disk->open_file(place_.root, "landing", disk::Open::create, false);
    ASSERT_TRUE(data);
    file_->id = 3;
    file_->entry.path = "file";
    file_->entry.size = protocol::node_bytes;
    file_->chunk_bytes = protocol::node_bytes;
    file_->landing = Landing::journalled;
    file_->landing_file.data = *data;
    files_->announced(10);
    files_->add(file_);
    pair_.piece_most = protocol::frame_bytes_max;
    dialler_ = pair_.dialler(1, 0);
    WorkerTest::SetUp();
    worker_->post([this](Worker& worker) {
      worker.open_incoming({files_, place_.zone.get(), static_cast<LandingEvents*>(this)});
    });
  }
  void TearDown() override { file_->chunks.clear(); }
  void chunk_written(std::shared_ptr<InChunk>) override {}
  void landed(std::vector<LandedFile>) override {}
  void bundle_landed(std::shared_ptr<InBundle>) override {}
  void chunk_failed(std::shared_ptr<InFile>, std::uint64_t, std::uint32_t, Error error) override { down_ = error.text; }
  void file_failed(std::shared_ptr<InFile>, std::shared_ptr<InBundle>, Error error) override { down_ = error.text; }

  void send_frame(unsigned index) {
    wire::TestFrame frame = wire::make_frame(0, protocol::leaf_bytes, index);
    frame.header.file = file_->id;
    frame.header.frame_index = static_cast<std::uint16_t>(index);
    frame.header.frame_count = frames;
    frame.header.offset = std::uint64_t{index} * protocol::leaf_bytes;
    protocol::encode_frame_header(frame.header, std::span<std::byte, protocol::frame_header_bytes>(
                                                    frame.bytes.data(), protocol::frame_header_bytes));
    send(std::move(frame));
  }
  /// Until the worker takes nothing more.
  unsigned taken() {
    for (int steps = 0; steps < 200; ++steps) worker_->step(0);
    return static_cast<unsigned>(counters_->frames);
  }

  std::shared_ptr<IncomingFiles> files_ = std::make_shared<IncomingFiles>(1, protocol::leaf_bytes);
  std::shared_ptr<InFile> file_ = std::make_shared<InFile>();
};

// Each holds a slot. What the disk has not finished at once does not finish here: its clock all but stands.
TEST_F(LandingWorker, ADiskThatCannotFollowIsGivenEightFrames) {
  for (unsigned index = 0; index < frames; ++index) send_frame(index);
  const unsigned before = taken();
  EXPECT_GE(before, 8U);
  EXPECT_LT(before, frames) << "a quarter of them the disk has finished at once";
  EXPECT_EQ(down_, "");
  for (unsigned tries = 0; tries < frames; ++tries) {
    place_.clock.advance(second);
    (void)taken();
  }
  EXPECT_EQ(taken(), frames) << "it goes on when the disk does";
  EXPECT_EQ(down_, "");
}

/// A stream of which everything before `kept` is durable and let go.
class HalfGone final : public StreamReader {
 public:
  explicit HalfGone(std::uint64_t kept) : kept_(kept) {}
  Result<bool> fill() override { return false; }
  Result<std::size_t> read_at(std::uint64_t offset, Bytes into) override {
    if (let_go(offset)) return fail(Code::internal, "let go");
    return into.size();
  }
  [[nodiscard]] std::uint64_t available() const override { return ~std::uint64_t{0}; }
  [[nodiscard]] bool ended() const override { return true; }
  void release_before(std::uint64_t) override {}
  [[nodiscard]] bool let_go(std::uint64_t offset) const override { return offset < kept_; }
  [[nodiscard]] bool full() const override { return false; }

 private:
  std::uint64_t kept_;
};

class SendingWorker : public WorkerTest {
 protected:
  void send_chunk(std::uint64_t chunk) {
    auto file = std::make_shared<OutgoingFile>();
    file->id = 7;
    file->feed = make_feed(memory_source("stream", {}));
    file->chunk_bytes = protocol::node_bytes;
    file->content.reader = std::make_shared<HalfGone>(protocol::node_bytes);
    ChunkTask task;
    task.file = file;
    task.chunk = chunk;
    task.extent = {chunk * file->chunk_bytes, 1000};
    task.frame_bytes = protocol::leaf_bytes;
    task.attempt = 1;
    auto setup = std::make_shared<StreamSetup>();
    setup->id = 2;
    setup->sends = true;
    setup->channel = other_.dialler(1, 0);
    setup->counters = counters_;
    worker_->post([setup, task](Worker& worker) {
      worker.join(std::move(*setup));
      worker.assign(2, task);
    });
  }
  void call_back(std::uint64_t chunk) {
    worker_->post([chunk](Worker& worker) { worker.call_back(2, 0, {7, chunk, 1, 1000}); });
  }
  void step() {
    for (int steps = 0; steps < 3; ++steps) worker_->step(0);
  }
  Pair other_;
};

class HandClock final : public Clock {
 public:
  Time now() override { return time; }
  std::int64_t wall_ns() override { return time; }
  Time time = second;
};

/// It has a stream that receives, too: what could go on soonest is told.
TEST_F(SendingWorker, SaysWhatItWaitsFor) {
  HandClock clock;
  const auto waits_for = [&] {
    for (int steps = 0; steps < 3; ++steps) {
      const StageClock::Step counted(worker_->stages, clock, clock.time);
      worker_->step(clock.time);
    }
    const StageTimes before = worker_->stages.times(clock.time);
    clock.time += 1000;
    const StageTimes spent = worker_->stages.times(clock.time).since(before);
    for (std::size_t i = 0; i < stage_count; ++i)
      if (spent[static_cast<Stage>(i)] == 1000) return static_cast<Stage>(i);
    return Stage::other;
  };
  EXPECT_EQ(waits_for(), Stage::wait_receive);
  send_chunk(0);  // which is let go at once
  EXPECT_EQ(waits_for(), Stage::wait_receive) << "a stream without chunks holds nothing up";
  worker_->post([](Worker& worker) { worker.set_pace(2, 0, true); });
  EXPECT_EQ(waits_for(), Stage::wait_resume);
  worker_->post([](Worker& worker) {
    worker.close_stream(1);
    worker.close_stream(2);
  });
  EXPECT_EQ(waits_for(), Stage::idle);
}

/// The copy that was faster is durable: that the slower one cannot be read any more is nobody's failure.
TEST_F(SendingWorker, ACopyOfWhatAStreamHasLetGoIsDropped) {
  send_chunk(0);
  step();
  EXPECT_EQ(source_failed_, "");
  ASSERT_EQ(dropped_.size(), 1U);
  EXPECT_TRUE(dropped_[0].same_copy({7, 0, 1, 0}));
  EXPECT_EQ(counters_->frames, 0U);
}

TEST_F(SendingWorker, WhatAStreamKeepsIsSent) {
  send_chunk(1);
  step();
  EXPECT_EQ(source_failed_, "");
  EXPECT_TRUE(dropped_.empty());
  EXPECT_EQ(counters_->frames, 1U);
}

TEST_F(SendingWorker, WhatHasNotBegunCanBeCalledBack) {
  send_chunk(1);
  call_back(1);
  step();
  ASSERT_EQ(dropped_.size(), 1U);
  EXPECT_TRUE(dropped_[0].same_copy({7, 1, 1, 0}));
  EXPECT_EQ(dropped_[0].bytes, 0U);
  EXPECT_EQ(counters_->frames, 0U);
}

TEST_F(SendingWorker, WhatHasBegunGoesOn) {
  send_chunk(1);
  step();
  call_back(1);
  step();
  EXPECT_TRUE(dropped_.empty());
  EXPECT_EQ(counters_->frames, 1U);
}

}  // namespace
}  // namespace longhaul::engine
