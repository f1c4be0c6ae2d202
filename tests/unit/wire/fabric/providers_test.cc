// Rails over the providers of the libfabric that is here.
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include "rail_pair.h"

/// For LeakSanitizer: providers keep some of what they were told to the end of the process (copies of fi_info in rxm,
/// lists in net), and their frames hide who called them.
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libfabric.so\n";
}

namespace longhaul::wire::fabric {
namespace {

constexpr std::size_t frame_bytes = 1024 * 1024 + 8192;

/// Hands on to another fabric, whose writes shall carry nothing.
class WithoutData final : public Fabric {
 public:
  Result<std::unique_ptr<Endpoint>> open(const FabricWish& wish) override {
    auto endpoint = system_fabric().open(wish);
    if (!endpoint) return endpoint;
    return std::make_unique<Plain>(*std::move(endpoint));
  }

 private:
  class Plain final : public Endpoint {
   public:
    explicit Plain(std::unique_ptr<Endpoint> below) : below_(std::move(below)), place_(below_->place()) {
      place_.remote_data_bytes = 0;
    }
    bool close() override { return below_->close(); }
    const FabricPlace& place() const override { return place_; }
    std::vector<std::byte> address() const override { return below_->address(); }
    Result<> meet(ConstBytes peer) override { return below_->meet(peer); }
    Result<Registration> register_memory(Bytes memory, bool remote, std::uint64_t key) override {
      return below_->register_memory(memory, remote, key);
    }
    Result<Registration> enable_memory(unsigned it) override { return below_->enable_memory(it); }
    Posted write(const RemoteWrite& write, Error& why) override { return below_->write(write, why); }
    std::size_t poll(std::span<Event> events) override { return below_->poll(events); }
    int wait_fd() const override { return below_->wait_fd(); }
    bool may_wait() override { return below_->may_wait(); }

