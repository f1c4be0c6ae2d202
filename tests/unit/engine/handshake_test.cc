#include "engine/handshake.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "pair.h"
#include "sim/sim_base.h"

namespace longhaul::engine {
namespace {

using State = Handshake::State;

class Door final : public Admission {
 public:
  explicit Door(const security::TicketKey& key) : key_(key) {}
  std::string why_excluded(const protocol::Hello& dialler) override {
    return dialler.path() == excluded ? "policy excludes path " + excluded : std::string();
  }
  Result<Answer> answer(const protocol::Hello& dialler) override {
    if (unknown_ticket) return fail(Code::refused, "this ticket is not known here");
    asked = dialler.path();
    Answer answer;
    answer.key = key_;
    answer.hello.set_session("sixteen bytes !!");
    answer.hello.set_kind(dialler.kind());
    answer.hello.set_allow_clear(allow_clear);
    return answer;
  }
  Result<> admit(const protocol::Hello&) override {
    if (strangers_only) return fail(Code::refused, "in use by another");
    ++admitted;
    return {};
  }
  bool unknown_ticket = false;
  bool strangers_only = false;
  std::string excluded;
  bool allow_clear = true;
  std::string asked;
  int admitted = 0;

 private:
  security::TicketKey key_;
};

class HandshakeTest : public ::testing::Test {
 protected:
  protocol::Hello hello() {
    protocol::Hello hello;
    hello.set_kind(protocol::Hello::KIND_CONTROL);
    hello.set_allow_clear(true);
    hello.set_path("a");
    return hello;
  }
  void begin(const protocol::Hello& hello, const security::TicketKey& key) {
    dialler_ = std::make_unique<Handshake>(pair_.dialler(), hello, key, random_, 10 * second);
    listener_ = std::make_unique<Handshake>(pair_.listener(), door_, random_, 10 * second);
  }
  /// Until both know.
  void run() {
    for (int i = 0; i < 1000; ++i) {
      dialler_state_ = dialler_->step(second);
      listener_state_ = listener_->step(second);
    }
  }
  void expect_refused(const std::string& words) {
    EXPECT_EQ(dialler_state_, State::failed);
    EXPECT_EQ(listener_state_, State::failed);
    EXPECT_EQ(dialler_->error().code, Code::refused);
    EXPECT_NE(dialler_->error().text.find(words), std::string::npos) << dialler_->error().text;
    EXPECT_EQ(door_.admitted, 0);
  }
  static security::TicketKey key_of(unsigned char fill) {
    security::TicketKey key;
    key.fill(std::byte{fill});
    return key;
  }

