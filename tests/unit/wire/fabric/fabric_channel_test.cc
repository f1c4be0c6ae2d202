// Channels whose frames go by rail, both ends in one thread, over the fabric in memory.
#include "wire/fabric/fabric_channel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <utility>

#include "../fakes.h"
#include "fake_fabric.h"

namespace longhaul::wire::fabric {
namespace {

using Kind = Incoming::Kind;

class ManualClock final : public Clock {
 public:
  Time now() override { return time; }
  std::int64_t wall_ns() override { return time; }
  Time time = second;
};

class QuietPoller final : public Poller {
 public:
  void watch(int, bool, bool) override {}
  void forget(int) override {}
  void wait(Time, Time) override {}
  void wake() override {}
};

FakeTraits large_frames() {
  FakeTraits traits{.again_percent = 20, .late_percent = 50};
  traits.place.write_bytes_max = 2 << 20;
  traits.place.depth = path_slots_max;
  return traits;
}

security::Secret secret_of(unsigned fill) {
  security::Secret secret;
  secret.fill(std::byte(fill));
  return secret;
}

struct Ends {
  explicit Ends(bool is_sealed, FakeTraits traits = large_frames(), std::uint64_t seed = 1)
      : fabric(std::move(traits), seed), sealed(is_sealed), sender(make(true)), receiver(make(false)) {}

  std::unique_ptr<FabricChannel> make(bool sends) {
    const auto seals = [&](unsigned fill) {
      return sealed ? security::make_seals(Cipher::aes_256_gcm, secret_of(fill), sends) : security::Seals();
    };
    auto connection = sends ? std::make_unique<FakeConnection>(back, forth, 1, 5000, 20)
                            : std::make_unique<FakeConnection>(forth, back, 2, 5000, 20);
    return std::make_unique<FabricChannel>(std::move(connection), std::vector<std::byte>(), seals(1), seals(2),
                                           FabricSetup{.fabric = fabric,
                                                       .random = system_random(),
                                                       .clock = clock,
                                                       .wish = {.provider = "fake", .where = {}},
                                                       .sends = sends,
                                                       .slots = slots,
                                                       .peer_elsewhere = elsewhere});
  }

  /// What the sender hears; failures among it.
  Incoming step_sender() {
    Incoming in = sender->receive(nullptr);
    if (in.kind != Kind::failed) (void)sender->flush();
    return in;
  }

  bool begin(const TestFrame& frame) {
    if (sender->sending()) return false;
    Slot slot = sender->send_slots()->take();
    if (!slot) return false;
    std::byte* at = slot.before_payload(protocol::frame_header_bytes);
    std::ranges::copy(frame.bytes, at);
    sender->begin_frame({at, frame.bytes.size()}, std::move(slot));
    return true;
  }

