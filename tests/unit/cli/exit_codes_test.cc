#include "cli/exit_codes.h"

#include <gtest/gtest.h>

#include <set>

namespace longhaul::cli {
namespace {

Outcome ended_with(Code code) {
  return {.ok = false, .error = {code, "x", 0}, .report = {}};
}

TEST(ExitCodes, SayHowATransferEnded) {
  Outcome outcome{.ok = true, .error = {}, .report = {}};
  EXPECT_EQ(static_cast<int>(exit_code_of(outcome)), 0);
  outcome.report.failed_files = 1;
  EXPECT_EQ(static_cast<int>(exit_code_of(outcome)), 3);
  outcome.report.deletions_over = 5;
  EXPECT_EQ(static_cast<int>(exit_code_of(outcome)), 3);
  outcome.report.failed_files = 0;
  EXPECT_EQ(static_cast<int>(exit_code_of(outcome)), 8);
  outcome.report.dry_run = true;
  EXPECT_EQ(static_cast<int>(exit_code_of(outcome)), 0);
}

TEST(ExitCodes, FollowTheClassOfTheError) {
  const std::pair<Code, int> table[] = {{Code::usage, 2},       {Code::io, 1},
                                        {Code::not_found, 1},   {Code::permission, 1},
                                        {Code::read_only, 1},   {Code::no_space, 6},
                                        {Code::busy, 1},        {Code::source_changed, 1},
                                        {Code::corrupt, 4},     {Code::protocol, 5},
                                        {Code::connection, 1},  {Code::refused, 5},
                                        {Code::stalled, 7},     {Code::interrupted, 130},
                                        {Code::unsupported, 1}, {Code::internal, 1}};
  for (const auto& [code, exit_code] : table) {
    EXPECT_EQ(static_cast<int>(exit_code_of(ended_with(code))), exit_code) << name_of(code);
  }
  std::set<Code> seen;
  for (const auto& [code, exit_code] : table) seen.insert(code);
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(Code::internal) + 1) << "a class of error is not in the table";
}

TEST(ExitCodes, AFailureCountsMoreThanFailedFiles) {
  Outcome outcome = ended_with(Code::interrupted);
  outcome.report.failed_files = 2;
  EXPECT_EQ(exit_code_of(outcome), ExitCode::interrupted);
}

TEST(ExitCodes, VerifyTellsAnyDifference) {
  VerifyReport report;
  report.files = 10;
  report.without_digest = 5;
  EXPECT_EQ(exit_code_of(report), ExitCode::complete);
  report.unreadable = 1;
  EXPECT_EQ(exit_code_of(report), ExitCode::failed);
  for (std::uint64_t VerifyReport::* count :
       {&VerifyReport::mismatched, &VerifyReport::missing, &VerifyReport::changed}) {
    VerifyReport one = report;
    one.*count = 1;
    EXPECT_EQ(exit_code_of(one), ExitCode::mismatch);
  }
}

}  // namespace
}  // namespace longhaul::cli
