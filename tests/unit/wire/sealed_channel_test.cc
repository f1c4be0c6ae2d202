// Messages and frames under a stream's seal.
#include <gtest/gtest.h>

#include <deque>

#include "fakes.h"
#include "wire/channel.h"

namespace longhaul::wire {
namespace {

using Kind = Incoming::Kind;

security::Secret stream_secret(unsigned fill) {
  security::Secret secret;
  secret.fill(std::byte(fill));
  return secret;
}

/// A frame with the room for a tag that a slot has behind it.
struct Outgoing {
  explicit Outgoing(TestFrame made) : frame(std::move(made)), bytes(frame.bytes) {
    bytes.resize(frame.bytes.size() + protocol::seal_tag_bytes);
  }
  [[nodiscard]] std::span<std::byte> to_send() { return Bytes(bytes).first(frame.bytes.size()); }
  TestFrame frame;
  std::vector<std::byte> bytes;
};

class SealedChannel : public testing::Test {
 protected:
  explicit SealedChannel(std::size_t piece_bytes = 5'000, int block_percent = 20)
      : sender_(std::make_unique<FakeConnection>(back_, pipe_, 1, piece_bytes, block_percent), {},
                security::make_seals(Cipher::aes_256_gcm, stream_secret(1), true)),
        receiver_(std::make_unique<FakeConnection>(pipe_, back_, 2, piece_bytes, block_percent), {},
                  security::make_seals(Cipher::aes_256_gcm, stream_secret(1), false)) {}
  void send(Outgoing& frame) {
    sender_.begin_frame(frame.to_send());
    while (sender_.wants_to_write()) ASSERT_TRUE(sender_.flush());
  }
  void send(const protocol::Message& message) {
    sender_.queue(message);
    while (sender_.wants_to_write()) ASSERT_TRUE(sender_.flush());
  }
  Incoming next(Channel& channel) {
    Incoming in;
    for (int i = 0; i < 100'000 && in.kind == Kind::nothing; ++i) in = channel.receive(&pool_);
    return in;
  }
  void expect_refused(const char* words) {
    const Incoming in = next(receiver_);
    ASSERT_EQ(in.kind, Kind::failed);
    EXPECT_EQ(in.error.code, Code::protocol);
    EXPECT_NE(in.error.text.find(words), std::string::npos) << in.error.text;
    EXPECT_EQ(receiver_.receive(&pool_).kind, Kind::failed) << "for good";
    EXPECT_EQ(pool_.free_count(), pool_.count()) << "its slot has gone back";
  }

  SlotPool pool_{4};
  Pipe pipe_;
  Pipe back_;
  Channel sender_;
  Channel receiver_;
};

TEST_F(SealedChannel, AnyMixArrivesInTheOrderInWhichItCrossed) {
  std::mt19937_64 random(1);
  std::deque<Outgoing> frames;
  std::size_t begun = 0;
  std::size_t arrived = 0;
  std::uint64_t said = 0;
  std::uint64_t heard = 0;
  for (int i = 0; i < 200'000 && (arrived < 60 || heard < said); ++i) {
    if (!sender_.sending() && begun < 60) {
      sender_.queue(ping(said++));  // before the frame
      frames.emplace_back(make_frame(begun++, static_cast<std::uint32_t>(1 + random() % 300'000), random()));
      sender_.begin_frame(frames.back().to_send());
    }
    if (random() % 50 == 0) sender_.queue(ping(said++));  // often in the middle of one
    ASSERT_TRUE(sender_.flush());
    for (Incoming in; (in = receiver_.receive(&pool_)).kind != Kind::nothing;) {
      ASSERT_TRUE(in.kind == Kind::frame || in.kind == Kind::message) << in.error.text;
      if (in.kind == Kind::message) {
        ASSERT_EQ(in.message.ping().token(), heard++);
        continue;
      }
      const TestFrame& frame = frames[arrived++].frame;
      ASSERT_EQ(in.header, frame.header);
      ASSERT_TRUE(std::ranges::equal(frame.payload(), ConstBytes(in.slot.payload(), in.header.wire_bytes)));
    }
  }
  EXPECT_EQ(arrived, 60U);
  EXPECT_EQ(heard, said);
  EXPECT_FALSE(sender_.wants_to_write());
}

TEST_F(SealedChannel, AHoleIsSealedAsAnyFrame) {
  std::deque<Outgoing> frames;
  for (std::uint64_t chunk = 0; chunk < 100; ++chunk) {
    TestFrame hole = make_frame(chunk, chunk % 7 == 6 ? 1000 : 0, chunk);
    if (hole.header.raw_bytes == 0) {
      hole.header.flags = protocol::flag_sparse;
      hole.header.raw_bytes = 3 * protocol::leaf_bytes;
      protocol::encode_frame_header(hole.header, std::span(hole.bytes).first<protocol::frame_header_bytes>());
    }
    send(frames.emplace_back(std::move(hole)));
    if (HasFatalFailure()) return;
  }
  for (const Outgoing& sent : frames) {
    const Incoming in = next(receiver_);
    ASSERT_EQ(in.kind, Kind::frame) << in.error.text;
    EXPECT_EQ(in.header, sent.frame.header);
  }
  EXPECT_EQ(receiver_.receive(&pool_).kind, Kind::nothing);
}

TEST_F(SealedChannel, NothingOfAFrameOrMessageIsReadableOnTheWay) {
  Outgoing frame(make_frame(1, 4000, 3));
  const std::vector<std::byte> plain = frame.frame.bytes;
  send(frame);
  send(words("a file's name"));
  for (std::size_t at = protocol::prefix_bytes; at + 16 <= plain.size(); at += 16) {
    const auto piece = std::span(plain).subspan(at, 16);
    if (std::ranges::all_of(piece, [](std::byte byte) { return byte == std::byte{0}; })) continue;
    EXPECT_TRUE(std::ranges::search(pipe_.bytes, piece).empty()) << at;
  }
  EXPECT_EQ(text_of(pipe_.bytes).find("file's name"), std::string_view::npos);
}

TEST_F(SealedChannel, OneBitAnywhereInAFrameEndsTheChannel) {
  Outgoing frame(make_frame(1, 300, 3));
  send(frame);
  const std::vector<std::byte> good = pipe_.bytes;
  for (std::size_t bit = 0; bit < good.size() * 8; bit += 3) {
    Pipe pipe{good};
    pipe.bytes[bit / 8] ^= std::byte(1U << bit % 8);
    pipe.closed = true;
    Channel receiver(std::make_unique<FakeConnection>(pipe, back_, 2, 1U << 20U, 0), {},
                     security::make_seals(Cipher::aes_256_gcm, stream_secret(1), false));
    ASSERT_EQ(next(receiver).kind, Kind::failed) << "bit " << bit;
  }
  EXPECT_EQ(next(receiver_).kind, Kind::frame);
}

TEST_F(SealedChannel, AReplayedFrameIsRefused) {
  Outgoing frame(make_frame(1, 300, 3));
  send(frame);
  pipe_.bytes.insert(pipe_.bytes.end(), frame.bytes.begin(), frame.bytes.end());
  EXPECT_EQ(next(receiver_).kind, Kind::frame);
  expect_refused("not what the peer sealed next");
}

TEST_F(SealedChannel, ALeftOutMessageIsNoticed) {
  send(ping(1));
  pipe_.bytes.clear();
  send(ping(2));
  expect_refused("not what the peer sealed next");
}

TEST_F(SealedChannel, ACutOffFrameIsNoFrame) {
  Outgoing frame(make_frame(1, 300, 3));
  send(frame);
  pipe_.bytes.pop_back();
  pipe_.closed = true;
  const Incoming in = next(receiver_);
  ASSERT_EQ(in.kind, Kind::failed);
  EXPECT_EQ(in.error.code, Code::connection);
}

TEST_F(SealedChannel, WordsInClearAreRefused) {
  const auto clear = protocol::encode_message(ping(1));
  pipe_.bytes.insert(pipe_.bytes.end(), clear.begin(), clear.end());
  expect_refused("sent something in clear");
}

TEST_F(SealedChannel, AFrameInClearIsRefused) {
  const TestFrame clear = make_frame(1, 300, 3);
  pipe_.bytes.insert(pipe_.bytes.end(), clear.bytes.begin(), clear.bytes.end());
  expect_refused("sent something in clear");
}

TEST_F(SealedChannel, SealedWordsAreNoneWhereEverythingIsInClear) {
  send(ping(1));
  Channel clear(std::make_unique<FakeConnection>(pipe_, back_, 2, 1U << 20U, 0));
  const Incoming in = next(clear);
  ASSERT_EQ(in.kind, Kind::failed);
  EXPECT_NE(in.error.text.find("in clear here"), std::string::npos) << in.error.text;
}

TEST_F(SealedChannel, AnotherStreamsRecordsAreRefused) {
  Channel other(std::make_unique<FakeConnection>(back_, pipe_, 1, 1U << 20U, 0), {},
                security::make_seals(Cipher::aes_256_gcm, stream_secret(2), true));
  other.queue(ping(1));
  while (other.wants_to_write()) ASSERT_TRUE(other.flush());
  expect_refused("not what the peer sealed next");
}

TEST_F(SealedChannel, WhatWasReadAheadOfTheSealComesFirst) {
  send(ping(1));
  send(ping(2));
  std::vector<std::byte> ahead(pipe_.bytes.begin(), pipe_.bytes.begin() + 30);
  pipe_.bytes.erase(pipe_.bytes.begin(), pipe_.bytes.begin() + 30);
  Channel receiver(std::make_unique<FakeConnection>(pipe_, back_, 2, 1U << 20U, 0), std::move(ahead),
                   security::make_seals(Cipher::aes_256_gcm, stream_secret(1), false));
  EXPECT_EQ(next(receiver).message.ping().token(), 1U);
  EXPECT_EQ(next(receiver).message.ping().token(), 2U);
}

}  // namespace
}  // namespace longhaul::wire
