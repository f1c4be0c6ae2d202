#include "engine/landing_ops.h"

#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/bytes.h"
#include "base/stages.h"
#include "chunk/digest_tree.h"

namespace longhaul::engine {

std::pair<std::string, std::string> split_path(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

std::string parent_of_target(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
}

Result<disk::DirPtr> open_target(disk::Disk& disk, std::string path) {
  auto opened = disk.open_root(path);
  if (opened || opened.error().code != Code::not_found) return opened;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const auto slash = path.rfind('/');
  auto parent = disk.open_root(parent_of_target(path));
  if (!parent)
    return fail(parent.error().code, "cannot make the target " + printable(path) + ": " + parent.error().text,
                parent.error().system_errno);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  auto made = disk.make_dir(*parent, name, 0777);
  if (!made && made.error().system_errno != EEXIST) return std::unexpected(made.error());  // another transfer was first
  if (auto synced = disk.sync_dir(*parent); !synced) return std::unexpected(synced.error());
  return disk.open_root(path);
}

Result<disk::FilePtr> landing_data(disk::Disk& disk, journal::LandingZone& zone, InFile& file) {
  const std::lock_guard lock(file.mutex);
  if (file.closed) return disk::FilePtr{};
  if (!file.landing_file.data) {
    const StageScope scope(Stage::names);
    auto begun = zone.begin_small(disk, file.entry.path, file.parent, file.zone);
    if (!begun) return std::unexpected(begun.error());
    file.landing_file = std::move(*begun);
  }
  return file.landing_file.data;
}

Result<> set_metadata(disk::Disk& disk, disk::OpenFile& data, InFile& file) {
  const StageScope scope(Stage::names);
  if (file.entry.sparse)
    if (auto done = disk.set_size(data, file.entry.size); !done) return done;
  return set_properties(disk, data, file.entry, file.unkept);
}

std::uint64_t chunk_content_bytes(std::uint64_t size, std::uint64_t chunk_bytes, std::uint64_t index) {
  const std::uint64_t begin = index * chunk_bytes;
  return begin >= size ? 0 : std::min(chunk_bytes, size - begin);
}

unsigned frames_of(const protocol::FrameHeader& header, std::uint32_t frame_bytes) {
  return header.hole() ? (header.raw_bytes + frame_bytes - 1) / frame_bytes : 1;
}

bool frame_in_place(const InFile& file, const protocol::FrameHeader& header, std::uint32_t frame_bytes) {
  constexpr auto offset_max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (header.chunk >= offset_max / file.chunk_bytes) return false;
  const std::uint64_t begin = header.chunk * file.chunk_bytes;
  const std::uint64_t frame_begin = std::uint64_t{header.frame_index} * frame_bytes;
  const unsigned frames = frames_of(header, frame_bytes);
  const unsigned end = header.frame_index + frames;
  if (header.offset != begin + frame_begin || header.frame_count > file.chunk_bytes / frame_bytes) return false;
  if (end > header.frame_count) return false;
  // In a file that was not announced with holes, what nobody writes would not have its size.
  if (header.hole() && !(file.entry.sparse && file.entry.size_known)) return false;
  const bool last = end == header.frame_count;
  if (!file.entry.size_known) return last ? header.raw_bytes <= frame_bytes : header.raw_bytes == frame_bytes;
  const std::uint64_t content = chunk_content_bytes(file.entry.size, file.chunk_bytes, header.chunk);
  const std::uint64_t most = std::uint64_t{frames} * frame_bytes;
  return header.frame_count == (content + frame_bytes - 1) / frame_bytes &&
         header.raw_bytes == std::min<std::uint64_t>(most, content - frame_begin);
}

std::vector<Digest> node_digests(const InChunk& chunk) {
  static constexpr Digest unused{};
  std::vector<Digest> leaves;
  for (unsigned frame = 0; frame < chunk.claims.frame_count(); ++frame) {
    const Digest* kept = chunk.claims.leaves_of(frame);
    for (std::size_t leaf = 0; leaf < protocol::leaves_per_frame_max && kept[leaf] != unused; ++leaf)
      leaves.push_back(kept[leaf]);
  }
  std::vector<Digest> nodes;
  for (std::size_t at = 0; at < leaves.size(); at += protocol::leaves_per_node) {
    const std::size_t count = std::min<std::size_t>(protocol::leaves_per_node, leaves.size() - at);
    nodes.push_back(chunk::node_digest({leaves.data() + at, count}));
  }
  return nodes;
}

}  // namespace longhaul::engine
