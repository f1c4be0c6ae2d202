// The digests of a file that is read from one end to the other.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/digest.h"
#include "disk/disk.h"
#include "longhaul/status.h"
#include "longhaul/transfer.h"
#include "security/sha256.h"

namespace longhaul::engine {

struct ContentDigest {
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  Digest root;
  std::optional<security::Sha256> sha256;
};

/// Of what `found` said of the open `file` before it is read. It must say the same afterwards (size, times, inode), or
/// two versions may have been read: Code::source_changed. `counted` grows by what has been read, and by holes, which
/// are not read: they digest like the zeros that they stand for. Further errors: io; interrupted, by `stop`.
Result<ContentDigest> digest_content(disk::Disk& disk, disk::OpenFile& file, const disk::Stat& found, bool sha256,
                                     Bytes buffer, const StopFlag* stop, std::atomic<std::uint64_t>& counted);

}  // namespace longhaul::engine
