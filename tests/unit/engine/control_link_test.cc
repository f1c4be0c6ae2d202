#include "engine/control_link.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <deque>
#include <random>

#include "pair.h"

namespace longhaul::engine {
namespace {

protocol::Message words(const std::string& text) {
  return wire::words(text);
}

/// Both steps, and what `to` has received.
std::vector<std::string> exchange(ControlLink& from, ControlLink& to, Time now, int rounds = 200) {
  std::vector<std::string> heard;
  for (int i = 0; i < rounds; ++i) {
    (void)from.step(now);
    (void)from.receive(now);
    for (auto got = to.receive(now); got.message; got = to.receive(now)) heard.push_back(got.message->busy().text());
    (void)to.step(now);
  }
  return heard;
}

TEST(ControlLink, CarriesInOrderAndForgetsWhatIsAcknowledged) {
  Pair pair;
  ControlLink a;
  ControlLink b;
  a.attach(pair.dialler(), 0, 1);
  b.attach(pair.listener(), 0, 1);
  for (const char* text : {"one", "two", "three"}) a.send(words(text));
  EXPECT_FALSE(a.drained());
  EXPECT_EQ(exchange(a, b, 2), (std::vector<std::string>{"one", "two", "three"}));
  EXPECT_EQ(b.last_seen(), 3U);
  EXPECT_TRUE(a.drained());
}

TEST(ControlLink, WhatTheOldConnectionLostComesOnTheNext) {
  ControlLink a;
  ControlLink b;
  std::mt19937_64 random(1);
  std::vector<std::string> sent;
  std::vector<std::string> heard;
  std::deque<Pair> pairs;
  for (int life = 0; life < 30; ++life) {
    Pair& pair = pairs.emplace_back();
    a.attach(pair.dialler(random(), 60), b.last_seen(), 1);
    b.attach(pair.listener(random(), 60), a.last_seen(), 1);
    for (std::uint64_t i = random() % 5; i > 0; --i) {
      sent.push_back("message " + std::to_string(sent.size()));
      a.send(words(sent.back()));
    }
    const auto more = exchange(a, b, 1, static_cast<int>(random() % 12));
    heard.insert(heard.end(), more.begin(), more.end());
    a.detach();
    b.detach();
    EXPECT_FALSE(a.up());
    a.send(words("message " + std::to_string(sent.size())));  // while nobody is there
    sent.push_back("message " + std::to_string(sent.size()));
  }
  Pair& pair = pairs.emplace_back();
  a.attach(pair.dialler(), b.last_seen(), 1);
  b.attach(pair.listener(), a.last_seen(), 1);
  const auto more = exchange(a, b, 1, 2000);
  heard.insert(heard.end(), more.begin(), more.end());
  EXPECT_EQ(heard, sent);
  EXPECT_TRUE(a.drained());
}

TEST(ControlLink, AnswersPingsAndNoticesSilence) {
  Pair pair;
  ControlLink a;
  ControlLink b;
  a.attach(pair.dialler(), 0, 0);
  b.attach(pair.listener(), 0, 0);
  for (Time now = second; now < 60 * second; now += second) {
    for (int i = 0; i < 20; ++i) {
      ASSERT_FALSE(a.step(now));
      ASSERT_FALSE(b.step(now));
      ASSERT_FALSE(a.receive(now).lost);
      ASSERT_FALSE(b.receive(now).lost);
    }
  }
  std::optional<Error> lost;
  for (Time now = 60 * second; now < 90 * second && !lost; now += second) lost = a.step(now);
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->code, Code::connection);
  EXPECT_FALSE(a.up());
}

TEST(ControlLink, ALossIsToldOnce) {
  Pair pair;
  ControlLink a;
  a.attach(pair.dialler(1, 0), 0, 0);
  pair.to_dialler.broken_errno = ECONNRESET;
  EXPECT_TRUE(a.receive(1).lost);
  EXPECT_FALSE(a.receive(1).lost);
  EXPECT_FALSE(a.step(1));
  Pair next;
  a.attach(next.dialler(1, 0), 0, 2);
  next.to_dialler.closed = true;
  EXPECT_TRUE(a.receive(3).lost);
  EXPECT_FALSE(a.up());
}

TEST(ControlLink, AGapIsAnError) {
  Pair pair;
  ControlLink b;
  b.attach(pair.listener(1, 0), 0, 0);
  const auto bytes = protocol::encode_message(words("second"), 2);
  pair.to_listener.bytes.assign(bytes.begin(), bytes.end());
  std::optional<Error> lost;
  for (int i = 0; i < 50 && !lost; ++i) lost = b.receive(1).lost;
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->code, Code::protocol);
}

TEST(ControlLink, ANewSessionBeginsWithOne) {
  Pair pair;
  ControlLink a;
  ControlLink b;
  a.attach(pair.dialler(), 0, 1);
  b.attach(pair.listener(), 0, 1);
  a.send(words("old"));
  exchange(a, b, 1);
  a.send(words("never sent"));
  a.reset();
  b.reset();
  EXPECT_EQ(b.last_seen(), 0U);
  EXPECT_TRUE(a.drained());
  Pair next;
  a.attach(next.dialler(), 0, 1);
  b.attach(next.listener(), 0, 1);
  a.send(words("new"));
  EXPECT_EQ(exchange(a, b, 1), std::vector<std::string>{"new"});
}

}  // namespace
}  // namespace longhaul::engine
