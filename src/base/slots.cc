#include "base/slots.h"

#include <sys/mman.h>

#include <new>
#include <utility>

#include "base/check.h"

namespace longhaul {

static_assert(slot_lead_bytes % 4096 == 0 && slot_bytes % 4096 == 0, "payloads must suit O_DIRECT");

Slot::Slot(Slot&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)),
      payload_(std::exchange(other.payload_, nullptr)),
      index_(std::exchange(other.index_, 0)) {}

Slot& Slot::operator=(Slot&& other) noexcept {
  if (this != &other) {
    if (pool_ != nullptr) pool_->give_back(index_);
    pool_ = std::exchange(other.pool_, nullptr);
    payload_ = std::exchange(other.payload_, nullptr);
    index_ = std::exchange(other.index_, 0);
  }
  return *this;
}

Slot::~Slot() {
  if (pool_ != nullptr) pool_->give_back(index_);
}

SlotPool::SlotPool(const SlotPoolSize& size) : size_(size) {
  if (size_.hot == 0) size_.hot = size_.count;
  LH_CHECK(size_.count > 0 && size_.hot <= size_.count, "a pool of no slots, or of more hot ones than there are");
  LH_CHECK(size_.payload_bytes > 0 && size_.payload_bytes % 4096 == 0, "payloads must suit O_DIRECT");
  free_.reserve(size_.count);  // giving back never allocates
  for (unsigned index = size_.count; index > 0; --index) free_.push_back(index - 1);
  void* arena = mmap(nullptr, size_.count * size_.each(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (arena == MAP_FAILED) throw std::bad_alloc();
  // Touched now: the first frames must not pay for page faults, and a lack of memory shows at the start.
  if (size_.touch) (void)madvise(arena, size_.hot * size_.each(), MADV_POPULATE_WRITE);
  arena_ = static_cast<std::byte*>(arena);
}

SlotPool::~SlotPool() {
  LH_CHECK(free_.size() == size_.count, "a slot outlives its pool");
  munmap(arena_, size_.count * size_.each());
}

Slot SlotPool::take() {
  if (free_.empty()) return {};
  const unsigned index = free_.back();
  free_.pop_back();
  return {this, arena_ + index * size_.each() + slot_lead_bytes, index};
}

}  // namespace longhaul
