// Law 3: a frame is claimed once. This and the file tables are the only state that workers share.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/digest.h"
#include "protocol/bounds.h"

namespace longhaul::engine {

/// Claims of one chunk's frames. One bit per frame, in one atomic word per 64 frames; the winner writes the frame's
/// leaf digests before it publishes the bit as done.
class FrameClaims {
 public:
  explicit FrameClaims(unsigned frame_count)
      : frame_count_(frame_count),
        words_((frame_count + 63) / 64),
        claimed_(std::make_unique<Word[]>(words_)),
        done_(std::make_unique<Word[]>(words_)),
        leaves_(frame_count * protocol::leaves_per_frame_max) {}

  enum class Answer : std::uint8_t {
    won,        ///< the caller writes this frame and then calls `done`, or `give_up`
    elsewhere,  ///< another copy is being written: drop this one
    same,       ///< already written with the same digests: drop
    differs,    ///< already written with other digests: the source changed
  };

  Answer claim(unsigned frame, std::span<const Digest> leaves) {
    LH_CHECK(frame < frame_count_, "claim of a frame outside the chunk");
    const std::uint64_t bit = std::uint64_t{1} << (frame % 64);
    const std::uint64_t before = claimed_[frame / 64].fetch_or(bit, std::memory_order_acq_rel);
    if ((before & bit) == 0) {
      std::copy(leaves.begin(), leaves.end(), leaves_of(frame));
      return Answer::won;
    }
    if ((done_[frame / 64].load(std::memory_order_acquire) & bit) == 0) return Answer::elsewhere;
    return std::equal(leaves.begin(), leaves.end(), leaves_of(frame)) ? Answer::same : Answer::differs;
  }

  /// The frame is on its way to disk for good. Returns true for the call that completes the chunk.
  bool done(unsigned frame) {
    done_[frame / 64].fetch_or(std::uint64_t{1} << (frame % 64), std::memory_order_acq_rel);
    return done_count_.fetch_add(1, std::memory_order_acq_rel) + 1 == frame_count_;
  }

  /// The winner could not write it: the frame may be claimed anew.
  void give_up(unsigned frame) {
    claimed_[frame / 64].fetch_and(~(std::uint64_t{1} << (frame % 64)), std::memory_order_acq_rel);
  }

  [[nodiscard]] bool all_claimed() const {
    for (unsigned word = 0; word < words_; ++word) {
      const unsigned bits = std::min(64U, frame_count_ - word * 64);
      const std::uint64_t full = bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
      if (claimed_[word].load(std::memory_order_acquire) != full) return false;
    }
    return true;
  }

  [[nodiscard]] unsigned frame_count() const { return frame_count_; }
  [[nodiscard]] unsigned done_count() const { return done_count_.load(std::memory_order_acquire); }
  /// Kept digests of a done frame.
  [[nodiscard]] const Digest* leaves_of(unsigned frame) const {
    return &leaves_[std::size_t{frame} * protocol::leaves_per_frame_max];
  }

 private:
  using Word = std::atomic<std::uint64_t>;
  Digest* leaves_of(unsigned frame) { return &leaves_[std::size_t{frame} * protocol::leaves_per_frame_max]; }

  unsigned frame_count_;
  unsigned words_;
  std::unique_ptr<Word[]> claimed_;
  std::unique_ptr<Word[]> done_;
  std::atomic<unsigned> done_count_{0};
  std::vector<Digest> leaves_;
};

}  // namespace longhaul::engine
