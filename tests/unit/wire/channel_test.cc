#include "wire/channel.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <deque>

#include "fakes.h"

namespace longhaul::wire {
namespace {

using Kind = Incoming::Kind;
constexpr std::size_t whole = std::size_t{1} << 24;  // pieces as large as asked for

/// A receiving channel over a pipe that the test fills by hand.
struct Receiver {
  explicit Receiver(std::size_t piece_bytes_max = whole, int block_percent = 0, std::uint64_t seed = 1)
      : channel(std::make_unique<FakeConnection>(pipe, back, seed, piece_bytes_max, block_percent)) {}

  void put(ConstBytes bytes) { pipe.bytes.insert(pipe.bytes.end(), bytes.begin(), bytes.end()); }
  void put(std::string_view text) { put(bytes_of(text)); }
  Incoming next(SlotPool* pool, int tries = 100'000) {
    for (;;) {
      Incoming incoming = channel.receive(pool);
      if (incoming.kind != Kind::nothing || --tries == 0) return incoming;
    }
  }

  Pipe pipe;
  Pipe back;
  Channel channel;
};

struct CountingPoller final : Poller {
  void watch(int, bool, bool) override {}
  void forget(int) override {}
  void wait(Time, Time) override {}
  void wake() override { ++wakes; }
  int wakes = 0;
};

// What is sent, in the order in which it must arrive.
struct Sent {
  std::deque<TestFrame> frames;
  std::vector<std::uint64_t> order;  // token of a message, or frame_mark + chunk
};
constexpr std::uint64_t frame_mark = 1'000'000;

class Fragments : public testing::TestWithParam<std::tuple<std::size_t, int>> {};

TEST_P(Fragments, AnyMixArrivesIntactAndInOrder) {
  const auto [piece_bytes, seed_number] = GetParam();
  const auto seed = static_cast<std::uint64_t>(seed_number);
  std::mt19937_64 random(seed);
  Pipe pipe;
  Pipe back;
  Channel sender(std::make_unique<FakeConnection>(back, pipe, seed + 1, piece_bytes, 30));
  Channel receiver(std::make_unique<FakeConnection>(pipe, back, seed + 2, piece_bytes, 30));
  SlotPool pool(2);
  const std::uint32_t payload_max = piece_bytes < 100 ? 3'000 : 1'000'000;
  Sent sent;
  std::size_t arrived = 0;
  while (sent.order.size() < 40 || arrived < sent.order.size()) {
    if (!sender.sending() && sent.order.size() < 40) {
      for (unsigned messages = random() % 4; messages > 0; --messages) {  // all leave before the frame
        sender.queue(ping(sent.order.size()), static_cast<std::uint32_t>(sent.order.size()));
        sent.order.push_back(sent.order.size());
      }
      sent.frames.push_back(
          make_frame(sent.order.size(), static_cast<std::uint32_t>(1 + random() % payload_max), random()));
      sender.begin_frame(sent.frames.back().bytes);
      sent.order.push_back(frame_mark + sent.order.size());
    }
    ASSERT_TRUE(sender.flush());
    const Incoming incoming = receiver.receive(&pool);
    if (incoming.kind == Kind::nothing) continue;
    ASSERT_LT(arrived, sent.order.size());
    const std::uint64_t expected = sent.order[arrived++];
    if (expected < frame_mark) {
      ASSERT_EQ(incoming.kind, Kind::message) << incoming.error.text;
      ASSERT_EQ(incoming.message.ping().token(), expected);
      ASSERT_EQ(incoming.sequence, expected);
    } else {
      ASSERT_EQ(incoming.kind, Kind::frame) << incoming.error.text;
      ASSERT_EQ(incoming.header, sent.frames.front().header);
      const ConstBytes payload = sent.frames.front().payload();
      ASSERT_TRUE(std::equal(payload.begin(), payload.end(), incoming.slot.payload()));
      sent.frames.pop_front();
    }
  }
  EXPECT_EQ(sender.bytes_sent(), receiver.bytes_received());
  EXPECT_EQ(pool.free_count(), pool.count());
}

INSTANTIATE_TEST_SUITE_P(Pieces, Fragments,
                         testing::Combine(testing::Values(1, 7, 161, 5'000, 300'000, whole), testing::Values(1, 2, 3)));

TEST(ChannelSend, MessagesNeverInterruptAFrame) {
  Pipe pipe;
  Pipe back;
  Channel sender(std::make_unique<FakeConnection>(back, pipe, 5, 100, 50));
  Channel receiver(std::make_unique<FakeConnection>(pipe, back, 6, whole, 0));
  TestFrame frame = make_frame(9, 5'000, 1);
  sender.begin_frame(frame.bytes);
  while (pipe.bytes.empty()) ASSERT_TRUE(sender.flush());
  ASSERT_TRUE(sender.sending());
  sender.queue(ping(1));
  EXPECT_GT(sender.queued_bytes(), 0U);
  while (sender.wants_to_write()) ASSERT_TRUE(sender.flush());
  SlotPool pool(1);
  EXPECT_EQ(receiver.receive(&pool).kind, Kind::frame);
  EXPECT_EQ(receiver.receive(&pool).kind, Kind::message);
}

TEST(ChannelSend, MessageQueuedBeforeTheFirstByteOfAFrameGoesFirst) {
  Pipe pipe;
  Pipe back;
  Channel sender(std::make_unique<FakeConnection>(back, pipe, 5, whole, 0));
  Channel receiver(std::make_unique<FakeConnection>(pipe, back, 6, whole, 0));
  TestFrame frame = make_frame(9, 5'000, 1);
  sender.begin_frame(frame.bytes);
  sender.queue(ping(1));
  ASSERT_TRUE(sender.flush());
  SlotPool pool(1);
  EXPECT_EQ(receiver.receive(&pool).kind, Kind::message);
  EXPECT_EQ(receiver.receive(&pool).kind, Kind::frame);
}

TEST(ChannelSend, BrokenConnectionIsToldInWords) {
  Pipe pipe;
  Pipe back;
  Channel sender(std::make_unique<FakeConnection>(back, pipe, 5, whole, 0));
  pipe.broken_errno = EPIPE;
  sender.queue(ping(1));
  const auto flushed = sender.flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().code, Code::connection);
  EXPECT_EQ(flushed.error().system_errno, EPIPE);
  EXPECT_NE(flushed.error().text.find("192.0.2.1:4000"), std::string::npos);
  EXPECT_NE(flushed.error().text.find("192.0.2.2:4711"), std::string::npos);
}

TEST(ChannelReceive, FrameWaitsForASlot) {
  Receiver receiver;
  const TestFrame frame = make_frame(1, 70'000, 3);
  receiver.put(frame.bytes);
  receiver.put(protocol::encode_message(ping(4)));
  SlotPool pool(1);
  Slot taken = pool.take();
  EXPECT_EQ(receiver.channel.receive(&pool).kind, Kind::no_slot);
  EXPECT_EQ(receiver.channel.receive(&pool).kind, Kind::no_slot);
  taken = {};
  const Incoming incoming = receiver.channel.receive(&pool);
  ASSERT_EQ(incoming.kind, Kind::frame);
  EXPECT_TRUE(std::ranges::equal(frame.payload(), ConstBytes(incoming.slot.payload(), 70'000)));
  EXPECT_EQ(receiver.channel.receive(&pool).kind, Kind::message);
}

TEST(ChannelReceive, CloseBetweenMessagesIsOrderly) {
  Receiver receiver(3, 20);
  receiver.put(protocol::encode_message(ping(4)));
  receiver.pipe.closed = true;
  EXPECT_EQ(receiver.next(nullptr).kind, Kind::message);
  EXPECT_EQ(receiver.next(nullptr).kind, Kind::closed);
}

TEST(ChannelReceive, CloseAnywhereInsideIsAFailure) {
  const auto message = protocol::encode_message(words("a rather long message"));
  const TestFrame frame = make_frame(1, 500, 3);
  for (const ConstBytes wire : {ConstBytes(message), ConstBytes(frame.bytes)}) {
    for (std::size_t cut = 1; cut < wire.size(); ++cut) {
      Receiver receiver(50, 20, cut);
      SlotPool pool(1);
      receiver.put(wire.first(cut));
      receiver.pipe.closed = true;
      const Incoming incoming = receiver.next(&pool);
      ASSERT_EQ(incoming.kind, Kind::failed) << cut;
      ASSERT_EQ(incoming.error.code, Code::connection);
      ASSERT_EQ(pool.free_count(), 1U);
    }
  }
}

TEST(ChannelReceive, FlippedHeaderBitIsFoundAndStaysFound) {
  const TestFrame frame = make_frame(1, 500, 3);
  for (std::size_t at = 0; at < protocol::frame_header_bytes; ++at) {
    Receiver receiver(200, 10, at);
    SlotPool pool(1);
    auto bytes = frame.bytes;
    bytes[at] ^= std::byte{0x10};
    receiver.put(bytes);
    receiver.pipe.closed = true;
    ASSERT_EQ(receiver.next(&pool).kind, Kind::failed) << at;
    ASSERT_EQ(receiver.next(&pool).kind, Kind::failed);
    ASSERT_EQ(pool.free_count(), 1U);
  }
}

TEST(ChannelReceive, FlippedMessageIsFound) {
  auto bytes = protocol::encode_message(words("hello"));
  bytes.back() ^= std::byte{1};
  Receiver receiver;
  receiver.put(bytes);
  const Incoming incoming = receiver.channel.receive(nullptr);
  ASSERT_EQ(incoming.kind, Kind::failed);
  EXPECT_EQ(incoming.error.code, Code::protocol);
}

TEST(ChannelReceive, HttpOnThePortIsRecognised) {
  Receiver receiver(5, 20);
  receiver.put("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
  const Incoming incoming = receiver.next(nullptr);
  ASSERT_EQ(incoming.kind, Kind::failed);
  EXPECT_EQ(incoming.error.code, Code::protocol);
  EXPECT_NE(incoming.error.text.find("HTTP"), std::string::npos) << incoming.error.text;
}

TEST(ChannelReceive, MessageOverTheLimitIsRefusedUnread) {
  Receiver receiver;
  receiver.channel.set_message_limit(100);
  receiver.put(protocol::encode_message(words(std::string(200, 'x'))));
  EXPECT_EQ(receiver.channel.receive(nullptr).kind, Kind::failed);

  Receiver patient;
  patient.put(protocol::encode_message(words(std::string(200'000, 'x'))));
  const Incoming incoming = patient.channel.receive(nullptr);
  ASSERT_EQ(incoming.kind, Kind::message);
  EXPECT_EQ(incoming.message.busy().text().size(), 200'000U);
}

TEST(ChannelReceive, MessageLimitDoesNotBindFrames) {
  Receiver receiver;
  receiver.channel.set_message_limit(100);
  receiver.put(make_frame(1, 500, 3).bytes);
  SlotPool pool(1);
  EXPECT_EQ(receiver.channel.receive(&pool).kind, Kind::frame);
}

TEST(ChannelReceive, FrameWithoutPoolIsAProtocolError) {
  Receiver receiver;
  receiver.put(make_frame(1, 500, 3).bytes);
  const Incoming incoming = receiver.channel.receive(nullptr);
  ASSERT_EQ(incoming.kind, Kind::failed);
  EXPECT_EQ(incoming.error.code, Code::protocol);
}

TEST(ChannelReceive, EmptyMessageArrives) {
  Receiver receiver;
  receiver.put(protocol::encode_message(protocol::Message{}));
  EXPECT_EQ(receiver.channel.receive(nullptr).kind, Kind::message);
}

TEST(ChannelWatch, AsksForTheRestOfAFrameAndWakesForWhatWasReadAhead) {
  Pipe pipe;
  Pipe back;
  auto owned = std::make_unique<FakeConnection>(pipe, back, 1, whole, 0);
  FakeConnection& connection = *owned;
  Channel channel(std::move(owned));
  SlotPool pool(1);
  CountingPoller poller;

  channel.watch(poller);
  EXPECT_EQ(connection.watched_bytes, protocol::prefix_bytes);
  EXPECT_FALSE(connection.watched_writable);

  const TestFrame frame = make_frame(1, 100'000, 3);
  pipe.bytes.assign(frame.bytes.begin(), frame.bytes.end() - 30'000);
  EXPECT_EQ(channel.receive(&pool).kind, Kind::nothing);
  channel.watch(poller);
  EXPECT_EQ(connection.watched_bytes, 30'000U);
  channel.watch(poller, true);
  EXPECT_EQ(connection.watched_bytes, 0U);
  EXPECT_EQ(poller.wakes, 0);

  pipe.bytes.assign(frame.bytes.end() - 30'000, frame.bytes.end());
  const auto message = protocol::encode_message(ping(1));
  pipe.bytes.insert(pipe.bytes.end(), message.begin(), message.end());
  Incoming incoming = channel.receive(&pool);
  ASSERT_EQ(incoming.kind, Kind::frame);
  channel.watch(poller, true);
  EXPECT_EQ(poller.wakes, 0);
  channel.watch(poller);  // the message is in memory: no socket will tell of it
  EXPECT_EQ(poller.wakes, 1);
  EXPECT_EQ(channel.receive(&pool).kind, Kind::message);
  channel.queue(ping(2));
  channel.watch(poller);
  EXPECT_TRUE(connection.watched_writable);
}

}  // namespace
}  // namespace longhaul::wire
