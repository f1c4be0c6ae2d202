// A connection in memory that delivers bytes in pieces of random length and blocks at random, and frames to send over
// it.
#pragma once

#include <algorithm>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/slots.h"
#include "protocol/frame.h"
#include "protocol/message.h"
#include "wire/wire.h"

namespace longhaul::wire {

/// One direction: what was written and not yet read.
struct Pipe {
  std::vector<std::byte> bytes;
  bool closed = false;                                             // by the writer
  int broken_errno = 0;                                            // reads and writes fail
  std::size_t capacity = std::numeric_limits<std::size_t>::max();  // it takes no more
};

class FakeConnection final : public Connection {
 public:
  /// `piece_bytes_max`: no call moves more; `block_percent` of the calls move nothing.
  FakeConnection(Pipe& in, Pipe& out, std::uint64_t seed, std::size_t piece_bytes_max, int block_percent)
      : in_(in), out_(out), random_(seed), piece_bytes_max_(piece_bytes_max), block_percent_(block_percent) {}

  bool connected() override { return true; }
  Transfer read_some(std::span<std::byte> into) override { return read_some(into, {}); }
  Transfer read_some(std::span<std::byte> first, std::span<std::byte> second) override {
    if (in_.broken_errno != 0) return {Transfer::State::failed, 0, in_.broken_errno};
    if (in_.bytes.empty() && in_.closed) return {Transfer::State::closed, 0, 0};
    const std::size_t bytes = std::min(piece(), std::min(in_.bytes.size(), first.size() + second.size()));
    if (bytes == 0) return {};
    const std::size_t in_first = std::min(bytes, first.size());
    std::copy_n(in_.bytes.begin(), in_first, first.begin());
    std::copy_n(in_.bytes.begin() + static_cast<std::ptrdiff_t>(in_first), bytes - in_first, second.begin());
    in_.bytes.erase(in_.bytes.begin(), in_.bytes.begin() + static_cast<std::ptrdiff_t>(bytes));
    return {Transfer::State::moved, bytes, 0};
  }
  Transfer write_some(std::span<const std::byte> from) override {
    if (out_.broken_errno != 0) return {Transfer::State::failed, 0, out_.broken_errno};
    const std::size_t room = out_.capacity - std::min(out_.capacity, out_.bytes.size());
    const std::size_t bytes = std::min({piece(), from.size(), room});
    if (bytes == 0) return {};
    out_.bytes.insert(out_.bytes.end(), from.begin(), from.begin() + static_cast<std::ptrdiff_t>(bytes));
    return {Transfer::State::moved, bytes, 0};
  }
  void watch(Poller&, std::size_t readable_bytes, bool writable) override {
    watched_bytes = readable_bytes;
    watched_writable = writable;
  }
  void unwatch(Poller&) override {}
  Health health() override { return told; }
  void set_pace(std::uint64_t bytes_per_s) override { pace_bytes_per_s = bytes_per_s; }
  std::string local_address() const override { return "192.0.2.1:4000"; }
  std::string remote_address() const override { return "192.0.2.2:4711"; }

  Health told;  ///< what `health` says
  std::size_t watched_bytes = 0;
  bool watched_writable = false;
  std::uint64_t pace_bytes_per_s = 0;

 private:
  std::size_t piece() {
    if (random_() % 100 < static_cast<unsigned>(block_percent_)) return 0;
    return 1 + random_() % piece_bytes_max_;
  }
  Pipe& in_;
  Pipe& out_;
  std::mt19937_64 random_;
  std::size_t piece_bytes_max_;
  int block_percent_;
};

/// Header and payload in one piece, and what must come out of it.
struct TestFrame {
  protocol::FrameHeader header;
  std::vector<std::byte> bytes;
  [[nodiscard]] ConstBytes payload() const { return ConstBytes(bytes).subspan(protocol::frame_header_bytes); }
};

/// Of random content, as `change` leaves it.
inline TestFrame make_frame(std::uint64_t chunk, std::uint32_t payload_bytes, std::uint64_t seed,
                            void (*change)(Bytes) = nullptr) {
  TestFrame frame;
  frame.bytes.resize(protocol::frame_header_bytes + payload_bytes);
  std::mt19937_64 random(seed);
  std::generate(frame.bytes.begin() + protocol::frame_header_bytes, frame.bytes.end(),
                [&] { return static_cast<std::byte>(random()); });
  if (change != nullptr) change(Bytes(frame.bytes).subspan(protocol::frame_header_bytes));
  frame.header.transfer = 1;
  frame.header.chunk = chunk;
  frame.header.raw_bytes = payload_bytes;
  frame.header.wire_bytes = payload_bytes;
  const ConstBytes payload = frame.payload();
  for (std::size_t at = 0; at < payload.size(); at += protocol::leaf_bytes) {
    const auto leaf = payload.subspan(at, std::min<std::size_t>(protocol::leaf_bytes, payload.size() - at));
    frame.header.leaves[frame.header.leaf_count++] = digest_of(leaf);
  }
  protocol::encode_frame_header(frame.header, std::span<std::byte, protocol::frame_header_bytes>(
                                                  frame.bytes.data(), protocol::frame_header_bytes));
  return frame;
}

inline protocol::Message ping(std::uint64_t token) {
  protocol::Message message;
  message.mutable_ping()->set_token(token);
  return message;
}

inline protocol::Message words(std::string text) {
  protocol::Message message;
  message.mutable_busy()->set_text(std::move(text));
  return message;
}

}  // namespace longhaul::wire
