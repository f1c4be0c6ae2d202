#include "cli/remote_place.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace longhaul::cli {
namespace {

std::string place(std::string_view word) {
  const auto found = remote_place(word);
  return found ? found->host + " | " + found->path : "here";
}

TEST(RemotePlace, IsWhatScpTakesForOne) {
  EXPECT_EQ(place("far:/data"), "far | /data");
  EXPECT_EQ(place("ops@far:run 7"), "ops@far | run 7");
  EXPECT_EQ(place("far:"), "far | ");
  EXPECT_EQ(place("far:a:b"), "far | a:b");
  EXPECT_EQ(place("[fd00::2]:/data"), "fd00::2 | /data");
  EXPECT_EQ(place("ops@[fd00::2]:data"), "ops@fd00::2 | data");
  for (const char* here : {"/data", "data", "./a:b", "dir/a:b", "/a:b", "[1]", "[a:b]", ""})
    EXPECT_EQ(place(here), "here") << here;
}

Command copy_of(std::vector<std::string> sources, std::string target) {
  Command command;
  command.verb = Verb::copy;
  command.sources = std::move(sources);
  command.target = std::move(target);
  return command;
}

TEST(RemotePlace, OneSideOfACopyIsHere) {
  Command push = copy_of({"a", "b"}, "far:/data");
  ASSERT_TRUE(read_remote(push));
  EXPECT_FALSE(push.remote->sends);
  EXPECT_EQ(push.remote->paths, (std::vector<std::string>{"/data"}));
  EXPECT_EQ(local_side(push).verb, Verb::send);
  EXPECT_EQ(local_side(push).sources, (std::vector<std::string>{"a", "b"}));

  Command pull = copy_of({"far:a", "far:b"}, "here");
  ASSERT_TRUE(read_remote(pull));
  EXPECT_TRUE(pull.remote->sends);
  EXPECT_EQ(pull.remote->paths, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(local_side(pull).verb, Verb::receive);
  EXPECT_EQ(local_side(pull).target, "here");

  Command local = copy_of({"a"}, "b");
  ASSERT_TRUE(read_remote(local));
  EXPECT_FALSE(local.remote);
}

TEST(RemotePlace, WhatCannotBeIsRefusedInWords) {
  struct Case {
    std::vector<std::string> sources;
    const char* target;
    const char* words;
  };
  for (const Case& each : {Case{{"far:a"}, "near:b", "must be this machine"}, Case{{"far:a", "b"}, "c", "in one go"},
                           Case{{"far:a", "near:b"}, "c", "one host"}, Case{{"a"}, ":b", "host is missing"},
                           Case{{"a"}, "-oProxyCommand=x:b", "is no host"}}) {
    Command command = copy_of(each.sources, each.target);
    const auto read = read_remote(command);
    ASSERT_FALSE(read) << each.target;
    EXPECT_EQ(read.error().code, Code::usage);
    EXPECT_NE(read.error().text.find(each.words), std::string::npos) << read.error().text;
  }
}

/// What a shell makes of `word`.
std::string shell_reads(const std::string& word) {
  std::string out;
  FILE* shell = ::popen(("printf %s " + word).c_str(), "r");
  for (int c = 0; shell != nullptr && (c = std::fgetc(shell)) != EOF;) out.push_back(static_cast<char>(c));
  EXPECT_EQ(::pclose(shell), 0);
  return out;
}

TEST(RemotePlace, AShellAtTheOtherSideReadsTheSameWords) {
  for (const char* name :
       {"plain", "with blank", "it's", "$HOME", "`date`", "a;b|c&d", "\\", "*", "!x", "\"", "new\nline"}) {
    Command command = copy_of({"a"}, std::string("far:/x/") + name);
    ASSERT_TRUE(read_remote(command));
    const std::string line = remote_command(command);
    const std::string last = line.substr(line.find(" -- ") + 4);
    EXPECT_EQ(shell_reads(last), std::string("/x/") + name) << line;
  }
}

TEST(RemotePlace, WhoWritesIsToldHowToSync) {
  Command there = copy_of({"a"}, "far:/x");
  ASSERT_TRUE(read_remote(there));
  there.engine.syncfs = true;
  EXPECT_NE(remote_command(there).find(" '--syncfs' "), std::string::npos);
  Command here = copy_of({"far:/x"}, "a");
  ASSERT_TRUE(read_remote(here));
  here.engine.syncfs = true;
  EXPECT_EQ(remote_command(here).find("--syncfs"), std::string::npos);
}

TEST(RemotePlace, TheOtherEndIsToldWhatBothMustKnow) {
  Command command = copy_of({"far:~/run 7", "far:-x", "far:"}, "here");
  ASSERT_TRUE(read_remote(command));
  command.remote_longhaul = "/opt/my tools/longhaul";
  command.engine.cipher = Cipher::none;
  command.engine.compression = {Compression::Mode::always, 5};
  command.engine.retry_for_s = 20;
  command.engine.chunk_bytes = 16777216;
  command.engine.direct = false;
  command.engine.sparse = false;
  command.engine.checksum = Delta::xxh3;
  command.engine.paths = {{.name = "a", .remote = "10.0.1.2"},
                          {.name = "b", .remote = "10.0.2.2:4711"},
                          {.name = "c"},
                          {.name = "d", .remote = "10.0.1.2", .transport = "fabric:verbs"}};
  EXPECT_EQ(
      remote_command(command),
      "'/opt/my tools/longhaul' 'send' '--leash' '--quiet' '--cipher=none' '--retry-for=20s' '--stall-timeout=300s' "
      "'--compress=zstd:5' '--checksum' '--trust-xxh' '--chunk=16777216' '--no-direct' '--no-sparse' "
      "'--listen=10.0.1.2' '--listen=10.0.2.2:4711' '--fabric=verbs' "
      "-- ~/'run 7' './-x' "
      ".");
}

}  // namespace
}  // namespace longhaul::cli
