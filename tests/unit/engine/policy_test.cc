// Policy on paths, seen from both ends of real sessions over loopback.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <mutex>

#include "longhaul/sink.h"
#include "longhaul/source.h"
#include "longhaul/transfer.h"
#include "protocol/bounds.h"
#include "wire/tcp.h"

namespace longhaul {
namespace {

using Tags = std::vector<std::string>;
constexpr std::size_t content_bytes = 40'000'000;

PathOptions path(const std::string& name, const std::string& remote, Tags tags) {
  PathOptions options;
  options.name = name;
  options.remote = remote;
  options.tags = std::move(tags);
  return options;
}

struct Ends {
  Outcome sender;
  Outcome receiver;
  std::string listener_notes;
};

class Policy : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "lh-policy-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    for (Options* options : {&listener_, &dialler_}) {
      options->workers = 1;
      options->retry_for_s = 20;
    }
    listener_.listen = {"127.0.0.1", "127.0.0.2"};
    // b first: control tries it first, too.
    dialler_.paths = {path("b", "127.0.0.2", {"us", "metered"}), path("a", "127.0.0.1", {"us", "fiber"})};
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  /// One transfer; who dials sends unless `listener_sends`. A receiver that nobody reaches is not waited for.
  Ends transfer(bool listener_sends = false) {
    Ends ends;
    std::mutex mutex;
    StopFlag stop{0};
    auto heard = Session::listen(
        listener_,
        [&](const Event& event) {
          const std::scoped_lock lock(mutex);
          if (event.type == Event::Type::note) ends.listener_notes += event.text + "\n";
        },
        &stop);
    EXPECT_TRUE(heard) << heard.error().text;
    auto dialled = Session::dial((*heard)->ticket(), dialler_, nullptr);
    EXPECT_TRUE(dialled) << dialled.error().text;
    if (!heard || !dialled) return ends;
    Session& from = listener_sends ? **heard : **dialled;
    Session& to = listener_sends ? **dialled : **heard;
    auto sent = std::async(std::launch::async, [&] { return from.send(memory_source("content", content_)); });
    auto landed = std::async(std::launch::async, [&] { return to.receive(directory_sink(directory_)); });
    auto& dialling = listener_sends ? landed : sent;
    dialling.wait();
    if (std::filesystem::file_size(directory_ + "/content", error_) != content_bytes) stop = 1;
    ends.sender = sent.get();
    ends.receiver = landed.get();
    return ends;
  }
  static const PathReport* find(const Report& report, const std::string& name) {
    const auto at =
        std::find_if(report.paths.begin(), report.paths.end(), [&](const auto& it) { return it.name == name; });
    return at == report.paths.end() ? nullptr : &*at;
  }
  static void expect_all_on_a(const Ends& ends, const std::string& why_not_b) {
    ASSERT_TRUE(ends.sender.ok) << ends.sender.error.text;
    ASSERT_TRUE(ends.receiver.ok) << ends.receiver.error.text;
    for (const Report* report : {&ends.sender.report, &ends.receiver.report}) {
      const PathReport* a = find(*report, "a");
      ASSERT_NE(a, nullptr) << report->role;
      EXPECT_GE(a->bytes, content_bytes) << report->role;
      EXPECT_EQ(a->excluded, "") << report->role;
    }
    const PathReport* listed = nullptr;
    for (const Report* report : {&ends.sender.report, &ends.receiver.report}) {
      const PathReport* b = find(*report, "b");
      if (b == nullptr) continue;
      listed = b;
      EXPECT_EQ(b->bytes, 0U) << report->role;
      EXPECT_EQ(b->streams, 0U) << report->role;
      EXPECT_FALSE(b->up);
      EXPECT_NE(b->excluded.find(why_not_b), std::string::npos) << b->excluded;
    }
    EXPECT_NE(listed, nullptr) << "the dialler lists what it does not use";
  }

  const std::vector<std::byte> content_ = std::vector<std::byte>(content_bytes, std::byte{7});
  std::string directory_;
  std::error_code error_;
  Options listener_;
  Options dialler_;
};

TEST_F(Policy, WithoutOneBothPathsAreUsed) {
  const Ends ends = transfer();
  ASSERT_TRUE(ends.sender.ok) << ends.sender.error.text;
  for (const char* name : {"a", "b"}) {
    EXPECT_GT(find(ends.sender.report, name)->streams, 0U);
    EXPECT_EQ(find(ends.sender.report, name)->excluded, "");
  }
}

TEST_F(Policy, OfTheDiallerBindsItsDials) {
  auto wire = wire::make_tcp_wire();
  auto trap = wire->listen("127.0.0.3:0");
  ASSERT_TRUE(trap) << trap.error().text;
  dialler_.paths[0].remote = (*trap)->address();
  dialler_.forbid = {"metered"};
  expect_all_on_a(transfer(), "the tag 'metered' is forbidden");
  EXPECT_EQ((*trap)->accept(), nullptr) << "somebody knocked on the excluded path";
}

TEST_F(Policy, RequiredTagsBindTheDiallerToo) {
  dialler_.require = {"us", "fiber"};
  expect_all_on_a(transfer(), "the tag 'fiber' is required and missing");
}

TEST_F(Policy, OfTheListenerBindsWhatItAccepts) {
  listener_.forbid = {"metered"};
  const Ends ends = transfer();
  expect_all_on_a(ends, "policy of the side that listens excludes path b: the tag 'metered' is forbidden");
  EXPECT_EQ(find(ends.receiver.report, "b"), nullptr) << "nothing of it was ever let in";
  EXPECT_NE(ends.listener_notes.find("excludes path b"), std::string::npos) << ends.listener_notes;
}

