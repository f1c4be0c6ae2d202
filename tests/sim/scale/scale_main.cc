// Scale in virtual time: figures, and assertions that memory does not grow with the data set.
//   test_scale [--full] [--files N] [--records N] [gtest's own options]
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <string_view>

#include "base/log.h"
#include "meter.h"

namespace longhaul::sim {
namespace {

bool take_options(int count, char** words) {
  for (int i = 1; i < count; ++i) {
    const std::string_view name = words[i];
    if (name == "--full")
      scale_full = true;
    else if (name == "--files" && i + 1 < count)
      scale_files = std::strtoull(words[++i], nullptr, 10);
    else if (name == "--records" && i + 1 < count)
      scale_records = std::strtoull(words[++i], nullptr, 10);
    else
      return false;
  }
  return true;
}

}  // namespace
}  // namespace longhaul::sim

int main(int count, char** words) {
  testing::InitGoogleTest(&count, words);
  if (!longhaul::sim::take_options(count, words)) {
    std::cerr << "usage: test_scale [--full] [--files N] [--records N]\n";
    return 2;
  }
  longhaul::log::set_level(longhaul::log::Level::quiet);
  return RUN_ALL_TESTS();
}
