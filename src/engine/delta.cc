#include "engine/delta.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "chunk/digest_tree.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

constexpr std::size_t key_bytes = sizeof(FrameKey);

}  // namespace

protocol::OpenTransfer::Delta to_wire(Delta delta) {
  switch (delta) {
    case Delta::none:
      break;
    case Delta::sha256:
      return protocol::OpenTransfer::SHA256;
    case Delta::xxh3:
      return protocol::OpenTransfer::XXH3;
  }
  return protocol::OpenTransfer::WHOLE;
}

Delta delta_used(const Options& options) {
  return options.publish == Publish::tree && options.delta == Delta::none ? options.checksum : options.delta;
}

Delta delta_of(protocol::OpenTransfer::Delta delta) {
  if (delta == protocol::OpenTransfer::SHA256) return Delta::sha256;
  if (delta == protocol::OpenTransfer::XXH3) return Delta::xxh3;
  return Delta::none;
}

FrameKey frame_key(Delta delta, ConstBytes content, std::span<const Digest> leaves) {
  if (delta == Delta::sha256) return security::sha256_of({content});
  FrameKey key{};
  const Digest all = chunk::node_digest(leaves);
  const auto bytes = std::as_bytes(std::span(&all, 1));
  std::ranges::copy(bytes, key.begin());
  key.back() = std::byte{1};  // never "nothing to compare with"
  return key;
}

bool OlderVersion::take(const protocol::OldChunk& chunk, std::uint64_t chunks) {
  const std::size_t count = chunk.keys().size() / key_bytes;
  constexpr std::size_t frames_per_chunk_max = protocol::chunk_bytes_max / protocol::frame_bytes_min;
  if (last_told_ || chunk.keys().size() % key_bytes != 0 || count > frames_per_chunk_max) return false;
  last_told_ = chunk.last();
  if (count == 0) return last_told_ || (chunk.chunk() >= next_ && chunk.chunk() < chunks);
  if (chunk.chunk() < next_ || chunk.chunk() >= chunks || frames_ + count > frames_max) return false;
  auto keys = std::make_shared<std::vector<FrameKey>>(count);
  std::memcpy(keys->data(), chunk.keys().data(), chunk.keys().size());
  keys_.emplace(chunk.chunk(), std::move(keys));
  frames_ += count;
  next_ = chunk.chunk() + 1;
  return true;
}

OlderVersion::Keys OlderVersion::keys_of(std::uint64_t chunk) {
  const auto at = keys_.find(chunk);
  if (at == keys_.end()) return nullptr;
  Keys keys = std::move(at->second);
  frames_ -= keys->size();
  keys_.erase(at);
  return keys;
}

}  // namespace longhaul::engine
