// The buffers of one worker: allocated once, pre-faulted, page-aligned, reused last-in-first-out so that the hot ones
// stay in L2 (LIMITS: cycling through 16 MiB costs 50 % more per byte).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace longhaul {

constexpr std::size_t slot_lead_bytes = 4096;            ///< room for a frame header, right before the payload
constexpr std::size_t slot_payload_bytes = 1024 * 1024;  ///< at most one frame: four leaves
constexpr std::size_t slot_tail_bytes = 4096;            ///< room for a seal tag and for O_DIRECT padding
constexpr std::size_t slot_bytes = slot_lead_bytes + slot_payload_bytes + slot_tail_bytes;

class SlotPool;

/// How large a pool is.
struct SlotPoolSize {
  unsigned count = 0;
  unsigned hot = 0;   ///< so many are touched now; the others cost memory only when so many are on loan. 0: all
  bool touch = true;  ///< false: none is touched before it is used (simulations of many short lives)
  std::size_t payload_bytes = slot_payload_bytes;  ///< of each slot: a multiple of 4096

  /// Of one slot, with lead and tail.
  [[nodiscard]] std::size_t each() const { return slot_lead_bytes + payload_bytes + slot_tail_bytes; }
};

/// One slot on loan. Returns to its pool when destroyed; only on the pool's thread.
class Slot {
 public:
  Slot() = default;
  Slot(Slot&& other) noexcept;
  Slot& operator=(Slot&& other) noexcept;
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot();

  explicit operator bool() const { return pool_ != nullptr; }
  [[nodiscard]] std::byte* payload() const { return payload_; }
  /// Memory of `header_bytes` that ends where the payload begins: header and payload go out in one send.
  [[nodiscard]] std::byte* before_payload(std::size_t header_bytes) const { return payload_ - header_bytes; }
  [[nodiscard]] unsigned index() const { return index_; }
  [[nodiscard]] std::size_t payload_bytes() const;  ///< that there is room for

 private:
  friend class SlotPool;
  Slot(SlotPool* pool, std::byte* payload, unsigned index) : pool_(pool), payload_(payload), index_(index) {}
  SlotPool* pool_ = nullptr;
  std::byte* payload_ = nullptr;
  unsigned index_ = 0;
};

/// Used by one thread.
class SlotPool {
 public:
  explicit SlotPool(unsigned count) : SlotPool(SlotPoolSize{.count = count}) {}
  explicit SlotPool(const SlotPoolSize& size);
  ~SlotPool();
  SlotPool(const SlotPool&) = delete;
  SlotPool& operator=(const SlotPool&) = delete;

  /// An empty Slot when all are on loan.
  [[nodiscard]] Slot take();
  [[nodiscard]] unsigned free_count() const { return static_cast<unsigned>(free_.size()); }
  [[nodiscard]] unsigned count() const { return size_.count; }
  /// Of one slot, from the begin of its lead to the end of its tail; slots lie back to back.
  [[nodiscard]] std::size_t bytes_each() const { return size_.each(); }
  /// The hot part, for registration with io_uring or a fabric.
  [[nodiscard]] std::span<std::byte> arena() const { return {arena_, size_.hot * size_.each()}; }

 private:
  friend class Slot;
  void give_back(unsigned index) { free_.push_back(index); }
  SlotPoolSize size_;
  std::byte* arena_ = nullptr;
  std::vector<unsigned> free_;
};

inline std::size_t Slot::payload_bytes() const {
  return pool_->size_.payload_bytes;
}

}  // namespace longhaul
