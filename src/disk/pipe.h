// Pipes and terminals: bytes that come once and in order.
#pragma once

#include "base/bytes.h"
#include "longhaul/status.h"

namespace longhaul::disk {

/// Reads what is there from `fd`, waiting at most `wait_ms` for it. Result: bytes read; 0 and `*ended`: the end; 0 and
/// not
/// `*ended`: nothing came in time.
Result<std::size_t> read_pipe(int fd, Bytes into, int wait_ms, bool* ended);
/// Writes some of `from` once there is room, for which it waits at most `wait_ms`; never blocks on a pipe. Result:
/// bytes written; 0: there was no room.
Result<std::size_t> write_pipe_some(int fd, ConstBytes from, int wait_ms);
/// Writes all of `from`, waiting as long as the reader takes.
Result<> write_pipe(int fd, ConstBytes from);

}  // namespace longhaul::disk
