#include "cli/live_names.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace longhaul::cli {
namespace {

const std::vector<LiveName> three = {{"3fa9c1d2", 100}, {"3fb00000", 200}, {"12345678", 1234}};

TEST(LiveNames, FileNamesReadBack) {
  const LiveName name = live_name("3fa9c1d2aabbccddeeff001122334455", 12345);
  EXPECT_EQ(file_of(name), "3fa9c1d2-12345");
  EXPECT_EQ(parse_live_name(file_of(name)), name);
  for (const char* file : {"", "-", "3fa9c1d2", "3fa9c1d2-", "3fa9c1d2-x", "3fa9c1d2-0", "3fa9c1d2--1", "3fa9c1d2-01",
                           "3FA9C1D2-1", "3fa9c1d-1", ".3fa9c1d2-1", "3fa9c1d2-99999999999", "../../etc-1"})
    EXPECT_FALSE(parse_live_name(file)) << file;
}

TEST(LiveNames, AWordMeansOneTransferOrNone) {
  EXPECT_EQ(choose_live(three, "3fa")->pid, 100);
  EXPECT_EQ(choose_live(three, "200")->id, "3fb00000");
  EXPECT_EQ(choose_live(three, "1234")->pid, 1234);  // a pid, although it begins an id too
  EXPECT_EQ(choose_live(three, "3fa9c1d2aabbccddeeff001122334455")->pid, 100);
  const std::vector<LiveName> one = {three[1]};
  EXPECT_EQ(choose_live(one, "-")->pid, 200);
}

TEST(LiveNames, WhatIsNotThereIsSaidWithWhatIs) {
  for (const char* word : {"", "-", "3f", "dead", "100000", "3fa9c1d2zz", "3fa9c1d3aa"}) {
    const auto found = choose_live(three, word);
    ASSERT_FALSE(found) << word;
    EXPECT_EQ(found.error().code, Code::usage);
    EXPECT_NE(found.error().text.find("3fa9c1d2 (pid 100)"), std::string::npos) << found.error().text;
  }
  EXPECT_NE(choose_live(three, "3f").error().text.find("means 2 transfers"), std::string::npos);
  EXPECT_NE(choose_live({}, "-").error().text.find("no transfer"), std::string::npos);
}

class LiveDirectory : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "lh-live-XXXXXX").string();
    parent_ = ::mkdtemp(name.data());
    directory_ = parent_ + "/longhaul";
  }
  void TearDown() override { std::filesystem::remove_all(parent_); }
  std::string parent_;
  std::string directory_;
};

TEST_F(LiveDirectory, IsMadeForItsOwnerOnly) {
  EXPECT_TRUE(live_names(directory_)->empty());  // not there: nothing runs
  ASSERT_TRUE(make_live_directory(directory_));
  struct stat found{};
  ASSERT_EQ(::stat(directory_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777U, 0700U);
  EXPECT_TRUE(make_live_directory(directory_));
}

TEST_F(LiveDirectory, ThatOthersCanEnterIsRefused) {
  ASSERT_TRUE(make_live_directory(directory_));
  ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
  for (const Result<>& result : {make_live_directory(directory_), [&]() -> Result<> {
                                   if (auto names = live_names(directory_); !names)
                                     return std::unexpected(names.error());
                                   return {};
                                 }()}) {
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().text.find("chmod 700"), std::string::npos) << result.error().text;
  }
}

TEST_F(LiveDirectory, ALinkOrAFileInItsPlaceIsRefused) {
  std::filesystem::create_directory(parent_ + "/elsewhere");
  ASSERT_EQ(::chmod((parent_ + "/elsewhere").c_str(), 0700), 0);
  std::filesystem::create_symlink(parent_ + "/elsewhere", directory_);
  EXPECT_EQ(make_live_directory(directory_).error().code, Code::refused);
  std::filesystem::remove(directory_);
  std::ofstream(directory_) << "a file";
  EXPECT_EQ(make_live_directory(directory_).error().code, Code::refused);
  EXPECT_EQ(make_live_directory(parent_ + "/not/there").error().code, Code::not_found);
}

TEST_F(LiveDirectory, OnlySocketsOfOursAreListed) {
  ASSERT_TRUE(make_live_directory(directory_));
  for (const char* name : {"3fa9c1d2-7", "note.txt", ".3fa9c1d2-8", "3fa9c1d2-9.old"})
    std::ofstream(directory_ + "/" + name);
  const auto names = live_names(directory_);
  ASSERT_TRUE(names);
  EXPECT_EQ(*names, (std::vector<LiveName>{{"3fa9c1d2", 7}}));
}

TEST_F(LiveDirectory, TooLongANameIsSaid) {
  const auto address = socket_address("/" + std::string(200, 'x'));
  ASSERT_FALSE(address);
  EXPECT_NE(address.error().text.find("XDG_RUNTIME_DIR"), std::string::npos);
}

}  // namespace
}  // namespace longhaul::cli