   private:
    std::unique_ptr<Endpoint> below_;
    FabricPlace place_;
  };
};

class Providers : public testing::TestWithParam<const char*> {
 protected:
  RailWish wish() const {
    return {.fabric = {.provider = GetParam(), .where = "127.0.0.1"}, .slots = 8, .slot_bytes = frame_bytes};
  }
  void SetUp() override {
    const auto opened = system_fabric().open(wish().fabric);
    if (!opened) GTEST_SKIP() << opened.error().text;
  }
  // In one process both ends share one mapping of the target's queue, and the source dies of its end.
  bool may_outlive_a_peer() const { return std::string(GetParam()) != "shm"; }
  std::size_t frames() const { return std::string(GetParam()) == "udp" ? 20 : 100; }
};

TEST_P(Providers, FramesArrive) {
  RailPair pair(system_fabric(), wish(), 1);
  ASSERT_FALSE(pair.problem) << pair.problem->text;
  const Result<> done = pair.run(frames(), 60 * second);
  ASSERT_TRUE(done) << done.error().text;
  EXPECT_EQ(pair.wrong, 0U);
}

TEST_P(Providers, FramesArriveWhereTheSenderTellsOfThem) {
  WithoutData fabric;
  RailPair pair(fabric, wish(), 2);
  ASSERT_FALSE(pair.problem) << pair.problem->text;
  const Result<> done = pair.run(frames(), 60 * second);
  ASSERT_TRUE(done) << done.error().text;
  EXPECT_EQ(pair.wrong, 0U);
}

TEST_P(Providers, ManyShortLives) {
  for (int i = 0; i < 4; ++i) {
    RailPair pair(system_fabric(), wish(), 3);
    ASSERT_FALSE(pair.problem) << pair.problem->text;
    const Result<> done = pair.run(5, 20 * second);
    ASSERT_TRUE(done) << i << ": " << done.error().text;
    EXPECT_EQ(pair.wrong, 0U);
    // With writes on their way, and in either order.
    ASSERT_TRUE(pair.step(100));
    if (i % 2 == 0) pair.receiver.reset();
  }
}

// Bad peers: a generation that was not granted, a slot that is granted to nobody.
TEST_P(Providers, WhoWritesByNoGrantIsCaught) {
  for (const bool stale : {true, false}) {
    RailPair pair(system_fabric(), wish(), 5);
    ASSERT_FALSE(pair.problem) << pair.problem->text;
    const auto grants = stale ? pair.receiver->grant_all() : std::vector<Grant>();
    const Grant made_up = stale ? Grant{grants[3].slot, grants[3].generation ^ 1} : Grant{2, 77};
    const Result<> caught = pair.misuse(made_up, 20 * second);
    ASSERT_FALSE(caught) << "nobody has noticed";
    EXPECT_EQ(caught.error().code, Code::protocol);
    EXPECT_NE(caught.error().text.find("which it was not granted"), std::string::npos) << caught.error().text;
  }
}

TEST_P(Providers, EitherEndMayCloseWithinAWrite) {
  if (!may_outlive_a_peer()) GTEST_SKIP() << "shm of libfabric 1.17 cannot outlive a peer in its own process";
  RailWish large = wish();  // more than what sockets hold
  large.slots = 4;
  large.slot_bytes *= 16;
  int within = 0;
  for (int i = 0; i < 4; ++i) {
    RailPair pair(system_fabric(), large, 4);
    ASSERT_FALSE(pair.problem) << pair.problem->text;
    const Result<> done = pair.run(1, 20 * second);
    ASSERT_TRUE(done) << i << ": " << done.error().text;
    ASSERT_TRUE(pair.step(100));  // the next writes begin
    const bool sender_ends = i % 2 == 0;
    if (sender_ends)
      pair.sender.reset();
    else
      pair.receiver.reset();
    // What the other end says of that differs: an error, or nothing.
    std::vector<ReceiveRail::Arrival> arrivals;
    std::vector<SendRail::Sent> sent;
    for (const Time end = system_clock().now() + 50 * millisecond; system_clock().now() < end;)
      (void)(sender_ends ? pair.receiver->step(arrivals) : pair.sender->step(sent));
    within += arrivals.size() + sent.size() < large.slots ? 1 : 0;
  }
  EXPECT_GT(within, 0)
      << "no write was under way";  // where a provider moves by itself, and this machine is slow, not always
}

TEST_P(Providers, WhoWritesAfterTheFenceChangesNothing) {
  if (!may_outlive_a_peer()) GTEST_SKIP() << "shm of libfabric 1.17 cannot outlive a peer in its own process";
  std::vector<std::byte> memory(frame_bytes, std::byte{0});
  std::vector<std::byte> frame(frame_bytes, std::byte{1});
  auto target = system_fabric().open(wish().fabric);
  auto source = system_fabric().open(wish().fabric);
  ASSERT_TRUE(target && source);
  const auto registered = register_with(**target, memory, true, system_random());
  ASSERT_TRUE(registered) << registered.error().text;
  std::optional<unsigned> from;
  if ((*source)->place().memory.local) from = register_with(**source, frame, false, system_random())->id;
  ASSERT_TRUE((*source)->meet((*target)->address()));
  ASSERT_TRUE((*target)->meet((*source)->address()));
  RemoteWrite write{.from = frame, .registration = from, .key = registered->key, .data = 7};
  if ((*target)->place().memory.virtual_addresses) write.address = reinterpret_cast<std::uint64_t>(memory.data());
  std::array<Event, 8> events;
  Error why;
  // The first one opens the way; the fence falls while the second may be half there.
  const auto post = [&](std::uint32_t token) {
    write.token = token;
    const Time end = system_clock().now() + 10 * second;
    Endpoint::Posted posted = Endpoint::Posted::again;
    while ((posted = (*source)->write(write, why)) == Endpoint::Posted::again && system_clock().now() < end) {
      (void)(*source)->poll(events);
      (void)(*target)->poll(events);
    }
    return posted;
  };
  ASSERT_EQ(post(0), Endpoint::Posted::taken) << why.text;
  bool arrived = false;
  for (const Time end = system_clock().now() + 10 * second; !arrived && system_clock().now() < end;) {
    (void)(*source)->poll(events);
    const std::size_t count = (*target)->poll(events);
    for (std::size_t i = 0; i < count; ++i) arrived = arrived || events[i].kind == Event::Kind::arrived;
  }
  ASSERT_TRUE(arrived);
  ASSERT_EQ(post(1), Endpoint::Posted::taken) << why.text;
  (void)(*target)->poll(events);
  EXPECT_TRUE((*target)->close());
  std::ranges::fill(memory, std::byte{9});
  write.token = 2;
  for (const Time end = system_clock().now() + 300 * millisecond; system_clock().now() < end;) {
    (void)(*source)->poll(events);
    if (write.token < 8 && (*source)->write(write, why) == Endpoint::Posted::taken) ++write.token;
  }
  EXPECT_TRUE(all_are(memory, std::byte{9}));
  EXPECT_TRUE((*source)->close());
}

TEST_P(Providers, AnAddressOfAnotherKindIsRefused) {
  auto endpoint = system_fabric().open(wish().fabric);
  ASSERT_TRUE(endpoint);
  for (const std::size_t bytes : {std::size_t{0}, address_bytes_max + 1}) {
    const std::vector<std::byte> address(bytes, std::byte{1});
    const Result<> met = (*endpoint)->meet(address);
    ASSERT_FALSE(met) << bytes;
    EXPECT_EQ(met.error().code, Code::protocol);
  }
}

/// Waits as a ring does, by poll(2), and counts how often.
class SleepingPoller final : public Poller {
 public:
  void watch(int fd, bool, bool) override { fd_ = fd; }
  void forget(int) override { fd_ = -1; }
  void wait(Time now, Time until) override {
    ++waits;
    const Time nap = std::max<Time>(0, until - now);
    const timespec timeout{.tv_sec = nap / second, .tv_nsec = nap % second};
    pollfd polled{fd_, POLLIN, 0};
    (void)::ppoll(&polled, fd_ >= 0 ? 1 : 0, &timeout, nullptr);
  }
  void wake() override {}
  std::size_t waits = 0;

