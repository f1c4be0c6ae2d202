// How many seeds a simulated test runs, and what it prints when one fails.
//   LONGHAUL_SEEDS=1000   so many instead of the usual few
//   LONGHAUL_SEED=42      this one only: the replay of a failure
//   LONGHAUL_SEEDS_OF=4   of the usual few one in four (where a sanitizer looks on: it is for what the code does with
//                         memory, not for what may happen when, which every seed has been through without it)
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <string>

namespace longhaul::sim {

inline void for_seeds(std::uint64_t usual, const std::function<void(std::uint64_t seed)>& run) {
  const char* one = std::getenv("LONGHAUL_SEED");
  const char* many = std::getenv("LONGHAUL_SEEDS");
  std::uint64_t first = 1;
  std::uint64_t last = usual;
  if (const char* of = std::getenv("LONGHAUL_SEEDS_OF"); of != nullptr) {
    const std::uint64_t share = std::max<std::uint64_t>(1, std::strtoull(of, nullptr, 10));
    last = (usual + share - 1) / share;
  }
  if (many != nullptr) last = std::strtoull(many, nullptr, 10);
  if (one != nullptr) first = last = std::strtoull(one, nullptr, 10);
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    run(seed);
    if (!testing::Test::HasFailure()) continue;
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    std::cout << "seed " << seed << " failed; replay: LONGHAUL_SEED=" << seed << ' ' << program_invocation_name
              << " --gtest_filter=" << test->test_suite_name() << '.' << test->name() << '\n';
    return;
  }
}

}  // namespace longhaul::sim
