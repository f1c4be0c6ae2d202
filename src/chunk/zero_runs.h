// Which blocks of a buffer hold nothing but zeros: what a file with holes need not be written.
#pragma once

#include <cstddef>

#include "base/bytes.h"

namespace longhaul::chunk {

constexpr std::size_t hole_block_bytes = 4096;  ///< no file system that we know keeps smaller holes

struct Run {
  std::size_t begin = 0;
  std::size_t bytes = 0;  ///< 0: there is none
};

/// The next blocks in a row that are not all zeros. Blocks are counted from the beginning of `content`, the last may be
/// short; `from`: where to begin, a multiple of `block_bytes`, or the end.
[[nodiscard]] Run next_run(ConstBytes content, std::size_t from, std::size_t block_bytes);

}  // namespace longhaul::chunk
