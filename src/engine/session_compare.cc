// The session's part in --checksum: reading is shared out over the workers of this end.
#include <algorithm>
#include <utility>

#include "engine/session_core.h"

namespace longhaul::engine {

/// To the one that has the least to read. Any thread: the workers stay what they are.
void SessionCore::give_to_worker(ContentJob job) const {
  (*std::ranges::min_element(workers_, {}, &Worker::comparing_load))->compare(std::move(job));
}

void SessionCore::compare(std::uint32_t transfer, std::uint64_t file, ContentJob job) {
  job.done = [this, transfer, file](Result<Compared> found) {
    post([transfer, file, found = std::move(found)](SessionCore& self) {
      if (Planner* planner = self.planner_of(transfer)) planner->compared_here(file, found);
    });
  };
  give_to_worker(std::move(job));
}

/// Keys from who sends, decisions from who receives.
void SessionCore::take_compared(const protocol::Compared& compared) {
  if (Planner* planner = planner_of(compared.transfer())) return planner->compared(compared);
  if (Storage* storage = storage_of(compared.transfer()))
    storage->post([keys = compared](Storage& it) { it.compared(keys); });
}

}  // namespace longhaul::engine
