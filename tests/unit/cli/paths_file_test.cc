#include "cli/paths_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "cli/option_values.h"

namespace longhaul::cli {
namespace {

using Tags = std::vector<std::string>;

TEST(PathsFile, ReadsEverything) {
  const auto file = parse_paths_file(R"(
# what holds for the whole transfer
require = ["us"]
forbid = "metered+guest"
cap = "10Gbps"
streams = 4

[[path]]
name = "a"
local = "10.0.1.1"
device = "eth1"
remote = "10.0.1.2:4711"
cap = "4Gbps"
streams = 2
weight = 2
cost = 0.02
tags = ["us", "fiber"]
dscp = "af11"
cc = "bbr"
transport = "tcp"

[[path]]
remote = "[fd00::2]:4711"
tags = "us+leo"
dscp = 46
streams = "auto"
)",
                                     "paths.toml");
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_EQ(file->require, Tags{"us"});
  EXPECT_EQ(file->forbid, (Tags{"metered", "guest"}));
  EXPECT_EQ(file->cap_bits_per_s, 10'000'000'000U);
  EXPECT_EQ(file->streams, 4U);
  ASSERT_EQ(file->paths.size(), 2U);
  const PathOptions& a = file->paths[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.local, "10.0.1.1");
  EXPECT_EQ(a.device, "eth1");
  EXPECT_EQ(a.remote, "10.0.1.2:4711");
  EXPECT_EQ(a.cap_bits_per_s, 4'000'000'000U);
  EXPECT_EQ(a.streams, 2U);
  EXPECT_DOUBLE_EQ(a.weight, 2);
  EXPECT_DOUBLE_EQ(a.cost_per_gb, 0.02);
  EXPECT_EQ(a.tags, (Tags{"us", "fiber"}));
  EXPECT_EQ(a.dscp, 10);
  EXPECT_EQ(a.congestion, "bbr");
  EXPECT_EQ(a.transport, "tcp");
  const PathOptions& b = file->paths[1];
  EXPECT_EQ(b.name, "");
  EXPECT_EQ(b.remote, "[fd00::2]:4711");
  EXPECT_EQ(b.tags, (Tags{"us", "leo"}));
  EXPECT_EQ(b.dscp, 46);
  EXPECT_EQ(b.streams, 0U);
}

TEST(PathsFile, MayHoldPolicyOnlyOrNothing) {
  const auto policy = parse_paths_file("forbid = ['metered']\n", "f");
  ASSERT_TRUE(policy) << policy.error().text;
  EXPECT_TRUE(policy->paths.empty());
  EXPECT_FALSE(policy->cap_bits_per_s);
  EXPECT_FALSE(policy->streams);
  EXPECT_TRUE(parse_paths_file("", "f"));
}

struct BadFile {
  const char* text;
  const char* line;
  const char* hint;
};

TEST(PathsFile, SaysWhereAndWhatIsWrong) {
  const BadFile table[] = {
      {"[[path]]\nname = 'a'\nnmae = 'b'\n", "line 3", "did you mean 'name'"},
      {"[[path]]\nname = 'a'\n\n[[path]]\ncap = 'fast'\n", "line 5", "cap: "},
      {"[[path]]\ncap = 5\n", "line 2", "cap: "},
      {"[[path]]\nname = 'a'\n[[path]]\nname = 'a'\n", "line 3", "two paths are called 'a'"},
      {"[[path]]\nname = true\n", "line 2", "name: takes a string"},
      {"[[path]]\nname = ['a']\n", "line 2", "name: takes a string"},
      {"[[path]]\ntags = ['us', 3]\n", "line 2", "tags: "},
      {"[[path]]\ntags = ['us+fiber']\n", "line 2", "tags: 'us+fiber' is not a tag"},
      {"[[path]]\ntags = ['us', 'us']\n", "line 2", "stands twice"},
      {"[[path]]\ndscp = 64\n", "line 2", "dscp: "},
      {"[[path]]\nweight = nan\n", "line 2", "weight: "},
      {"[[path]]\ntransport = 'rdma'\n", "line 2", "path probe"},
      {"[[path]]\nname = ''\n", "line 2", "name: has no value"},
      {"[[path]]\nextra.x = 1\n", "line 2", "unknown key 'extra'"},
      {"[path]\nname = 'a'\n", "line 1", "double brackets"},
      {"path = 'a'\n", "line 1", "double brackets"},
      {"path = []\n", "line 1", "double brackets"},
      {"path = ['a']\n", "line 1", "double brackets"},
      {"\nrequired = ['us']\n", "line 2", "did you mean 'require'"},
      {"\n[[paths]]\nname = 'a'\n", "line 2", "did you mean 'path'"},
      {"name = 'a'\n", "line 1", "below [[path]]"},
      {"require = 3\n", "line 1", "require: "},
      {"forbid = ['a b']\n", "line 1", "forbid: "},
      {"cap = '0Gbps'\n", "line 1", "cap: "},
      {"streams = 65\n", "line 1", "streams: "},
      {"streams = 1\nstreams = 2\n", "line 2", "no TOML"},
      {"[[path]]\nname = a\n", "line 2", "no TOML"},
      {"[[path\n", "line 1", "no TOML"},
  };
  for (const BadFile& bad : table) {
    const auto file = parse_paths_file(bad.text, "my.toml");
    ASSERT_FALSE(file) << bad.text;
    EXPECT_EQ(file.error().code, Code::usage);
    for (const char* part : {"my.toml", bad.line, bad.hint})
      EXPECT_NE(file.error().text.find(part), std::string::npos) << part << " in " << file.error().text;
  }
}

TEST(PathsFile, BytesOfAnyKindAreRefusedInWords) {
  for (const std::string& text : {std::string("\xff\xfe"), std::string("\0", 1), std::string(5000, '[')}) {
    const auto file = parse_paths_file(text, "f");
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().text.find('\xff'), std::string::npos);
  }
  std::string many;
  for (unsigned i = 0; i <= paths_max; ++i) many += "[[path]]\ncc = 'cubic'\n";
  EXPECT_FALSE(parse_paths_file(many, "f"));
}

class PathsFileOnDisk : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(::mkdtemp(directory_.data()), nullptr); }
  void TearDown() override { EXPECT_EQ(std::system(("rm -rf " + directory_).c_str()), 0); }
  std::string directory_ = testing::TempDir() + "lh-paths-XXXXXX";
};

TEST_F(PathsFileOnDisk, IsReadWhole) {
  const std::string name = directory_ + "/paths.toml";
  std::ofstream(name) << "[[path]]\n" << std::string(100'000, '#') << "\nname = 'a'\n";
  const auto file = read_paths_file(name);
  ASSERT_TRUE(file) << file.error().text;
  ASSERT_EQ(file->paths.size(), 1U);
  EXPECT_EQ(file->paths[0].name, "a");
  std::ofstream(name) << std::string(3 * 1024 * 1024, '#');
  const auto large = read_paths_file(name);
  ASSERT_FALSE(large);
  EXPECT_NE(large.error().text.find("1 MiB"), std::string::npos) << large.error().text;
}

TEST_F(PathsFileOnDisk, IsToldWhenItCannotBeRead) {
  for (const std::string& name : {directory_, directory_ + "/none"}) {
    const auto file = read_paths_file(name);
    ASSERT_FALSE(file) << name;
    EXPECT_EQ(file.error().code, Code::usage);
    EXPECT_NE(file.error().text.find(name), std::string::npos) << file.error().text;
  }
}

}  // namespace
}  // namespace longhaul::cli
