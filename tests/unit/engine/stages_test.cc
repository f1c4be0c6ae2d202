// Where the time of a real transfer went, against what the clock and the kernel say of the same threads.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <random>

#include "base/usage.h"
#include "longhaul/sink.h"
#include "longhaul/source.h"
#include "longhaul/transfer.h"

namespace longhaul {
namespace {

constexpr unsigned workers = 2;
constexpr double within = 0.05;

/// Seconds in which a thread of this process was ready to run, and another one ran.
double run_delay_seconds() {
  double sum = 0;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream in(thread.path() / "schedstat");
    double on_cpu_ns = 0;
    double delay_ns = 0;
    if (in >> on_cpu_ns >> delay_ns) sum += delay_ns / 1e9;
  }
  return sum;
}

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Sums {
  double all = 0;
  double work = 0;
  double waiting = 0;
};

Sums sums_of(const Report& report) {
  Sums sums;
  for (const StageReport& stage : report.stages) {
    const double seconds = stage.sender_s + stage.receiver_s;
    sums.all += seconds;
    const bool waits = stage.name == "idle" || stage.name.starts_with("wait_");
    (waits ? sums.waiting : sums.work) += seconds;
  }
  return sums;
}

class StagesOfATransfer : public ::testing::Test {
 protected:
  void SetUp() override {
    // In memory: a call that waits for a disk is neither on the CPU nor ready to run.
    const bool shm = std::filesystem::is_directory("/dev/shm");
    const auto base = shm ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path();
    std::string name = (base / "lh-stages-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    options_.workers = workers;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string directory_;
  Options options_;
};

TEST_F(StagesOfATransfer, AddUpToTheTimeAndTheCpuOfTheirThreads) {
  std::vector<std::byte> content(std::size_t{192} << 20U);
  std::mt19937_64 random(1);
  for (std::size_t at = 0; at + sizeof(std::uint64_t) <= content.size(); at += 4096) {
    const std::uint64_t word = random();
    std::memcpy(&content[at], &word, sizeof word);
  }
  auto listening = Session::listen(options_, nullptr);
  ASSERT_TRUE(listening) << listening.error().text;
  auto dialling = Session::dial((*listening)->ticket(), options_, nullptr);
  ASSERT_TRUE(dialling) << dialling.error().text;
  const double cpu_before = process_cpu_seconds();
  const double delay_before = run_delay_seconds();
  const double began = now_s();
  auto received = std::async(std::launch::async, [&] { return (*listening)->receive(directory_sink(directory_)); });
  const Outcome sent = (*dialling)->send(memory_source("content", content));
  ASSERT_TRUE(sent.ok) << sent.error.text;
  const double cpu = process_cpu_seconds() - cpu_before;
  const double delay = run_delay_seconds() - delay_before;
  const double took = now_s() - began;
  const Sums sums = sums_of(sent.report);
  // Each end: control, its workers, and one for feeder or storage.
  const double lived = took * 2 * (workers + 2);
  EXPECT_NEAR(sums.all, lived, within * lived + 0.05) << "seconds of " << 2 * (workers + 2) << " threads";
  // What runs counts as work, but for what the kernel does in calls that wait. What was ready and did not run counts
  // too, if it was preempted at work.
  EXPECT_GE(sums.work, cpu * (1 - within) - 0.05) << "CPU " << cpu << ", preempted " << delay;
  EXPECT_LE(sums.work, (cpu + delay) * (1 + within) + 0.05) << "CPU " << cpu << ", preempted " << delay;
  ASSERT_FALSE(sent.report.limits.empty());
  EXPECT_NE(sent.report.verdict.find("% of the time"), std::string::npos) << sent.report.verdict;
  const Outcome landed = received.get();
  ASSERT_TRUE(landed.ok) << landed.error.text;
  EXPECT_EQ(landed.report.verdict, sent.report.verdict) << "the sender judges, and tells";
  const Sums at_receiver = sums_of(landed.report);
  EXPECT_GE(at_receiver.all, sums.all * (1 - within));
}

}  // namespace
}  // namespace longhaul
