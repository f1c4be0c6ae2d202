// Where the bytes of a path's bench come from, and where they go.
#pragma once

#include <atomic>
#include <memory>

#include "longhaul/sink.h"
#include "longhaul/source.h"

namespace longhaul::engine {

/// Files made up, as many as are asked for within `seconds` from the first read; and few ahead of that, so that the end
/// comes soon after. `last`: the receiver need not wait for another source.
[[nodiscard]] std::unique_ptr<Source> make_timed_source(double seconds, bool last);

struct DroppingSink {
  std::unique_ptr<Sink> sink;
  std::shared_ptr<std::atomic<bool>> last;  ///< what came was of the last source
};
[[nodiscard]] DroppingSink make_dropping_sink();

}  // namespace longhaul::engine
