// TCP by plain non-blocking calls; readiness through the thread's poller.
#pragma once

#include <memory>

#include "wire/wire.h"

namespace longhaul::wire {

/// Dials bind to DialOptions::local, set TCP_NODELAY, TCP_CONGESTION and SO_MAX_PACING_RATE as asked, TCP_USER_TIMEOUT
/// 30 s and keepalive. Buffers are left to the kernel's autotuning. Thread-safe.
std::unique_ptr<Wire> make_tcp_wire();

}  // namespace longhaul::wire
