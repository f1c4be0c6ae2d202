#include "base/processor.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace longhaul {

#if defined(__x86_64__)
Processor this_processor() {
  Processor found{.known = true, .vectors = "sse2"};
  if (__builtin_cpu_supports("avx2") != 0) found.vectors = "avx2";
  if (__builtin_cpu_supports("avx512f") != 0) found.vectors = "avx512";
  found.aes = __builtin_cpu_supports("aes") != 0 && __builtin_cpu_supports("pclmul") != 0;
  found.wide_aes = found.aes && __builtin_cpu_supports("vaes") != 0 && __builtin_cpu_supports("avx512f") != 0;
  constexpr unsigned sha_bit = 1U << 29U;  // of EBX of leaf 7: g++ 12 knows no name for it
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  found.sha = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & sha_bit) != 0;
  return found;
}
#elif defined(__aarch64__)
Processor this_processor() {
  const unsigned long has = ::getauxval(AT_HWCAP);
  return {.known = true,
          .vectors = "neon",
          .aes = (has & HWCAP_AES) != 0 && (has & HWCAP_PMULL) != 0,
          .wide_aes = false,
          .sha = (has & HWCAP_SHA2) != 0};
}
#else
Processor this_processor() {
  return {};
}
#endif

std::string Processor::text() const {
  return vectors + (aes ? " aes" : "") + (wide_aes ? " vaes" : "") + (sha ? " sha" : "");
}

}  // namespace longhaul
