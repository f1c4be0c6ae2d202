// The data half of the system disk: which way an operation goes, and going on until it is finished. One thread's.
#pragma once

#include <deque>
#include <vector>

#include "disk/disk.h"
#include "disk/system_file.h"
#include "ring/ring.h"

namespace longhaul::disk {

class DataPath {
 public:
  explicit DataPath(ring::Ring* ring) : ring_(ring) {}
  ~DataPath();  ///< waits for what is in the ring: the kernel holds its memory
  DataPath(const DataPath&) = delete;
  DataPath& operator=(const DataPath&) = delete;

  void submit(Operation& operation);
  Operation* reap();
  Operation* wait();
  [[nodiscard]] unsigned in_flight() const { return in_flight_; }

 private:
  /// An operation in the ring.
  struct Flight final : ring::Completion {
    void complete(std::int32_t result) override { owner->landed(*this, result); }
    DataPath* owner = nullptr;
    Operation* operation = nullptr;
  };

  void run_plain(Operation& operation, SystemFile& file);
  void read_cached(Operation& operation, SystemFile& file);
  void run_in_ring(Operation& operation, SystemFile& file);
  void landed(Flight& flight, std::int32_t result);
  bool advance(Operation& operation, std::int64_t result);
  void finish(Operation& operation);
  Operation* take_finished();

  ring::Ring* ring_;
  std::deque<Flight> flights_;  ///< never moved: the kernel knows their addresses
  std::vector<Flight*> idle_flights_;
  Operation* first_finished_ = nullptr;
  Operation* last_finished_ = nullptr;
  unsigned in_flight_ = 0;
  unsigned in_ring_ = 0;
};

}  // namespace longhaul::disk
