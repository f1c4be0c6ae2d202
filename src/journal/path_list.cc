#include "journal/path_list.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

// Record: u32 path_bytes | u8 mark | path. Windows of the file are read that hold one record at least.
namespace longhaul::journal {
namespace {

constexpr std::size_t fixed_bytes = 5;
constexpr std::size_t buffer_bytes = 256 * 1024;

/// Hands over the whole records at the beginning of `window`; returns their bytes.
Result<std::size_t> visit_whole(ConstBytes window, std::size_t& wanted,
                                const std::function<Result<>(const std::string& path, bool mark)>& visit) {
  std::size_t begin = 0;
  for (;;) {
    const ConstBytes rest = window.subspan(begin);
    wanted = fixed_bytes + (rest.size() < fixed_bytes ? 0 : load<std::uint32_t>(rest.data()));
    if (rest.size() < wanted || rest.size() < fixed_bytes) return begin;
    const std::string path(text_of(rest.subspan(fixed_bytes, wanted - fixed_bytes)));
    if (auto visited = visit(path, rest[4] != std::byte{0}); !visited) return std::unexpected(visited.error());
    begin += wanted;
  }
}

}  // namespace

Result<> PathList::add(std::string_view path, bool mark) {
  const std::size_t begin = gathered_.size();
  gathered_.resize(begin + fixed_bytes + path.size());
  store(gathered_.data() + begin, static_cast<std::uint32_t>(path.size()));
  gathered_[begin + 4] = std::byte{mark};
  if (!path.empty()) std::memcpy(gathered_.data() + begin + fixed_bytes, path.data(), path.size());
  ++count_;
  if (gathered_.size() < buffer_bytes) return {};
  const auto appended = scratch_.append(gathered_);
  gathered_.clear();
  return appended;
}

Result<> PathList::read(const std::function<Result<>(const std::string& path, bool mark)>& visit) {
  std::vector<std::byte> window;
  std::size_t wanted = 0;
  for (std::uint64_t at = 0; at < scratch_.bytes();) {
    window.resize(std::min<std::uint64_t>(std::max(buffer_bytes, wanted), scratch_.bytes() - at));
    if (auto got = scratch_.read(at, window); !got) return got;
    const auto taken = visit_whole(window, wanted, visit);
    if (!taken) return std::unexpected(taken.error());
    if (*taken == 0 && window.size() == scratch_.bytes() - at)
      return fail(Code::corrupt, "what was put aside in the landing zone is damaged; run again");
    at += *taken;
  }
  const auto taken = visit_whole(gathered_, wanted, visit);
  if (!taken) return std::unexpected(taken.error());
  return {};
}

Result<> PathList::remove() {
  gathered_ = {};
  count_ = 0;
  return scratch_.remove();
}

}  // namespace longhaul::journal
