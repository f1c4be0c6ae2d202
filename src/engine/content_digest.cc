#include "engine/content_digest.h"

#include <algorithm>
#include <array>

#include "chunk/digest_tree.h"
#include "disk/blocking.h"
#include "engine/comparer.h"
#include "engine/hole_map.h"

namespace longhaul::engine {
namespace {

class Digests {
 public:
  explicit Digests(bool sha256) {
    if (sha256) sha256_.emplace();
  }
  void add(ConstBytes content) {
    tree_.add(content);
    if (sha256_) sha256_->add(content);
  }
  void add_zeros(std::uint64_t bytes) {
    static constexpr std::array<std::byte, 64 * 1024> zeros{};
    tree_.add_zeros(bytes);
    for (std::uint64_t left = sha256_ ? bytes : 0; left > 0;) {
      const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(left, zeros.size()));
      sha256_->add(std::span(zeros).first(piece));
      left -= piece;
    }
  }
  void finish(ContentDigest& into) {
    into.root = tree_.finish();
    if (sha256_) into.sha256 = sha256_->finish();
  }

 private:
  chunk::FileDigest tree_;
  std::optional<security::Sha256Stream> sha256_;
};

std::unexpected<Error> changed() {
  return fail(Code::source_changed, "it changed while it was read");
}

}  // namespace

Result<ContentDigest> digest_content(disk::Disk& disk, disk::OpenFile& file, const disk::Stat& found, bool sha256,
                                     Bytes buffer, const StopFlag* stop, std::atomic<std::uint64_t>& counted) {
  constexpr std::uint64_t hole_step = std::uint64_t{1} << 30U;  // between two looks at `stop`
  const bool sparse = found.allocated_bytes < found.size;
  Digests digests(sha256);
  HoleMap holes;
  for (std::uint64_t offset = 0; offset < found.size;) {
    if (stop != nullptr && stop->load() != 0) return fail(Code::interrupted, "stopped");
    const std::uint64_t data = sparse ? std::min(holes.end_of_hole(disk, file, offset), found.size) : offset;
    if (data > offset) {
      const std::uint64_t bytes = sha256 ? std::min(data - offset, hole_step) : data - offset;
      digests.add_zeros(bytes);
      counted += bytes;
      offset += bytes;
      continue;
    }
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), found.size - offset));
    const auto got = disk::read_now(disk, file, offset, buffer.first(want));
    if (!got) return std::unexpected(got.error());
    digests.add(buffer.first(*got));
    counted += *got;
    offset += *got;
    if (*got < want) return changed();
  }
  const auto after = disk.stat(file);
  if (!after) return std::unexpected(after.error());
  if (!same_version(found, *after)) return changed();
  ContentDigest digest{.size = found.size, .mtime_ns = found.mtime_ns, .root = {}, .sha256 = {}};
  digests.finish(digest);
  return digest;
}

}  // namespace longhaul::engine
