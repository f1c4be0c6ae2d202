// Records in any order made a sorted stream, in bounded memory however many there are: what does not fit goes to sorted
// runs in one file without a name, and runs are merged as soon as there are 64 of one size.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "disk/disk.h"
#include "journal/manifest.h"
#include "longhaul/status.h"

namespace longhaul::journal {

/// Used by one thread at a time. All calls are plain calls on `disk`, which must outlive it and have no data operation
/// in flight meanwhile. The file
/// comes to what the records are together, and that again for each time that runs are merged (once for 10 million
/// files, twice for 500 million).
class ManifestSorter {
 public:
  /// `spool_directory`: where the file is, if one is needed.
  ManifestSorter(disk::Disk& disk, Random& random, std::string spool_directory,
                 std::size_t memory_bytes = std::size_t{32} << 20U)
      : disk_(disk), random_(random), spool_directory_(std::move(spool_directory)), memory_bytes_(memory_bytes) {}

  /// Makes the file now: a place that cannot be written is told before the work, not in the middle of it.
  Result<> open_file();
  /// A file; of one path, what was added last stays. Errors: the file cannot be made or written.
  Result<> add(ManifestRecord record);
  /// Once, when all have been added: each path once, in order. `visit` may end it with an error of its own.
  using Visit = std::function<Result<>(const ManifestRecord&)>;
  Result<> each(const Visit& visit);

 private:
  struct Run {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    unsigned level = 0;  ///< how often what is in it has been merged
  };
  Result<> visit_sorted(const Visit& visit);
  Result<> spill();
  Result<> merge_last_runs(std::size_t count);
  Result<> merge(std::size_t first, const Visit& visit);
  Result<> write_run(unsigned level, const std::function<Result<>(const Visit&)>& records);
  [[nodiscard]] std::unexpected<Error> cannot_keep(const Error& why) const;

  disk::Disk& disk_;
  Random& random_;
  std::string spool_directory_;
  std::size_t memory_bytes_;
  std::vector<ManifestRecord> records_;
  std::size_t bytes_ = 0;  ///< what they take of the memory
  disk::FilePtr file_;
  std::uint64_t end_ = 0;
  std::vector<Run> runs_;  ///< oldest first; their levels fall
};

}  // namespace longhaul::journal
