// The feeder walks the source ahead of the planner, a bounded number of entries at a time, and fills streams.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "base/mailbox.h"
#include "engine/feed.h"
#include "engine/runtime.h"

namespace longhaul::engine {

/// What one call of the walk brought.
struct FeedBatch {
  std::vector<Entry> entries;
  std::vector<FileError> errors;
  disk::NotKept not_kept;  ///< so far
  bool end = false;
  std::optional<Error> failed;  ///< the source as a whole cannot be read
};

class Feeder final : public Role {
 public:
  /// `deliver` and `stream_grew` are called on the feeder's thread and post to the planner.
  Feeder(Kit kit, std::shared_ptr<Feed> feed, std::function<void(FeedBatch)> deliver,
         std::function<void()> stream_grew);

  /// Any thread: the planner has room for `batches` more.
  void want(unsigned batches);
  /// Any thread: fill this stream until its end.
  void fill(std::shared_ptr<StreamReader> reader);
  void stop();
  /// It will not touch the feed any more. Any thread.
  [[nodiscard]] bool gone() const { return stopped_.load(std::memory_order_acquire); }

  Time step(Time now) override;
  [[nodiscard]] bool finished() const override { return gone(); }
  [[nodiscard]] std::string name() const override { return "feeder"; }

 private:
  void walk();
  Time fill_stream(Time now);

  Kit kit_;
  std::shared_ptr<Feed> feed_;
  std::function<void(FeedBatch)> deliver_;
  std::function<void()> stream_grew_;
  Mailbox<std::function<void()>> mailbox_;
  unsigned wanted_ = 0;
  bool begun_ = false;
  bool ended_ = false;
  std::shared_ptr<StreamReader> stream_;
  std::atomic<bool> stopped_{false};
};

}  // namespace longhaul::engine
