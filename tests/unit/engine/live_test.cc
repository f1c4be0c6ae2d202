// Sessions that are changed while they run, by nothing but the public headers: both ends in this process, over
// loopback.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>
#include <utility>

#include "longhaul/sink.h"
#include "longhaul/source.h"
#include "longhaul/transfer.h"

namespace longhaul {
namespace {

using Kind = Adjustment::Kind;
using Clock = std::chrono::steady_clock;

/// Takes everything and keeps nothing.
class NullSink final : public Sink {
 public:
  struct Nothing : Writer {
    Result<> write_at(std::uint64_t, std::span<const std::byte>) override { return {}; }
    Result<> finish(std::uint64_t) override { return {}; }
  };
  Result<std::shared_ptr<Writer>> create(const Entry&) override { return std::make_shared<Nothing>(); }
};

class LiveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.workers = 1;
    options_.streams = 1;
    Options listening = options_;
    listening.listen = {"127.0.0.1", "127.0.0.2"};
    auto made = Session::listen(listening, nullptr);
    ASSERT_TRUE(made) << made.error().text;
    listener_ = std::move(*made);
  }
  void TearDown() override {
    dialler_.reset();
    listener_.reset();
    if (sent_.valid()) sent_.get();
    if (received_.valid()) received_.get();
  }
  void listen(const Options& listening) {
    listener_.reset();
    auto made = Session::listen(listening, nullptr);
    ASSERT_TRUE(made) << made.error().text;
    listener_ = std::move(*made);
  }
  void dial(std::vector<PathOptions> paths) {
    options_.paths = std::move(paths);
    auto made = Session::dial(listener_->ticket(), options_, nullptr);
    ASSERT_TRUE(made) << made.error().text;
    dialler_ = std::move(*made);
  }
  static PathOptions path(const std::string& name, const std::string& remote, std::uint64_t cap_bits_per_s) {
    PathOptions path;
    path.name = name;
    path.remote = remote;
    path.cap_bits_per_s = cap_bits_per_s;
    return path;
  }
  void transfer(Session& from, Session& to) {
    received_ = std::async(std::launch::async, [&to] { return to.receive(std::make_unique<NullSink>()); });
    sent_ = std::async(std::launch::async, [&from, this] { return from.send(memory_source("zeros", content_)); });
    // Both have asked: a test that ends at once must not take the sessions from under these threads.
    EXPECT_TRUE(soon([&] {
      const auto sends = from.snapshot();
      const auto receives = to.snapshot();
      return sends && receives && sends->role == "sender" && receives->role == "receiver";
    }));
  }
  static Adjustment change(Kind kind, const std::string& name = {}, std::uint64_t cap_bits_per_s = 0) {
    Adjustment adjustment;
    adjustment.kind = kind;
    adjustment.path.name = name;
    adjustment.cap_bits_per_s = cap_bits_per_s;
    return adjustment;
  }
  static Adjustment add(PathOptions path) {
    Adjustment adjustment;
    adjustment.kind = Kind::add_path;
    adjustment.path = std::move(path);
    return adjustment;
  }
  static PathReport path_of(Session& session, const std::string& name) {
    const auto report = session.snapshot();
    if (!report) return {};
    for (const PathReport& path : report->paths)
      if (path.name == name) return path;
    return {};
  }
  template <class Condition>
  static bool soon(Condition condition) {
    for (const auto until = Clock::now() + std::chrono::seconds(20); Clock::now() < until;
         std::this_thread::sleep_for(std::chrono::milliseconds(5)))
      if (condition()) return true;
    return false;
  }

  const std::vector<std::byte> content_ = std::vector<std::byte>(200'000'000);
  Options options_;
  std::unique_ptr<Session> listener_;
  std::unique_ptr<Session> dialler_;
  std::future<Outcome> sent_;
  std::future<Outcome> received_;
};

TEST_F(LiveTest, BothSidesKnowTheirSessionByOneId) {
  dial({});
  EXPECT_EQ(listener_->id().size(), 32U);
  EXPECT_EQ(listener_->id(), dialler_->id());
  EXPECT_NE(listener_->ticket().find(listener_->id()), std::string::npos);
}

