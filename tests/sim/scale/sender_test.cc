// The sender's side at scale: planner, scheduler, packer and feeder, in virtual time.
#include <gtest/gtest.h>

#include "made_up.h"

namespace longhaul::sim {
namespace {

constexpr std::uint64_t terabyte = 1'000'000'000'000;
constexpr Faults bad_day{.path_dies_every = 60 * second, .chunk_fails = 5000, .file_restarts = 50};

/// `full` in the big form, `usual` in the other.
std::uint64_t of_size(std::uint64_t usual, std::uint64_t full) {
  return scale_full ? full : usual;
}

Outcome run(const Job& job) {
  const Outcome outcome = MadeUpTransfer(job).run();
  MadeUpTransfer::print(job, outcome);
  if (!sanitized) {
    EXPECT_LE(outcome.growth_bytes, 8 * mib);
    EXPECT_LE(outcome.peak_bytes, 128 * mib);
  }
  return outcome;
}

TEST(SenderAtScale, LargeFilesFillThePaths) {
  const Outcome outcome = run({.name = "chunks of 64 MiB, nothing fails",
                               .files = of_size(20, 1000),
                               .file_bytes = terabyte,
                               .chunk_bytes = 64 * mib,
                               .paths = eight_paths(8, 80 * millisecond),
                               .faults = {}});
  EXPECT_EQ(outcome.books.again, 0U);
  EXPECT_GE(outcome.efficiency, 0.95);
}

TEST(SenderAtScale, SmallerChunksFillThePaths) {
  const Outcome outcome = run({.name = "chunks of 8 MiB, nothing fails",
                               .files = of_size(4, 100),
                               .file_bytes = terabyte,
                               .paths = eight_paths(8, 40 * millisecond),
                               .faults = {}});
  EXPECT_GE(outcome.efficiency, 0.95);
}

TEST(SenderAtScale, APetabyteOnABadDay) {
  const Outcome outcome = run({.name = "chunks of 64 MiB, paths die and heal",
                               .files = of_size(40, 1000),
                               .file_bytes = terabyte,
                               .chunk_bytes = 64 * mib,
                               .paths = eight_paths(8, 80 * millisecond),
                               .faults = bad_day});
  EXPECT_GT(outcome.books.paths_died, 0U);
  EXPECT_GT(outcome.books.chunks_failed, 0U);
}

TEST(SenderAtScale, SessionsAreLostAndBegunAnew) {
  run({.name = "three sessions are lost",
       .files = of_size(20, 200),
       .file_bytes = terabyte,
       .chunk_bytes = 64 * mib,
       .paths = eight_paths(4, 80 * millisecond),
       .faults = bad_day,
       .sessions_lost = 3});
}

TEST(SenderAtScale, FilesOfOneChunk) {
  run({.name = "files of 1 MiB",
       .files = of_size(100'000, 5'000'000),
       .file_bytes = mib,
       .paths = eight_paths(8, 40 * millisecond),
       .faults = bad_day});
}

TEST(SenderAtScale, SmallFilesInBundles) {
  run({.name = "small files",
       .files = of_size(1'000'000, scale_files),
       .file_bytes = 4000,
       .paths = eight_paths(8, 40 * millisecond),
       .faults = bad_day});
}

/// What failed must not be remembered one by one for ever.
TEST(SenderAtScale, EverySecondFileCannotBeRead) {
  Faults faults = bad_day;
  faults.unreadable = 2;
  const Outcome outcome = run({.name = "every second small file cannot be read",
                               .files = of_size(1'000'000, 10'000'000),
                               .file_bytes = 4000,
                               .paths = eight_paths(8, 40 * millisecond),
                               .faults = faults});
  EXPECT_EQ(outcome.books.unreadable, of_size(500'000, 5'000'000));
}

}  // namespace
}  // namespace longhaul::sim
