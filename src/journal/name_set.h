// Which names were announced: asked for every name of a target that is to become a mirror. Any number of names in
// little memory; only their digests are kept (XXH3-128: two names are not met with one digest by accident, and a sender
// that looked for some could only have a name kept that is not its own).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "disk/disk.h"
#include "journal/scratch.h"
#include "longhaul/status.h"

namespace longhaul::journal {

/// What does not fit into 16 MiB goes to sorted runs in a scratch file. Once all are added, `settle` merges them, so
/// that a question costs one read at most; before that it is answered too, by looking into each run. What is in memory
/// is sorted when a question comes, so that many questions between few names cost no more than after `settle`. Used by
/// one thread.
class NameSet {
 public:
  /// As `Scratch` has them; two files are made, of which `name` is the beginning.
  NameSet(disk::Disk& disk, const disk::DirPtr& directory, const std::string& name,
          std::size_t run_digests_max = run_digests_usual)
      : run_digests_max_(run_digests_max),
        runs_(disk, directory, name),
        merged_(disk, directory, name.empty() ? name : name + ".sorted") {}
  /// Not after `settle`. Errors, here and below: what was put aside cannot be written or read.
  Result<> add(std::string_view path);
  Result<> settle();
  Result<bool> contains(std::string_view path);
  Result<> remove();

 private:
  static constexpr std::size_t run_digests_usual = 1024 * 1024;
  struct Run {
    std::uint64_t at = 0;   ///< next one to be read, in digests
    std::uint64_t end = 0;  ///< behind its last
    std::vector<Digest> read;
    std::size_t next = 0;  ///< of `read`
  };
  Result<> write_run();
  void sort_gathered(std::size_t unsorted_max);
  [[nodiscard]] bool gathered_contains(const Digest& wanted);
  Result<bool> run_contains(std::uint64_t begin, std::uint64_t end, const Digest& wanted);
  Result<bool> runs_contain(const Digest& wanted);
  Result<> merge();
  Result<bool> refill(Run& run);
  Result<> append_merged(std::vector<Digest>& block);

  std::size_t run_digests_max_;
  Scratch runs_;
  Scratch merged_;
  std::vector<Digest> gathered_;         ///< not in a run
  std::size_t sorted_ = 0;               ///< so many of them, from the beginning, are sorted
  std::vector<std::uint64_t> run_ends_;  ///< in digests
  std::vector<Digest> firsts_;           ///< of each block of the merged ones
  std::vector<Digest> block_;            ///< the one that was read last
  std::uint64_t block_number_ = no_block;
  bool settled_ = false;
  static constexpr std::uint64_t no_block = ~std::uint64_t{0};
};

}  // namespace longhaul::journal
