#include "cli/option_values.h"

#include <gtest/gtest.h>

namespace longhaul::cli {
namespace {

constexpr std::uint64_t mib = 1024 * 1024;

TEST(OptionValues, Chunk) {
  EXPECT_EQ(parse_chunk("8MiB").value(), 8 * mib);
  EXPECT_EQ(parse_chunk("64M").value(), 64 * mib);
  EXPECT_EQ(parse_chunk("512MiB").value(), 512 * mib);
  for (const char* bad : {"0", "4MiB", "12MiB", "520MiB", "1GiB", "8MB", "-8MiB", "", "x", "8388609"}) {
    EXPECT_FALSE(parse_chunk(bad)) << bad;
  }
}

TEST(OptionValues, Cipher) {
  for (const Cipher cipher :
       {Cipher::automatic, Cipher::aes_256_gcm, Cipher::aes_128_gcm, Cipher::chacha20_poly1305, Cipher::none})
    EXPECT_EQ(parse_cipher_option(name_of(cipher)).value(), cipher);
  for (const char* bad : {"aes", "None", "", "no", "automatic"}) {
    const auto refused = parse_cipher_option(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_NE(refused.error().text.find("--cipher: '"), std::string::npos) << refused.error().text;
    EXPECT_NE(refused.error().text.find("aes-256-gcm"), std::string::npos) << refused.error().text;
  }
}

TEST(OptionValues, Compression) {
  using Mode = Compression::Mode;
  EXPECT_EQ(parse_compression_option("none").value(), Compression{});
  EXPECT_EQ(parse_compression_option("auto").value().mode, Mode::automatic);
  EXPECT_EQ(parse_compression_option("zstd").value(), (Compression{Mode::always, 3}));
  EXPECT_EQ(parse_compression_option("zstd:19").value(), (Compression{Mode::always, 19}));
  EXPECT_EQ(parse_compression_option("zstd:-7").value(), (Compression{Mode::always, -7}));
  for (const char* name : {"none", "auto", "zstd:1", "zstd:-50"})
    EXPECT_EQ(name_of(parse_compression_option(name).value()), name);
  for (const char* bad : {"", "zstd:", "zstd:x", "zstd:3x", "zstd:20", "zstd:-51", "zstd:0", "zstd:99999999999",
                          "zstd3", "lz4", "None", "auto:3", "zstd: 3", "zstd:+3"}) {
    const auto refused = parse_compression_option(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_NE(refused.error().text.find("--compress: '"), std::string::npos) << refused.error().text;
    EXPECT_NE(refused.error().text.find("zstd:LEVEL"), std::string::npos) << refused.error().text;
  }
}

TEST(OptionValues, Cap) {
  EXPECT_EQ(parse_cap("--cap", "2Gbps").value(), 2'000'000'000U);
  for (const char* bad : {"0Gbps", "2", "fast", ""}) {
    const auto rate = parse_cap("--cap", bad);
    ASSERT_FALSE(rate) << bad;
    EXPECT_NE(rate.error().text.find("--cap: "), std::string::npos) << rate.error().text;
  }
}

TEST(OptionValues, Tags) {
  EXPECT_EQ(parse_tags("--require", "us,fiber+owned", "+,").value(),
            (std::vector<std::string>{"us", "fiber", "owned"}));
  EXPECT_EQ(parse_tags("tags", "eu-west.1:a_B", "+").value(), (std::vector<std::string>{"eu-west.1:a_B"}));
  for (const char* bad : {"", ",", "us,", "+us", "a b", "u/s", "\xff", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}) {
    const auto tags = parse_tags("--require", bad, "+,");
    ASSERT_FALSE(tags) << bad;
    EXPECT_NE(tags.error().text.find("--require: "), std::string::npos) << tags.error().text;
  }
  EXPECT_FALSE(parse_tags("tags", "us,fiber", "+")) << "the comma is not a separator here";
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
