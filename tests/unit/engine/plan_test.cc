#include "longhaul/plan.h"

#include <gtest/gtest.h>

#include <chrono>
#include <utility>

namespace longhaul {
namespace {

/// Entries that do not exist anywhere, a few at a time.
class MadeUp final : public Source {
 public:
  Result<bool> next(std::vector<Entry>& out, std::vector<Error>& errors, std::size_t max) override {
    for (std::size_t i = 0; i < max && at_ < entries.size(); ++i) out.push_back(entries[at_++]);
    if (at_ == entries.size() && !std::exchange(failed_, true) && failure) errors.push_back(*failure);
    return at_ < entries.size();
  }
  Result<std::shared_ptr<Reader>> open(const Entry&) override { return fail(Code::internal, "nothing is read"); }
  std::vector<Entry> entries;
  std::optional<Error> failure;

 private:
  std::size_t at_ = 0;
  bool failed_ = false;
};

std::unique_ptr<MadeUp> source_of(std::uint64_t files, std::uint64_t bytes_each) {
  auto source = std::make_unique<MadeUp>();
  source->entries.push_back({.type = EntryType::directory, .path = "d"});
  source->entries.push_back({.type = EntryType::symlink, .path = "l", .link_target = "d"});
  for (std::uint64_t i = 0; i < files; ++i)
    source->entries.push_back({.type = EntryType::file, .path = std::to_string(i), .size = bytes_each});
  return source;
}

double in(double seconds) {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count() + seconds;
}

/// 3 GB; two paths of 10 MB/s: one that costs nothing, one at 2 for each GB.
Options two_paths() {
  Options options;
  options.paths = {{.name = "free", .cap_bits_per_s = 80'000'000},
                   {.name = "dear", .cap_bits_per_s = 80'000'000, .cost_per_gb = 2}};
  return options;
}
TransferPlan planned(const Options& options, const std::map<std::string, double>& rates = {}) {
  auto made = plan(source_of(3000, 1'000'000), options, rates, nullptr);
  EXPECT_TRUE(made) << (made ? "" : made.error().text);
  return made ? *std::move(made) : TransferPlan{};
}

TEST(Plan, CountsWhatTheSourceHas) {
  const TransferPlan made = planned({});
  EXPECT_EQ(made.files, 3000U);
  EXPECT_EQ(made.bytes, 3'000'000'000U);
  EXPECT_EQ(made.directories, 1U);
  EXPECT_EQ(made.symlinks, 1U);
  EXPECT_TRUE(made.paths.empty());
  EXPECT_LT(made.seconds, 0) << "without paths nothing is known of the time";
  EXPECT_TRUE(made.forecast.empty());
}

TEST(Plan, WithoutADeadlineEveryPathCarries) {
  const TransferPlan made = planned(two_paths());
  EXPECT_NEAR(made.seconds, 150, 0.1);
  EXPECT_EQ(made.paths.at(0).bytes, 1'500'000'000U);
  EXPECT_NEAR(made.paths.at(1).cost, 3, 1e-6);
  EXPECT_NEAR(made.cost, 3, 1e-6);
  EXPECT_TRUE(made.feasible);
  EXPECT_TRUE(made.rates_known);
}

TEST(Plan, ADeadlineTakesTheCheapestThatMeetsIt) {
  Options options = two_paths();
  options.deadline_unix_s = in(400);
  EXPECT_EQ(planned(options).cost, 0) << "the free path suffices";
  options.deadline_unix_s = in(200);
  const TransferPlan both = planned(options);
  EXPECT_NEAR(both.cost, 2, 0.05) << "1 GB is more than the free path carries by then";
  EXPECT_TRUE(both.feasible);
  options.deadline_unix_s = in(100);
  const TransferPlan late = planned(options);
  EXPECT_FALSE(late.feasible);
  EXPECT_NE(late.forecast.find("needs "), std::string::npos) << late.forecast;
}

TEST(Plan, MoneyBindsHarderThanTime) {
  Options options = two_paths();
  options.max_cost = 1;
  const TransferPlan made = planned(options);
  EXPECT_NEAR(made.cost, 1, 0.01);
  EXPECT_NEAR(made.seconds, 250, 1) << "half a GB of three can be paid for";
  options.deadline_unix_s = in(200);
  EXPECT_FALSE(planned(options).feasible);
}

TEST(Plan, RatesComeFromAReportBelowTheCap) {
  Options options = two_paths();
  options.paths[0].cap_bits_per_s = 0;
  EXPECT_FALSE(planned(options).rates_known);
  EXPECT_NEAR(planned(options).seconds, 300, 0.1) << "a path of which nothing is known is left out";
  const TransferPlan made = planned(options, {{"free", 20e6}, {"dear", 100e6}});
  EXPECT_TRUE(made.rates_known);
  EXPECT_NEAR(made.seconds, 100, 0.1) << "20 MB/s, and a cap of 10 MB/s";
}

TEST(Plan, PolicyLeavesPathsOut) {
  Options options = two_paths();
  options.paths[1].tags = {"guest"};
  options.forbid = {"guest"};
  const TransferPlan made = planned(options);
  EXPECT_EQ(made.paths.at(1).bytes, 0U);
  EXPECT_FALSE(made.paths.at(1).excluded.empty());
  EXPECT_NEAR(made.seconds, 300, 0.1);
}

TEST(Plan, SourcesThatFailAreCountedAndNamed) {
  auto source = source_of(3, 1);
  source->failure = Error{Code::permission, "cannot read x", 13};
  const auto made = plan(std::move(source), {}, {}, nullptr);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->files, 3U);
  EXPECT_EQ(made->failed, 1U);
  EXPECT_EQ(made->errors.at(0).error.text, "cannot read x");
}

TEST(Plan, StopsWhenItIsTold) {
  StopFlag stop{1};
  const auto made = plan(source_of(3, 1), {}, {}, nullptr, &stop);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::interrupted);
}

}  // namespace
}  // namespace longhaul
