#include "base/fd.h"

#include <unistd.h>

namespace longhaul {

void Fd::reset() {
  // Linux frees the number whatever close answers, EINTR included: trying again could close a stranger's descriptor.
  // Write errors are asked for with a sync before, never here.
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace longhaul
