// A transfer of made-up files: the real planner, scheduler, packer and feeder against a receiver that is made up too.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "engine/feeder.h"
#include "engine/planner.h"
#include "far_side.h"
#include "meter.h"
#include "sim_disk.h"

namespace longhaul::sim {

struct Job {
  std::string name;
  std::uint64_t files = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t chunk_bytes = 8 * mib;
  std::vector<PathModel> paths;
  Faults faults;
  unsigned sessions_lost = 0;  ///< the whole session breaks so often, and the transfer is begun anew
};

/// Eight paths of 400 Gb/s, RTTs from 1 to `rtt_most`.
[[nodiscard]] std::vector<PathModel> eight_paths(unsigned streams, Time rtt_most);

/// Files that are nowhere.
class MadeUpFeed final : public engine::Feed {
 public:
  MadeUpFeed(std::uint64_t files, std::uint64_t bytes) : files_(files), bytes_(bytes) {}
  Result<> begin(disk::Disk& disk) override;
  Result<bool> next(disk::Disk& disk, std::vector<Entry>& out, std::vector<FileError>& errors,
                    std::size_t max) override;
  Result<engine::Content> open(disk::Disk& disk, const Entry& entry, bool direct) override;
  [[nodiscard]] bool rereadable() const override { return true; }

 private:
  std::uint64_t files_;
  std::uint64_t bytes_;
  std::uint64_t next_ = 0;
};

struct Outcome {
  Books books;
  double cpu_s = 0;
  double virtual_s = 0;
  double efficiency = 0;  ///< against the rates of the paths while they were up
  std::uint64_t resent_bytes = 0;
  std::uint64_t durable_calls = 0;  ///< files that the sender was told of
  std::uint64_t file_errors = 0;
  std::uint64_t peak_bytes = 0;
  std::uint64_t growth_bytes = 0;
};

class MadeUpTransfer final : private engine::PlannerHost {
 public:
  explicit MadeUpTransfer(Job job);
  /// Runs to the end, with expectations of gtest on the way.
  Outcome run();
  static void print(const Job& job, const Outcome& outcome);

 private:
  void begin_session();
  void settle();
  bool run_session(std::uint64_t until_published);
  void judge();

  void tell(protocol::Message message) override { far_.tell(message); }
  void assign(std::uint32_t stream, engine::ChunkTask task) override { far_.assign(stream, task); }
  void cancel(std::uint32_t, std::uint32_t, const paths::Load&) override {}
  void call_back(std::uint32_t, std::uint32_t, const paths::Load&) override {}
  void give_up_stream(std::uint32_t) override {}
  void file_durable(std::uint32_t, const std::string&) override { ++outcome_.durable_calls; }
  void compare(std::uint32_t, std::uint64_t, engine::ContentJob) override {}
  void would(std::uint32_t, Would, const std::string&) override {}
  void file_error(std::uint32_t, FileError error) override;

  Job job_;
  SimClock clock_;
  Trace trace_{clock_};
  SimFileSystem fs_{clock_, trace_, 1};
  FarSide far_;
  MemoryMark memory_;
  std::shared_ptr<MadeUpFeed> feed_;
  std::deque<engine::FeedBatch> batches_;
  std::unique_ptr<engine::Feeder> feeder_;
  std::unique_ptr<disk::Disk> disk_;
  std::unique_ptr<engine::Planner> planner_;
  Outcome outcome_;
};

}  // namespace longhaul::sim
