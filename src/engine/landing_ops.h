// What happens to a file that lands whole: opened on first use, metadata last, its digest from the kept leaves.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "disk/disk.h"
#include "engine/incoming.h"
#include "protocol/frame.h"

namespace longhaul::engine {

/// The directory of `path`, empty for what stands at the top, and its last component.
[[nodiscard]] std::pair<std::string, std::string> split_path(const std::string& path);

/// The target directory that a user named; made when only its last part is missing.
Result<disk::DirPtr> open_target(disk::Disk& disk, std::string path);

/// The directory that holds a target.
[[nodiscard]] std::string parent_of_target(std::string path);

/// The landing file of `file`, opened now if it lands whole and this is its first frame. Null: closed, drop the frame.
Result<disk::FilePtr> landing_data(disk::Disk& disk, journal::LandingZone& zone, InFile& file);

/// All that its entry says, by descriptor, mtime last; nothing is written afterwards. A file with holes gets its size
/// first: it may end in one.
Result<> set_metadata(disk::Disk& disk, disk::OpenFile& data, InFile& file);

/// Content bytes of chunk `index` of a file of `size` bytes.
[[nodiscard]] std::uint64_t chunk_content_bytes(std::uint64_t size, std::uint64_t chunk_bytes, std::uint64_t index);

/// How many frames of its chunk it stands for: holes for one or more.
[[nodiscard]] unsigned frames_of(const protocol::FrameHeader& header, std::uint32_t frame_bytes);

/// The frame is just what a sender that keeps to the agreed cut would send: whole, in its place, inside the file.
/// Everything that a peer could do with an odd frame (write elsewhere, leave holes, overlap) ends here.
[[nodiscard]] bool frame_in_place(const InFile& file, const protocol::FrameHeader& header, std::uint32_t frame_bytes);

/// Node digests of a complete chunk from the leaf digests that its claims kept. `frame_bytes`: how it was cut.
[[nodiscard]] std::vector<Digest> node_digests(const InChunk& chunk);

}  // namespace longhaul::engine
