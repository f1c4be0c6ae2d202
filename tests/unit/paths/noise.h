// Repeatable noise for the simulations of the decision modules.
#pragma once

#include <cmath>
#include <cstdint>

namespace longhaul::paths {

/// splitmix64; the same numbers for the same seed, on every machine.
class Noise {
 public:
  explicit Noise(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31U);
  }
  double uniform() { return static_cast<double>(next() >> 11U) * 0x1p-53; }
  double uniform(double least, double most) { return least + (most - least) * uniform(); }
  bool chance(double probability) { return uniform() < probability; }
  /// Mean 0, deviation 1.
  double gauss() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(6.283185307179586 * uniform());
  }

 private:
  std::uint64_t state_;
};

}  // namespace longhaul::paths