 private:
  int fd_ = -1;
};

// Each end on a thread of its own, asleep whenever it may be.
TEST_P(Providers, TwoThreadsThatSleep) {
  const std::size_t all = frames();
  std::vector<std::byte> slots(wish().slots * wish().slot_bytes);
  auto receiver = ReceiveRail::open(system_fabric(), system_random(), wish(), slots);
  ASSERT_TRUE(receiver) << receiver.error().text;
  const RailOffer offer = (*receiver)->offer();
  std::mutex mutex;
  std::vector<Grant> told;
  std::vector<Grant> written;  // of providers whose writes do not tell of themselves
  std::optional<RailOffer> answer;
  std::atomic<bool> over{false};
  std::string sender_words;
  const Time end = system_clock().now() + 60 * second;
  std::thread thread([&] {
    std::vector<std::byte> arena(4 * frame_bytes);
    auto sender = SendRail::open(system_fabric(), system_random(), wish(), arena);
    SleepingPoller poller;
    std::vector<std::uint64_t> free = {0, 1, 2, 3};
    std::size_t begun = 0;
    Result<> fine = sender ? (*sender)->meet(offer) : Result<>(std::unexpected(sender.error()));
    if (fine) {
      const std::lock_guard lock(mutex);
      answer = (*sender)->offer();
    }
    // It goes on being looked at until the last one has arrived: with manual progress a write may need that.
    while (fine && !over && system_clock().now() < end) {
      std::vector<Grant> grants;
      {
        const std::lock_guard lock(mutex);
        grants.swap(told);
      }
      for (const Grant& grant : grants)
        if (fine) fine = (*sender)->add(grant);
      while (fine && begun < all && !free.empty() && (*sender)->can_send()) {
        std::byte* at = arena.data() + free.back() * frame_bytes;
        std::memset(at, static_cast<int>(begun % 251), frame_bytes);
        store(at, std::uint64_t{begun++});
        fine = (*sender)->send({at, frame_bytes}, free.back());
        free.pop_back();
      }
      std::vector<SendRail::Sent> sent;
      if (fine) fine = (*sender)->step(sent);
      for (const SendRail::Sent& one : sent) free.push_back(one.cookie);
      if (!(*sender)->carries_grants()) {
        const std::lock_guard lock(mutex);
        for (const SendRail::Sent& one : sent) written.push_back(one.grant);
      }
      const Time now = system_clock().now();
      // Grants come on no descriptor here.
      poller.wait(now, std::min(now + millisecond, (*sender)->watch(poller, now)));
    }
    if (!fine) sender_words = fine.error().text;
  });
  SleepingPoller poller;
  std::size_t arrived = 0;
  std::size_t wrong = 0;
  Result<> fine;
  bool met = false;
  while (fine && arrived < all && system_clock().now() < end) {
    std::vector<ReceiveRail::Arrival> arrivals;
    {
      const std::lock_guard lock(mutex);
      if (answer && !met) {
        fine = (*receiver)->meet(*answer);
        met = true;
      }
      for (const Grant& grant : (*receiver)->grant_all()) told.push_back(grant);
      for (const Grant& grant : std::exchange(written, {}))
        if (fine) fine = (*receiver)->written(grant, arrivals);
    }
    if (fine) fine = (*receiver)->step(arrivals);
    for (const ReceiveRail::Arrival& arrival : arrivals) {
      const auto number = load<std::uint64_t>(arrival.memory.data());
      const auto content = arrival.memory.subspan(8, frame_bytes - 8);
      const auto wanted = static_cast<std::byte>(number % 251);
      if (!all_are(content, wanted)) ++wrong;
      (*receiver)->release(arrival.slot);
      ++arrived;
    }
    const Time now = system_clock().now();
    // What is told comes on no descriptor either.
    const Time look = (*receiver)->watch(poller, now);
    poller.wait(now, (*receiver)->carries_grants() ? look : std::min(look, now + millisecond));
  }
  over = true;
  thread.join();
  EXPECT_TRUE(fine) << fine.error().text;
  EXPECT_EQ(sender_words, "");
  EXPECT_EQ(arrived, all);
  EXPECT_EQ(wrong, 0U);
}

INSTANTIATE_TEST_SUITE_P(Fabric, Providers, testing::Values("tcp", "net", "shm", "sockets", "udp"),
                         [](const auto& of) { return std::string(of.param); });

}  // namespace
}  // namespace longhaul::wire::fabric
