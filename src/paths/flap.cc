#include "paths/flap.h"

#include <algorithm>

namespace longhaul::paths {
namespace {

constexpr unsigned doublings_most = 7;  // 500 ms x 2^7 is above the longest wait

}  // namespace

unsigned Flap::failures(Time now) const {
  if (good_since_ == time_never || now < good_since_) return failures_;
  const Time forgiven = (now - good_since_) / forgives_after;
  return forgiven >= failures_ ? 0 : failures_ - static_cast<unsigned>(forgiven);
}

void Flap::failed(Time now) {
  const bool counted = failures_ > 0 && good_since_ == time_never && now - failed_at_ < wait_least;
  if (counted) return;
  failures_ = std::min(failures(now) + 1, doublings_most + 1);
  good_since_ = time_never;
  failed_at_ = now;
  retry_at_ = now + std::min(wait_least << (failures_ - 1), wait_most);
}

void Flap::works(Time now) {
  if (good_since_ == time_never) good_since_ = now;
}

}  // namespace longhaul::paths
