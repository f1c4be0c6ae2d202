#include "wire/secure.h"

#include <gtest/gtest.h>

#include <string>

#include "fakes.h"
#include "wire/channel.h"

namespace longhaul::wire {
namespace {

using State = Transfer::State;

struct Ends {
  explicit Ends(std::uint64_t seed, std::size_t piece_bytes = 100, int block_percent = 20)
      : dialling(security::Identity::make(system_random())),
        listening(security::Identity::make(system_random())),
        dialling_guard(make_tls_guard(dialling)),
        listening_guard(make_tls_guard(listening)),
        dialler(dialling_guard->dialled(
            std::make_unique<FakeConnection>(to_dialler, to_listener, seed, piece_bytes, block_percent),
            listening.fingerprint(), std::nullopt)),
        listener(listening_guard->accepted(
            std::make_unique<FakeConnection>(to_listener, to_dialler, seed + 1, piece_bytes, block_percent), nullptr)) {
  }
  void meet() {
    std::array<std::byte, 1> none{};
    for (int i = 0; i < 2000 && !(dialler->established() && listener->established()); ++i) {
      EXPECT_EQ(dialler->read_some(none).state, State::blocked);
      EXPECT_EQ(listener->read_some(none).state, State::blocked);
    }
    for (int i = 0; i < 200; ++i) (void)dialler->write_some({}), (void)listener->write_some({});
    ASSERT_TRUE(dialler->established() && listener->established());
  }

  Pipe to_listener;
  Pipe to_dialler;
  security::Identity dialling;
  security::Identity listening;
  std::unique_ptr<Guard> dialling_guard;
  std::unique_ptr<Guard> listening_guard;
  std::unique_ptr<SecureConnection> dialler;
  std::unique_ptr<SecureConnection> listener;
};

TEST(Secure, ProvesBothInWhateverPiecesBytesCome) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Ends ends(seed, 1 + seed * 7);
    ends.meet();
    EXPECT_EQ(*ends.dialler->peer(), ends.listening.fingerprint());
    EXPECT_EQ(*ends.listener->peer(), ends.dialling.fingerprint());
    EXPECT_EQ(ends.dialler->exported("x"), ends.listener->exported("x"));
  }
}

TEST(Secure, MessagesCrossBothWays) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Ends ends(seed, 300);
    ends.meet();
    Channel dialler(std::move(ends.dialler));
    Channel listener(std::move(ends.listener));
    std::uint64_t there = 0;
    std::uint64_t back = 0;
    for (std::uint64_t i = 0; i < 50; ++i) {
      dialler.queue(ping(i));
      listener.queue(words(std::string(i * 500, 'x')));  // up to two records
    }
    for (int i = 0; i < 20'000 && (there < 50 || back < 50); ++i) {
      ASSERT_TRUE(dialler.flush());
      ASSERT_TRUE(listener.flush());
      for (Incoming in; (in = listener.receive(nullptr)).kind != Incoming::Kind::nothing; ++there) {
        ASSERT_EQ(in.kind, Incoming::Kind::message) << in.error.text;
        ASSERT_EQ(in.message.ping().token(), there);
      }
      for (Incoming in; (in = dialler.receive(nullptr)).kind != Incoming::Kind::nothing; ++back) {
        ASSERT_EQ(in.kind, Incoming::Kind::message) << in.error.text;
        ASSERT_EQ(in.message.busy().text().size(), back * 500);
      }
    }
    EXPECT_EQ(there, 50U);
    EXPECT_EQ(back, 50U);
  }
}

/// What a side says behind its last record is for those who go on below.
TEST(Secure, WhatFollowsTheLastRecordIsHandedOver) {
  Ends ends(1, 1U << 20U, 0);
  ends.meet();
  const std::string said = "the last word in TLS";
  ASSERT_EQ(ends.listener->write_some(bytes_of(said)).state, State::moved);
  const std::string below = "and what is no TLS";
  for (const std::byte byte : bytes_of(below)) ends.to_dialler.bytes.push_back(byte);
  std::vector<std::byte> got(100);
  const Transfer read = ends.dialler->read_some(got);
  ASSERT_EQ(read.state, State::moved);
  EXPECT_EQ(text_of(ConstBytes(got).first(read.bytes)), said);
  const auto released = ends.dialler->release();
  EXPECT_EQ(text_of(released.ahead), below);
  EXPECT_NE(released.connection, nullptr);
}

struct Mistake {
  const char* said;
  const char* words;
};

TEST(Secure, StrangersAreToldWhatTheyLookLike) {
  for (const Mistake& mistake : {Mistake{"GET / HTTP/1.1\r\n\r\n", "HTTP"}, Mistake{"SSH-2.0-OpenSSH_9.2\r\n", "SSH"},
                                 Mistake{"\x16\x03\x01\x7f\xff and more", "Longhaul"}}) {
    Ends ends(1, 1000, 0);
    for (const std::byte byte : bytes_of(mistake.said)) ends.to_listener.bytes.push_back(byte);
    std::array<std::byte, 10> none{};
    EXPECT_EQ(ends.listener->read_some(none).state, State::failed);
    ASSERT_TRUE(ends.listener->why_failed());
    EXPECT_NE(ends.listener->why_failed()->text.find(mistake.words), std::string::npos)
        << ends.listener->why_failed()->text;
    EXPECT_TRUE(ends.to_dialler.bytes.empty()) << "nothing is said to somebody who does not speak TLS";
    EXPECT_EQ(ends.listener->read_some(none).state, State::failed) << "for good";
  }
}

TEST(Secure, ABrokenConnectionBelowIsTold) {
  Ends ends(1);
  ends.to_dialler.broken_errno = ECONNRESET;
  std::array<std::byte, 10> none{};
  Transfer read;
  for (int i = 0; i < 100 && read.state != State::failed; ++i) read = ends.dialler->read_some(none);
  EXPECT_EQ(read.state, State::failed);
  EXPECT_EQ(read.system_errno, ECONNRESET);
}

TEST(Secure, AsksForWritingOnlyWhenSomethingCanGo) {
  class Nobody final : public Poller {
   public:
    void watch(int, bool, bool) override {}
    void forget(int) override {}
    void wait(Time, Time) override {}
    void wake() override {}
  } poller;
  Pipe to_listener;
  Pipe to_dialler;
  const auto identity = security::Identity::make(system_random());
  const auto guard = make_tls_guard(identity);
  auto below = std::make_unique<FakeConnection>(to_dialler, to_listener, 1, 1U << 20U, 0);
  FakeConnection& inner = *below;
  const auto dialler = guard->dialled(std::move(below), identity.fingerprint(), std::nullopt);
  dialler->watch(poller, 0, true);
  EXPECT_TRUE(inner.watched_writable) << "the first words of TLS wait";
  EXPECT_EQ(inner.watched_bytes, 1U);
  EXPECT_EQ(dialler->write_some({}).state, State::blocked);
  dialler->watch(poller, 0, true);
  EXPECT_FALSE(inner.watched_writable) << "it is the peer's turn: a writable socket would wake us for ever";
}

}  // namespace
}  // namespace longhaul::wire
