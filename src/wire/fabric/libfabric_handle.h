// Owned objects of libfabric. Only for libfabric.cc.
#pragma once

#include <rdma/fabric.h>

#include <utility>

namespace longhaul::wire::fabric {

/// Closes at the end of its life, or when it is told to.
template <class Fid>
class Owned {
 public:
  Owned() = default;
  explicit Owned(Fid* it) : it_(it) {}
  Owned(Owned&& other) noexcept : it_(std::exchange(other.it_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    (void)close();
    it_ = std::exchange(other.it_, nullptr);
    return *this;
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() { (void)close(); }

  /// False: it is still in use, says the provider. It is not touched again.
  [[nodiscard]] bool close() {
    Fid* it = std::exchange(it_, nullptr);
    return it == nullptr || fi_close(&it->fid) == 0;
  }
  [[nodiscard]] Fid* get() const { return it_; }

 private:
  Fid* it_ = nullptr;
};

}  // namespace longhaul::wire::fabric
