// Ends in the middle, on real threads: a stop on either side, and a receiver that goes and comes back.
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <thread>

#include "stress/effort.h"
#include "stress/meeting.h"
#include "stress/trees.h"

namespace longhaul::stress {
namespace {

constexpr unsigned transfers = 4;

/// Capped, so that a stop finds them in the middle.
Options slow_paths(const Options& options, const std::string& ticket) {
  Options slow = options;
  for (const auto& address : addresses_of(ticket))
    slow.paths.push_back({.remote = address, .cap_bits_per_s = rounds(300'000'000UL, 150'000'000UL)});
  return slow;
}

void make_sources(const Scratch& scratch) {
  for (unsigned i = 0; i < transfers; ++i)
    make_tree(scratch / "source" / std::to_string(i),
              {.small = rounds(60U, 30U), .middle = rounds(4U, 2U), .large = i == 0 ? 1U : 0U}, 30 + i);
}

struct Ends {
  unsigned complete = 0;
  unsigned interrupted = 0;
};

/// One run of all transfers. `stop_after`: a stop flag is set then, on the sender's or the receiver's side; nothing:
/// they run to their end.
Ends run_once(const Scratch& scratch, const std::string& target, std::optional<std::chrono::milliseconds> stop_after,
              bool at_sender) {
  StopFlag stop{0};
  StopFlag unused{0};
  Ends ends;
  Options options = two_workers();
  options.retry_for_s = 2;  // who is not told to stop does not wait long for the other
  Meeting meeting;
  meeting.listen(options, at_sender ? &unused : &stop);
  const std::string ticket = meeting.here->ticket();
  meeting.dial(ticket, slow_paths(options, ticket), at_sender ? &stop : &unused);
  std::vector<Call> sending;
  std::vector<Call> receiving;
  for (unsigned i = 0; i < transfers; ++i) {
    receiving.push_back(begin_receive(*meeting.here, target));
    sending.push_back(begin_send(*meeting.there, tree((scratch / "source" / std::to_string(i)).string())));
  }
  std::thread stopper([&] {
    if (!stop_after) return;
    std::this_thread::sleep_for(*stop_after);
    stop = 1;
  });
  const auto take = [&](std::vector<Call>& calls) {
    for (auto& call : calls) {
      const Outcome outcome = call.get();
      const bool stopped = outcome.error.code == Code::interrupted || outcome.error.code == Code::stalled;
      EXPECT_TRUE(outcome.ok || stopped) << outcome.error.text;
      ++(outcome.ok ? ends.complete : ends.interrupted);
    }
  };
  auto& stopped_side = at_sender ? sending : receiving;
  auto& other_side = at_sender ? receiving : sending;
  take(stopped_side);
  stopper.join();
  if (stop_after) unused = 1;  // the other would wait for it to come back
  take(other_side);
  return ends;
}

class StopStress : public ::testing::TestWithParam<bool> {};

TEST_P(StopStress, InTheMiddleAndThenToTheEnd) {
  const Watchdog watchdog("stops in the middle");
  const bool at_sender = GetParam();
  const Scratch scratch;
  make_sources(scratch);
  const std::string target = (scratch / "target").string();
  unsigned interrupted = 0;
  for (unsigned round = 0; round < rounds(5U, 2U); ++round) {
    const Ends ends = run_once(scratch, target, std::chrono::milliseconds(rounds(60, 300) + 70 * round), at_sender);
    interrupted += ends.interrupted;
    for (unsigned i = 0; i < transfers; ++i) {
      unsigned files = 0;
      EXPECT_EQ(broken_promise(scratch / "source" / std::to_string(i),
                               std::filesystem::path(target) / std::to_string(i), &files),
                "");
    }
  }
  EXPECT_GT(interrupted, 0U) << "every transfer was complete before the stop: this test has shown nothing";
  const Ends last = run_once(scratch, target, std::nullopt, at_sender);
  EXPECT_EQ(last.complete, 2 * transfers);
  EXPECT_EQ(left_in_landing_zone(target), "");
  std::filesystem::remove_all(target + "/.longhaul");
  EXPECT_EQ(difference(scratch / "source", target), "");
}

INSTANTIATE_TEST_SUITE_P(Sides, StopStress, ::testing::Bool(),
                         [](const auto& each) { return each.param ? "AtTheSender" : "AtTheReceiver"; });

/// The receiver's session is shut down in the middle, with all its threads, and another takes its place: the sender's
/// call goes on to the end. One transfer: a ticket that has served one is not taken by a receiver that was started
/// anew.
TEST(SessionEndStress, AReceiverThatComesBack) {
  const Watchdog watchdog("a receiver that comes back");
  const Scratch scratch;
  make_sources(scratch);
  const std::string target = (scratch / "target").string();
  const Options options = two_workers();
  Meeting meeting;
  StopFlag stop{0};
  meeting.listen(options, &stop, target);
  const std::string ticket = meeting.here->ticket();
  meeting.dial(ticket, slow_paths(options, ticket));
  std::vector<Call> sending;
  sending.push_back(begin_send(*meeting.there, tree((scratch / "source").string() + "/")));
  for (unsigned life = 0; life < 3; ++life) {
    Call receiving = begin_receive(*meeting.here, target);
    std::this_thread::sleep_for(std::chrono::milliseconds(rounds(150, 400)));
    stop = 1;
    const Outcome outcome = receiving.get();
    EXPECT_EQ(outcome.error.code, Code::interrupted) << "it was complete before the stop: this has shown nothing";
    meeting.here.reset();
    stop = 0;
    meeting.listen(options, &stop, target);
  }
  sending.push_back(begin_receive(*meeting.here, target));
  expect_complete(sending);
  EXPECT_EQ(left_in_landing_zone(target), "");
  std::filesystem::remove_all(target + "/.longhaul");
  EXPECT_EQ(difference(scratch / "source", target), "");
}

}  // namespace
}  // namespace longhaul::stress
