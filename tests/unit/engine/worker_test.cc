// A worker's streams, as control and a peer meet them.
#include "engine/worker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

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
        static_cast<StreamEvents&>(*this), worker_setup());
    join(1, pair_);
  }
  /// A stream that receives what the other end of `pair` sends.
  void join(std::uint32_t stream, Pair& pair) {
    auto setup = std::make_shared<StreamSetup>();
    setup->id = stream;
    setup->channel = pair.listener(2, 0);
    setup->counters = counters_;
    worker_->post([setup](Worker& worker) { worker.join(std::move(*setup)); });
  }
  virtual WorkerSetup worker_setup() { return {.touch_memory = false}; }
  void stream_down(std::uint32_t, Error error) override { down_ = error.text; }
  void stream_message(std::uint32_t, protocol::Message) override {}
  void task_dropped(std::uint32_t, std::uint32_t, paths::Load copy) override { dropped_.push_back(copy); }
  void source_failed(std::uint32_t, std::uint64_t, FileError error) override { source_failed_ = error.error.text; }

  void open(std::uint32_t transfer) {
    auto files = std::make_shared<IncomingFiles>(transfer, 0);
    files->announced(1'000'000);
    worker_->post([files](Worker& worker) { worker.open_incoming({files, nullptr, nullptr}); });
  }
  void send(wire::TestFrame frame) { send(std::move(frame), *dialler_); }
  static void send(wire::TestFrame frame, wire::Channel& on) {
    on.begin_frame(frame.bytes);
    while (on.sending()) ASSERT_TRUE(on.flush());
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
  static constexpr unsigned chunks = 4;
  static constexpr unsigned streams = 4;

  void SetUp() override {
    auto data = place_.disk->open_file(place_.root, "landing", disk::Open::create, false);
    ASSERT_TRUE(data);
    file_->id = 3;
    file_->entry.path = "file";
    file_->entry.size = chunks * std::uint64_t{protocol::node_bytes};
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
    for (std::uint32_t stream = 1; stream < streams; ++stream) add_stream(stream);
  }
  void add_stream(std::uint32_t stream) {
    Pair& pair = more_.at(stream - 1);
    pair.piece_most = protocol::frame_bytes_max;
    join(1 + stream, pair);
    diallers_.at(stream - 1) = pair.dialler(1, 0);
  }
  void TearDown() override { file_->chunks.clear(); }
  void chunk_written(std::shared_ptr<InChunk>) override {}
  void landed(std::vector<LandedFile>) override {}
  void bundle_landed(std::shared_ptr<InBundle>) override {}
  void chunk_failed(std::shared_ptr<InFile>, std::uint64_t, std::uint32_t, Error error) override { down_ = error.text; }
  void file_failed(std::shared_ptr<InFile>, std::shared_ptr<InBundle>, Error error) override { down_ = error.text; }

  [[nodiscard]] unsigned frames_per_chunk() const { return protocol::node_bytes / files_->frame_bytes(); }
  [[nodiscard]] unsigned frames() const { return chunks * frames_per_chunk(); }
  /// The frame of that number in the file, on stream 0 or one of those that were added.
  void send_frame(unsigned number, unsigned stream = 0, void (*change)(Bytes) = nullptr) {
    const std::uint32_t bytes = files_->frame_bytes();
    wire::TestFrame frame = wire::make_frame(number / frames_per_chunk(), bytes, number, change);
    frame.header.file = file_->id;
    frame.header.frame_index = static_cast<std::uint16_t>(number % frames_per_chunk());
    frame.header.frame_count = static_cast<std::uint16_t>(frames_per_chunk());
    frame.header.offset = std::uint64_t{number} * bytes;
    protocol::encode_frame_header(frame.header, std::span<std::byte, protocol::frame_header_bytes>(
                                                    frame.bytes.data(), protocol::frame_header_bytes));
    send(std::move(frame), stream == 0 ? *dialler_ : *diallers_.at(stream - 1));
  }
  /// Until the worker takes nothing more.
  unsigned taken() {
    for (int steps = 0; steps < 200; ++steps) worker_->step(0);
    return static_cast<unsigned>(counters_->frames);
  }

  /// All that was sent is taken in the end, as the disk goes on.
  void expect_all_taken(unsigned sent) {
    for (unsigned tries = 0; tries < 100 * chunks && taken() < sent; ++tries) place_.clock.advance(second);
    EXPECT_EQ(taken(), sent) << "it goes on when the disk does";
    EXPECT_EQ(down_, "");
  }

  std::shared_ptr<IncomingFiles> files_ = std::make_shared<IncomingFiles>(1, protocol::frame_bytes_direct);
  std::shared_ptr<InFile> file_ = std::make_shared<InFile>();
  std::array<Pair, streams - 1> more_;
  std::array<std::unique_ptr<wire::Channel>, streams - 1> diallers_;
};

