// The benches on the machine's own disk and loopback, in small. What they measure is not judged.
#include "longhaul/bench.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "engine/bench_measure.h"
#include "engine/bench_source.h"
#include "engine/network_settings.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t mib = std::uint64_t{1} << 20U;

void expect_sound(const BenchRate& rate) {
  EXPECT_GT(rate.bytes, 0U);
  EXPECT_GT(rate.seconds, 0);
  EXPECT_GE(rate.cpu_seconds, 0);
}

class DiskBenchTest : public ::testing::Test {
 protected:
  DiskBenchTest() {
    std::string pattern = fs::temp_directory_path() / "longhaul-bench.XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~DiskBenchTest() override { fs::remove_all(path_); }
  [[nodiscard]] bool empty() const { return fs::is_empty(path_); }
  fs::path path_;
};

TEST_F(DiskBenchTest, WritesSyncsReadsAndLeavesNothing) {
  std::set<std::string> said;
  const auto bench = bench_disk(
      {.directory = path_, .bytes = 3 * mib + 1}, [&](const std::string& what) { said.insert(what); }, nullptr);
  ASSERT_TRUE(bench) << bench.error().text;
  EXPECT_EQ(bench->write->bytes, 4 * mib) << "whole MiB";
  EXPECT_EQ(bench->read->bytes, 4 * mib);
  expect_sound(*bench->durable);
  EXPECT_GE(bench->durable->seconds, bench->write->seconds);
  EXPECT_GE(bench->small->files, 1U);
  EXPECT_LE(bench->small->median_s, bench->small->slowest_s);
  EXPECT_EQ(bench->read_direct, bench->can->direct);
  EXPECT_GE(said.size(), 3U);
  EXPECT_TRUE(empty());
}

TEST_F(DiskBenchTest, OnlyReads) {
  std::ofstream(path_ / "file") << std::string(2 * mib + 5, 'x');
  const auto bench = bench_disk({.read_file = path_ / "file"}, {}, nullptr);
  ASSERT_TRUE(bench) << bench.error().text;
  EXPECT_EQ(bench->read->bytes, 2 * mib);
  EXPECT_FALSE(bench->write || bench->can || bench->small);
  EXPECT_EQ(fs::file_size(path_ / "file"), 2 * mib + 5);
  std::ofstream(path_ / "short") << "x";
  const auto short_one = bench_disk({.read_file = path_ / "short"}, {}, nullptr);
  ASSERT_FALSE(short_one);
  EXPECT_EQ(short_one.error().code, Code::usage);
  EXPECT_EQ(bench_disk({.read_file = path_ / "none"}, {}, nullptr).error().code, Code::not_found);
}

TEST_F(DiskBenchTest, SaysWhyItCannot) {
  const auto full = bench_disk({.directory = path_, .bytes = std::uint64_t{1} << 58U}, {}, nullptr);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Code::no_space);
  EXPECT_NE(full.error().text.find("--size"), std::string::npos);
  EXPECT_EQ(bench_disk({.directory = path_ / "none"}, {}, nullptr).error().code, Code::not_found);
  EXPECT_EQ(bench_disk({}, {}, nullptr).error().code, Code::usage);
  EXPECT_TRUE(empty());
}

TEST_F(DiskBenchTest, StopsAtOnce) {
  StopFlag stop{1};
  const auto stopped = bench_disk({.directory = path_, .bytes = 64 * mib}, {}, &stop);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Code::interrupted);
  EXPECT_TRUE(empty());
}

TEST(HashBenchTest, HasAFigureForEachThatATransferUses) {
  const auto bench = bench_hash({.seconds = 0.001}, {}, nullptr);
  ASSERT_TRUE(bench) << bench.error().text;
  std::set<std::string> what;
  for (const HashFigure& figure : bench->figures) {
    what.insert(figure.what);
    EXPECT_FALSE(figure.implementation.empty()) << figure.what;
    expect_sound(figure.one);
    expect_sound(figure.all);
  }
  for (const char* name : {"xxh3-128", "sha-256", "aes-256-gcm seal", "aes-256-gcm open", "aes-128-gcm seal",
                           "chacha20-poly1305 open", "zstd:1 pack", "zstd:1 unpack"})
    EXPECT_TRUE(what.contains(name)) << name;
  StopFlag stop{1};
  EXPECT_EQ(bench_hash({.seconds = 10}, {}, &stop).error().code, Code::interrupted);
}

