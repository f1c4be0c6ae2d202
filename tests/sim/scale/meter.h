// What a run cost: resident memory, seconds of CPU, and how big it shall be.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <fstream>
#include <string>

namespace longhaul::sim {

/// The big form (`--full`), or the few seconds of every run.
inline bool scale_full = false;
/// Small files in the big form (`--files`).
inline std::uint64_t scale_files = 100'000'000;
/// Manifest records in the big form (`--records`): 100 M of them take some 30 GB of disk.
inline std::uint64_t scale_records = 10'000'000;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;  // shadow memory and quarantine: what is resident says nothing of us
#else
inline constexpr bool sanitized = false;
#endif

constexpr std::uint64_t mib = 1024 * 1024;

/// Forgets the highest resident memory so far. Where the kernel forbids it, earlier tests count too.
inline void reset_peak_memory() {
  std::ofstream("/proc/self/clear_refs") << "5";
}

/// VmHWM: the most memory that was ever resident, in bytes.
inline std::uint64_t peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != "VmHWM:") continue;
    std::uint64_t kib = 0;
    status >> kib;
    return kib * 1024;
  }
  return 0;
}

/// Of this process: what else the machine does is no concern of ours.
inline double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

/// Peak memory early in a run and at its end: what grows with the data set shows in between.
class MemoryMark {
 public:
  MemoryMark() { reset_peak_memory(); }
  /// Call as the work goes on; the first call with a tenth done or more is the early mark.
  void progress(std::uint64_t done, std::uint64_t of) {
    if (early_ == 0 && done > 0 && done * 10 >= of) early_ = peak_memory();
  }
  [[nodiscard]] static std::uint64_t peak() { return peak_memory(); }
  /// The kernel's counter is not exact, and may seem to fall.
  [[nodiscard]] std::uint64_t growth() const { return early_ == 0 ? 0 : std::max(peak(), early_) - early_; }

 private:
  std::uint64_t early_ = 0;
};

}  // namespace longhaul::sim
