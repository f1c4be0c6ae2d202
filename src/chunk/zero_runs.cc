#include "chunk/zero_runs.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace longhaul::chunk {
namespace {

/// The first byte, and every byte like the one before it. Data shows in the first few as a rule.
bool all_zeros(ConstBytes block) {
  return block.front() == std::byte{0} && std::memcmp(block.data(), block.data() + 1, block.size() - 1) == 0;
}

}  // namespace

Run next_run(ConstBytes content, std::size_t from, std::size_t block_bytes) {
  LH_CHECK(block_bytes > 0 && (from % block_bytes == 0 || from == content.size()), "a run begins with a block");
  const auto block_at = [&](std::size_t at) { return content.subspan(at, std::min(block_bytes, content.size() - at)); };
  std::size_t begin = from;
  while (begin < content.size() && all_zeros(block_at(begin))) begin += block_at(begin).size();
  std::size_t end = begin;
  while (end < content.size() && !all_zeros(block_at(end))) end += block_at(end).size();
  return {begin, end - begin};
}

}  // namespace longhaul::chunk
