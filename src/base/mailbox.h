// Hand-over between roles. One lock per hand-over of a chunk, none per frame.
#pragma once

#include <mutex>
#include <utility>
#include <vector>

#include "base/role.h"

namespace longhaul {

/// Many writers, one reader. Items arrive in the order in which they were put.
template <class T>
class Mailbox {
 public:
  /// `poller` is the reader's; it must outlive the mailbox. May be null (simulation: everything is stepped anyway).
  explicit Mailbox(Poller* poller) : poller_(poller) {}

  void put(T item) {
    bool was_empty = false;
    {
      const std::lock_guard lock(mutex_);
      was_empty = items_.empty();
      items_.push_back(std::move(item));
    }
    if (was_empty && poller_ != nullptr) poller_->wake();
  }

  /// Everything that has arrived; empty when nothing has. Reader's thread only.
  [[nodiscard]] std::vector<T> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(items_, {});
  }

 private:
  Poller* poller_;
  std::mutex mutex_;
  std::vector<T> items_;
};

}  // namespace longhaul
