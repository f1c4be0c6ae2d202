// How long a path that failed stays out before it is taken back. Pure decisions, no I/O.
#pragma once

#include "base/clock.h"

namespace longhaul::paths {

/// Of one path. Each failure doubles the wait, each good minute takes a doubling back: a path that was cut once is back
/// after half a second, one that flaps is asked every minute. Used by one thread.
class Flap {
 public:
  static constexpr Time wait_least = 500 * millisecond;
  static constexpr Time wait_most = 60 * second;
  static constexpr Time forgives_after = 60 * second;  ///< of good time in a row, per doubling

  /// It failed, or an attempt to take it back did. Several within `wait_least` (its streams, one by one) are one.
  void failed(Time now);
  /// It carries again: good time begins.
  void works(Time now);

  /// When it may next be tried; a time that has passed when it never failed.
  [[nodiscard]] Time retry_at() const { return retry_at_; }
  [[nodiscard]] bool may_try(Time now) const { return now >= retry_at_; }
  /// Failures that still count, good time taken off. From 3 on it flaps: worth words in an event.
  [[nodiscard]] unsigned failures(Time now) const;

 private:
  unsigned failures_ = 0;
  Time failed_at_ = 0;
  Time good_since_ = time_never;
  Time retry_at_ = 0;
};

}  // namespace longhaul::paths
