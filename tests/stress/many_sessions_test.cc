// Commit and everything before it on real threads: many transfers at once in one session, both ways, and many sessions
// in one process.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <thread>

#include "base/fd.h"
#include "stress/effort.h"
#include "stress/meeting.h"
#include "stress/trees.h"

namespace longhaul::stress {
namespace {

Options on_two_paths() {
  Options options = two_workers();
  options.listen = {"127.0.0.1", "127.0.0.2"};  // the dialler makes one path of each
  return options;
}

TEST(SessionStress, ManyTransfersAtOnceBothWays) {
  const Watchdog watchdog("many transfers at once");
  constexpr unsigned transfers = rounds(10U, 4U);  // each way
  const Scratch scratch;
  Meeting meeting;
  meeting.listen(on_two_paths());
  meeting.dial(meeting.here->ticket(), on_two_paths());
  const std::string up = (scratch / "up").string();
  const std::string down = (scratch / "down").string();
  std::vector<Call> calls;
  for (unsigned i = 0; i < transfers; ++i) {
    const Shape shape{.small = rounds(60U, 20U), .middle = 2, .large = i == 0 ? 1U : 0U};
    for (const auto* way : {"from there", "from here"}) {
      const auto at = scratch / way / std::to_string(i);
      make_tree(at, shape, i * 2 + (way == std::string("from here") ? 1 : 0));
    }
    calls.push_back(begin_receive(*meeting.here, up));
    calls.push_back(begin_receive(*meeting.there, down));
  }
  for (unsigned i = 0; i < transfers; ++i) {
    calls.push_back(begin_send(*meeting.there, tree((scratch / "from there" / std::to_string(i)).string())));
    calls.push_back(begin_send(*meeting.here, tree((scratch / "from here" / std::to_string(i)).string())));
  }
  expect_complete(calls);
  EXPECT_EQ(left_in_landing_zone(up), "");
  EXPECT_EQ(left_in_landing_zone(down), "");
  std::filesystem::remove_all(up + "/.longhaul");
  std::filesystem::remove_all(down + "/.longhaul");
  EXPECT_EQ(difference(scratch / "from there", up), "");
  EXPECT_EQ(difference(scratch / "from here", down), "");
}

/// Transfers come and go: opening and closing of one meets the data of another on the same workers and streams.
TEST(SessionStress, SmallTransfersInTurnFromSeveralThreads) {
  const Watchdog watchdog("small transfers in turn");
  constexpr unsigned callers = 3;
  constexpr unsigned each = rounds(12U, 5U);
  const Scratch scratch;
  Meeting meeting;
  meeting.listen(on_two_paths());
  meeting.dial(meeting.here->ticket(), on_two_paths());
  const auto target = (scratch / "target").string();
  std::vector<std::thread> threads;
  std::vector<std::vector<std::byte>> contents(callers * each);
  for (unsigned caller = 0; caller < callers; ++caller) {
    threads.emplace_back([&, caller] {
      for (unsigned i = 0; i < each; ++i) {
        const unsigned number = caller * each + i;
        auto& content = contents[number] = content_for(number % 4 == 0 ? 300'000 + number : 50 * number, number);
        const Outcome sent = meeting.there->send(memory_source("file" + std::to_string(number), content));
        EXPECT_TRUE(sent.ok) << sent.error.text;
      }
    });
    threads.emplace_back([&] {
      for (unsigned i = 0; i < each; ++i) {
        const Outcome landed = meeting.here->receive(directory_sink(target));
        EXPECT_TRUE(landed.ok) << landed.error.text;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (unsigned number = 0; number < contents.size(); ++number)
    EXPECT_TRUE(content_of(std::filesystem::path(target) / ("file" + std::to_string(number))) == contents[number])
        << number;
}

/// A stream is filled by the feeder, read by the workers and let go by the planner, and is put together again in memory
/// that two workers share with the storage role.
TEST(SessionStress, StreamsBothWays) {
  const Watchdog watchdog("streams both ways");
  const auto content = content_for(rounds(60'000'000UL, 24'000'000UL) + 12'345, 5);
  Meeting meeting;
  meeting.listen(on_two_paths());
  meeting.dial(meeting.here->ticket(), on_two_paths());
  const auto stream = [&](Session& from, Session& to) {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    EXPECT_EQ(::pipe(in.data()), 0);
    EXPECT_EQ(::pipe(out.data()), 0);
    const Fd in_read(in[0]);
    Fd in_write(in[1]);
    const Fd out_read(out[0]);
    Fd out_write(out[1]);
    std::thread writer([&] {
      for (std::size_t at = 0; at < content.size();) {
        const ssize_t put = ::write(in_write.get(), content.data() + at, content.size() - at);
        if (put <= 0) break;
        at += static_cast<std::size_t>(put);
      }
      in_write.reset();
    });
    std::vector<std::byte> came(content.size() + 1);
    std::size_t bytes = 0;
    std::thread reader([&] {
      for (ssize_t got = 1; got > 0 && bytes < came.size();
           bytes += static_cast<std::size_t>(std::max<ssize_t>(got, 0)))
        got = ::read(out_read.get(), came.data() + bytes, came.size() - bytes);
    });
    auto landed = std::async(std::launch::async, [&] { return to.receive(stream_sink(out_write.get())); });
    const Outcome sent = from.send(stream_source("stream", in_read.get()));
    EXPECT_TRUE(sent.ok) << sent.error.text;
    const Outcome outcome = landed.get();
    EXPECT_TRUE(outcome.ok) << outcome.error.text;
    out_write.reset();
    writer.join();
    reader.join();
    came.resize(bytes);
    EXPECT_TRUE(came == content);
  };
  std::thread other([&] { stream(*meeting.here, *meeting.there); });
  stream(*meeting.there, *meeting.here);
  other.join();
}

/// What is one for the process: the log, the signals, the ticket of a user.
TEST(SessionStress, ManySessionsInOneProcess) {
  const Watchdog watchdog("many sessions");
  constexpr unsigned copies = rounds(6U, 3U);
  const Scratch scratch;
  std::vector<std::thread> threads;
  for (unsigned number = 0; number < copies; ++number) {
    const auto source = scratch / ("source" + std::to_string(number));
    make_tree(source, {.small = 20, .middle = 1, .large = 0}, number);
    threads.emplace_back([&scratch, source, number] {
      for (unsigned round = 0; round < 2; ++round) {
        const auto target = scratch / ("target" + std::to_string(number) + "." + std::to_string(round));
        const Outcome outcome =
            copy(tree(source.string() + "/"), directory_sink(target.string()), two_workers(), nullptr);
        EXPECT_TRUE(outcome.ok) << outcome.error.text;
        std::filesystem::remove_all(target / ".longhaul");
        EXPECT_EQ(difference(source, target), "");
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace longhaul::stress
