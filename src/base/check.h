// A programmer's error stops the program, always, with context. Never use it for what a peer or a disk may do.
#pragma once

#include <string_view>

namespace longhaul {
[[noreturn]] void check_failed(const char* condition, const char* file, int line, std::string_view context);
}  // namespace longhaul

#define LH_CHECK(condition, context)                                     \
  do {                                                                   \
    if (!(condition)) [[unlikely]]                                       \
      ::longhaul::check_failed(#condition, __FILE__, __LINE__, context); \
  } while (false)
