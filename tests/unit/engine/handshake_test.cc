#include "engine/handshake.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "pair.h"

namespace longhaul::engine {
namespace {

using State = Handshake::State;

constexpr const char* session_id = "sixteen bytes !!";

class Door final : public Admission {
 public:
  explicit Door(const security::TicketKey& key) : key_(key) {}
  std::string why_excluded(const protocol::Hello& dialler, const std::optional<security::Fingerprint>&) override {
    return dialler.path() == excluded ? "policy excludes path " + excluded : std::string();
  }
  Result<Answer> answer(const protocol::Hello& dialler) override {
    if (unknown_ticket) return fail(Code::refused, "this ticket is not known here");
    asked = dialler.path();
    Answer answer;
    answer.key = key_;
    answer.hello.set_session(session_id);
    answer.hello.set_kind(dialler.kind());
    answer.hello.set_cipher(to_wire(cipher));
    return answer;
  }
  Result<> admit(const protocol::Hello&, const security::Fingerprint& key) override {
    if (strangers_only) return fail(Code::refused, "in use by another");
    ++admitted;
    admitted_key = key;
    return {};
  }
  bool unknown_ticket = false;
  bool strangers_only = false;
  std::string excluded;
  Cipher cipher = Cipher::automatic;
  std::string asked;
  int admitted = 0;
  std::optional<security::Fingerprint> admitted_key;

 private:
  security::TicketKey key_;
};

security::Secret secret_of(unsigned char fill) {
  security::Secret key;
  key.fill(std::byte{fill});
  return key;
}

class HandshakeTest : public ::testing::Test {
 protected:
  protocol::Hello hello(protocol::Hello::Kind kind = protocol::Hello::KIND_CONTROL) {
    protocol::Hello hello;
    hello.set_kind(kind);
    hello.set_path("a");
    return hello;
  }
  protocol::Hello stream_hello() {
    auto it = hello(protocol::Hello::KIND_STREAM);
    it.set_session(session_id);
    it.set_stream(3);
    return it;
  }
  std::unique_ptr<wire::SecureConnection> dial(std::optional<security::SessionKey> join = {}) {
    return dialling_guard_->dialled(pair_.dialler_end(), listening_.fingerprint(), std::move(join));
  }
  std::unique_ptr<wire::SecureConnection> accept() {
    return listening_guard_->accepted(pair_.listener_end(), [this](std::string_view session) {
      return session == known_session_ ? std::optional(secret_of(9)) : std::nullopt;
    });
  }
  void begin(const protocol::Hello& hello, const security::TicketKey& key) {
    dialler_ = std::make_unique<Handshake>(dial(), hello, key, 10 * second);
    listener_ = std::make_unique<Handshake>(accept(), door_, 10 * second);
  }
  void begin_stream(std::string known_session, unsigned char key = 9) {
    known_session_ = std::move(known_session);
    dialler_ = std::make_unique<Handshake>(dial(security::SessionKey{session_id, secret_of(key)}), stream_hello(),
                                           std::nullopt, 10 * second);
    listener_ = std::make_unique<Handshake>(accept(), door_, 10 * second);
  }
  /// Until both know.
  void run() {
    for (int i = 0; i < 2000; ++i) {
      if (dialler_state_ == State::busy) dialler_state_ = dialler_->step(second);
      if (listener_state_ == State::busy) listener_state_ = listener_->step(second);
    }
  }
  void expect_refused(const std::string& words) {
    EXPECT_EQ(dialler_state_, State::failed);
    EXPECT_EQ(listener_state_, State::failed);
    EXPECT_EQ(dialler_->error().code, Code::refused);
    EXPECT_NE(dialler_->error().text.find(words), std::string::npos) << dialler_->error().text;
    EXPECT_EQ(door_.admitted, 0);
  }

