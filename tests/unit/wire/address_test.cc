#include <gtest/gtest.h>

#include "wire/wire.h"

namespace longhaul::wire {
namespace {

TEST(Address, IsSplitAndJoined) {
  struct Row {
    const char* text;
    const char* host;
    int port;
    const char* joined;
  };
  for (const Row& row : {Row{"127.0.0.1:4711", "127.0.0.1", 4711, "127.0.0.1:4711"},
                         {"127.0.0.1", "127.0.0.1", 0, "127.0.0.1:0"},
                         {"host-1.example:65535", "host-1.example", 65535, "host-1.example:65535"},
                         {"[::1]:4711", "::1", 4711, "[::1]:4711"},
                         {"[::1]", "::1", 0, "[::1]:0"},
                         {"::1", "::1", 0, "[::1]:0"},
                         {"2001:db8::1", "2001:db8::1", 0, "[2001:db8::1]:0"},
                         {"fe80::1%eth0", "fe80::1%eth0", 0, "[fe80::1%eth0]:0"},
                         {"0.0.0.0:0", "0.0.0.0", 0, "0.0.0.0:0"}}) {
    const auto parsed = parse_host_port(row.text);
    ASSERT_TRUE(parsed) << row.text << ": " << parsed.error().text;
    EXPECT_EQ(parsed->host, row.host);
    EXPECT_EQ(parsed->port, row.port);
    EXPECT_EQ(join_host_port(*parsed), row.joined);
  }
}

TEST(Address, NonsenseIsRefusedInWords) {
  for (const char* text :
       {"", ":4711", "host:", "host:port", "host:65536", "host:-1", "host: 1", "host:+1", "1.2.3.4:5:6", "[::1",
        "[::1]4711", "[::1]:", "[host]:1", "[]:1", "a b:1", "a/b", "host\n:1", "::1::2"}) {
    const auto parsed = parse_host_port(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Code::usage);
    EXPECT_NE(parsed.error().text.find("is not an address"), std::string::npos);
  }
}

TEST(Address, Resolves) {
  EXPECT_EQ(resolve("192.0.2.7").value(), "192.0.2.7");
  EXPECT_EQ(resolve("2001:db8::7").value(), "2001:db8::7");
  const auto local = resolve("localhost");
  ASSERT_TRUE(local) << local.error().text;
  EXPECT_TRUE(*local == "127.0.0.1" || *local == "::1") << *local;
  const auto unknown = resolve("no-such-host.invalid");
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().text.find("no-such-host.invalid"), std::string::npos);
}

}  // namespace
}  // namespace longhaul::wire