  sim::SimRandom random_{1};
  Pair pair_;
  Door door_{key_of(7)};
  std::unique_ptr<Handshake> dialler_;
  std::unique_ptr<Handshake> listener_;
  State dialler_state_ = State::busy;
  State listener_state_ = State::busy;
};

TEST_F(HandshakeTest, BothAreProven) {
  begin(hello(), key_of(7));
  run();
  EXPECT_EQ(dialler_state_, State::proven) << dialler_->error().text;
  EXPECT_EQ(listener_state_, State::proven) << listener_->error().text;
  EXPECT_EQ(dialler_->peer().session(), "sixteen bytes !!");
  EXPECT_EQ(listener_->peer().path(), "a");
  EXPECT_EQ(door_.asked, "a");
  EXPECT_EQ(door_.admitted, 1);
  EXPECT_NE(dialler_->own().nonce(), dialler_->peer().nonce());
}

TEST_F(HandshakeTest, AWrongSecretIsRefusedInWords) {
  begin(hello(), key_of(8));
  run();
  expect_refused("secret is wrong");
  EXPECT_EQ(listener_->error().code, Code::refused);
}

TEST_F(HandshakeTest, TheSecretNeverCrossesTheWire) {
  begin(hello(), key_of(7));
  std::vector<std::byte> crossed;
  for (int i = 0; i < 1000; ++i) {
    dialler_->step(second);
    crossed.insert(crossed.end(), pair_.to_listener.bytes.begin(), pair_.to_listener.bytes.end());
    listener_->step(second);
    crossed.insert(crossed.end(), pair_.to_dialler.bytes.begin(), pair_.to_dialler.bytes.end());
  }
  const auto key = key_of(7);
  EXPECT_GT(crossed.size(), 200U);
  EXPECT_EQ(std::search(crossed.begin(), crossed.end(), key.begin(), key.begin() + 8), crossed.end());
}

TEST_F(HandshakeTest, APathThatPolicyExcludesIsRefusedBeforeAnythingIsAsked) {
  door_.excluded = "a";
  begin(hello(), key_of(7));
  run();
  expect_refused("policy excludes path a");
  EXPECT_TRUE(dialler_->path_excluded());
  EXPECT_TRUE(listener_->path_excluded());
  EXPECT_EQ(door_.asked, "") << "the ticket was looked at";
}

TEST_F(HandshakeTest, AnotherPathMayBePermitted) {
  door_.excluded = "b";
  begin(hello(), key_of(7));
  run();
  EXPECT_EQ(dialler_state_, State::proven) << dialler_->error().text;
  EXPECT_FALSE(dialler_->path_excluded());
}

TEST_F(HandshakeTest, ARefusalForOtherReasonsIsNotThePathsFault) {
  door_.unknown_ticket = true;
  begin(hello(), key_of(7));
  run();
  expect_refused("not known here");
  EXPECT_FALSE(dialler_->path_excluded());
}

TEST_F(HandshakeTest, AnUnknownTicketIsRefused) {
  door_.unknown_ticket = true;
  begin(hello(), key_of(7));
  run();
  expect_refused("not known here");
}

TEST_F(HandshakeTest, ATicketOfAnotherIsRefusedAfterTheProof) {
  door_.strangers_only = true;
  begin(hello(), key_of(7));
  run();
  expect_refused("in use by another");
}

TEST_F(HandshakeTest, ClearDataMustBeAllowedByBoth) {
  auto shy = hello();
  shy.set_allow_clear(false);
  begin(shy, key_of(7));
  run();
  expect_refused("does not allow data in clear");
}

TEST_F(HandshakeTest, ClearDataMustBeAllowedByTheListener) {
  door_.allow_clear = false;
  begin(hello(), key_of(7));
  run();
  EXPECT_EQ(dialler_state_, State::failed);
  EXPECT_EQ(dialler_->error().code, Code::refused);
  EXPECT_NE(dialler_->error().text.find("--cipher none"), std::string::npos);
  EXPECT_EQ(door_.admitted, 0);
}

/// A dialler of another build, by hand.
class StrangeDialler : public HandshakeTest {
 protected:
  State answer_to(const protocol::Hello& strange) {
    protocol::Message message;
    *message.mutable_hello() = strange;
    say(message);
    return run_listener();
  }
  void say(const protocol::Message& message) {
    const auto bytes = protocol::encode_message(message);
    pair_.to_listener.bytes.insert(pair_.to_listener.bytes.end(), bytes.begin(), bytes.end());
  }
  State run_listener() {
    if (!listener_) listener_ = std::make_unique<Handshake>(pair_.listener(), door_, random_, 10 * second);
    State state = State::busy;
    for (int i = 0; i < 500; ++i) state = listener_->step(second);
    return state;
  }
  protocol::Hello whole() {
    auto it = hello();
    it.set_version_min(protocol::version_min);
    it.set_version_max(protocol::version_max);
    it.set_nonce(std::string(32, 'n'));
    return it;
  }
};

TEST_F(StrangeDialler, AnotherVersionIsToldWhich) {
  auto newer = whole();
  newer.set_version_min(protocol::version_max + 1);
  newer.set_version_max(protocol::version_max + 3);
  EXPECT_EQ(answer_to(newer), State::failed);
  EXPECT_NE(listener_->error().text.find("2..4"), std::string::npos) << listener_->error().text;
}

TEST_F(StrangeDialler, ARequiredFeatureThatIsUnknownIsRefused) {
  auto newer = whole();
  newer.set_features_required(1ULL << 60);
  EXPECT_EQ(answer_to(newer), State::failed);
  EXPECT_NE(listener_->error().text.find("requires features"), std::string::npos);
}

TEST_F(StrangeDialler, OptionalFeaturesAreNoMatter) {
  auto newer = whole();
  newer.set_features_supported(~std::uint64_t{0});
  newer.set_version_max(99);
  EXPECT_EQ(answer_to(newer), State::busy);
}

TEST_F(StrangeDialler, AMessageOutOfTurnIsAnError) {
  say(wire::ping(1));
  EXPECT_EQ(run_listener(), State::failed);
  EXPECT_EQ(listener_->error().code, Code::protocol);
}

TEST_F(StrangeDialler, ATooLongHelloIsRefusedUnread) {
  auto long_one = whole();
  long_one.set_path(std::string(protocol::hello_bytes_max, 'x'));
  EXPECT_EQ(answer_to(long_one), State::failed);
}

/// An attacker that does not know the secret sends the dialler's own words back to it.
TEST_F(HandshakeTest, AReflectedProofProvesNothing) {
  Handshake dialler(pair_.dialler(1, 0), hello(), key_of(7), random_, 10 * second);
  State state = State::busy;
  for (int i = 0; i < 500 && state == State::busy; ++i) {
    state = dialler.step(second);
    pair_.to_dialler.bytes.insert(pair_.to_dialler.bytes.end(), pair_.to_listener.bytes.begin(),
                                  pair_.to_listener.bytes.end());
    pair_.to_listener.bytes.clear();
  }
  EXPECT_EQ(state, State::failed);
  EXPECT_EQ(dialler.error().code, Code::refused);
}

TEST_F(HandshakeTest, SilenceEndsAtTheDeadline) {
  Handshake dialler(pair_.dialler(), hello(), key_of(7), random_, 10 * second);
  EXPECT_EQ(dialler.step(9 * second), State::busy);
  EXPECT_EQ(dialler.step(10 * second), State::failed);
  EXPECT_EQ(dialler.error().code, Code::connection);
  EXPECT_NE(dialler.error().text.find("did not answer in time"), std::string::npos);
}

TEST_F(HandshakeTest, APeerThatGoesAwayIsNoPeer) {
  Handshake listener(pair_.listener(1, 0), door_, random_, 10 * second);
  pair_.to_listener.closed = true;
  EXPECT_EQ(listener.step(second), State::failed);
  EXPECT_EQ(listener.error().code, Code::connection);
}

}  // namespace
}  // namespace longhaul::engine
