// Making a ring with the best flags that this kernel takes, and saying in words why there is none. Inside this folder
// only.
#pragma once

#include <liburing.h>

#include "longhaul/status.h"

namespace longhaul::ring {

/// Initialises `ring`; the caller ends it with `take_down`. Errors: unsupported.
Result<> set_up(io_uring& ring, unsigned entries);
void take_down(io_uring& ring);

}  // namespace longhaul::ring