  ManualClock clock;
  FakeFabric fabric;
  bool sealed;
  unsigned slots = rail_slots;
  bool elsewhere = false;
  Pipe forth, back;
  SlotPool pool{4};
  std::unique_ptr<FabricChannel> sender, receiver;
};

void expect_same(const Incoming& in, const TestFrame& frame) {
  ASSERT_EQ(in.header, frame.header);
  ASSERT_TRUE(std::ranges::equal(frame.payload(), ConstBytes(in.slot.payload(), in.header.wire_bytes)));
}

TestFrame hole(std::uint64_t chunk) {
  TestFrame frame = make_frame(chunk, 0, chunk);
  frame.header.flags = protocol::flag_sparse;
  frame.header.raw_bytes = 3 * protocol::leaf_bytes;
  protocol::encode_frame_header(frame.header, std::span(frame.bytes).first<protocol::frame_header_bytes>());
  return frame;
}

struct Way {
  bool sealed = false;
  unsigned remote_data_bytes = 4;
  bool automatic = false;
};

class FabricChannels : public testing::TestWithParam<Way> {};

// In clear and sealed, with writes that carry their grant and with those that do not, over providers that move by
// themselves and over those that must be driven: frames come in the order in which they were sent, whatever the fabric
// does, between messages both ways.
TEST_P(FabricChannels, FramesArriveInOrder) {
  FakeTraits traits = large_frames();
  traits.place.remote_data_bytes = GetParam().remote_data_bytes;
  traits.place.memory.local = true;
  traits.automatic = GetParam().automatic;
  Ends ends(GetParam().sealed, traits, 7);
  std::vector<TestFrame> frames;
  for (std::uint64_t chunk = 0; chunk < 60; ++chunk)
    frames.push_back(chunk % 7 == 3 ? hole(chunk)
                                    : make_frame(chunk, static_cast<std::uint32_t>(1 + chunk * 4'369), chunk));
  frames.push_back(make_frame(60, protocol::frame_bytes_usual, 60));
  std::size_t begun = 0;
  std::size_t arrived = 0;
  std::uint64_t pings = 0;
  std::vector<Slot> kept;  // the engine writes from them
  for (int i = 0; i < 200'000 && arrived < frames.size(); ++i) {
    const Incoming heard = ends.step_sender();
    ASSERT_EQ(heard.kind, Kind::nothing) << heard.error.text;
    if (begun < frames.size() && ends.begin(frames[begun]) && ++begun % 5 == 0) ends.sender->queue(ping(begun));
    for (Incoming in; (in = ends.receiver->receive(&ends.pool)).kind != Kind::nothing;) {
      if (in.kind == Kind::no_slot) break;
      ASSERT_TRUE(in.kind == Kind::frame || in.kind == Kind::message) << in.error.text;
      if (in.kind == Kind::message) {
        ++pings;
        continue;
      }
      expect_same(in, frames[arrived++]);
      if (HasFatalFailure()) return;
      kept.push_back(std::move(in.slot));
    }
    if (kept.size() > 3 || i % 3 == 0) kept.clear();
    ASSERT_TRUE(ends.receiver->flush());
  }
  EXPECT_EQ(arrived, frames.size());
  kept.clear();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(ends.step_sender().kind, Kind::nothing);
    const Incoming in = ends.receiver->receive(&ends.pool);
    ASSERT_TRUE(in.kind == Kind::nothing || in.kind == Kind::message) << in.error.text;
    if (in.kind == Kind::message) ++pings;
    ASSERT_TRUE(ends.receiver->flush());
  }
  EXPECT_EQ(pings, frames.size() / 5);
  const Health health = ends.sender->health();
  EXPECT_EQ(health.acks, frames.size());
  EXPECT_EQ(health.bytes_in_flight, 0U);
  EXPECT_EQ(health.bytes_acked, health.bytes_sent);
  EXPECT_EQ(ends.pool.free_count(), ends.pool.count());
  EXPECT_EQ(ends.sender->send_slots()->free_count(), rail_slots);
}

INSTANTIATE_TEST_SUITE_P(Ways, FabricChannels,
                         testing::Values(Way{false, 4, false}, Way{false, 0, false}, Way{true, 4, false},
                                         Way{true, 0, false}, Way{false, 4, true}, Way{true, 0, true}));

/// Until the sender may begin.
void meet(Ends& ends) {
  for (int i = 0; i < 10'000 && ends.sender->sending(); ++i) {
    ASSERT_EQ(ends.step_sender().kind, Kind::nothing);
    ASSERT_EQ(ends.receiver->receive(&ends.pool).kind, Kind::nothing);
    ASSERT_TRUE(ends.receiver->flush());
  }
  ASSERT_FALSE(ends.sender->sending());
}

/// What the receiver says last.
Incoming run_receiver(Ends& ends) {
  Incoming in;
  for (int i = 0; i < 10'000 && in.kind == Kind::nothing; ++i) {
    (void)ends.step_sender();
    in = ends.receiver->receive(&ends.pool);
    (void)ends.receiver->flush();
  }
  return in;
}

TEST(FabricChannel, WhatIsSealedIsNotReadableInTheSlotAndNoBitOfItMayChange) {
  Ends ends(true, FakeTraits{.place = large_frames().place, .late_percent = 100});
  meet(ends);
  const TestFrame frame = make_frame(1, 4000, 3);
  ASSERT_TRUE(ends.begin(frame));
  ASSERT_EQ(ends.fabric.under_way.size(), 1U);
  const ConstBytes sealed = ends.fabric.under_way[0].write.from;
  EXPECT_TRUE(std::ranges::search(sealed, frame.payload().first(16)).empty());
  const_cast<std::byte&>(sealed[sealed.size() / 2]) ^= std::byte{1};
  ends.fabric.land(true);
  const Incoming in = run_receiver(ends);
  ASSERT_EQ(in.kind, Kind::failed);
  EXPECT_EQ(in.error.code, Code::protocol);
  EXPECT_NE(in.error.text.find("tampered"), std::string::npos) << in.error.text;
  EXPECT_EQ(ends.pool.free_count(), ends.pool.count());
  EXPECT_EQ(ends.receiver->receive(&ends.pool).kind, Kind::failed) << "for good";
  Incoming heard;
  for (int i = 0; i < 1000 && heard.kind == Kind::nothing; ++i) {
    heard = ends.step_sender();
    EXPECT_FALSE(ends.receiver->flush()) << "it has failed, and yet tells why";
  }
  ASSERT_EQ(heard.kind, Kind::failed);
  EXPECT_NE(heard.error.text.find("gave the rail up"), std::string::npos) << heard.error.text;
}

TEST(FabricChannel, GarbageInASlotEndsIt) {
  for (const bool sealed : {false, true}) {
    Ends ends(sealed, FakeTraits{.place = large_frames().place, .late_percent = 100});
    meet(ends);
    ASSERT_TRUE(ends.begin(make_frame(1, 4000, 3)));
    const ConstBytes written = ends.fabric.under_way[0].write.from;
    std::ranges::fill(std::span(const_cast<std::byte*>(written.data()), written.size()), std::byte{0x5A});
    ends.fabric.land(true);
    EXPECT_EQ(run_receiver(ends).kind, Kind::failed) << sealed;
  }
}

TEST(FabricChannel, AFrameInClearIsNoneWhereFramesAreSealed) {
  Ends ends(true, FakeTraits{.place = large_frames().place, .late_percent = 100});
  meet(ends);
  const TestFrame clear = make_frame(1, 4000, 3);
  ASSERT_TRUE(ends.begin(clear));
  const ConstBytes written = ends.fabric.under_way[0].write.from;
  std::ranges::copy(clear.bytes, const_cast<std::byte*>(written.data()));
  ends.fabric.land(true);
  const Incoming in = run_receiver(ends);
  ASSERT_EQ(in.kind, Kind::failed);
  EXPECT_NE(in.error.text.find("no frame of this stream"), std::string::npos) << in.error.text;
}

TEST(FabricChannel, AnErrorOfTheFabricEndsBothEnds) {
  Ends ends(true);
  meet(ends);
  ends.fabric.endpoints.begin()->second->queue.push_back({.kind = Event::Kind::failed, .words = "the wire is cut"});
  Incoming sending, receiving;
  for (int i = 0; i < 1000 && (sending.kind != Kind::failed || receiving.kind != Kind::failed); ++i) {
    sending = ends.step_sender();
    receiving = ends.receiver->receive(&ends.pool);
    (void)ends.receiver->flush();
  }
  ASSERT_EQ(sending.kind, Kind::failed);
  ASSERT_EQ(receiving.kind, Kind::failed);
  EXPECT_NE(sending.error.text.find("the wire is cut"), std::string::npos) << sending.error.text;
  EXPECT_NE(receiving.error.text.find("the wire is cut"), std::string::npos) << receiving.error.text;
}

TEST(FabricChannel, AWriteThatIsLostWithoutAWordEndsItInTheEnd) {
  Ends ends(true, FakeTraits{.place = large_frames().place, .late_percent = 100});
  meet(ends);
  ASSERT_TRUE(ends.begin(make_frame(1, 4000, 3)));
  ends.fabric.under_way.clear();
  const auto pass = [&](Time time) {
    for (Time end = ends.clock.time + time; ends.clock.time < end; ends.clock.time += 500 * millisecond) {
      if (ends.step_sender().kind != Kind::nothing) return false;
    }
    return true;
  };
  ASSERT_TRUE(pass(29 * second));
  ends.clock.time += 100 * second;  // we were stopped, which is not the peer's silence
  ASSERT_TRUE(pass(29 * second));
  ASSERT_FALSE(pass(3 * second));
  Incoming sending, receiving;
  for (int i = 0; i < 1000 && (sending.kind != Kind::failed || receiving.kind != Kind::failed); ++i) {
    sending = ends.step_sender();
    (void)ends.sender->flush();
    receiving = ends.receiver->receive(&ends.pool);
    (void)ends.receiver->flush();
  }
  ASSERT_EQ(sending.kind, Kind::failed);
  EXPECT_NE(sending.error.text.find("nothing that was sent has arrived for 30 s"), std::string::npos)
      << sending.error.text;
  EXPECT_EQ(receiving.kind, Kind::failed);
}

TEST(FabricChannel, APeerThatDoesNotOpenItsEndIsGivenUp) {
  Ends ends(true);
  QuietPoller poller;
  Incoming in;
  const Time begin = ends.clock.time;
  for (; in.kind == Kind::nothing && ends.clock.time < begin + 60 * second;) {
    in = ends.step_sender();
    ends.clock.time = std::min(ends.sender->next_look(poller, ends.clock.time), ends.clock.time + 10 * second) + 1;
  }
  ASSERT_EQ(in.kind, Kind::failed);
  EXPECT_NE(in.error.text.find("has not opened its end for 30 s"), std::string::npos) << in.error.text;
  EXPECT_LE(ends.clock.time, begin + 32 * second);
}

TEST(FabricChannel, AProviderThatCannotIsSaidToBothEnds) {
  FakeTraits traits = large_frames();
  traits.place.write_bytes_max = 1000;
  Ends ends(true, traits);
  Incoming in = run_receiver(ends);
  ASSERT_EQ(in.kind, Kind::failed);
  EXPECT_NE(in.error.text.find("no more than 1000 bytes"), std::string::npos) << in.error.text;
}

TEST(FabricChannel, WhatIsNotForItsEndOrTooEarlyIsABreach) {
  protocol::Message grant, written, open;
  grant.mutable_rail_grant()->add_grant(1);
  written.mutable_rail_written()->add_grant(1);
  open.mutable_rail_open()->set_provider("fake");
  for (const auto& [message, to_receiver] :
       {std::pair(grant, true), std::pair(written, false), std::pair(open, true), std::pair(open, false)}) {
    Ends ends(false);
    meet(ends);
    (to_receiver ? ends.sender : ends.receiver)->queue(message);
    Incoming in;
    for (int i = 0; i < 1000 && in.kind != Kind::failed; ++i) {
      const Incoming sending = ends.step_sender();
      const Incoming receiving = ends.receiver->receive(&ends.pool);
      (void)ends.receiver->flush();
      in.kind = (to_receiver ? receiving : sending).kind;
    }
    EXPECT_EQ(in.kind, Kind::failed) << message.body_case() << to_receiver;
  }
}

TEST(FabricChannel, MoreConfirmedThanSentIsABreach) {
  Ends ends(false);
  meet(ends);
  protocol::Message told;
  told.mutable_rail_grant()->set_arrived(1);
  ends.receiver->queue(told);
  Incoming in;
  for (int i = 0; i < 1000 && in.kind == Kind::nothing; ++i) {
    (void)ends.receiver->flush();
    in = ends.step_sender();
  }
  ASSERT_EQ(in.kind, Kind::failed);
  EXPECT_NE(in.error.text.find("not sent"), std::string::npos) << in.error.text;
}

/// What the sender says to it.
Incoming tell_sender(Ends& ends, const protocol::Message& told) {
  ends.receiver->queue(told);
  Incoming in;
  for (int i = 0; i < 1000 && in.kind == Kind::nothing; ++i) {
    (void)ends.receiver->flush();
    in = ends.step_sender();
  }
  return in;
}

// It would let the sender's list of what is under way grow for as long as it likes.
TEST(FabricChannel, ASlotGrantedAgainBeforeItsFrameArrivedIsABreach) {
  FakeTraits traits = large_frames();
  traits.again_percent = 0;
  Ends ends(false, traits);
  meet(ends);
  ASSERT_TRUE(ends.begin(make_frame(1, 300, 1)));
  protocol::Message told;
  for (std::uint32_t slot = 0; slot < rail_slots; ++slot) told.mutable_rail_grant()->add_grant(pack({slot, 99}));
  const Incoming in = tell_sender(ends, told);
  ASSERT_EQ(in.kind, Kind::failed);
  EXPECT_NE(in.error.text.find("grants slot"), std::string::npos) << in.error.text;
}

TEST(FabricChannel, WordsThatSayNothingAreABreach) {
  protocol::Message grant, written;
  grant.mutable_rail_grant();
  written.mutable_rail_written();
  Ends ends(false);
  meet(ends);
  EXPECT_EQ(tell_sender(ends, grant).kind, Kind::failed);
  FakeTraits silent = large_frames();
  silent.place.remote_data_bytes = 0;
  Ends others(false, silent);
  meet(others);
  others.sender->queue(written);
  EXPECT_EQ(run_receiver(others).kind, Kind::failed);
}

TEST(FabricChannel, WordsOfThePeerAreCutShort) {
  Ends ends(false);
  meet(ends);
  protocol::Message told;
  told.mutable_refusal()->set_text(std::string(1'000'000, '\1'));
  const Incoming in = tell_sender(ends, told);
  ASSERT_EQ(in.kind, Kind::failed);
  EXPECT_LT(in.error.text.size(), 8 * protocol::text_bytes_max);
}

/// Of more bytes than a slot has room for, by what its header says.
TestFrame too_large(std::uint16_t flag, std::uint32_t payload_bytes) {
  TestFrame frame = make_frame(1, payload_bytes, 1);
  frame.header.flags = flag;
  frame.header.raw_bytes = protocol::frame_bytes_usual + 1;
  frame.header.leaf_count = 2;
  protocol::encode_frame_header(frame.header, std::span(frame.bytes).first<protocol::frame_header_bytes>());
  return frame;
}

// Its slot lies before another one: what it is unpacked to, or read from the older version, must not reach into that.
TEST(FabricChannel, WhatBecomesLargerThanASlotIsABreach) {
  for (const bool sealed : {false, true}) {
    for (const TestFrame& frame : {too_large(protocol::flag_compressed, 300), too_large(protocol::flag_matched, 0)}) {
      Ends ends(sealed, FakeTraits{.place = large_frames().place});
      meet(ends);
      ASSERT_TRUE(ends.begin(frame));
      const Incoming in = run_receiver(ends);
      ASSERT_EQ(in.kind, Kind::failed);
      EXPECT_EQ(in.error.code, Code::protocol);
      EXPECT_NE(in.error.text.find("262145 bytes by rail"), std::string::npos) << in.error.text;
    }
  }
}

// What it says of its length is in clear, also where it is sealed: nothing may be read from behind the last slot for
// it.
TEST(FabricChannel, WhatSaysThatItIsLongerThanASlotIsABreach) {
  for (const bool sealed : {false, true}) {
    for (const std::uint32_t more : {17U, protocol::frame_bytes_max - protocol::frame_bytes_usual}) {
      Ends ends(sealed, FakeTraits{.place = large_frames().place, .late_percent = 100});
      meet(ends);
      ASSERT_TRUE(ends.begin(make_frame(1, protocol::frame_bytes_usual, 1)));
      auto* const body_bytes = const_cast<std::byte*>(ends.fabric.under_way[0].write.from.data()) + 8;
      store(body_bytes, load<std::uint32_t>(body_bytes) + more);
      ends.fabric.land(true);
      const Incoming in = run_receiver(ends);
      ASSERT_EQ(in.kind, Kind::failed);
      EXPECT_EQ(in.error.code, Code::protocol);
      EXPECT_NE(in.error.text.find("by rail, where"), std::string::npos) << in.error.text;
    }
  }
}

// It has come off the queue with a flush, behind the look that found nothing: no descriptor tells of it any more.
TEST(FabricChannel, WhatCameWithAFlushIsLookedAtAtOnce) {
  FakeTraits traits = large_frames();
  traits.again_percent = 0;
  traits.late_percent = 100;
  traits.has_descriptor = true;
  Ends ends(false, traits);
  meet(ends);
  ASSERT_TRUE(ends.begin(make_frame(1, 300, 1)));
  ASSERT_EQ(ends.receiver->receive(&ends.pool).kind, Kind::nothing);
  ends.fabric.land(true);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(ends.receiver->flush());  // the first one knows of that look
  QuietPoller poller;
  ends.receiver->watch(poller, false);
  EXPECT_EQ(ends.receiver->next_look(poller, ends.clock.time), ends.clock.time);
  EXPECT_EQ(ends.receiver->receive(&ends.pool).kind, Kind::frame);
}

// Its disk hangs, and its engine asks for nothing: what has arrived is told all the same, and the rail is not silent,
// however long that takes. What the peer says to the engine waits for it, before what comes by rail.
TEST(FabricChannel, WhatArrivesIsToldAlsoWhileNobodyAsksForIt) {
  for (const unsigned remote_data_bytes : {0U, 4U}) {
    FakeTraits traits = large_frames();
    traits.place.remote_data_bytes = remote_data_bytes;
    Ends ends(true, traits);
    meet(ends);
    const auto pass_unasked = [&](Time each) {
      for (int i = 0; i < 1000; ++i) {
        ASSERT_EQ(ends.step_sender().kind, Kind::nothing);
        ASSERT_TRUE(ends.receiver->flush());
        ends.clock.time += each;
      }
    };
    const TestFrame first = make_frame(1, 4000, 1);
    ASSERT_TRUE(ends.begin(first));
    pass_unasked(100 * millisecond);
    EXPECT_EQ(ends.sender->health().bytes_in_flight, 0U) << remote_data_bytes;
    EXPECT_EQ(ends.sender->health().acks, 1U) << remote_data_bytes;
    ends.sender->queue(ping(1));
    const TestFrame second = make_frame(2, 4000, 2);
    ASSERT_TRUE(ends.begin(second));
    pass_unasked(millisecond);
    EXPECT_EQ(ends.receiver->receive(&ends.pool).kind, Kind::message);
    expect_same(ends.receiver->receive(&ends.pool), first);
    for (int i = 0; i < 1000 && ends.sender->health().acks < 2; ++i) {
      const Incoming in = ends.receiver->receive(&ends.pool);
      if (in.kind == Kind::frame) expect_same(in, second);
      ASSERT_EQ(ends.step_sender().kind, Kind::nothing);
      ASSERT_TRUE(ends.receiver->flush());
    }
    EXPECT_EQ(ends.sender->health().acks, 2U) << remote_data_bytes;
  }
}

// A stream that joins while the receiver's disk hangs.
TEST(FabricChannel, ItOpensAlsoWhileNobodyAsksForAnything) {
  Ends ends(true);
  for (int i = 0; i < 1000 && ends.sender->sending(); ++i) {
    ASSERT_EQ(ends.step_sender().kind, Kind::nothing);
    ASSERT_TRUE(ends.receiver->flush());
  }
  EXPECT_FALSE(ends.sender->sending());
}

// The peer has all, and says so; the provider here never says that a slot is out of its hands.
TEST(FabricChannel, AWriteThatIsNeverCompleteEndsItInTheEnd) {
  Ends ends(true, FakeTraits{.place = large_frames().place, .late_percent = 100});
  meet(ends);
  ASSERT_TRUE(ends.begin(make_frame(1, 4000, 3)));
  ends.fabric.land(true);
  ends.fabric.endpoints.at(1)->queue.clear();
  const Time begin = ends.clock.time;
  Incoming heard;
  for (; heard.kind == Kind::nothing && ends.clock.time < begin + 60 * second; ends.clock.time += 500 * millisecond) {
    heard = ends.step_sender();
    (void)ends.receiver->receive(&ends.pool);
    (void)ends.receiver->flush();
  }
  ASSERT_EQ(heard.kind, Kind::failed);
  EXPECT_EQ(ends.sender->health().acks, 1U);
  EXPECT_NE(heard.error.text.find("are not complete here for 30 s"), std::string::npos) << heard.error.text;
}

// With all slots full, the first that are let go of are granted while the others are still being read.
TEST(FabricChannel, SlotsAreGrantedBeforeAllAreRead) {
  FakeTraits traits = large_frames();
  traits.again_percent = traits.late_percent = 0;
  Ends ends(false, traits);
  meet(ends);
  for (unsigned i = 0; i < rail_slots; ++i) ASSERT_TRUE(ends.begin(make_frame(i, 300, i)));
  ASSERT_TRUE(ends.sender->flush());
  for (unsigned i = 0; i <= rail_slots / 2; ++i) ASSERT_EQ(ends.receiver->receive(&ends.pool).kind, Kind::frame);
  (void)ends.step_sender();
  EXPECT_FALSE(ends.sender->sending());
}

TEST(FabricChannel, AFrameOnTheCompanionIsABreach) {
  Ends ends(false);
  meet(ends);
  const TestFrame frame = make_frame(1, 300, 3);
  while (ends.sender->wants_to_write()) ASSERT_TRUE(ends.sender->flush());
  ends.forth.bytes.insert(ends.forth.bytes.end(), frame.bytes.begin(), frame.bytes.end());
  EXPECT_EQ(run_receiver(ends).kind, Kind::failed);
}

TEST(FabricChannel, ThePaceIsKept) {
  Ends ends(false, FakeTraits{.place = large_frames().place});
  meet(ends);
  ends.sender->set_pace(25'000'000);  // a frame of 256 KiB each 10.5 ms
  QuietPoller poller;
  const TestFrame frame = make_frame(1, protocol::frame_bytes_usual, 1);
  unsigned begun = 0;
  const Time start = ends.clock.time;
  while (ends.clock.time < start + second) {
    if (ends.begin(frame)) ++begun;
    (void)ends.step_sender();
    (void)ends.receiver->receive(&ends.pool);
    (void)ends.receiver->flush();
    const Time again = ends.sender->next_look(poller, ends.clock.time);
    EXPECT_LE(again, ends.clock.time + 200 * millisecond);
    ends.clock.time += millisecond;
  }
  EXPECT_GE(begun, 93U);
  EXPECT_LE(begun, 97U);
}

TEST(FabricChannel, ARaisedPaceHoldsForTheFrameThatWaits) {
  Ends ends(false, FakeTraits{.place = large_frames().place});
  meet(ends);
  ends.sender->set_pace(25'000);  // a frame of 256 KiB each 10.5 s
  const TestFrame frame = make_frame(1, protocol::frame_bytes_usual, 1);
  while (ends.begin(frame)) {
  }
  EXPECT_TRUE(ends.sender->sending());
  ends.sender->set_pace(25'000'000);
  ends.clock.time += 25 * millisecond;  // two of them were begun at most
  (void)ends.step_sender();
  EXPECT_FALSE(ends.sender->sending());
  ends.sender->set_pace(25'000);
  ASSERT_TRUE(ends.begin(frame));
  ends.sender->set_pace(0);
  EXPECT_FALSE(ends.sender->sending());
}

TEST(FabricChannel, WhoWaitsForSlotsIsHeldByThePeer) {
  Ends ends(false, FakeTraits{.place = large_frames().place});
  meet(ends);
  std::vector<Slot> kept;
  for (unsigned i = 0; i < 5000 && kept.size() < rail_slots; ++i) {
    (void)ends.begin(make_frame(i, 1000, 1));
    (void)ends.step_sender();
    Incoming in = ends.receiver->receive(&ends.pool);
    if (in.kind == Kind::frame) kept.push_back(std::move(in.slot));
    (void)ends.receiver->flush();
  }
  ASSERT_EQ(kept.size(), rail_slots);
  for (int i = 0; i < 1000 && ends.sender->health().bytes_in_flight > 0; ++i) (void)ends.step_sender();
  EXPECT_TRUE(ends.sender->sending()) << "no slot is free";
  const auto before = ends.sender->health().held_us;
  (void)ends.step_sender();
  ends.clock.time += second;
  (void)ends.step_sender();
  EXPECT_GE(ends.sender->health().held_us, before + 1'000'000);
  EXPECT_EQ(ends.sender->health().bytes_in_flight, 0U) << "a slow disk is no stall";
  kept.clear();
  meet(ends);
}

/// Rounds of this length: in each the sender sends what it may, and at its end hears that all has arrived.
void run_rounds(Ends& ends, int rounds, Time length) {
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < 40; ++i) {
      (void)ends.begin(make_frame(1, 1000, 1));
      (void)ends.step_sender();
    }
    ASSERT_TRUE(ends.sender->sending());
    ends.clock.time += length;
    for (int i = 0; i < 200 && ends.sender->sending(); ++i) {
      while (ends.receiver->receive(&ends.pool).kind == Kind::frame) continue;
      (void)ends.receiver->flush();
      (void)ends.step_sender();
    }
    ASSERT_FALSE(ends.sender->sending());
  }
}

TEST(FabricChannel, SlotsThatAreTooFewForTheWayAreSaid) {
  constexpr std::uint64_t rtt_us = 20'000;
  const auto held_us = [](std::uint64_t rtt_us_min, Time round, bool data = true) {
    FakeTraits traits{.place = large_frames().place};
    if (!data) traits.place.remote_data_bytes = 0;
    Ends ends(false, traits);
    static_cast<FakeConnection&>(ends.sender->connection()).told.rtt_us_min = rtt_us_min;
    meet(ends);
    EXPECT_EQ(ends.sender->health().slots, rail_slots);
    EXPECT_EQ(ends.sender->health().slot_trips, data ? 1U : 2U);
    run_rounds(ends, 11, round);
    EXPECT_EQ(ends.sender->health().held_us, 0U) << "the peer is not slow";
    return ends.sender->health().slots_held_us;
  };
  EXPECT_EQ(held_us(rtt_us, 20 * millisecond), 10 * rtt_us) << "but for the first round, before which nothing is known";
  EXPECT_EQ(held_us(rtt_us, 28 * millisecond), 10U * 28'000);
  EXPECT_EQ(held_us(rtt_us, 160 * millisecond), 0U) << "frames queue: the way is full";
  EXPECT_EQ(held_us(rtt_us, 48 * millisecond), 0U);
  EXPECT_EQ(held_us(rtt_us, 48 * millisecond, false), 10U * 48'000) << "where the sender tells of each, it takes two";
  EXPECT_EQ(held_us(0, 20 * millisecond), 0U) << "nobody knows how long an empty way takes";
}

TEST(FabricChannel, MoreSlotsGoFurther) {
  Ends ends(true);
  ends.slots = 24;
  ends.sender = ends.make(true);
  ends.receiver = ends.make(false);
  meet(ends);
  unsigned begun = 0;
  for (int i = 0; i < 400; ++i) {
    if (ends.begin(make_frame(begun, 1000, 1))) ++begun;
    (void)ends.step_sender();
  }
  EXPECT_EQ(begun, 24U);
  EXPECT_EQ(ends.sender->health().slots, 24U);
}

// The companion ends at 192.0.2.2, on both sides.
TEST(FabricChannel, AFabricAtAnotherAddressThanItsCompanionIsRefused) {
  FakeTraits traits = large_frames();
  traits.ip = "192.0.2.2";
  {
    Ends ends(true, traits);
    meet(ends);
  }
  traits.ip = "192.0.2.3";
  {
    Ends ends(true, traits);
    ends.elsewhere = true;
    ends.sender = ends.make(true);
    ends.receiver = ends.make(false);
    meet(ends);
  }
  for (const bool sends : {true, false}) {
    Ends ends(true, traits);
    ends.elsewhere = true;
    (sends ? ends.receiver : ends.sender) = ends.make(!sends);  // the other end looks
    Incoming in;
    for (int i = 0; i < 10'000 && in.kind == Kind::nothing; ++i) {
      const Incoming sending = ends.step_sender();
      const Incoming receiving = ends.receiver->receive(&ends.pool);
      (void)ends.receiver->flush();
      in.kind = sends ? sending.kind : receiving.kind;
      in.error = sends ? sending.error : receiving.error;
    }
    ASSERT_EQ(in.kind, Kind::failed);
    EXPECT_EQ(in.error.code, Code::refused);
    EXPECT_NE(in.error.text.find("fabric is at 192.0.2.3, and its TCP connection at 192.0.2.2:4711"), std::string::npos)
        << in.error.text;
    EXPECT_TRUE(ends.fabric.under_way.empty());
  }
}

// Under ASan: what the engine still holds is there until it lets go.
TEST(FabricChannel, ItEndsWithEverythingUnderWay) {
  for (const bool lets_go : {true, false}) {
    Ends ends(false, FakeTraits{.place = large_frames().place, .late_percent = 100, .lets_go = lets_go});
    meet(ends);
    ASSERT_TRUE(ends.begin(make_frame(1, 100'000, 1)));
    ends.sender.reset();
    ends.receiver.reset();
    EXPECT_EQ(ends.fabric.never_let_go.empty(), lets_go);
  }
}

}  // namespace
}  // namespace longhaul::wire::fabric
