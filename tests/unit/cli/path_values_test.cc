#include "cli/path_values.h"

#include <gtest/gtest.h>

#include "cli/option_values.h"

namespace longhaul::cli {
namespace {

TEST(PathOption, ReadsEveryKey) {
  const auto path = parse_path(
      "name=a,local=127.0.0.1,remote=127.0.0.2:4711,cap=2Gbps,streams=2,cc=cubic,device=eth1,"
      "weight=2.5,cost=0.02,tags=us+fiber,dscp=af11,transport=tcp,slots=24");
  ASSERT_TRUE(path) << path.error().text;
  EXPECT_EQ(path->name, "a");
  EXPECT_EQ(path->local, "127.0.0.1");
  EXPECT_EQ(path->remote, "127.0.0.2:4711");
  EXPECT_EQ(path->cap_bits_per_s, 2'000'000'000U);
  EXPECT_EQ(path->streams, 2U);
  EXPECT_EQ(path->congestion, "cubic");
  EXPECT_EQ(path->device, "eth1");
  EXPECT_DOUBLE_EQ(path->weight, 2.5);
  EXPECT_DOUBLE_EQ(path->cost_per_gb, 0.02);
  EXPECT_EQ(path->tags, (std::vector<std::string>{"us", "fiber"}));
  EXPECT_EQ(path->dscp, 10);
  EXPECT_EQ(path->transport, "tcp");
  EXPECT_EQ(path->slots, 24U);
}

TEST(PathOption, TakesWhatPeopleWrite) {
  for (const char* good : {"name=fiber-1",    "local=fd00::1", "local=[::1]",
                           "remote=[::1]:80", "remote=::1",    "remote=storage-2.example.org:4711",
                           "streams=auto",    "streams=64",    "cap=1.5GB/s",
                           "cc=bbr",          "weight=0",      "weight=1000",
                           "cost=0",          "cost=12",       "tags=a",
                           "dscp=0",          "dscp=63",       "device=bond0.12",
                           "slots=2",         "slots=256"}) {
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
                           {"costs=3", "did you mean 'cost'"},
                           {"speed=3", "unknown key 'speed'"},
                           {"weight=-1", "weight: "},
                           {"weight=-0", "weight: "},
                           {"weight=1001", "weight: "},
                           {"weight=nan", "weight: "},
                           {"weight=inf", "weight: "},
                           {"weight=1x", "weight: "},
                           {"cost=-0.1", "cost: "},
                           {"cost=0.02EUR", "cost: "},
                           {"cost=1e10", "cost: "},
                           {"tags=us+", "tags: "},
                           {"tags=us+us", "'us' stands twice"},
                           {"tags=a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p+q", "at most 16"},
                           {"dscp=64", "dscp: "},
                           {"dscp=-1", "dscp: "},
                           {"dscp=af14", "dscp: "},
                           {"device=a/b", "device: "},
                           {"device=..", "device: "},
                           {"device=abcdefghijklmnop", "device: "},
                           {"transport=rdma", "path probe"},
                           {"transport=fabric:", "names no provider"},
                           {"transport=fabric:tcp@", "names no device"},
                           {"transport=fabric:verbs@a b", "names no device"},
                           {"transport=fabric:a/b", "names no provider"},
                           {"transport=fabric:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "names no provider"},
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
                           {"slots=1", "2 to 256"},
                           {"slots=257", "2 to 256"},
                           {"slots=8x", "2 to 256"},
                           {"slots=", "has no value"},
                           {"cc=BBR!", "congestion control"}};
  for (const BadText& bad : table) {
    const auto path = parse_path(bad.text);
    ASSERT_FALSE(path) << bad.text;
    EXPECT_EQ(path.error().code, Code::usage);
    EXPECT_NE(path.error().text.find(bad.hint), std::string::npos) << bad.text << " -> " << path.error().text;
  }
}

TEST(PathOption, NamesOfCodePoints) {
  struct Named {
    const char* name;
    int dscp;
  };
  // The figures of the RFCs, not the program's.
  for (const Named& named : {Named{"cs0", 0}, Named{"cs1", 8}, Named{"cs7", 56}, Named{"af11", 10}, Named{"af23", 22},
                             Named{"af43", 38}, Named{"ef", 46}, Named{"EF", 46}, Named{"va", 44}, Named{"le", 1},
                             Named{"be", 0}, Named{"df", 0}, Named{"46", 46}}) {
    const auto path = parse_path(std::string("dscp=") + named.name);
    ASSERT_TRUE(path) << named.name;
    EXPECT_EQ(path->dscp, named.dscp) << named.name;
  }
  EXPECT_EQ(parse_path("name=a")->dscp, -1);
}

TEST(PathOption, WantsDifferentNames) {
  const auto check = [](const std::vector<std::string>& texts) { return check_paths(parse_paths(texts).value()); };
  EXPECT_TRUE(check({"name=a", "name=b"}));
  EXPECT_TRUE(check({"local=::1", "local=::1"})) << "without names they are numbered later";
  const auto twice = check({"name=a", "name=b", "name=a"});
  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().text.find("'a'"), std::string::npos);
  EXPECT_FALSE(check({"name=path2", "local=::1"})) << "the second would be called path2";
  EXPECT_FALSE(check(std::vector<std::string>(paths_max + 1, "cc=cubic")));
}

TEST(PathValues, ATransportNamesAProviderAndPerhapsADevice) {
  for (const char* plain : {"", "tcp"}) {
    const auto transport = parse_transport(plain);
    ASSERT_TRUE(transport);
    EXPECT_EQ(transport->provider, "") << plain;
  }
  const auto verbs = parse_transport("fabric:verbs;ofi_rxm");
  ASSERT_TRUE(verbs);
  EXPECT_EQ(verbs->provider, "verbs;ofi_rxm");
  EXPECT_EQ(verbs->device, "");
  const auto efa = parse_transport("fabric:efa@rdmap0s6");
  ASSERT_TRUE(efa);
  EXPECT_EQ(efa->provider, "efa");
  EXPECT_EQ(efa->device, "rdmap0s6");
}

}  // namespace
}  // namespace longhaul::cli