TEST(WireBenchTest, CarriesInClearAndSealed) {
  const auto bench = bench_wire({.streams = 3, .seconds = 0.05, .cipher = Cipher::chacha20_poly1305}, {}, nullptr);
  ASSERT_TRUE(bench) << bench.error().text;
  EXPECT_EQ(bench->streams, 3U);
  ASSERT_GE(bench->figures.size(), 2U);
  EXPECT_EQ(bench->figures[0].cipher, Cipher::none);
  EXPECT_EQ(bench->figures[1].cipher, Cipher::chacha20_poly1305);
  for (const WireFigure& figure : bench->figures) {
    EXPECT_FALSE(figure.congestion.empty());
    expect_sound(figure.rate);
  }
  StopFlag stop{1};
  EXPECT_EQ(bench_wire({.seconds = 10}, {}, &stop).error().code, Code::interrupted);
}

TEST(PathBenchTest, BothEndsMeetAndEnd) {
  std::atomic<bool> over = false;
  std::string ticket;
  std::atomic<bool> shown = false;
  Result<PathServed> served = fail(Code::internal, "nothing came");
  std::thread there([&] {
    PathBenchOptions options;
    options.engine.listen = {"127.0.0.1", "127.0.0.2"};
    served = serve_path_bench(
        options,
        [&](const std::string& it) -> Result<> {
          ticket = it;
          shown = true;
          shown.notify_all();
          return {};
        },
        nullptr);
    over = true;
    shown = true;
    shown.notify_all();
  });
  shown.wait(false);
  ASSERT_FALSE(over) << served.error().text;
  const auto bench = bench_path(ticket, {.engine = {}, .seconds = 0.2}, {}, nullptr);
  there.join();
  ASSERT_TRUE(bench) << bench.error().text;
  ASSERT_TRUE(served) << served.error().text;
  EXPECT_EQ(bench->cipher, "aes-256-gcm");
  ASSERT_EQ(bench->paths.size(), 2U);
  for (const PathFigure& path : bench->paths) {
    EXPECT_EQ(path.why, "");
    expect_sound(path.rate);
  }
  ASSERT_TRUE(bench->together);
  EXPECT_GE(served->measurements, 4U) << "they met, each alone, together";
}

TEST(PathBenchTest, SaysThatNobodyIsThere) {
  EXPECT_FALSE(bench_path("longhaul://nowhere", {}, {}, nullptr));
}

TEST(BenchSource, EndsSoonAfterItsTime) {
  const auto source = engine::make_timed_source(0.05, true);
  std::vector<Entry> entries;
  std::vector<Error> errors;
  std::vector<std::byte> into(mib);
  std::uint64_t bytes = 0;
  for (bool more = true; more;) {
    entries.clear();
    const auto next = source->next(entries, errors, 256);
    ASSERT_TRUE(next);
    more = *next;
    for (const Entry& entry : entries) {
      EXPECT_TRUE(entry.path.starts_with("last/")) << entry.path;
      const auto reader = source->open(entry);
      ASSERT_TRUE(reader);
      for (std::uint64_t at = 0; at < entry.size; at += into.size()) {
        const auto read = (*reader)->read_at(at, into);
        ASSERT_TRUE(read);
        bytes += *read;
      }
      EXPECT_EQ((*reader)->read_at(entry.size, into).value(), 0U);
    }
  }
  EXPECT_GE(bytes, 4 * mib);
}

TEST(BenchSource, DoesNotRunAheadOfWhoReadsNothing) {
  const auto source = engine::make_timed_source(10, false);
  std::vector<Entry> entries;
  std::vector<Error> errors;
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(source->next(entries, errors, 256).value());
  EXPECT_EQ(entries.size(), 4U) << "4 MiB";
}

TEST(BenchSource, TheSinkKnowsTheLast) {
  const auto sink = engine::make_dropping_sink();
  Entry entry;
  entry.path = "more/00000001";
  ASSERT_TRUE(sink.sink->create(entry));
  EXPECT_FALSE(sink.last->load());
  entry.path = "model/weights";
  const auto refused = sink.sink->create(entry);
  ASSERT_FALSE(refused) << "it would be told to have arrived";
  EXPECT_NE(refused.error().text.find("keeps nothing"), std::string::npos);
  entry.path = "last/00000001";
  ASSERT_TRUE(sink.sink->create(entry));
  EXPECT_TRUE(sink.last->load());
}

TEST(NetworkSettings, ThreeNumbersOrNone) {
  const auto setting = engine::parse_window_setting("4096\t16384\t4194304");
  EXPECT_EQ(setting.least, 4096U);
  EXPECT_EQ(setting.usual, 16384U);
  EXPECT_EQ(setting.most, 4194304U);
  for (const char* text : {"", "1 2", "1 2 x", "1 2 3 4", "-1 2 3"})
    EXPECT_EQ(engine::parse_window_setting(text).most, 0U) << text;
  EXPECT_EQ(engine::sysctl_line("tcp_wmem", setting, 67108864), "sysctl -w net.ipv4.tcp_wmem='4096 16384 67108864'");
}

}  // namespace
}  // namespace longhaul
