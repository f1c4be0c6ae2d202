#include "cli/live_requests.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace longhaul::cli {
namespace {

using Kind = Adjustment::Kind;
using Json = nlohmann::json;

LiveRequest request(Kind kind, const std::string& name = {}, std::uint64_t cap = 0) {
  LiveRequest request;
  request.change.emplace();
  request.change->kind = kind;
  request.change->path.name = name;
  request.change->cap_bits_per_s = cap;
  return request;
}

TEST(LiveRequests, WhatIsAskedIsUnderstood) {
  EXPECT_FALSE(parse_request(request_line({}))->change);
  for (const Kind kind : {Kind::drain_path, Kind::disable_path, Kind::enable_path, Kind::remove_path}) {
    const auto read = parse_request(request_line(request(kind, "fiber \"a\"\n")));
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_EQ(read->change->kind, kind);
    EXPECT_EQ(read->change->path.name, "fiber \"a\"\n");
  }
  for (const Kind kind : {Kind::pause, Kind::resume})
    EXPECT_EQ(parse_request(request_line(request(kind)))->change->kind, kind);
  const auto cap = parse_request(request_line(request(Kind::cap_path, "a", 5'000'000'000)));
  ASSERT_TRUE(cap);
  EXPECT_EQ(cap->change->path.name, "a");
  EXPECT_EQ(cap->change->cap_bits_per_s, 5'000'000'000U);
  EXPECT_EQ(parse_request(request_line(request(Kind::rate, {}, 7)))->change->cap_bits_per_s, 7U);
  LiveRequest add = request(Kind::add_path);
  add.path_text = "name=c,remote=10.0.0.2,cap=2Gbps";
  const auto added = parse_request(request_line(add));
  ASSERT_TRUE(added) << added.error().text;
  EXPECT_EQ(added->change->path.name, "c");
  EXPECT_EQ(added->change->path.cap_bits_per_s, 2'000'000'000U);
}

TEST(LiveRequests, ARequestIsOneLine) {
  const std::string line = request_line(request(Kind::drain_path, "a\nb"));
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(LiveRequests, NonsenseIsRefusedInWords) {
  for (const char* line : {"",
                           "hello",
                           "[]",
                           "\"status\"",
                           "{",
                           "{}",
                           R"({"ask":7})",
                           R"({"ask":"explode"})",
                           R"({"ask":"drain_path"})",
                           R"({"ask":"drain_path","name":3})",
                           R"({"ask":"cap_path","name":"a"})",
                           R"({"ask":"cap_path","bits_per_s":5})",
                           R"({"ask":"cap_path","name":"a","bits_per_s":-5})",
                           R"({"ask":"rate","bits_per_s":"5"})",
                           R"({"ask":"rate","bits_per_s":1.5})",
                           R"({"ask":"rate","bits_per_s":99999999999999999999999})",
                           R"({"ask":"add_path"})",
                           R"({"ask":"add_path","path":""})",
                           R"({"ask":"add_path","path":"colour=red"})",
                           "\xff\xfe{\"ask\":\"status\"}",
                           "{\"ask\":\"stat\xff\"}"}) {
    const auto read = parse_request(line);
    ASSERT_FALSE(read) << line;
    EXPECT_EQ(read.error().code, Code::usage) << line;
    EXPECT_FALSE(read.error().text.empty()) << line;
  }
  EXPECT_FALSE(parse_request(std::string(100'000, '[')));
}

TEST(LiveRequests, AnswersAreJsonLines) {
  Report report;
  report.bytes = 5;
  report.paused = true;
  report.cap_bits_per_s = 8000;
  PathReport path;
  path.name = "a";
  path.state = "drained";
  path.cap_bits_per_s = 1000;
  path.rtt_us = 250;
  report.paths.push_back(path);
  const std::string line = status_answer({"3fa9", 7, "send", "da\xffta"}, report);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const Json status = Json::parse(line);
  EXPECT_EQ(status["ok"], true);
  EXPECT_EQ(status["id"], "3fa9");
  EXPECT_EQ(status["pid"], 7);
  EXPECT_EQ(status["what"], "da\\xffta");
  EXPECT_EQ(status["bytes"], 5);
  EXPECT_EQ(status["paused"], true);
  EXPECT_EQ(status["cap_bits_per_s"], 8000);
  EXPECT_EQ(status["paths"][0]["state"], "drained");
  EXPECT_EQ(status["paths"][0]["cap_bits_per_s"], 1000);
  EXPECT_EQ(status["paths"][0]["rtt_us"], 250);
  EXPECT_EQ(Json::parse(done_answer("path a is drained")), (Json{{"ok", true}, {"text", "path a is drained"}}));
  const Json error = Json::parse(error_answer({Code::not_found, "no path \"x\"", 0}));
  EXPECT_EQ(error, (Json{{"ok", false}, {"code", "not_found"}, {"text", "no path \"x\""}}));
}

}  // namespace
}  // namespace longhaul::cli
