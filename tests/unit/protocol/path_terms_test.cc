#include "protocol/path_terms.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "protocol/frame.h"
#include "protocol/message.h"

namespace longhaul::protocol {
namespace {

using Tags = std::vector<std::string>;

PathOptions everything() {
  PathOptions path;
  path.name = "fiber-a";
  path.cap_bits_per_s = 40'000'000'000;
  path.weight = 0;
  path.cost_per_gb = 0.02;
  path.tags = {"us", "fiber"};
  path.dscp = 0;
  path.congestion = "bbr";
  path.transport = "fabric:verbs";
  path.slots = 24;
  return path;
}

void expect_same(const PathOptions& a, const PathOptions& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.cap_bits_per_s, b.cap_bits_per_s);
  EXPECT_EQ(a.weight, b.weight);
  EXPECT_EQ(a.cost_per_gb, b.cost_per_gb);
  EXPECT_EQ(a.tags, b.tags);
  EXPECT_EQ(a.dscp, b.dscp);
  EXPECT_EQ(a.congestion, b.congestion);
  EXPECT_EQ(a.transport, b.transport);
  EXPECT_EQ(a.slots, b.slots);
}

TEST(PathTerms, ArriveAsTheyAre) {
  PathOptions plain;
  plain.name = "b";
  for (const PathOptions& path : {everything(), plain}) {
    Hello hello;
    put_path(path, hello);
    Hello arrived;
    ASSERT_TRUE(arrived.ParseFromString(hello.SerializeAsString()));
    const auto told = path_of(arrived);
    ASSERT_TRUE(told) << told.error().text;
    expect_same(*told, path);
  }
}

TEST(PathTerms, StayWithThisSideWhatConcernsItAlone) {
  PathOptions path = everything();
  path.local = "10.0.0.1";
  path.device = "eth1";
  path.remote = "10.0.0.2:1";
  Hello hello;
  put_path(path, hello);
  const std::string bytes = hello.SerializeAsString();
  for (const char* own : {"10.0.0", "eth1"}) EXPECT_EQ(bytes.find(own), std::string::npos);
}

TEST(PathTerms, AnOlderPeersPathHasNone) {
  Hello hello;
  hello.set_path("a");
  const auto path = path_of(hello);
  ASSERT_TRUE(path) << path.error().text;
  PathOptions plain;
  plain.name = "a";
  expect_same(*path, plain);
}

TEST(PathTerms, UnknownFieldsPass) {
  Hello hello;
  put_path(everything(), hello);
  std::string bytes = hello.SerializeAsString();
  bytes += std::string("\xf8\x06\x01", 3);              // Hello, field 111: 1
  bytes += std::string("\x9a\x01\x03\xf8\x06\x01", 6);  // terms once more, merged: field 111 inside: 1
  Hello arrived;
  ASSERT_TRUE(arrived.ParseFromString(bytes));
  const auto path = path_of(arrived);
  ASSERT_TRUE(path) << path.error().text;
  expect_same(*path, everything());
}

TEST(PathTerms, LargestOnesFitIntoAHello) {
  PathOptions path = everything();
  path.name = std::string(path_name_bytes_max, 'n');
  path.congestion = std::string(congestion_bytes_max, 'c');
  path.tags.clear();
  for (std::size_t i = 0; i < path_tags_max; ++i)
    path.tags.push_back(std::string(tag_bytes_max - 1, 't') + "0123456789abcdef"[i]);
  ASSERT_TRUE(check_path(path));
  Message message;
  Hello& hello = *message.mutable_hello();
  put_path(path, hello);
  hello.set_ticket(std::string(16, 't'));
  hello.set_session(std::string(16, 's'));
  hello.set_cipher(Hello::NONE);
  hello.set_ticket_proof(std::string(32, 'p'));
  hello.set_software(std::string(64, 'v'));
  EXPECT_LE(encode_message(message).size(), prefix_bytes + hello_bytes_max);
  EXPECT_TRUE(path_of(hello));
}

TEST(PathTerms, WhatCannotBeIsRefusedInWords) {
  struct Case {
    const char* words;
    std::function<void(Hello&)> spoil;
  };
  const Case cases[] = {
      {"tags", [](Hello& h) { h.mutable_terms()->add_tags(std::string(tag_bytes_max + 1, 't')); }},
      {"tags", [](Hello& h) { h.mutable_terms()->add_tags(""); }},
      {"tags", [](Hello& h) { h.mutable_terms()->add_tags("a\x1b[2J"); }},
      {"stands twice", [](Hello& h) { h.mutable_terms()->add_tags("us"); }},
      {"too many tags",
       [](Hello& h) {
         for (std::size_t i = 0; i < path_tags_max; ++i) h.mutable_terms()->add_tags("t" + std::to_string(i));
       }},
      {"dscp", [](Hello& h) { h.mutable_terms()->set_dscp(64); }},
      {"slots", [](Hello& h) { h.mutable_terms()->set_slots(1); }},
      {"slots", [](Hello& h) { h.mutable_terms()->set_slots(257); }},
      {"slots", [](Hello& h) { h.mutable_terms()->set_slots(~0U); }},
      {"dscp", [](Hello& h) { h.mutable_terms()->set_dscp(~0U); }},
      {"weight", [](Hello& h) { h.mutable_terms()->set_weight(-1); }},
      {"weight", [](Hello& h) { h.mutable_terms()->set_weight(std::numeric_limits<double>::quiet_NaN()); }},
      {"weight", [](Hello& h) { h.mutable_terms()->set_weight(std::numeric_limits<double>::infinity()); }},
      {"cost", [](Hello& h) { h.mutable_terms()->set_cost_per_gb(-0.01); }},
      {"cost", [](Hello& h) { h.mutable_terms()->set_cost_per_gb(std::numeric_limits<double>::quiet_NaN()); }},
      {"cap", [](Hello& h) { h.mutable_terms()->set_cap_bits_per_s(path_cap_max + 1); }},
      {"cc", [](Hello& h) { h.mutable_terms()->set_congestion("../bbr"); }},
      {"cc", [](Hello& h) { h.mutable_terms()->set_congestion(std::string(congestion_bytes_max + 1, 'c')); }},
      {"name", [](Hello& h) { h.set_path(std::string(path_name_bytes_max + 1, 'n')); }},
      {"name", [](Hello& h) { h.set_path("a\nb"); }},
  };
  for (const Case& each : cases) {
    Hello hello;
    put_path(everything(), hello);
    each.spoil(hello);
    const auto path = path_of(hello);
    ASSERT_FALSE(path) << each.words;
    EXPECT_EQ(path.error().code, Code::protocol);
    EXPECT_NE(path.error().text.find(each.words), std::string::npos) << path.error().text;
    EXPECT_EQ(path.error().text.find('\x1b'), std::string::npos);
  }
}

}  // namespace
}  // namespace longhaul::protocol