  security::Identity dialling_ = security::Identity::make(system_random());
  security::Identity listening_ = security::Identity::make(system_random());
  std::unique_ptr<wire::Guard> dialling_guard_ = wire::make_tls_guard(dialling_);
  std::unique_ptr<wire::Guard> listening_guard_ = wire::make_tls_guard(listening_);
  std::string known_session_;
  Pair pair_;
  Door door_{secret_of(7)};
  std::unique_ptr<Handshake> dialler_;
  std::unique_ptr<Handshake> listener_;
  State dialler_state_ = State::busy;
  State listener_state_ = State::busy;
};

TEST_F(HandshakeTest, BothAreProven) {
  begin(hello(), secret_of(7));
  run();
  ASSERT_EQ(dialler_state_, State::proven) << dialler_->error().text;
  ASSERT_EQ(listener_state_, State::proven) << listener_->error().text;
  EXPECT_EQ(dialler_->peer().session(), session_id);
  EXPECT_EQ(listener_->peer().path(), "a");
  EXPECT_EQ(door_.asked, "a");
  EXPECT_EQ(door_.admitted, 1);
  EXPECT_EQ(*door_.admitted_key, dialling_.fingerprint());
  EXPECT_EQ(dialler_->session_secret(), listener_->session_secret());
  EXPECT_EQ(dialler_->cipher(), Cipher::aes_256_gcm);
  EXPECT_EQ(listener_->cipher(), Cipher::aes_256_gcm);
}

TEST_F(HandshakeTest, WhatIsNeededOfThePeerIsTold) {
  Options options;
  options.leave_alone.existing = true;
  auto it = hello();
  it.set_features_required(features_needed(options));
  begin(it, secret_of(7));
  run();
  ASSERT_EQ(listener_state_, State::proven) << listener_->error().text;
  EXPECT_EQ(listener_->peer().features_required(), protocol::feature_leave_alone);
  EXPECT_EQ(dialler_->peer().features_supported() & protocol::feature_leave_alone, protocol::feature_leave_alone);
}

TEST_F(HandshakeTest, AWrongSecretIsRefusedInWords) {
  begin(hello(), secret_of(8));
  run();
  expect_refused("secret is wrong");
  EXPECT_EQ(listener_->error().code, Code::refused);
}

TEST_F(HandshakeTest, NothingReadableCrosses) {
  auto greeting = hello();
  greeting.set_path("a-path-with-a-telling-name");
  begin(greeting, secret_of(7));
  std::vector<std::byte> crossed;
  for (int i = 0; i < 2000; ++i) {
    dialler_->step(second);
    crossed.insert(crossed.end(), pair_.to_listener.bytes.begin(), pair_.to_listener.bytes.end());
    listener_->step(second);
    crossed.insert(crossed.end(), pair_.to_dialler.bytes.begin(), pair_.to_dialler.bytes.end());
  }
  EXPECT_EQ(door_.asked, "a-path-with-a-telling-name");
  const auto key = secret_of(7);
  EXPECT_GT(crossed.size(), 1000U);
  EXPECT_EQ(std::search(crossed.begin(), crossed.end(), key.begin(), key.begin() + 8), crossed.end());
  EXPECT_EQ(text_of(crossed).find("telling"), std::string_view::npos);
}

TEST_F(HandshakeTest, APathThatPolicyExcludesIsRefusedBeforeAnythingIsAsked) {
  door_.excluded = "a";
  begin(hello(), secret_of(7));
  run();
  expect_refused("policy excludes path a");
  EXPECT_TRUE(dialler_->path_excluded());
  EXPECT_TRUE(listener_->path_excluded());
  EXPECT_EQ(door_.asked, "") << "the ticket was looked at";
}

TEST_F(HandshakeTest, AnotherPathMayBePermitted) {
  door_.excluded = "b";
  begin(hello(), secret_of(7));
  run();
  EXPECT_EQ(dialler_state_, State::proven) << dialler_->error().text;
  EXPECT_FALSE(dialler_->path_excluded());
}

TEST_F(HandshakeTest, ARefusalForOtherReasonsIsNotThePathsFault) {
  door_.unknown_ticket = true;
  begin(hello(), secret_of(7));
  run();
  expect_refused("not known here");
  EXPECT_FALSE(dialler_->path_excluded());
}

TEST_F(HandshakeTest, ATicketOfAnotherIsRefusedAfterTheProof) {
  door_.strangers_only = true;
  begin(hello(), secret_of(7));
  run();
  expect_refused("in use by another");
}

/// Somebody in between answers in the listener's place.
TEST_F(HandshakeTest, WhoHasAnotherKeyThanTheTicketNamesIsNotTheListener) {
  listening_guard_ = wire::make_tls_guard(security::Identity::make(system_random()));
  begin(hello(), secret_of(7));
  run();
  EXPECT_EQ(dialler_state_, State::failed);
  EXPECT_EQ(dialler_->error().code, Code::refused);
  EXPECT_NE(dialler_->error().text.find("not who the ticket names"), std::string::npos) << dialler_->error().text;
  EXPECT_EQ(listener_state_, State::failed);
  EXPECT_EQ(door_.asked, "") << "it has heard the greeting";
}

TEST_F(HandshakeTest, AStreamJoinsItsSession) {
  begin_stream(session_id);
  run();
  ASSERT_EQ(dialler_state_, State::proven) << dialler_->error().text;
  ASSERT_EQ(listener_state_, State::proven) << listener_->error().text;
  EXPECT_EQ(door_.admitted, 0) << "the session was admitted already";
  const auto dialler = dialler_->take_stream(Cipher::aes_256_gcm, secret_of(1));
  const auto listener = listener_->take_stream(Cipher::aes_256_gcm, secret_of(1));
  EXPECT_TRUE(dialler->sealed());
  dialler->queue(wire::ping(5));
  wire::Incoming in;
  for (int i = 0; i < 1000 && in.kind == wire::Incoming::Kind::nothing; ++i) {
    ASSERT_TRUE(dialler->flush());
    in = listener->receive(nullptr);
  }
  ASSERT_EQ(in.kind, wire::Incoming::Kind::message) << in.error.text;
  EXPECT_EQ(in.message.ping().token(), 5U);
}

TEST_F(HandshakeTest, AStreamInClearIsWhatBothAgreedOn) {
  begin_stream(session_id);
  run();
  ASSERT_EQ(dialler_state_, State::proven) << dialler_->error().text;
  EXPECT_FALSE(dialler_->take_stream(Cipher::none, secret_of(1))->sealed());
}

TEST_F(HandshakeTest, AStreamOfAnotherSessionSecretIsNotUnderstood) {
  begin_stream(session_id);
  run();
  ASSERT_EQ(listener_state_, State::proven) << listener_->error().text;
  const auto dialler = dialler_->take_stream(Cipher::aes_256_gcm, secret_of(1));
  const auto listener = listener_->take_stream(Cipher::aes_256_gcm, secret_of(2));
  dialler->queue(wire::ping(5));
  wire::Incoming in;
  for (int i = 0; i < 1000 && in.kind == wire::Incoming::Kind::nothing; ++i) {
    ASSERT_TRUE(dialler->flush());
    in = listener->receive(nullptr);
  }
  EXPECT_EQ(in.kind, wire::Incoming::Kind::failed);
}

TEST_F(HandshakeTest, AStreamOfASessionThatHasEndedIsToldSo) {
  begin_stream("another session!");
  run();
  expect_refused("that session has ended");
}

TEST_F(HandshakeTest, WhoDoesNotKnowTheSessionsKeyCannotJoin) {
  begin_stream(session_id, 8);
  run();
  EXPECT_EQ(dialler_state_, State::failed);
  EXPECT_EQ(listener_state_, State::failed);
  EXPECT_EQ(door_.asked, "");
}

/// It holds a key, and perhaps a ticket: a stream takes more.
TEST_F(HandshakeTest, AStreamThatShowsACertificateHasJoinedNothing) {
  dialler_ = std::make_unique<Handshake>(dial(), stream_hello(), secret_of(7), 10 * second);
  listener_ = std::make_unique<Handshake>(accept(), door_, 10 * second);
  run();
  expect_refused("that session has ended");
}

struct Wishes {
  Cipher dialler;
  Cipher listener;
  std::optional<Cipher> agreed;
};

TEST_F(HandshakeTest, BothAgreeOnOneCipherOrGoApart) {
  for (const Wishes& wishes :
       {Wishes{Cipher::automatic, Cipher::chacha20_poly1305, Cipher::chacha20_poly1305},
        Wishes{Cipher::aes_128_gcm, Cipher::automatic, Cipher::aes_128_gcm},
        Wishes{Cipher::aes_256_gcm, Cipher::aes_256_gcm, Cipher::aes_256_gcm},
        Wishes{Cipher::none, Cipher::none, Cipher::none}, Wishes{Cipher::none, Cipher::automatic, std::nullopt},
        Wishes{Cipher::automatic, Cipher::none, std::nullopt}, Wishes{Cipher::aes_256_gcm, Cipher::none, std::nullopt},
        Wishes{Cipher::aes_256_gcm, Cipher::aes_128_gcm, std::nullopt}}) {
    SCOPED_TRACE(std::string(name_of(wishes.dialler)) + " and " + std::string(name_of(wishes.listener)));
    pair_ = {};
    dialler_state_ = listener_state_ = State::busy;
    door_.cipher = wishes.listener;
    door_.admitted = 0;
    auto greeting = hello();
    greeting.set_cipher(to_wire(wishes.dialler));
    begin(greeting, secret_of(7));
    run();
    if (wishes.agreed) {
      ASSERT_EQ(dialler_state_, State::proven) << dialler_->error().text;
      EXPECT_EQ(dialler_->cipher(), *wishes.agreed);
      EXPECT_EQ(listener_->cipher(), *wishes.agreed);
    } else {
      expect_refused("--cipher");
    }
  }
}

TEST_F(HandshakeTest, ACipherThatIsNotKnownHereIsRefused) {
  auto greeting = hello();
  greeting.set_cipher(static_cast<protocol::Hello::Cipher>(9));
  begin(greeting, secret_of(7));
  run();
  expect_refused("does not know");
}

/// A dialler of another build, by hand; it has its TLS.
class StrangeDialler : public HandshakeTest {
 protected:
  State answer_to(const protocol::Hello& strange) {
    protocol::Message message;
    *message.mutable_hello() = strange;
    return answer_to(message);
  }
  State answer_to(const protocol::Message& message) {
    listener_ = std::make_unique<Handshake>(accept(), door_, 10 * second);
    wire::Channel channel(dial());
    channel.queue(message);
    State state = State::busy;
    for (int i = 0; i < 2000 && state == State::busy; ++i) {
      (void)channel.receive(nullptr);
      (void)channel.flush();
      state = listener_->step(second);
    }
    return state;
  }
  protocol::Hello whole() {
    auto it = hello();
    it.set_version_min(protocol::version_min);
    it.set_version_max(protocol::version_max);
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

TEST(FeaturesNeeded, AreThoseOfWhatIsAskedFor) {
  EXPECT_EQ(features_needed({}), 0U);
  for (const LeaveAlone& asked :
       {LeaveAlone{.newer = true}, LeaveAlone{.missing = true}, LeaveAlone{.existing = true}}) {
    Options options;
    options.leave_alone = asked;
    EXPECT_EQ(features_needed(options), protocol::feature_leave_alone);
    EXPECT_NE(features_needed(options) & protocol::features_known, 0U);
  }
  Options whole;
  whole.publish = Publish::tree;
  EXPECT_EQ(features_needed(whole), protocol::feature_publish_tree);
  EXPECT_NE(features_needed(whole) & protocol::features_known, 0U);
  for (const auto mode : {Compression::Mode::automatic, Compression::Mode::always}) {
    Options options;
    options.compression.mode = mode;
    EXPECT_EQ(features_needed(options), protocol::feature_compression);
    EXPECT_NE(features_needed(options) & protocol::features_known, 0U);
  }
  Options mirror;
  mirror.mirror.wanted = true;
  EXPECT_EQ(features_needed(mirror), protocol::feature_mirror);
  mirror.dry_run = true;
  EXPECT_EQ(features_needed(mirror), protocol::feature_mirror | protocol::feature_dry_run);
  EXPECT_EQ(features_needed(mirror) & ~protocol::features_known, 0U);
  for (const Delta by : {Delta::sha256, Delta::xxh3}) {
    Options options;
    options.checksum = by;
    EXPECT_EQ(features_needed(options), protocol::feature_checksum);
    EXPECT_NE(features_needed(options) & protocol::features_known, 0U);
    options.publish = Publish::tree;
    EXPECT_EQ(features_needed(options),
              protocol::feature_checksum | protocol::feature_publish_tree | protocol::feature_delta);
  }
}

TEST_F(StrangeDialler, OptionalFeaturesAreNoMatter) {
  auto newer = whole();
  newer.set_features_supported(~std::uint64_t{0});
  newer.set_version_max(99);
  EXPECT_EQ(answer_to(newer), State::failed);
  EXPECT_NE(listener_->error().text.find("secret is wrong"), std::string::npos)
      << "and not: " << listener_->error().text;
}

/// A proof of another connection, passed on.
TEST_F(StrangeDialler, AProofIsOfOneConnection) {
  auto passed_on = whole();
  const auto proof = security::proof_of(secret_of(7), secret_of(1));
  passed_on.set_ticket_proof(proof.data(), proof.size());
  EXPECT_EQ(answer_to(passed_on), State::failed);
  EXPECT_NE(listener_->error().text.find("secret is wrong"), std::string::npos) << listener_->error().text;
}

TEST_F(StrangeDialler, AMessageOutOfTurnIsAnError) {
  EXPECT_EQ(answer_to(wire::ping(1)), State::failed);
  EXPECT_EQ(listener_->error().code, Code::protocol);
}

TEST_F(StrangeDialler, ATooLongHelloIsRefusedUnread) {
  auto long_one = whole();
  long_one.set_path(std::string(protocol::hello_bytes_max, 'x'));
  EXPECT_EQ(answer_to(long_one), State::failed);
}

/// The dialler's own words come back to it.
TEST_F(HandshakeTest, AReflectionProvesNothing) {
  Handshake dialler(dial(), hello(), secret_of(7), 10 * second);
  State state = State::busy;
  for (int i = 0; i < 500 && state == State::busy; ++i) {
    state = dialler.step(second);
    pair_.to_dialler.bytes.insert(pair_.to_dialler.bytes.end(), pair_.to_listener.bytes.begin(),
                                  pair_.to_listener.bytes.end());
    pair_.to_listener.bytes.clear();
  }
  EXPECT_EQ(state, State::failed);
}

TEST_F(HandshakeTest, SilenceEndsAtTheDeadline) {
  Handshake dialler(dial(), hello(), secret_of(7), 10 * second);
  EXPECT_EQ(dialler.step(9 * second), State::busy);
  EXPECT_EQ(dialler.step(10 * second), State::failed);
  EXPECT_EQ(dialler.error().code, Code::connection);
  EXPECT_NE(dialler.error().text.find("did not answer in time"), std::string::npos);
}

TEST_F(HandshakeTest, APeerThatGoesAwayIsNoPeer) {
  Handshake listener(accept(), door_, 10 * second);
  pair_.to_listener.closed = true;
  State state = State::busy;
  for (int i = 0; i < 100 && state == State::busy; ++i) state = listener.step(second);
  EXPECT_EQ(state, State::failed);
  EXPECT_EQ(listener.error().code, Code::connection);
}

}  // namespace
}  // namespace longhaul::engine
