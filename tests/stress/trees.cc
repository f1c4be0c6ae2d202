#include "stress/trees.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>

namespace longhaul::stress {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, std::size_t bytes, std::uint64_t seed) {
  const auto content = content_for(bytes, seed);
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
  EXPECT_TRUE(out.good()) << path;
}

bool same_content(const fs::path& one, const fs::path& other) {
  return fs::file_size(one) == fs::file_size(other) && content_of(one) == content_of(other);
}

}  // namespace

Scratch::Scratch() {
  std::string name = (fs::temp_directory_path() / "lh-stress-XXXXXX").string();
  EXPECT_NE(::mkdtemp(name.data()), nullptr);
  path_ = name;
}

Scratch::~Scratch() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::vector<std::byte> content_for(std::size_t bytes, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::byte> content(bytes);
  for (std::size_t at = 0; at < bytes; at += sizeof(std::uint64_t)) {
    const std::uint64_t word = random();
    std::memcpy(content.data() + at, &word, std::min(sizeof word, bytes - at));
  }
  return content;
}

std::vector<std::byte> content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<std::byte> content(fs::exists(path) ? fs::file_size(path) : 0);
  in.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(content.size()));
  EXPECT_EQ(static_cast<std::size_t>(in.gcount()), content.size()) << path;
  return content;
}

void make_tree(const fs::path& at, const Shape& shape, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto between = [&](std::size_t low, std::size_t high) { return low + random() % (high - low); };
  for (unsigned i = 0; i < shape.small; ++i) {
    const fs::path directory = at / ("d" + std::to_string(i % 4));
    fs::create_directories(directory);
    write(directory / ("small" + std::to_string(i)), between(0, 60'000), random());
  }
  fs::create_directories(at);
  for (unsigned i = 0; i < shape.middle; ++i)
    write(at / ("middle" + std::to_string(i)), between(131'073, 3'000'000), random());
  for (unsigned i = 0; i < shape.large; ++i)
    write(at / ("large" + std::to_string(i)), between(17'000'000, 21'000'000), random());
}

std::string difference(const fs::path& source, const fs::path& target) {
  for (const auto& each : fs::recursive_directory_iterator(source)) {
    const fs::path there = target / fs::relative(each.path(), source);
    if (!fs::exists(there)) return there.string() + " is missing";
    if (each.is_regular_file() && !same_content(each.path(), there)) return there.string() + " has other bytes";
  }
  for (const auto& each : fs::recursive_directory_iterator(target))
    if (!fs::exists(source / fs::relative(each.path(), target))) return each.path().string() + " was never sent";
  return {};
}

std::string broken_promise(const fs::path& source, const fs::path& target, unsigned* files) {
  *files = 0;
  if (!fs::exists(target)) return {};
  for (const auto& each : fs::recursive_directory_iterator(target)) {
    if (!each.is_regular_file()) continue;
    ++*files;
    const fs::path origin = source / fs::relative(each.path(), target);
    if (!fs::exists(origin)) return each.path().string() + " was never sent";
    if (!same_content(each.path(), origin)) return each.path().string() + " is at its final name and not whole";
  }
  return {};
}

std::string left_in_landing_zone(const fs::path& target) {
  std::string names;
  for (const auto& each : fs::recursive_directory_iterator(target / ".longhaul" / "landing"))
    names += each.path().filename().string() + " ";
  return names;
}

}  // namespace longhaul::stress