TEST_F(LiveTest, APathThatIsAddedCarriesAndOneThatIsRemovedKeepsItsFigures) {
  dial({path("a", "127.0.0.1", 40'000'000)});
  transfer(*dialler_, *listener_);
  ASSERT_TRUE(soon([&] { return path_of(*dialler_, "a").bytes > 1'000'000; }));
  ASSERT_TRUE(dialler_->adjust(add(path("b", "127.0.0.2", 0))));
  ASSERT_TRUE(soon([&] { return path_of(*dialler_, "b").bytes > 1'000'000; }));
  const auto removed = dialler_->adjust(change(Kind::remove_path, "a"));
  ASSERT_TRUE(removed) << removed.error().text;
  const Outcome outcome = sent_.get();
  ASSERT_TRUE(outcome.ok) << outcome.error.text;
  ASSERT_EQ(outcome.report.paths.size(), 2U);
  EXPECT_EQ(outcome.report.paths[0].state, "removed");
  EXPECT_GT(outcome.report.paths[0].bytes, 100'000U);
  EXPECT_GT(outcome.report.paths[1].bytes, 100'000'000U);
}

TEST_F(LiveTest, ARefusedChangeIsToldInWordsOnEitherSide) {
  dial({path("a", "127.0.0.1", 40'000'000)});
  transfer(*dialler_, *listener_);
  ASSERT_TRUE(soon([&] { return path_of(*listener_, "a").bytes > 0; }));
  for (Session* session : {dialler_.get(), listener_.get()}) {
    const auto unknown = session->adjust(change(Kind::drain_path, "b"));
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, Code::not_found);
    EXPECT_NE(unknown.error().text.find("there are: a"), std::string::npos) << unknown.error().text;
    const auto taken = session->adjust(add(path("a", "127.0.0.2", 0)));
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, Code::usage);
    EXPECT_FALSE(session->adjust(add(path("b", "[::1", 0))));
    const auto strange = session->adjust(add(path("b", "192.0.2.7:4711", 0)));
    // Who dials may dial whom he likes; who listens may not send him to third hosts.
    EXPECT_EQ(strange.has_value(), session == dialler_.get());
    if (strange) {
      EXPECT_TRUE(session->adjust(change(Kind::remove_path, "b")));
    }
  }
  const auto last = listener_->adjust(change(Kind::disable_path, "a"));
  ASSERT_TRUE(last) << last.error().text;
  EXPECT_NE(last->find("no path is in use"), std::string::npos) << *last;
  EXPECT_EQ(path_of(*dialler_, "a").state, "disabled");
  EXPECT_TRUE(soon([&] { return path_of(*listener_, "a").state == "disabled"; }));
}

TEST_F(LiveTest, PolicyHoldsForPathsThatAreAdded) {
  options_.require = {"eu"};
  options_.forbid = {"metered"};
  auto given = path("a", "127.0.0.1", 40'000'000);
  given.tags = {"eu"};
  dial({given});
  transfer(*dialler_, *listener_);
  auto next = path("b", "127.0.0.2", 0);
  EXPECT_EQ(dialler_->adjust(add(next)).error().code, Code::refused);
  next.tags = {"eu", "metered"};
  EXPECT_EQ(dialler_->adjust(add(next)).error().code, Code::refused);
  next.tags = {"eu"};
  EXPECT_TRUE(dialler_->adjust(add(next)));
}

TEST_F(LiveTest, APathThatPolicyHadExcludedIsDialledWithOtherTags) {
  options_.forbid = {"metered"};
  auto lte = path("b", "127.0.0.2", 0);
  lte.tags = {"metered"};
  dial({path("a", "127.0.0.1", 40'000'000), lte});
  transfer(*dialler_, *listener_);
  EXPECT_FALSE(path_of(*dialler_, "b").excluded.empty());
  EXPECT_TRUE(dialler_->adjust(change(Kind::remove_path, "b")));
  lte.tags = {};
  EXPECT_TRUE(dialler_->adjust(add(lte)));
  EXPECT_TRUE(soon([&] { return path_of(*dialler_, "b").streams > 0; }));
  EXPECT_TRUE(path_of(*dialler_, "b").excluded.empty());
}