// A spare path of more streams than its dialler's options would permit, beside one that takes two seconds.
TEST_F(Policy, StreamsOfOnePathHaveAnEnd) {
  dialler_.paths[0].cap_bits_per_s = 160'000'000;
  dialler_.paths[1].weight = 0;
  dialler_.paths[1].streams = static_cast<unsigned>(protocol::streams_per_path_max) + 10;
  const Ends ends = transfer();
  ASSERT_TRUE(ends.sender.ok) << ends.sender.error.text;
  ASSERT_TRUE(ends.receiver.ok) << ends.receiver.error.text;
  const PathReport* a = find(ends.receiver.report, "a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->streams, protocol::streams_per_path_max);
  EXPECT_NE(ends.listener_notes.find("takes 128 streams of one path, and path a has them"), std::string::npos)
      << ends.listener_notes;
}

TEST_F(Policy, HoldsWhicheverSideSends) {
  listener_.require = {"fiber"};
  const Ends ends = transfer(true);
  expect_all_on_a(ends, "the tag 'fiber' is required and missing");
  EXPECT_EQ(find(ends.sender.report, "b"), nullptr);
}

TEST_F(Policy, OfTheDiallerHoldsWhenTheListenerSends) {
  dialler_.forbid = {"metered"};
  expect_all_on_a(transfer(true), "the tag 'metered' is forbidden");
}

TEST_F(Policy, ThatLeavesNoPathIsAUsageError) {
  listener_.require = {};
  auto heard = Session::listen(listener_, nullptr);
  ASSERT_TRUE(heard);
  dialler_.require = {"eu"};
  const auto none = Session::dial((*heard)->ticket(), dialler_, nullptr);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::usage);
  for (const char* words : {"every path", "a: ", "b: ", "'eu'"})
    EXPECT_NE(none.error().text.find(words), std::string::npos) << none.error().text;
  dialler_.paths.clear();
  EXPECT_FALSE(Session::dial((*heard)->ticket(), dialler_, nullptr)) << "paths of the ticket have no tags";
}

TEST_F(Policy, OfThePeerThatLeavesNoPathEndsTheTransfer) {
  listener_.forbid = {"us"};
  const Ends ends = transfer();
  EXPECT_FALSE(ends.sender.ok);
  EXPECT_EQ(ends.sender.error.code, Code::refused) << ends.sender.error.text;
  for (const char* words : {"every path", "path a", "path b", "'us' is forbidden"})
    EXPECT_NE(ends.sender.error.text.find(words), std::string::npos) << ends.sender.error.text;
  EXPECT_FALSE(ends.receiver.ok);
  for (const PathReport& each : ends.sender.report.paths) EXPECT_EQ(each.bytes, 0U);
}

TEST_F(Policy, TermsAreKnownToBothSides) {
  for (PathOptions& each : dialler_.paths) {
    each.cost_per_gb = 0.5;
    each.cap_bits_per_s = 40'000'000'000;
    each.dscp = 10;
    each.weight = 2;
  }
  const Ends ends = transfer();
  ASSERT_TRUE(ends.sender.ok) << ends.sender.error.text;
  for (const Report* report : {&ends.sender.report, &ends.receiver.report}) {
    double cost = 0;
    ASSERT_FALSE(report->paths.empty());
    for (const PathReport& each : report->paths) {
      EXPECT_EQ(each.tags, (each.name == "a" ? Tags{"us", "fiber"} : Tags{"us", "metered"}));
      EXPECT_EQ(each.cap_bits_per_s, 40'000'000'000U);
      EXPECT_EQ(each.dscp, 10);
      EXPECT_DOUBLE_EQ(each.weight, 2);
      EXPECT_DOUBLE_EQ(each.cost_per_gb, 0.5);
      EXPECT_DOUBLE_EQ(each.cost, static_cast<double>(each.bytes) * 0.5 / 1e9);
      cost += each.cost;
    }
    EXPECT_DOUBLE_EQ(report->cost, cost);
    EXPECT_GE(cost, static_cast<double>(content_bytes) * 0.5 / 1e9) << report->role;
  }
}

TEST_F(Policy, PathsThatMakeNoSenseAreToldAtOnce) {
  auto heard = Session::listen(listener_, nullptr);
  ASSERT_TRUE(heard);
  const auto refused = [&](const PathOptions& bad) {
    Options options = dialler_;
    options.paths = {bad};
    auto session = Session::dial((*heard)->ticket(), options, nullptr);
    EXPECT_FALSE(session);
    if (session) return std::string();
    EXPECT_EQ(session.error().code, Code::usage);
    return session.error().text;
  };
  EXPECT_NE(refused(path("a", "", {"no spaces"})).find("tags"), std::string::npos);
  EXPECT_NE(refused({.name = "a", .transport = "rdma"}).find("tcp, or fabric:PROVIDER"), std::string::npos);
  EXPECT_NE(refused({.name = "a", .dscp = 64}).find("dscp"), std::string::npos);
  dialler_.paths[1].name = "b";
  const auto twice = Session::dial((*heard)->ticket(), dialler_, nullptr);
  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().text.find("two paths are called 'b'"), std::string::npos);
}

}  // namespace
}  // namespace longhaul