// Each holds a slot. What the disk has not finished at once, a quarter of all, does not finish here: its clock all but
// stands.
TEST_F(LandingWorker, ADiskThatCannotFollowIsGivenEightMebibytesOfAStream) {
  for (const std::uint32_t frame_bytes : {protocol::frame_bytes_direct, protocol::frame_bytes_usual}) {
    SCOPED_TRACE(frame_bytes);
    files_->cut_into(frame_bytes);
    file_->chunks.clear();
    counters_->frames = 0;
    for (unsigned number = 0; number < frames(); ++number) send_frame(number);
    const std::uint64_t bytes = std::uint64_t{taken()} * frame_bytes;
    EXPECT_GE(bytes, std::uint64_t{8} << 20);
    EXPECT_LE(bytes, std::uint64_t{20} << 20) << "as if there were no bound but its slots";
    expect_all_taken(frames());
  }
}

/// As many streams as there may be: a worker's memory does not grow with them.
TEST_F(LandingWorker, ADiskThatCannotFollowIsGivenSixteenMebibytesOfAWorkerAndSomeOfEachStream) {
  for (unsigned number = 0; number < frames(); ++number) send_frame(number, number / frames_per_chunk() % streams);
  const unsigned before = taken();
  EXPECT_GE(before, 16U + streams - 2);
  EXPECT_LE(before, 26U) << "each of them would be given eight";
  expect_all_taken(frames());
}

