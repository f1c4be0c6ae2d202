// `longhaul bench`: what its arguments mean, and what its figures look like.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/bench_text.h"
#include "cli/options.h"

namespace longhaul::cli {
namespace {

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;
using What = Command::BenchAsked::What;
const std::string ticket = "longhaul://127.0.0.1:4711/00ff?x=9#SeCrEt";
constexpr std::uint64_t gib = std::uint64_t{1} << 30U;

Surroundings around() {
  Surroundings surroundings;
  surroundings.read_stdin = [] { return Result<std::string>(ticket); };
  return surroundings;
}

Command good(Arguments arguments) {
  arguments.insert(arguments.begin(), "bench");
  const auto parsed = parse_command_line(arguments, around());
  const Exit* exit = std::get_if<Exit>(&parsed);
  if (exit == nullptr) return std::get<Command>(parsed);
  ADD_FAILURE() << testing::PrintToString(arguments) << "\n" << exit->err;
  return {};
}

void expect_refused(Arguments arguments, const std::string& words) {
  arguments.insert(arguments.begin(), "bench");
  const auto parsed = parse_command_line(arguments, around());
  const Exit* exit = std::get_if<Exit>(&parsed);
  ASSERT_NE(exit, nullptr) << "was taken: " << testing::PrintToString(arguments);
  EXPECT_EQ(exit->code, 2);
  EXPECT_NE(exit->err.find(words), std::string::npos) << exit->err;
}

TEST(BenchOptions, EachBenchHasItsOwn) {
  const Command hash = good({"hash", "--seconds", "0.5"});
  EXPECT_EQ(hash.verb, Verb::bench);
  EXPECT_EQ(hash.bench.what, What::hash);
  EXPECT_DOUBLE_EQ(hash.bench.seconds, 0.5);
  const Command disk = good({"disk", "/data", "--size", "2GiB", "--read", "file", "--no-direct", "--json"});
  EXPECT_EQ(disk.bench.what, What::disk);
  EXPECT_EQ(disk.target, "/data");
  EXPECT_EQ(disk.bench.bytes, 2 * gib);
  EXPECT_EQ(disk.bench.read_file, "file");
  EXPECT_FALSE(disk.engine.direct);
  EXPECT_TRUE(disk.json);
  EXPECT_EQ(good({"disk", "--read", "file"}).target, "");
  const Command wire = good({"wire", "--streams", "4", "--cipher", "chacha20-poly1305"});
  EXPECT_EQ(wire.bench.what, What::wire);
  EXPECT_EQ(wire.engine.streams, 4U);
  EXPECT_EQ(wire.engine.cipher, Cipher::chacha20_poly1305);
}

TEST(BenchOptions, APathHasTwoEnds) {
  const Command here = good({"path", "--path", "name=a,local=127.0.0.2", "--seconds", "3", ticket});
  EXPECT_EQ(here.bench.what, What::path);
  EXPECT_EQ(here.ticket, ticket);
  EXPECT_EQ(here.engine.paths.size(), 1U);
  const Command there = good({"path", "--listen", "10.0.0.2", "--ticket-file", "t"});
  EXPECT_EQ(there.ticket, "");
  EXPECT_EQ(there.engine.listen, (Arguments{"10.0.0.2"}));
  expect_refused({"path"}, "TICKET is missing");
  expect_refused({"path", "--listen", "10.0.0.2", ticket}, "take one of them");
  expect_refused({"path", "--listen", "10.0.0.2", "--path", "name=a"}, "belong to the side that dials");
  expect_refused({"path", "--listen", "10.0.0.2", "--seconds", "3"}, "belongs to the side that dials");
  expect_refused({"path", "--ticket-file", "t", ticket}, "belongs to the side that prints");
  expect_refused({"path", ticket, "more"}, "too many arguments: 'more'");
}

TEST(BenchOptions, WhatMakesNoSenseIsRefused) {
  expect_refused({}, "which one: hash, disk, wire or path?");
  expect_refused({"dsik"}, "did you mean 'disk'");
  expect_refused({"hash", "more"}, "too many arguments: 'more'");
  expect_refused({"hash", "--size", "1G"}, "--size is about 'bench disk', not about 'bench hash'");
  expect_refused({"disk", "d", "--streams", "2"}, "--streams is about 'bench wire' and 'bench path'");
  expect_refused({"disk"}, "DIR is missing");
  expect_refused({"disk", ""}, "an empty argument");
  expect_refused({"disk", "a", "b"}, "too many arguments: 'b'");
  expect_refused({"disk", "d", "--size", "0"}, "--size");
  expect_refused({"disk", "d", "--size", "many"}, "--size");
  expect_refused({"hash", "--seconds", "0"}, "--seconds");
  expect_refused({"hash", "--seconds", "2h"}, "an hour");
  expect_refused({"wire", "--streams", "auto"}, "not auto");
  expect_refused({"wire", "--streams", "65"}, "--streams");
  expect_refused({"wire", "--cipher", "rot13"}, "--cipher");
}

BenchRate rate_of(double gigabytes, double cpu) {
  return {.bytes = static_cast<std::uint64_t>(gigabytes * 1e9), .seconds = 1, .cpu_seconds = cpu};
}

TEST(BenchText, RatesAreWhatTheySay) {
  const BenchRate rate{.bytes = 2 * gib, .seconds = 4, .cpu_seconds = 1};
  EXPECT_DOUBLE_EQ(rate.bytes_per_s(), static_cast<double>(gib) / 2);
  EXPECT_DOUBLE_EQ(rate.cpu_s_per_gib(), 0.5);
  EXPECT_DOUBLE_EQ(BenchRate().bytes_per_s(), 0);
  EXPECT_DOUBLE_EQ(BenchRate().cpu_s_per_gib(), 0);
}

TEST(BenchText, Hash) {
  const HashBench bench{
      .cores = 2,
      .instructions = "avx2 aes",
      .figures = {{.what = "sha-256", .implementation = "OpenSSL", .one = rate_of(1.5, 1), .all = rate_of(3, 2)}},
      .hints = {"buy\x1b[31m"}};
  EXPECT_EQ(words_of(bench),
            "2 cores: avx2 aes\n"
            "WHAT     BY       ONE CORE   CPU s/GiB  ALL CORES  CPU s/GiB\n"
            "sha-256  OpenSSL  1.50 GB/s  0.716      3.00 GB/s  0.716\n"
            "hint: buy\\x1b[31m\n");
  const Json object = Json::parse(json_of(bench, 7));
  EXPECT_EQ(object["event"], "bench");
  EXPECT_EQ(object["bench"], "hash");
  EXPECT_EQ(object["figures"][0]["one"]["bytes_per_s"], 1.5e9);
  EXPECT_EQ(object["hints"].size(), 1U);
}

TEST(BenchText, DiskThatWasWritten) {
  DiskBench bench{.io = "io_uring", .free_bytes = 3 * gib, .total_bytes = 4 * gib};
  bench.can = DiskAbilities{.direct = true, .holes = true};
  bench.write = BenchRate{.bytes = gib, .seconds = 2, .cpu_seconds = 0.5};
  bench.sync_s = 2;
  bench.durable = BenchRate{.bytes = gib, .seconds = 4, .cpu_seconds = 0.5};
  bench.read = BenchRate{.bytes = gib, .seconds = 1, .cpu_seconds = 0.25};
  bench.read_direct = true;
  bench.small = SmallFiles{.files = 10, .bytes_each = 4096, .per_s = 1234, .median_s = 0.0008, .slowest_s = 0.01};
  const std::string text = words_of(bench);
  for (const char* line :
       {"3.00 GiB of 4.00 GiB free; io_uring\n", "write    1.00 GiB  2.00     536.87 MB/s  0.500      before",
        "sync               2.00", "durable  1.00 GiB  4.00     268.44 MB/s  0.500", "past the page cache\n",
        "small files: 1,234 per second", "median 0.80 ms, slowest 10.00 ms",
        "has O_DIRECT, holes; has not fallocate, reflink, files without a name (O_TMPFILE)\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  const Json object = Json::parse(json_of(bench, 7));
  EXPECT_EQ(object["can"]["direct"], true);
  EXPECT_EQ(object["can"]["reflink"], false);
  EXPECT_EQ(object["durable"]["seconds"], 4);
  EXPECT_EQ(object["small_files"]["per_s"], 1234);
}

TEST(BenchText, DiskThatWasOnlyRead) {
  DiskBench bench{.io = "plain calls: forbidden"};
  bench.read = BenchRate{.bytes = gib, .seconds = 1, .cpu_seconds = 0.25};
  EXPECT_EQ(words_of(bench),
            "WHAT  BYTES     SECONDS  RATE       CPU s/GiB  \n"
            "read  1.00 GiB  1.00     1.07 GB/s  0.250      perhaps from memory\n");
  const Json object = Json::parse(json_of(bench, 7));
  EXPECT_EQ(object["write"], nullptr);
  EXPECT_EQ(object["can"], nullptr);
  EXPECT_EQ(object["sync_seconds"], nullptr);
}

TEST(BenchText, Wire) {
  const WireBench bench{.streams = 1,
                        .cores = 2,
                        .system_congestion = "bbr",
                        .figures = {{.cipher = Cipher::none, .congestion = "cubic", .rate = rate_of(4, 1)},
                                    {.cipher = Cipher::none, .congestion = "bbr", .rate = rate_of(2, 1)}}};
  EXPECT_EQ(words_of(bench),
            "1 stream over loopback, 2 cores, both ends here\n"
            "CIPHER  CONGESTION  RATE       CPU s/GiB  \n"
            "none    cubic       4.00 GB/s  0.268      \n"
            "none    bbr         2.00 GB/s  0.537      the system's\n");
  EXPECT_EQ(Json::parse(json_of(bench, 7))["figures"][1]["congestion"], "bbr");
}

TEST(BenchText, Paths) {
  PathBench bench{.cipher = "aes-256-gcm"};
  bench.paths.push_back({.name = "a",
                         .streams = 2,
                         .rate = rate_of(0.1, 0.1),
                         .rtt_us_min = 80'000,
                         .rtt_us = 95'500,
                         .congestion = "cubic",
                         .window_bytes_per_s = 1e8});
  bench.paths.push_back({.name = "b", .why = "nobody\nlistens"});
  bench.together = rate_of(0.09, 0.1);
  const std::string text = words_of(bench);
  for (const char* line : {"a     100.00 MB/s  80.0 ms    95.5 ms     2", "not measured: b: nobody\\x0alistens\n",
                           "all together: 90.00 MB/s, of 100.00 MB/s"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  const Json object = Json::parse(json_of(bench, 7));
  EXPECT_EQ(object["paths"][0]["rtt_us_min"], 80'000);
  EXPECT_EQ(object["paths"][1]["rate"], nullptr);
  EXPECT_EQ(object["together"]["bytes"], 90'000'000);
  EXPECT_EQ(Json::parse(json_of(PathServed{.measurements = 3, .bytes = gib}, 7))["measurements"], 3);
}

}  // namespace
}  // namespace longhaul::cli