/// The listener sends: what the dialler owns has to reach it.
TEST_F(LiveTest, CapsAndDrainsReachASenderThatListens) {
  dial({path("a", "127.0.0.1", 40'000'000), path("b", "127.0.0.2", 40'000'000)});
  transfer(*listener_, *dialler_);
  ASSERT_TRUE(soon([&] { return path_of(*listener_, "b").cap_bits_per_s == 40'000'000; }));
  ASSERT_TRUE(soon([&] { return path_of(*dialler_, "b").bytes > 1'000'000; }));
  ASSERT_TRUE(dialler_->adjust(change(Kind::cap_path, "a", 80'000'000)));
  ASSERT_TRUE(soon([&] { return path_of(*listener_, "a").cap_bits_per_s == 80'000'000; }));
  ASSERT_TRUE(dialler_->adjust(change(Kind::cap_path, "b", 0)));  // so that it is through soon
  ASSERT_TRUE(dialler_->adjust(change(Kind::drain_path, "b")));
  ASSERT_TRUE(soon([&] { return path_of(*dialler_, "b").state == "drained"; }));
  ASSERT_TRUE(soon([&] { return path_of(*listener_, "b").state == "drained"; }));
  EXPECT_EQ(path_of(*listener_, "b").streams, 0U);
  EXPECT_EQ(listener_->snapshot()->resent_bytes, 0U);
}

TEST_F(LiveTest, APauseStopsBytesAndEitherSideEndsIt) {
  dial({path("a", "127.0.0.1", 80'000'000)});
  transfer(*dialler_, *listener_);
  ASSERT_TRUE(soon([&] { return path_of(*listener_, "a").bytes > 1'000'000; }));
  ASSERT_TRUE(listener_->adjust(change(Kind::pause)));
  EXPECT_TRUE(dialler_->snapshot()->paused);
  EXPECT_TRUE(soon([&] { return listener_->snapshot()->paused && listener_->snapshot()->verdict == "paused"; }));
  // What the kernel holds may still come.
  std::uint64_t before = 0;
  ASSERT_TRUE(soon([&] {
    const std::uint64_t now = path_of(*listener_, "a").bytes;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    before = path_of(*listener_, "a").bytes;
    return before == now;
  }));
  EXPECT_LT(before, content_.size());
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(path_of(*listener_, "a").bytes, before);
  ASSERT_TRUE(dialler_->adjust(change(Kind::resume)));
  ASSERT_TRUE(dialler_->adjust(change(Kind::cap_path, "a", 0)));
  const Outcome outcome = sent_.get();
  EXPECT_TRUE(outcome.ok) << outcome.error.text;
  EXPECT_EQ(outcome.report.resent_bytes, 0U);
}

/// No more than the cap, whatever the machine is busy with; how exact it is, the lab measures.
TEST_F(LiveTest, ACapOfAllPathsHoldsOverThemTogetherAndIsLifted) {
  constexpr double cap = 10e6;                  // bytes per second
  constexpr double frames = 4.0 * 1024 * 1024;  // on their way at the edges of what is measured
  options_.cap_bits_per_s = static_cast<std::uint64_t>(8 * cap);
  dial({path("a", "127.0.0.1", 0), path("b", "127.0.0.2", 16'000'000)});
  transfer(*dialler_, *listener_);
  ASSERT_TRUE(soon([&] { return path_of(*listener_, "a").bytes > 0 && path_of(*listener_, "b").bytes > 0; }));
  const auto begun = Clock::now();
  const auto before = path_of(*listener_, "a").bytes + path_of(*listener_, "b").bytes;
  std::this_thread::sleep_for(std::chrono::seconds(2));
  const auto after = path_of(*listener_, "a").bytes + path_of(*listener_, "b").bytes;
  const std::chrono::duration<double> took = Clock::now() - begun;
  EXPECT_LT(static_cast<double>(after - before), 1.02 * cap * took.count() + frames);
  ASSERT_TRUE(dialler_->adjust(change(Kind::cap_path, "b", 0)));
  ASSERT_TRUE(dialler_->adjust(change(Kind::rate)));
  const Outcome outcome = sent_.get();
  EXPECT_TRUE(outcome.ok) << outcome.error.text;
}

