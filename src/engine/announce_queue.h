// What a sender has walked and not announced yet. Large files and small ones wait in lanes of their own, so that
// neither keeps the others from being announced.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include "longhaul/entry.h"

namespace longhaul::engine {

/// What may be announced now.
struct AnnounceRoom {
  bool small = true;  ///< files that land whole
  bool large = true;  ///< journalled ones
  bool other = true;  ///< all else, which is done with as soon as the receiver has decided; false: nothing may
};

/// Entries come out in the order in which they went in, but for files whose lane has no room: they are passed by, as
/// many as memory allows. So a directory still comes before what is in it, and a file before its further names, which
/// wait in the lane of their file. Used by the planner's thread.
class AnnounceQueue {
 public:
  /// `tops_in_order`: what has no directory is never passed by, nor anything behind it.
  explicit AnnounceQueue(bool tops_in_order) : tops_in_order_(tops_in_order) {}

  void add(Entry entry) { ahead_.push_back(std::move(entry)); }
  [[nodiscard]] bool empty() const { return ahead_.empty() && small_.entries.empty() && large_.entries.empty(); }
  /// That nobody has looked at yet.
  [[nodiscard]] std::size_t ahead() const { return ahead_.size(); }
  /// The next that may be announced.
  [[nodiscard]] std::optional<Entry> take(const AnnounceRoom& room);

 private:
  /// Files that were passed by.
  struct Lane {
    std::deque<Entry> entries;
    std::size_t bytes = 0;
  };
  [[nodiscard]] Lane* lane_of(const Entry& entry);
  [[nodiscard]] bool pass_by(Lane& lane);
  static std::optional<Entry> take_from(Lane& lane);

  bool tops_in_order_;
  std::deque<Entry> ahead_;
  Lane small_;
  Lane large_;
};

}  // namespace longhaul::engine
