#include "sim_wire.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "base/bytes.h"

namespace longhaul::sim {
namespace {

using State = wire::Transfer::State;
const std::string host_a = "10.0.0.1";
const std::string host_b = "10.0.0.2";

class SimWireTest : public ::testing::Test {
 protected:
  void SetUp() override {
    network_.default_path = {.delay = 10 * millisecond};
    listener_ = *network_.wire("b", host_b).listen(host_b + ":0");
  }
  std::unique_ptr<wire::Connection> dial() {
    return *network_.wire("a", host_a).dial({.remote = listener_->address()});
  }
  void connect() {
    near_ = dial();
    pass(20 * millisecond);
    far_ = listener_->accept();
    ASSERT_NE(far_, nullptr);
    ASSERT_TRUE(near_->connected());
  }
  void pass(Time time) { clock_.advance(time); }
  /// Jumps from event to event until `connection` says something else than blocked; returns what.
  wire::Transfer read(wire::Connection& connection, std::span<std::byte> into) {
    for (;;) {
      const auto got = connection.read_some(into);
      const Time next = network_.next_due(clock_.now());
      if (got.state != State::blocked || next == time_never) return got;
      clock_.advance_to(next);
    }
  }
  std::string read_all(wire::Connection& connection, std::size_t bytes) {
    std::string out;
    std::vector<std::byte> buffer(10'000);
    while (out.size() < bytes) {
      const auto got = read(connection, buffer);
      if (got.state != State::moved) break;
      out += text_of(ConstBytes(buffer).first(got.bytes));
    }
    return out;
  }
  static std::size_t write_all(wire::Connection& connection, std::string_view text) {
    std::size_t done = 0;
    while (done < text.size()) {
      const auto put = connection.write_some(bytes_of(text.substr(done)));
      if (put.state != State::moved) break;
      done += put.bytes;
    }
    return done;
  }

  SimClock clock_;
  Trace trace_{clock_};
  SimNetwork network_{clock_, trace_, 1};
  std::unique_ptr<wire::Listener> listener_;
  std::unique_ptr<wire::Connection> near_;
  std::unique_ptr<wire::Connection> far_;
};

TEST_F(SimWireTest, ADialTakesARoundTrip) {
  auto connection = dial();
  pass(19 * millisecond);
  EXPECT_FALSE(connection->connected());
  EXPECT_EQ(connection->write_some(bytes_of("x")).state, State::blocked);
  EXPECT_EQ(listener_->accept(), nullptr);
  EXPECT_EQ(network_.next_due(clock_.now()), clock_.now() + millisecond);
  pass(millisecond);
  EXPECT_TRUE(connection->connected());
  auto accepted = listener_->accept();
  ASSERT_NE(accepted, nullptr);
  EXPECT_EQ(accepted->remote_address(), connection->local_address());
  EXPECT_EQ(connection->remote_address(), listener_->address());
  EXPECT_EQ(connection->health().rtt_us, 20'000U);
}

TEST_F(SimWireTest, NobodyListens) {
  auto refused = *network_.wire("a", host_a).dial({.remote = host_b + ":1"});
  std::array<std::byte, 1> byte;
  const auto got = read(*refused, byte);
  EXPECT_EQ(got.state, State::failed);
  EXPECT_EQ(got.system_errno, ECONNREFUSED);
  EXPECT_FALSE(refused->connected());
  EXPECT_FALSE(network_.wire("c", host_b).listen(listener_->address()));
}

TEST_F(SimWireTest, BytesArriveInOrderAfterTheDelay) {
  connect();
  std::string sent;
  for (int i = 0; i < 2000; ++i) sent += "piece " + std::to_string(i) + "\n";
  const Time begin = clock_.now();
  EXPECT_EQ(write_all(*near_, sent), sent.size());
  std::array<std::byte, 8> none;
  pass(10 * millisecond - 1);
  EXPECT_EQ(far_->read_some(none).state, State::blocked);
  EXPECT_EQ(near_->health().bytes_acked, 0U);
  EXPECT_EQ(read_all(*far_, sent.size()), sent);
  EXPECT_EQ(clock_.now(), begin + 10 * millisecond);
  EXPECT_EQ(near_->health().bytes_acked, sent.size());
}

TEST_F(SimWireTest, ReadsIntoTwoPlaces) {
  connect();
  write_all(*near_, "headbody");
  pass(10 * millisecond);
  std::string out;
  while (out.size() < 8) {
    std::array<std::byte, 4> first{};
    std::array<std::byte, 8> second{};
    const auto got = far_->read_some(first, second);
    ASSERT_EQ(got.state, State::moved);
    out += text_of(ConstBytes(first).first(std::min<std::size_t>(got.bytes, 4)));
    if (got.bytes > 4) out += text_of(ConstBytes(second).first(got.bytes - 4));
  }
  EXPECT_EQ(out, "headbody");
}

TEST_F(SimWireTest, APathHasARateThatItsConnectionsShare) {
  network_.set_path(host_a, host_b, {.delay = 10 * millisecond, .bytes_per_s = 1'000'000});
  connect();
  auto near2 = dial();
  pass(20 * millisecond);
  auto far2 = listener_->accept();
  const Time begin = clock_.now();
  const std::string half(250'000, 'x');
  EXPECT_EQ(write_all(*near_, half), half.size());
  EXPECT_EQ(write_all(*near2, half), half.size());
  EXPECT_GT(near2->health().bytes_unsent, 0U);
  EXPECT_EQ(read_all(*far_, half.size()).size(), half.size());
  EXPECT_EQ(read_all(*far2, half.size()).size(), half.size());
  EXPECT_NEAR(static_cast<double>(clock_.now() - begin), 510e6, 5e6);
  EXPECT_EQ(network_.bytes_between(host_b, host_a), 500'000U);
}

TEST_F(SimWireTest, AFullBufferBlocksUntilItIsRead) {
  network_.buffer_bytes = 1000;
  connect();
  EXPECT_EQ(write_all(*near_, std::string(5000, 'x')), 1000U);
  EXPECT_EQ(near_->write_some(bytes_of("x")).state, State::blocked);
  EXPECT_EQ(read_all(*far_, 600).size() >= 600, true);
  EXPECT_GE(write_all(*near_, std::string(5000, 'x')), 600U);
}

TEST_F(SimWireTest, ACloseComesAfterTheLastByte) {
  connect();
  write_all(*near_, "last words");
  near_.reset();
  EXPECT_EQ(read_all(*far_, 10), "last words");
  std::array<std::byte, 1> byte;
  EXPECT_EQ(read(*far_, byte).state, State::closed);
  EXPECT_EQ(far_->write_some(bytes_of("x")).system_errno, EPIPE);
}

TEST_F(SimWireTest, AKilledProcessResetsItsPeers) {
  connect();
  network_.kill("a", Death::reset);
  near_.reset();
  std::array<std::byte, 1> byte;
  EXPECT_EQ(far_->read_some(byte).state, State::blocked);
  const auto got = read(*far_, byte);
  EXPECT_EQ(got.state, State::failed);
  EXPECT_EQ(got.system_errno, ECONNRESET);
}

TEST_F(SimWireTest, AnAddressIsFreeAgainAfterAKill) {
  network_.kill("b", Death::reset);
  auto next_life = network_.wire("b", host_b).listen(listener_->address());
  ASSERT_TRUE(next_life);
  listener_.reset();  // of the old life: must not take the new one's address away
  listener_ = std::move(*next_life);
  connect();
}

TEST_F(SimWireTest, AHostThatIsGoneIsNoticedByWhoWaitsForAnAnswer) {
  connect();
  network_.kill("b", Death::silence);
  std::array<std::byte, 1> byte;
  EXPECT_EQ(read(*near_, byte).state, State::blocked);
  const Time begin = clock_.now();
  EXPECT_EQ(write_all(*near_, "anybody there?"), 14U);
  const auto got = read(*near_, byte);
  EXPECT_EQ(got.state, State::failed);
  EXPECT_EQ(got.system_errno, ETIMEDOUT);
  EXPECT_EQ(clock_.now(), begin + network_.user_timeout);
}

TEST_F(SimWireTest, ACutResetsAndRefusesUntilItIsHealed) {
  connect();
  network_.cut(host_a, host_b);
  std::array<std::byte, 1> byte;
  EXPECT_EQ(near_->read_some(byte).system_errno, ECONNRESET);
  EXPECT_EQ(far_->write_some(bytes_of("x")).system_errno, ECONNRESET);
  auto refused = dial();
  EXPECT_EQ(read(*refused, byte).system_errno, EHOSTUNREACH);
  network_.heal(host_a, host_b);
  connect();
}

TEST_F(SimWireTest, ASilenceHoldsEverythingBackUntilItIsHealed) {
  connect();
  write_all(*near_, "before");
  pass(10 * millisecond);
  network_.silence(host_a, host_b);
  write_all(*near_, " during");
  EXPECT_EQ(read_all(*far_, 6), "before");
  auto dialled = dial();
  pass(second);
  std::array<std::byte, 8> none;
  EXPECT_EQ(far_->read_some(none).state, State::blocked);
  EXPECT_FALSE(dialled->connected());
  network_.heal(host_a, host_b);
  const Time healed = clock_.now();
  EXPECT_EQ(read_all(*far_, 7), " during");
  EXPECT_EQ(clock_.now(), healed + 10 * millisecond);
  EXPECT_TRUE(dialled->connected());
}

TEST_F(SimWireTest, ALongSilenceEndsTheConnectionThatWaits) {
  connect();
  auto idle = dial();
  pass(20 * millisecond);
  network_.silence(host_a, host_b);
  write_all(*near_, "hello?");
  auto dialled = dial();
  pass(network_.user_timeout);
  std::array<std::byte, 1> byte;
  EXPECT_EQ(near_->read_some(byte).system_errno, ETIMEDOUT);
  EXPECT_EQ(dialled->read_some(byte).system_errno, ETIMEDOUT);
  EXPECT_EQ(idle->read_some(byte).state, State::blocked);
  network_.heal(host_a, host_b);
  EXPECT_EQ(near_->read_some(byte).system_errno, ETIMEDOUT);
}

}  // namespace
}  // namespace longhaul::sim