/// Blocks of zeros are left out: of such a frame the disk has 4 KiB at a time.
TEST_F(LandingWorker, ADiskIsGivenAsManyFramesWithHolesAsThereAreSlots) {
  file_->entry.sparse = true;
  const auto every_other_block = [](Bytes payload) {
    for (std::size_t at = 0; at < payload.size(); at += std::size_t{2} * 4096)
      std::ranges::fill(payload.subspan(at, 4096), std::byte{0});
  };
  files_->cut_into(protocol::frame_bytes_usual);
  for (unsigned number = 0; number < frames(); ++number) send_frame(number, 0, every_other_block);
  EXPECT_GE(taken(), 70U) << "eight of 1 MiB would be 32";
  expect_all_taken(frames());
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
  void SetUp() override {
    WorkerTest::SetUp();
    file_->id = 7;
    file_->feed = make_feed(memory_source("stream", {}));
    file_->chunk_bytes = protocol::node_bytes;
    file_->content.reader = std::make_shared<HalfGone>(protocol::node_bytes);
  }
  void send_chunk(std::uint64_t chunk, std::uint64_t bytes = 1000) {
    ChunkTask task;
    task.file = file_;
    task.chunk = chunk;
    task.extent = {chunk * file_->chunk_bytes, bytes};
    task.frame_bytes = protocol::leaf_bytes;
    task.attempt = attempt_;
    worker_->post([this, task](Worker& worker) {
      if (auto setup = std::move(setup_)) worker.join(std::move(*setup));
      worker.assign(2, task);
    });
  }
  void call_back(std::uint64_t chunk) {
    worker_->post([this, chunk](Worker& worker) { worker.call_back(2, 0, {7, chunk, attempt_, 1000}); });
  }
  void step() {
    for (int steps = 0; steps < 3; ++steps) worker_->step(0);
  }
  [[nodiscard]] std::unique_ptr<StreamSetup> sending_stream() {
    auto setup = std::make_unique<StreamSetup>();
    setup->id = 2;
    setup->sends = true;
    setup->channel = other_.dialler(1, 0);
    setup->counters = counters_;
    return setup;
  }

  Pair other_;
  std::unique_ptr<StreamSetup> setup_ = sending_stream();  ///< until it has joined
  std::shared_ptr<OutgoingFile> file_ = std::make_shared<OutgoingFile>();
  std::uint32_t attempt_ = 1;
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

/// A disk is read some frames ahead, of the next chunk too: what nobody has been sent of is still as good as not begun.
TEST_F(SendingWorker, WhatHasOnlyBeenReadCanBeCalledBack) {
  place_.fs.direct_alignment = 4096;
  place_.put("target/source", std::string(protocol::node_bytes + std::size_t{2} * protocol::leaf_bytes, 'x'));
  auto data = place_.fs.make_disk("test")->open_file(place_.root, "source", disk::Open::read, true);
  ASSERT_TRUE(data) << data.error().text;
  ASSERT_GT((*data)->alignment(), 1U);
  file_->content = {};
  file_->content.file = *data;
  attempt_ = 0;  // nobody looks at its version
  send_chunk(0, std::uint64_t{2} * protocol::leaf_bytes);
  send_chunk(1, std::uint64_t{2} * protocol::leaf_bytes);
  worker_->step(0);
  ASSERT_LE(counters_->frames, 1U) << "the disk has finished more at once than this test is for";
  call_back(1);
  for (int tries = 0; tries < 20; ++tries) {
    step();
    place_.clock.advance(second);
  }
  ASSERT_EQ(dropped_.size(), 1U);
  EXPECT_TRUE(dropped_[0].same_copy({7, 1, 0, 0}));
  EXPECT_EQ(dropped_[0].bytes, 0U);
  EXPECT_EQ(counters_->frames, 2U) << "of the first chunk";
}

TEST_F(SendingWorker, WhatHasBegunGoesOn) {
  send_chunk(1);
  step();
  call_back(1);
  step();
  EXPECT_TRUE(dropped_.empty());
  EXPECT_EQ(counters_->frames, 1U);
}

TEST_F(SendingWorker, WhatIsLeftOfAFrameWhenItsStreamEndsWasNotCarried) {
  other_.piece_most = protocol::leaf_bytes;
  setup_ = sending_stream();
  other_.to_listener.capacity = protocol::leaf_bytes + protocol::leaf_bytes / 2;
  send_chunk(1, std::uint64_t{4} * protocol::leaf_bytes);
  for (int steps = 0; steps < 20; ++steps) step();
  ASSERT_EQ(other_.to_listener.bytes.size(), other_.to_listener.capacity);
  EXPECT_EQ(counters_->content_bytes, 2 * protocol::leaf_bytes);
  other_.to_listener.broken_errno = EPIPE;
  step();
  EXPECT_LE(counters_->content_bytes, other_.to_listener.bytes.size());
  EXPECT_LE(counters_->wire_bytes, other_.to_listener.bytes.size());
  EXPECT_GT(counters_->content_bytes, protocol::leaf_bytes);
}

/// Whose every frame takes 15 ms to be packed.
class CostlyPacking : public SendingWorker {
 protected:
  class Costly final : public Clock {
   public:
    Time now() override { return now_ += 15 * millisecond; }
    std::int64_t wall_ns() override { return 0; }

   private:
    Time now_ = second;
  };
  WorkerSetup worker_setup() override {
    return {.touch_memory = false, .compression = {Compression::Mode::always, 1}, .clock = &clock_};
  }
  Costly clock_;
};

/// zstd at its highest levels: a worker is not away from everything else for a second at a time.
TEST_F(CostlyPacking, PacksForAStreamNoLongerThanOthersCanWait) {
  send_chunk(1, std::uint64_t{8} * protocol::leaf_bytes);
  worker_->step(0);
  EXPECT_EQ(counters_->frames, 2U);
  EXPECT_LE(worker_->step(0), 0) << "and goes on at once";
  EXPECT_EQ(counters_->frames, 4U);
  step();
  EXPECT_EQ(counters_->frames, 8U);
}

}  // namespace
}  // namespace longhaul::engine
