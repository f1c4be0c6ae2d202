#include "cli/control_socket.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>

#include "cli/live_names.h"

namespace longhaul::cli {
namespace {

using Json = nlohmann::json;

/// Remembers what it was asked.
class FakeLive final : public Live {
 public:
  std::string id() const override { return "3fa9c1d2aabbccddeeff001122334455"; }
  Result<std::string> adjust(const Adjustment& adjustment) override {
    const std::lock_guard lock(mutex);
    asked.push_back(adjustment);
    if (adjustment.path.name == "nosuch") return fail(Code::not_found, "no path is called 'nosuch'");
    return "done";
  }
  Result<Report> snapshot() override {
    Report report;
    report.bytes = 42;
    return report;
  }
  std::mutex mutex;
  std::vector<Adjustment> asked;
};

class ControlSocketTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "lh-live-XXXXXX").string();
    parent_ = ::mkdtemp(name.data());
    directory_ = parent_ + "/longhaul";
    open();
  }
  void TearDown() override {
    socket_.reset();
    std::filesystem::remove_all(parent_);
  }
  void open() {
    auto made = ControlSocket::open(live_, {live_.id(), 77, "send", "data"}, directory_);
    ASSERT_TRUE(made) << made.error().text;
    socket_ = std::move(*made);
  }
  Descriptor connect() {
    auto fd = connect_live(directory_, {"3fa9c1d2", 77});
    EXPECT_TRUE(fd) << fd.error().text;
    return fd ? std::move(*fd) : Descriptor();
  }
  static void put(const Descriptor& fd, const std::string& text) {
    EXPECT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  /// The next line; what there is when the connection is closed, or nothing came for 10 s.
  static std::string line(const Descriptor& fd) {
    std::string text;
    char c = 0;
    pollfd ready{fd.get(), POLLIN, 0};
    while (!text.ends_with('\n') && ::poll(&ready, 1, 10'000) == 1 && ::recv(fd.get(), &c, 1, 0) == 1) text += c;
    return text;
  }

  FakeLive live_;
  std::string parent_;
  std::string directory_;
  std::unique_ptr<ControlSocket> socket_;
};

TEST_F(ControlSocketTest, IsForItsOwnerAndGoesWithItsCommand) {
  const std::string file = directory_ + "/3fa9c1d2-77";
  struct stat found{};
  ASSERT_EQ(::stat(file.c_str(), &found), 0);
  EXPECT_TRUE(S_ISSOCK(found.st_mode));
  EXPECT_EQ(found.st_mode & 0777U, 0600U);
  const Descriptor fd = connect();
  socket_.reset();
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_EQ(line(fd), "");  // closed
}

TEST_F(ControlSocketTest, AnswersOneRequestAfterTheOther) {
  const Descriptor fd = connect();
  put(fd,
      "{\"ask\":\"status\"}\n{\"ask\":\"drain_path\",\"name\":\"a\"}\n{\"ask\":\"drain_path\",\"name\":\"nosuch\"}\n");
  EXPECT_EQ(Json::parse(line(fd))["bytes"], 42);
  EXPECT_EQ(Json::parse(line(fd))["text"], "done");
  EXPECT_EQ(Json::parse(line(fd))["code"], "not_found");
  put(fd, "{\"ask\":");
  put(fd, "\"pause\"}\n");
  EXPECT_EQ(Json::parse(line(fd))["ok"], true);
  const std::lock_guard lock(live_.mutex);
  ASSERT_EQ(live_.asked.size(), 3U);
  EXPECT_EQ(live_.asked[2].kind, Adjustment::Kind::pause);
}

TEST_F(ControlSocketTest, GarbageIsAnsweredAndHarmsNobody) {
  const Descriptor fd = connect();
  put(fd, std::string("\x01\x02 nonsense\n\n"));
  EXPECT_EQ(Json::parse(line(fd))["ok"], false);
  EXPECT_EQ(Json::parse(line(fd))["ok"], false);
  put(fd, "{\"ask\":\"status\"}\n");
  EXPECT_EQ(Json::parse(line(fd))["ok"], true);
}

TEST_F(ControlSocketTest, ARequestWithoutAnEndIsCutOff) {
  const Descriptor fd = connect();
  const std::string piece(32 * 1024, 'x');
  for (int i = 0; i < 3; ++i) {
    if (::send(fd.get(), piece.data(), piece.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) break;
    ::poll(nullptr, 0, 20);
  }
  const std::string answer = line(fd);
  EXPECT_NE(answer.find("at most 65536 bytes"), std::string::npos) << answer;
  EXPECT_EQ(line(fd), "");  // closed
  EXPECT_TRUE(connect());
}

TEST_F(ControlSocketTest, WhoAsksAndHangsUpIsStillHeard) {
  Descriptor fd = connect();
  put(fd, "{\"ask\":\"pause\"}\n");
  ::shutdown(fd.get(), SHUT_WR);
  EXPECT_EQ(Json::parse(line(fd))["ok"], true);
  EXPECT_EQ(line(fd), "");
}

TEST_F(ControlSocketTest, SilentAndSlowClientsHoldUpNobody) {
  std::vector<Descriptor> silent;
  for (int i = 0; i < 10; ++i) silent.push_back(connect());
  // This one asks and asks, and takes no answer.
  const Descriptor slow = connect();
  std::string many;
  for (int i = 0; i < 100; ++i) many += "{\"ask\":\"status\"}\n";
  for (int i = 0; i < 2000; ++i)
    if (::send(slow.get(), many.data(), many.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) ::poll(nullptr, 0, 0);
  const Descriptor fd = connect();
  put(fd, "{\"ask\":\"status\"}\n");
  EXPECT_EQ(Json::parse(line(fd))["ok"], true);
}

TEST_F(ControlSocketTest, TooManyClientsAreToldSo) {
  std::vector<Descriptor> silent;
  for (int i = 0; i < 16; ++i) silent.push_back(connect());
  const Descriptor one_more = connect();
  const Json answer = Json::parse(line(one_more));
  EXPECT_EQ(answer["code"], "busy");
  silent.clear();
  ::poll(nullptr, 0, 50);
  const Descriptor fd = connect();
  put(fd, "{\"ask\":\"status\"}\n");
  EXPECT_EQ(Json::parse(line(fd))["ok"], true);
}

TEST_F(ControlSocketTest, WhatADeadProcessLeftIsSweptAway) {
  const std::string stale = directory_ + "/0badf00d-78";
  {
    const auto address = socket_address(stale);
    const Descriptor fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address), 0);
  }
  ASSERT_TRUE(std::filesystem::exists(stale));
  sweep(directory_);
  EXPECT_FALSE(std::filesystem::exists(stale));
  EXPECT_TRUE(connect());  // the one that lives is still there
}

}  // namespace
}  // namespace longhaul::cli
