#include "sim_world.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "base/bytes.h"

namespace longhaul::sim {
namespace {

const std::string server_host = "10.0.0.2";
const std::string server_address = server_host + ":5000";

/// Writes whatever comes to a file and answers each byte once it is synced.
class Server final : public Role {
 public:
  Server(SimWorld& world, const Process& process)
      : disk_(world.make_disk(process)), listener_(*world.wire(process).listen(server_address)) {
    const auto root = *disk_->open_root("");
    file_ = *disk_->open_file(root, "log", disk::Open::create_or_open, false);
    EXPECT_TRUE(*disk_->try_lock(*file_));
  }
  Time step(Time now) override {
    (void)now;
    if (connection_ == nullptr) connection_ = listener_->accept();
    while (const disk::Operation* done = disk_->reap()) {
      if (done->kind == disk::Operation::Kind::write) {
        operation_ = {.kind = disk::Operation::Kind::sync_data, .file = file_.get()};
        disk_->submit(operation_);
      } else {
        (void)connection_->write_some({&byte_, 1});
      }
    }
    if (connection_ != nullptr && disk_->in_flight() == 0 &&
        connection_->read_some({&byte_, 1}).state == wire::Transfer::State::moved) {
      operation_ = {
          .kind = disk::Operation::Kind::write, .file = file_.get(), .data = &byte_, .offset = end_++, .bytes = 1};
      disk_->submit(operation_);
    }
    return time_never;
  }
  [[nodiscard]] bool finished() const override { return false; }
  [[nodiscard]] std::string name() const override { return "server"; }

 private:
  std::unique_ptr<disk::Disk> disk_;
  std::unique_ptr<wire::Listener> listener_;
  std::unique_ptr<wire::Connection> connection_;
  disk::FilePtr file_;
  disk::Operation operation_;
  std::byte byte_{};
  std::uint64_t end_ = 0;
};

/// Sends a byte, waits for the answer, waits a second, and so on.
class Client final : public Role {
 public:
  Client(SimWorld& world, const Process& process, unsigned count)
      : connection_(*world.wire(process).dial({.remote = server_address})), left_(count) {}
  Time step(Time now) override {
    if (!waiting_ && now >= next_ && left_ > 0) {
      const std::byte byte{static_cast<unsigned char>('a' + left_ % 26)};
      waiting_ = connection_->write_some({&byte, 1}).state == wire::Transfer::State::moved;
    }
    std::byte answer{};
    const auto got = connection_->read_some({&answer, 1});
    if (got.state == wire::Transfer::State::failed) failed = got.system_errno;
    if (got.state == wire::Transfer::State::moved) {
      waiting_ = false;
      next_ = now + second;
      --left_;
    }
    return waiting_ || left_ == 0 || failed != 0 ? time_never : next_ > now ? next_ : time_never;
  }
  [[nodiscard]] bool finished() const override { return left_ == 0; }
  [[nodiscard]] std::string name() const override { return "client"; }
  int failed = 0;

 private:
  std::unique_ptr<wire::Connection> connection_;
  unsigned left_;
  bool waiting_ = false;
  Time next_ = 0;
};

struct PingPong {
  explicit PingPong(std::uint64_t seed) : world(seed) {
    world.network().default_path = {.delay = 5 * millisecond, .bytes_per_s = 1000};
    auto& b = world.start("b", server_host, "disk b");
    b.roles.push_back(std::make_shared<Server>(world, b));
    auto& a = world.start("a", "10.0.0.1", "disk a");
    client = std::make_shared<Client>(world, a, 20);
    a.roles.push_back(client);
  }
  RunEnd run(Time deadline) {
    return world.run_until([&] { return client->finished(); }, deadline);
  }
  SimWorld world;
  std::shared_ptr<Client> client;
};

TEST(SimWorld, TheSameSeedGivesTheSameRun) {
  std::set<std::uint64_t> hashes;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    PingPong first(seed);
    PingPong again(seed);
    ASSERT_EQ(first.run(1000 * second), RunEnd::reached) << first.world.seed_words();
    ASSERT_EQ(again.run(1000 * second), RunEnd::reached);
    EXPECT_EQ(first.world.hash(), again.world.hash());
    EXPECT_EQ(first.world.clock().now(), again.world.clock().now());
    EXPECT_EQ(first.world.file_system("disk b").content("log")->size(), 20U);
    hashes.insert(first.world.hash());
  }
  EXPECT_EQ(hashes.size(), 20U);
}

TEST(SimWorld, TimeIsVirtual) {
  PingPong game(1);
  const Time begin = game.world.clock().now();
  ASSERT_EQ(game.run(1000 * second), RunEnd::reached);
  const Time took = game.world.clock().now() - begin;
  EXPECT_GT(took, 19 * second);
  EXPECT_LT(took, 21 * second);
}

TEST(SimWorld, ADeadlineEndsARun) {
  PingPong game(1);
  EXPECT_EQ(game.run(5 * second), RunEnd::deadline);
  EXPECT_EQ(game.world.clock().now() / second, 5);
}

TEST(SimWorld, AKilledProcessLeavesItsPageCacheAndNoLocks) {
  PingPong game(1);
  ASSERT_EQ(game.run(5 * second), RunEnd::deadline);
  game.world.kill("b");
  EXPECT_GE(game.world.file_system("disk b").content("log")->size(), 3U);
  // The second life gets the lock and the address; the client has been told.
  auto& b = game.world.start("b", server_host, "disk b");
  b.roles.push_back(std::make_shared<Server>(game.world, b));
  EXPECT_EQ(game.run(10 * second), RunEnd::stuck);
  EXPECT_EQ(game.client->failed, ECONNRESET);
}

TEST(SimWorld, AnsweredBytesSurviveACrash) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    PingPong game(seed);
    auto& files = game.world.file_system("disk b");
    auto disk = files.make_disk("test");
    ASSERT_TRUE(disk->sync_dir(*disk->open_root("")));
    ASSERT_EQ(game.run(5 * second + 500 * millisecond), RunEnd::deadline);
    game.world.crash("disk b");
    ASSERT_GE(files.content("log")->size(), 4U) << game.world.seed_words();
  }
}

TEST(SimWorld, NothingToWaitForIsStuck) {
  SimWorld world(1);
  auto& process = world.start("b", server_host, "disk");
  process.roles.push_back(std::make_shared<Server>(world, process));
  EXPECT_EQ(world.run_until([] { return false; }, 100 * second), RunEnd::stuck);
}

TEST(SimWorld, AHookRunsBetweenRounds) {
  PingPong game(1);
  bool cut = false;
  game.world.between_rounds = [&] {
    if (cut || game.world.clock().now() < 4 * second) return;
    cut = true;
    game.world.network().cut("10.0.0.1", server_host);
  };
  EXPECT_EQ(game.run(100 * second), RunEnd::stuck);
  EXPECT_TRUE(cut);
  EXPECT_EQ(game.client->failed, ECONNRESET);
}

}  // namespace
}  // namespace longhaul::sim