TEST_F(LiveTest, TheLowerCapOfBothSidesHoldsUntilARateIsSaid) {
  Options listening = options_;
  listening.cap_bits_per_s = 40'000'000;
  listen(listening);
  options_.cap_bits_per_s = 80'000'000;
  dial({});
  transfer(*dialler_, *listener_);
  ASSERT_TRUE(soon([&] { return dialler_->snapshot()->cap_bits_per_s == 40'000'000; }));
  ASSERT_TRUE(soon([&] { return listener_->snapshot()->cap_bits_per_s == 40'000'000; }));
  ASSERT_TRUE(listener_->adjust(change(Kind::rate, {}, 60'000'000)));
  EXPECT_EQ(dialler_->snapshot()->cap_bits_per_s, 60'000'000U);
  ASSERT_TRUE(dialler_->adjust(change(Kind::rate)));
  const Outcome outcome = sent_.get();
  EXPECT_TRUE(outcome.ok) << outcome.error.text;
}

TEST_F(LiveTest, ATimetableOfTheReceiverIsObeyedByTheSender) {
  Options listening = options_;
  listening.schedule = "00:00-24:00=40Mbps";
  listen(listening);
  dial({});
  transfer(*dialler_, *listener_);
  ASSERT_TRUE(soon([&] { return dialler_->snapshot()->cap_bits_per_s == 40'000'000; }));
  EXPECT_EQ(dialler_->snapshot()->schedule, "40 Mb/s, by the other side");
  EXPECT_NE(listener_->snapshot()->verdict.find("timetable: 40 Mb/s"), std::string::npos);
  ASSERT_TRUE(dialler_->adjust(change(Kind::rate)));
  EXPECT_EQ(dialler_->snapshot()->cap_bits_per_s, 0U);
  const Outcome outcome = sent_.get();
  EXPECT_TRUE(outcome.ok) << outcome.error.text;
}

TEST_F(LiveTest, ATimetableThatPausesIsOverriddenByHand) {
  options_.schedule = "00:00-24:00=pause";
  dial({});
  transfer(*dialler_, *listener_);
  ASSERT_TRUE(soon([&] { return listener_->snapshot()->paused; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_EQ(dialler_->snapshot()->bytes, 0U);
  EXPECT_TRUE(dialler_->snapshot()->paused);
  ASSERT_TRUE(listener_->adjust(change(Kind::resume)));
  const Outcome outcome = sent_.get();
  EXPECT_TRUE(outcome.ok) << outcome.error.text;
}

TEST_F(LiveTest, ATimetableThatMakesNoSenseIsRefused) {
  options_.schedule = "08:00=1Gbps";
  const auto made = Session::listen(options_, nullptr);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::usage);
  EXPECT_NE(made.error().text.find("times are HH:MM-HH:MM"), std::string::npos) << made.error().text;
}

TEST_F(LiveTest, WhenThePeerIsAwayItsChangesAreRefused) {
  received_ = std::async(std::launch::async, [&] { return listener_->receive(std::make_unique<NullSink>()); });
  ASSERT_TRUE(soon([&] { return listener_->snapshot()->verdict == "waiting for the sender"; }));
  for (const Adjustment& adjustment : {change(Kind::pause), change(Kind::drain_path, "a")}) {
    const auto refused = listener_->adjust(adjustment);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::connection) << refused.error().text;
  }
}

TEST_F(LiveTest, ACopyCanBeChangedToo) {
  std::atomic<int> seen{0};
  std::thread pauser;
  const auto outcome =
      copy(memory_source("zeros", content_), std::make_unique<NullSink>(), options_, nullptr, nullptr, [&](Live* live) {
        ++seen;
        if (live == nullptr) return pauser.join();
        EXPECT_EQ(live->id().size(), 32U);
        EXPECT_TRUE(live->adjust(change(Kind::pause)));
        pauser = std::thread([live] {
          std::this_thread::sleep_for(std::chrono::milliseconds(200));
          EXPECT_EQ(live->snapshot()->bytes, 0U);
          EXPECT_TRUE(live->adjust(change(Kind::resume)));
        });
      });
  EXPECT_TRUE(outcome.ok) << outcome.error.text;
  EXPECT_EQ(seen, 2);
}

}  // namespace
}  // namespace longhaul
