// Comparing a large file with an older version of it at the target, frame by frame, so that only what differs crosses.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/digest.h"
#include "longhaul/options.h"
#include "protocol/message.h"
#include "security/sha256.h"

namespace longhaul::engine {

/// By what the same place of two versions is compared. All zeros: there is nothing to compare with.
using FrameKey = security::Sha256;

[[nodiscard]] protocol::OpenTransfer::Delta to_wire(Delta delta);
/// How large files are compared with older versions. With whole trees, --checksum asks for that as well: what has the
/// same content as in the old tree, and another time, must not be changed there and need not be sent.
[[nodiscard]] Delta delta_used(const Options& options);
/// Unknown values: none.
[[nodiscard]] Delta delta_of(protocol::OpenTransfer::Delta delta);

/// `leaves`: the digests of `content`, which Delta::xxh3 makes do with.
[[nodiscard]] FrameKey frame_key(Delta delta, ConstBytes content, std::span<const Digest> leaves);

/// Sender: what the receiver has told of the older version of one file. Control's thread.
class OlderVersion {
 public:
  static constexpr std::size_t frames_max = 64 * 1024;  ///< told and not cut yet: 2 MiB of keys
  using Keys = std::shared_ptr<const std::vector<FrameKey>>;
  /// False: the message makes no sense, or more is told than `frames_max`.
  [[nodiscard]] bool take(const protocol::OldChunk& chunk, std::uint64_t chunks);
  /// The chunk can be cut: its keys have come, or none will.
  [[nodiscard]] bool knows(std::uint64_t chunk) const { return last_told_ || keys_.contains(chunk); }
  /// Once for each chunk; null: nothing to compare with.
  [[nodiscard]] Keys keys_of(std::uint64_t chunk);

 private:
  std::map<std::uint64_t, Keys> keys_;  // told, and not cut yet
  std::size_t frames_ = 0;              // of these
  std::uint64_t next_ = 0;              // no lower chunk comes any more
  bool last_told_ = false;
};

}  // namespace longhaul::engine
