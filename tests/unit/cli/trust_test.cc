#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <variant>

#include "cli/options.h"
#include "cli/trust_command.h"
#include "cli/trust_file.h"
#include "folder.h"

namespace longhaul::cli {
namespace {

const std::string key_a = "SHA256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const std::string key_b = "SHA256:AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

using Words = std::vector<std::string>;

class TrustTest : public ::testing::Test {
 protected:
  std::variant<Command, Exit> parse(Words words) const {
    words.push_back("--trust-file=" + file());
    return parse_command_line(words, {});
  }
  ExitCode run(Words words, const std::string& expected = "") const {
    const auto parsed = parse(std::move(words));
    const auto* command = std::get_if<Command>(&parsed);
    if (command == nullptr) return ExitCode::usage;
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const ExitCode code = run_trust(*command);
    const std::string out = testing::internal::GetCapturedStdout() + testing::internal::GetCapturedStderr();
    EXPECT_NE(out.find(expected), std::string::npos) << out;
    return code;
  }
  [[nodiscard]] std::string file() const { return folder_.file("config/trusted"); }
  [[nodiscard]] std::string text() const {
    std::ifstream in(file());
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& lines, mode_t mode = 0600) const {
    ::mkdir(folder_.file("config").c_str(), 0700);
    std::ofstream(file()) << lines;
    ::chmod(file().c_str(), mode);
  }
  std::string usage_error(const Words& words) const {
    const auto parsed = parse(words);
    const auto* exit = std::get_if<Exit>(&parsed);
    return exit == nullptr ? "no error" : exit->err;
  }
  Folder folder_;
};

TEST_F(TrustTest, PeersAreAddedListedAndRemoved) {
  EXPECT_EQ(run({"trust", "list"}), ExitCode::complete);
  EXPECT_EQ(run({"trust", "add", "store", key_a, "store.example:4711", "[::1]:4712"}), ExitCode::complete);
  EXPECT_EQ(run({"trust", "add", "gpu-7", key_b}), ExitCode::complete);
  struct stat found{};
  ASSERT_EQ(::stat(file().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
  const auto peers = read_trust_file(file());
  ASSERT_TRUE(peers) << peers.error().text;
  EXPECT_EQ(*peers,
            (std::vector<TrustedPeer>{{"store", key_a, {"store.example:4711", "[::1]:4712"}}, {"gpu-7", key_b, {}}}));
  EXPECT_EQ(run({"trust", "list"}, "gpu-7 " + key_b), ExitCode::complete);
  EXPECT_EQ(run({"trust", "list", "--json"}, R"("addresses":["store.example:4711","[::1]:4712"])"), ExitCode::complete);
  EXPECT_EQ(run({"trust", "remove", "store"}), ExitCode::complete);
  EXPECT_EQ(text().find("store"), std::string::npos);
  EXPECT_EQ(run({"trust", "remove", "stor"}, "known: gpu-7"), ExitCode::usage);
}

TEST_F(TrustTest, AnotherKeyUnderAKnownNameAsksForForce) {
  ASSERT_EQ(run({"trust", "add", "store", key_a}), ExitCode::complete);
  EXPECT_EQ(run({"trust", "add", "store", key_b}, "--force"), ExitCode::usage);
  EXPECT_NE(text().find(key_a), std::string::npos);
  EXPECT_EQ(run({"trust", "add", "store", key_a, "10.0.0.1:1"}), ExitCode::complete) << "a new address is no new key";
  EXPECT_EQ(run({"trust", "add", "store", key_b, "--force"}), ExitCode::complete);
  EXPECT_EQ(text().find(key_a), std::string::npos);
}

TEST_F(TrustTest, WhatMakesNoSenseIsSaid) {
  EXPECT_NE(usage_error({"trust"}).find("add, list, remove"), std::string::npos);
  EXPECT_NE(usage_error({"trust", "ad", "x", key_a}).find("did you mean 'add'"), std::string::npos);
  EXPECT_NE(usage_error({"trust", "add"}).find("NAME is missing"), std::string::npos);
  EXPECT_NE(usage_error({"trust", "add", "store"}).find("FINGERPRINT is missing"), std::string::npos);
  EXPECT_NE(usage_error({"trust", "add", "a b", key_a}).find("no name for a peer"), std::string::npos);
  EXPECT_NE(usage_error({"trust", "add", "store", "SHA256:abc"}).find("no fingerprint"), std::string::npos);
  for (const char* address : {"store", "store:0", "store:70000", "a b:1", "a,b:1", "x/?k=y:1"})
    EXPECT_NE(usage_error({"trust", "add", "store", key_a, address}).find("no ADDR:PORT"), std::string::npos)
        << address;
  EXPECT_NE(usage_error({"trust", "list", "all"}).find("too many"), std::string::npos);
  EXPECT_NE(usage_error({"trust", "remove", "a", "b"}).find("too many"), std::string::npos);
}

TEST_F(TrustTest, AFileThatOthersCouldChangeIsNotRead) {
  write("store " + key_a + "\n", 0664);
  EXPECT_EQ(run({"trust", "list"}, "chmod 600"), ExitCode::refused);
  write("store " + key_a + "\n");
  EXPECT_EQ(run({"trust", "list"}, "store"), ExitCode::complete);
}

TEST_F(TrustTest, LinesThatMakeNoSenseAreNamed) {
  write("# who\n\nstore " + key_a + " store:1,store:2\n");
  EXPECT_EQ(run({"trust", "list"}, "store:1,store:2"), ExitCode::complete);
  const Words wrong = {"store", "store x", "store " + key_a + " nowhere", "store " + key_a + " a:1 b:2", "-x " + key_a};
  for (const std::string& line : wrong) {
    write(fmt::format("a {}\n{}\n", key_a, line));
    EXPECT_EQ(run({"trust", "list"}, "line 2"), ExitCode::usage) << line;
  }
  write("a " + key_a + "\na " + key_b + "\n");
  EXPECT_EQ(run({"trust", "list"}, "a second peer"), ExitCode::usage);
}

TEST_F(TrustTest, APeerIsDialledByItsName) {
  write("store " + key_a + " store.example:4711,10.0.0.2:4711\nsilent " + key_b + "\n");
  for (const Words& words : {Words{"send", "x", "--peer", "store"}, Words{"receive", "--peer=store", "dir"}}) {
    const auto parsed = parse(words);
    const auto* command = std::get_if<Command>(&parsed);
    ASSERT_NE(command, nullptr) << std::get<Exit>(parsed).err;
    EXPECT_EQ(command->ticket, "longhaul://store.example:4711,10.0.0.2:4711/?k=" + key_a.substr(7));
  }
  EXPECT_NE(usage_error({"send", "x", "--peer", "silent"}).find("longhaul trust add silent " + key_b),
            std::string::npos);
  EXPECT_NE(usage_error({"send", "x", "--peer", "stor"}).find("did you mean 'store'"), std::string::npos);
  EXPECT_NE(usage_error({"receive", "--peer", "store", "@ticket", "dir"}).find("take one of them"), std::string::npos);
  EXPECT_NE(usage_error({"receive", "--peer", "store", "--listen", "127.0.0.1", "dir"}).find("take one of them"),
            std::string::npos);
}

TEST_F(TrustTest, WhoIsTrustedMustKnowWhereToCome) {
  EXPECT_NE(usage_error({"receive", "--trusted", "dir"}).find("--listen ADDR:PORT"), std::string::npos);
  EXPECT_NE(usage_error({"receive", "--trusted", "--listen", "127.0.0.1", "dir"}).find("--listen ADDR:PORT"),
            std::string::npos);
  EXPECT_NE(usage_error({"send", "x", "--peer", "nobody", "--trusted"}).find("nobody"), std::string::npos);
  EXPECT_NE(
      usage_error({"receive", "--trusted", "--listen", "127.0.0.1:1", "--ticket-file", "t", "dir"}).find("no ticket"),
      std::string::npos);
  const auto parsed = parse({"receive", "--trusted", "--keep", "--listen", "127.0.0.1:4711", "dir"});
  const auto* command = std::get_if<Command>(&parsed);
  ASSERT_NE(command, nullptr);
  EXPECT_TRUE(command->trusted_only);
}

}  // namespace
}  // namespace longhaul::cli
