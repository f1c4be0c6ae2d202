#include "cli/option_values.h"

#include <gtest/gtest.h>

namespace longhaul::cli {
namespace {

constexpr std::uint64_t mib = 1024 * 1024;

TEST(PathOption, ReadsEveryKey) {
  const auto path = parse_path("name=a,local=127.0.0.1,remote=127.0.0.2:4711,cap=2Gbps,streams=2,cc=cubic");
  ASSERT_TRUE(path) << path.error().text;
  EXPECT_EQ(path->name, "a");
  EXPECT_EQ(path->local, "127.0.0.1");
  EXPECT_EQ(path->remote, "127.0.0.2:4711");
  EXPECT_EQ(path->cap_bits_per_s, 2'000'000'000U);
  EXPECT_EQ(path->streams, 2U);
  EXPECT_EQ(path->congestion, "cubic");
}

TEST(PathOption, TakesWhatPeopleWrite) {
  for (const char* good :
       {"name=fiber-1", "local=fd00::1", "local=[::1]", "remote=[::1]:80", "remote=::1",
        "remote=storage-2.example.org:4711", "streams=auto", "streams=64", "cap=1.5GB/s", "cc=bbr"}) {
    const auto path = parse_path(good);
    EXPECT_TRUE(path) << good << ": " << path.error().text;
  }
  EXPECT_EQ(parse_path("streams=auto")->streams, 0U);
  EXPECT_EQ(parse_path("local=[::1]")->local, "::1");
}

struct BadText {
  const char* text;
  const char* hint;  ///< stands in the message
};

TEST(PathOption, SaysWhatIsWrong) {
  const BadText table[] = {{"", "--path needs"},
                           {"a", "not KEY=VALUE"},
                           {"name", "not KEY=VALUE"},
                           {"name=", "has no value"},
                           {"name=a,", "two commas"},
                           {",name=a", "two commas"},
                           {"name=a,,local=::1", "two commas"},
                           {"name=a,name=b", "stands twice"},
                           {"nmae=a", "did you mean 'name'"},
                           {"cost=3", "unknown key 'cost'"},
                           {"=3", "unknown key ''"},
                           {"name=a b", "without spaces"},
                           {"name=\x1b[2J", "without spaces"},
                           {"name=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "up to 32"},
                           {"local=10.0.0.1:80", "without a port"},
                           {"local=eth0", "not an address"},
                           {"local=10.0.0.300", "not an address"},
                           {"remote=10.0.0.1:0", "ADDR:PORT"},
                           {"remote=10.0.0.1:70000", "ADDR:PORT"},
                           {"remote=10.0.0.1:", "ADDR:PORT"},
                           {"remote=:80", "ADDR:PORT"},
                           {"remote=[::1", "ADDR:PORT"},
                           {"remote=[::1]80", "ADDR:PORT"},
                           {"remote=::1:2:3:4:5:6:7:8:9", "ADDR:PORT"},
                           {"remote=a/b", "ADDR:PORT"},
                           {"cap=2", "cap: "},
                           {"cap=fast", "cap: "},
                           {"cap=0Gbps", "carry nothing"},
                           {"streams=0", "1 to 64"},
                           {"streams=65", "1 to 64"},
                           {"streams=-1", "1 to 64"},
                           {"streams=2x", "1 to 64"},
                           {"cc=BBR!", "congestion control"}};
  for (const BadText& bad : table) {
    const auto path = parse_path(bad.text);
    ASSERT_FALSE(path) << bad.text;
    EXPECT_EQ(path.error().code, Code::usage);
    EXPECT_NE(path.error().text.find(bad.hint), std::string::npos) << bad.text << " -> " << path.error().text;
  }
}

TEST(PathOption, WantsDifferentNames) {
  EXPECT_TRUE(parse_paths({"name=a", "name=b"}));
  EXPECT_TRUE(parse_paths({"local=::1", "local=::1"})) << "without names they are numbered later";
  const auto twice = parse_paths({"name=a", "name=b", "name=a"});
  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().text.find("'a'"), std::string::npos);
  EXPECT_FALSE(parse_paths(std::vector<std::string>(paths_max + 1, "cc=cubic")));
}

TEST(OptionValues, Chunk) {
  EXPECT_EQ(parse_chunk("8MiB").value(), 8 * mib);
  EXPECT_EQ(parse_chunk("64M").value(), 64 * mib);
  EXPECT_EQ(parse_chunk("512MiB").value(), 512 * mib);
  for (const char* bad : {"0", "4MiB", "12MiB", "520MiB", "1GiB", "8MB", "-8MiB", "", "x", "8388609"}) {
    EXPECT_FALSE(parse_chunk(bad)) << bad;
  }
}

TEST(OptionValues, CipherMustBeNone) {
  EXPECT_EQ(parse_cipher("none").value(), Cipher::none);
  for (const char* bad : {"aes-256-gcm", "None", "", "no"}) EXPECT_FALSE(parse_cipher(bad)) << bad;
}

TEST(OptionValues, Durations) {
  EXPECT_DOUBLE_EQ(parse_duration("--retry-for", "5m").value(), 300);
  for (const char* bad : {"0", "-1s", "soon", ""}) {
    const auto seconds = parse_duration("--retry-for", bad);
    ASSERT_FALSE(seconds) << bad;
    EXPECT_NE(seconds.error().text.find("--retry-for"), std::string::npos);
  }
}

TEST(OptionValues, Listen) {
  for (const char* good : {"127.0.0.1", "127.0.0.1:0", "[::1]:4711", "::1", "localhost", "0.0.0.0:65535"}) {
    EXPECT_TRUE(parse_listen(good)) << good;
  }
  for (const char* bad : {"", "/data", "data/", "127.0.0.1:99999", "127.0.0.1:x", "[::1", "a b"}) {
    EXPECT_FALSE(parse_listen(bad)) << bad;
  }
}

TEST(OptionValues, StreamNameIsAFileName) {
  for (const char* good : {"all.tar", "...", "-", "\xff"}) EXPECT_TRUE(parse_stream_name(good)) << good;
  for (const char* bad : {"", "/a", "a/", "a/b/c", "a//b", ".", "..", "a/../b", "./a"})
    EXPECT_FALSE(parse_stream_name(bad)) << bad;
}

}  // namespace
}  // namespace longhaul::cli
