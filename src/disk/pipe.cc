#include "disk/pipe.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace longhaul::disk {

Result<std::size_t> read_pipe(int fd, Bytes into, int wait_ms, bool* ended) {
  *ended = false;
  pollfd waiting{fd, POLLIN, 0};
  if (::poll(&waiting, 1, wait_ms) <= 0) return std::size_t{0};
  const ssize_t got = ::read(fd, into.data(), into.size());
  if (got < 0) {
    if (errno == EINTR || errno == EAGAIN) return std::size_t{0};
    return fail_errno(errno, "cannot read the input stream");
  }
  *ended = got == 0;
  return static_cast<std::size_t>(got);
}

Result<std::size_t> write_pipe_some(int fd, ConstBytes from, int wait_ms) {
  pollfd waiting{fd, POLLOUT, 0};
  if (::poll(&waiting, 1, wait_ms) <= 0) return std::size_t{0};
  const ssize_t put = ::write(fd, from.data(), std::min<std::size_t>(from.size(), PIPE_BUF));  // there is room for that
  if (put >= 0) return static_cast<std::size_t>(put);
  if (errno == EINTR || errno == EAGAIN) return std::size_t{0};
  return fail_errno(errno, "cannot write the output stream");
}

Result<> write_pipe(int fd, ConstBytes from) {
  while (!from.empty()) {
    const ssize_t put = ::write(fd, from.data(), from.size());
    if (put < 0 && errno == EAGAIN) {
      pollfd waiting{fd, POLLOUT, 0};
      (void)::poll(&waiting, 1, 1000);
      continue;
    }
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno(errno, "cannot write the output stream");
    from = from.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

}  // namespace longhaul::disk
