#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace longhaul {

void check_failed(const char* condition, const char* file, int line, std::string_view context) {
  // Plain stdio: the log may be what failed.
  std::fprintf(stderr, "longhaul: bug: %s:%d: %.*s (\"%s\" does not hold); please report it\n", file, line,
               static_cast<int>(context.size()), context.data(), condition);
  std::fflush(stderr);
  std::abort();
}

}  // namespace longhaul
