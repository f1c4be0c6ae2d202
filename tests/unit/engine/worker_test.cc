// A worker's streams, as control and a peer meet them.
#include "engine/worker.h"

#include <gtest/gtest.h>

#include "deaf_poller.h"
#include "pair.h"
#include "place.h"

namespace longhaul::engine {
namespace {

class WorkerTest : public ::testing::Test, protected StreamEvents {
 protected:
  void SetUp() override {
    worker_ = std::make_unique<Worker>(
        Kit{std::make_unique<DeafPoller>(), std::move(place_.data_disk), std::move(place_.disk)}, 0,
        static_cast<StreamEvents&>(*this), false);
    auto setup = std::make_shared<StreamSetup>(StreamSetup{1, false, pair_.listener(2, 0), counters_});
    worker_->post([setup](Worker& worker) { worker.join(std::move(*setup)); });
  }
  void stream_down(std::uint32_t, Error error) override { down_ = error.text; }
  void stream_message(std::uint32_t, protocol::Message) override {}
  void task_dropped(std::uint32_t, std::uint32_t, paths::Load) override {}
  void source_failed(std::uint32_t, std::uint64_t, FileError) override {}

  void open(std::uint32_t transfer) {
    auto files = std::make_shared<IncomingFiles>(transfer, 0);
    files->announced(1'000'000);
    worker_->post([files](Worker& worker) { worker.open_incoming({files, nullptr, nullptr}); });
  }
  void send(const wire::TestFrame& frame) {
    dialler_->begin_frame(frame.bytes);
    while (dialler_->sending()) ASSERT_TRUE(dialler_->flush());
  }

  Place place_;
  Pair pair_;
  std::shared_ptr<StreamCounters> counters_ = std::make_shared<StreamCounters>();
  std::unique_ptr<wire::Channel> dialler_ = pair_.dialler();
  std::unique_ptr<Worker> worker_;
  std::string down_;
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

}  // namespace
}  // namespace longhaul::engine
