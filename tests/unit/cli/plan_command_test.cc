#include "cli/plan_command.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace longhaul::cli {
namespace {

TransferPlan some_plan() {
  TransferPlan plan;
  plan.files = 1234;
  plan.bytes = 60ULL << 30U;
  plan.directories = 1;
  plan.paths = {{.name = "cheap", .bytes_per_s = 125e6, .bytes = 40ULL << 30U, .rate = 125e6},
                {.name = "dear", .bytes_per_s = 1e9, .bytes = 20ULL << 30U, .rate = 62.5e6, .cost = 12.345},
                {.name = "idle", .bytes_per_s = 1e9},
                {.name = "new"},
                {.name = "guest", .excluded = "it has the tag 'guest', which is forbidden"}};
  plan.seconds = 343.6;
  plan.cost = 12.345;
  plan.feasible = true;
  plan.forecast = "ends 05:12; meets 06:00";
  return plan;
}

TEST(PlanCommand, RatesAreThoseOfAReport) {
  const auto rates = rates_of_report(R"({"event":"done","paths":[{"name":"a","rate":1.5e6},{"name":"b","rate":0}]})");
  ASSERT_TRUE(rates) << rates.error().text;
  EXPECT_EQ(*rates, (std::map<std::string, double>{{"a", 1.5e6}})) << "a path that carried nothing tells nothing";
}

TEST(PlanCommand, WhatIsNoReportIsRefused) {
  for (const char* text : {"", "{", "[]", "{}", R"({"paths":{}})", R"({"paths":[1]})", R"({"paths":[{"name":"a"}]})",
                           R"({"paths":[{"name":1,"rate":1}]})", R"({"paths":[{"name":"a","rate":"1"}]})"}) {
    const auto rates = rates_of_report(text);
    ASSERT_FALSE(rates) << text;
    EXPECT_EQ(rates.error().code, Code::usage);
    EXPECT_NE(rates.error().text.find("--report"), std::string::npos);
  }
}

TEST(PlanCommand, EveryPathHasItsLine) {
  EXPECT_EQ(words_of(some_plan()),
            "longhaul: 1,234 files, 60.00 GiB, 1 directory, 0 symlinks; nothing was sent\n"
            "  path cheap: 40.00 GiB at 125.00 MB/s\n"
            "  path dear: 20.00 GiB at 62.50 MB/s, cost 12.35\n"
            "  path idle: not needed\n"
            "  path new: its rate is not known: give it a cap=, or --rates with the report of an earlier transfer\n"
            "  path guest: not used: it has the tag 'guest', which is forbidden\n"
            "  time: 5:44\n"
            "  cost: 12.35\n"
            "  ends 05:12; meets 06:00\n");
}

TEST(PlanCommand, SourcesThatCannotBeLookedAtAreNamed) {
  TransferPlan plan;
  plan.failed = 1;
  plan.errors.push_back({{}, {Code::permission, "cannot read directory secret: Permission denied", 13}});
  EXPECT_EQ(words_of(plan),
            "longhaul: 0 files, 0 B, 0 directories, 0 symlinks; nothing was sent\n"
            "  cannot be looked at: 1 source\n"
            "    cannot read directory secret: Permission denied\n");
}

TEST(PlanCommand, JsonSaysNullForWhatIsNotKnown) {
  const auto known = nlohmann::json::parse(json_of(some_plan()));
  EXPECT_EQ(known["event"], "plan");
  EXPECT_EQ(known["bytes"], 60ULL << 30U);
  EXPECT_EQ(known["seconds"], 343.6);
  EXPECT_EQ(known["feasible"], true);
  EXPECT_EQ(known["paths"][1]["cost"], 12.345);
  EXPECT_EQ(known["paths"][1]["able"], 1e9);
  EXPECT_EQ(known["paths"][3]["able"], nullptr);
  EXPECT_EQ(known["paths"][0]["excluded"], nullptr);
  const auto unknown = nlohmann::json::parse(json_of(TransferPlan{}));
  EXPECT_EQ(unknown["seconds"], nullptr);
  EXPECT_EQ(unknown["forecast"], nullptr);
  EXPECT_EQ(unknown["feasible"], false);
}

}  // namespace
}  // namespace longhaul::cli
