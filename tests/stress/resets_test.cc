// Connections that are reset at any byte while many transfers run on them, on real sockets and real threads.
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "stress/effort.h"
#include "stress/meeting.h"
#include "stress/relay.h"
#include "stress/trees.h"

namespace longhaul::stress {
namespace {

/// Resets connections of both relays now and again while it lives.
class Trouble {
 public:
  Trouble(Relay& one, Relay& other, unsigned times)
      : thread_([this, &one, &other, times] { make(one, other, times); }) {}
  ~Trouble() {
    over_ = true;
    thread_.join();
  }
  Trouble(const Trouble&) = delete;
  Trouble& operator=(const Trouble&) = delete;

 private:
  void make(Relay& one, Relay& other, unsigned times) {
    Jitter jitter(3);
    for (unsigned i = 0; i < times && !over_; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(40 + jitter.next() % rounds(160, 400)));
      Relay& relay = jitter.one_in(2) ? one : other;
      relay.reset(jitter.one_in(4) ? 1 : 3);  // all connections of a path at once, control's too; or some of them
      if (jitter.one_in(6)) (&relay == &one ? other : one).reset(1);
    }
  }

  std::atomic<bool> over_{false};
  std::thread thread_;
};

TEST(ResetStress, ManyTransfersOverPathsThatBreak) {
  const Watchdog watchdog("transfers over paths that break");
  constexpr unsigned transfers = rounds(6U, 4U);
  const Scratch scratch;
  Meeting meeting;
  Options options = two_workers();
  meeting.listen(options);
  const std::string listener = addresses_of(meeting.here->ticket()).front();
  Relay one(listener, 1);
  Relay other(listener, 2);
  // Slow enough to be met by resets. The way back has no cap.
  const std::uint64_t cap = rounds(160'000'000UL, 80'000'000UL);
  options.paths = {{.name = "one", .remote = one.address(), .cap_bits_per_s = cap},
                   {.name = "other", .remote = other.address(), .cap_bits_per_s = cap}};
  meeting.dial(meeting.here->ticket(), options);
  const std::string up = (scratch / "up").string();
  const std::string down = (scratch / "down").string();
  std::vector<Call> calls;
  for (unsigned i = 0; i < transfers; ++i) {
    make_tree(scratch / "from there" / std::to_string(i), {.small = 30, .middle = 3, .large = i == 0 ? 1U : 0U},
              10 + i);
    calls.push_back(begin_receive(*meeting.here, up));
    calls.push_back(begin_send(*meeting.there, tree((scratch / "from there" / std::to_string(i)).string())));
  }
  make_tree(scratch / "from here" / "0", {.small = 30, .middle = 3, .large = 1}, 20);
  calls.push_back(begin_receive(*meeting.there, down));
  calls.push_back(begin_send(*meeting.here, tree((scratch / "from here" / "0").string())));
  {
    const Trouble trouble(one, other, rounds(25U, 12U));
    expect_complete(calls);
  }
  EXPECT_GT(one.resets() + other.resets(), 3U) << "nothing was reset: this test has shown nothing";
  EXPECT_EQ(left_in_landing_zone(up), "");
  std::filesystem::remove_all(up + "/.longhaul");
  std::filesystem::remove_all(down + "/.longhaul");
  EXPECT_EQ(difference(scratch / "from there", up), "");
  EXPECT_EQ(difference(scratch / "from here", down), "");
}

}  // namespace
}  // namespace longhaul::stress
