#include "made_up.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <utility>

namespace longhaul::sim {

std::vector<PathModel> eight_paths(unsigned streams, Time rtt_most) {
  std::vector<PathModel> paths;
  for (Time i = 0; i < 8; ++i)
    paths.push_back({.bytes_per_s = 50e9, .rtt = millisecond + i * (rtt_most - millisecond) / 7, .streams = streams});
  return paths;
}

Result<> MadeUpFeed::begin(disk::Disk&) {
  next_ = 0;
  return {};
}

Result<bool> MadeUpFeed::next(disk::Disk&, std::vector<Entry>& out, std::vector<FileError>&, std::size_t max) {
  for (std::size_t i = 0; i < max && next_ < files_; ++i, ++next_) {
    Entry& entry = out.emplace_back();
    entry.path = fmt::format("run-{:05}/sample-{:09}.dat", next_ / 10'000, next_);
    entry.size = bytes_;
    entry.mtime_ns = static_cast<std::int64_t>(next_ + 1);
    entry.identity = {.ctime_ns = 1, .inode = next_ + 1, .device = 1};
  }
  return next_ < files_;
}

Result<engine::Content> MadeUpFeed::open(disk::Disk&, const Entry&, bool) {
  return fail(Code::internal, "nothing is read here");
}

MadeUpTransfer::MadeUpTransfer(Job job)
    : job_(std::move(job)),
      far_(clock_, job_.paths, job_.faults, job_.chunk_bytes, 7),
      disk_(fs_.make_disk("sender")) {}

void MadeUpTransfer::file_error(std::uint32_t, FileError error) {
  ++outcome_.file_errors;
  if (job_.faults.unreadable == 0) ADD_FAILURE() << error.path << ": " << error.error.text;
}

void MadeUpTransfer::begin_session() {
  planner_.reset();
  batches_.clear();
  feed_ = std::make_shared<MadeUpFeed>(job_.files, job_.file_bytes);
  feeder_ = std::make_unique<engine::Feeder>(
      engine::Kit{.poller = nullptr, .disk = fs_.make_disk("sender"), .plain_disk = nullptr}, feed_,
      [this](engine::FeedBatch batch) { batches_.push_back(std::move(batch)); }, [] {});
  engine::Planner::Setup setup;
  setup.transfer = 1;
  setup.feed = feed_;
  setup.feeder = feeder_.get();
  setup.chunk_bytes = job_.chunk_bytes;
  setup.stall_after = 60 * second;
  planner_ =
      std::make_unique<engine::Planner>(*disk_, static_cast<PlannerHost&>(*this), std::move(setup), clock_.now());
  far_.meet(*planner_);
  settle();
}

void MadeUpTransfer::settle() {
  planner_->step(clock_.now());
  while (feeder_->step(clock_.now()) != time_never) continue;
  if (batches_.empty()) return;
  for (; !batches_.empty(); batches_.pop_front()) planner_->fed(std::move(batches_.front()));
  planner_->step(clock_.now());
}

/// False: it cannot go on.
bool MadeUpTransfer::run_session(std::uint64_t until_published) {
  begin_session();
  for (std::uint64_t turn = 0; !far_.all_ended() && far_.books().published < until_published; ++turn) {
    if (!far_.next_event()) {
      ADD_FAILURE() << "nothing will ever happen again: " << far_.books().published << " files were published";
      return false;
    }
    settle();
    if (planner_->failure()) {
      ADD_FAILURE() << planner_->failure()->text;
      return false;
    }
    if (turn % 1024 == 0) memory_.progress(far_.books().published, job_.files);
  }
  return true;
}

Outcome MadeUpTransfer::run() {
  const double begun = cpu_seconds();
  const Time started = clock_.now();
  bool goes_on = true;
  for (unsigned session = 1; goes_on && session <= job_.sessions_lost; ++session) {
    goes_on = run_session(job_.files * session / (job_.sessions_lost + 1));
    outcome_.resent_bytes += planner_->resent_bytes();
    far_.part();
  }
  if (goes_on) goes_on = run_session(~std::uint64_t{0});
  outcome_.resent_bytes += planner_->resent_bytes();
  outcome_.cpu_s = cpu_seconds() - begun;
  outcome_.virtual_s = static_cast<double>(clock_.now() - started) / static_cast<double>(second);
  outcome_.peak_bytes = MemoryMark::peak();
  outcome_.growth_bytes = memory_.growth();
  far_.part();
  outcome_.books = far_.books();
  outcome_.efficiency =
      static_cast<double>(job_.files) * static_cast<double>(job_.file_bytes) / outcome_.books.capacity_bytes;
  if (goes_on) judge();
  return outcome_;
}

void MadeUpTransfer::judge() {
  Report report;
  planner_->fill(report);
  const std::uint64_t whole = job_.files - outcome_.books.unreadable;
  EXPECT_EQ(outcome_.books.published, whole);
  EXPECT_EQ(report.files + report.skipped_files, whole);
  EXPECT_EQ(report.bytes + report.skipped_bytes, whole * job_.file_bytes);
  EXPECT_EQ(report.failed_files, outcome_.books.unreadable);
  EXPECT_EQ(outcome_.file_errors, outcome_.books.unreadable);
  EXPECT_EQ(planner_->bytes_not_durable(), 0U);
  EXPECT_LE(outcome_.resent_bytes, outcome_.books.may_resend_bytes);
}

void MadeUpTransfer::print(const Job& job, const Outcome& outcome) {
  const Books& books = outcome.books;
  const double chunks = static_cast<double>(books.assigned);
  std::cout << fmt::format(
      "{}: {} files, {:.1f} TB, {} chunks ({} again, {:.3f} TB; {} failed, {} files begun anew, {} paths died)\n"
      "  {:.1f} s of virtual time, {:.1f} % of what the paths could carry, {:.0f} files a second\n"
      "  {:.1f} s of CPU: {:.0f} ns a chunk, {:.0f} chunks and {:.0f} files a second; peak {:.1f} MiB, {:.1f} MiB of "
      "it "
      "after the first tenth\n",
      job.name, job.files, static_cast<double>(job.files) * static_cast<double>(job.file_bytes) / 1e12, books.assigned,
      books.again, static_cast<double>(outcome.resent_bytes) / 1e12, books.chunks_failed, books.files_restarted,
      books.paths_died, outcome.virtual_s, 100 * outcome.efficiency, static_cast<double>(job.files) / outcome.virtual_s,
      outcome.cpu_s, outcome.cpu_s * 1e9 / chunks, chunks / outcome.cpu_s,
      static_cast<double>(job.files) / outcome.cpu_s, static_cast<double>(outcome.peak_bytes) / mib,
      static_cast<double>(outcome.growth_bytes) / mib);
}

}  // namespace longhaul::sim
