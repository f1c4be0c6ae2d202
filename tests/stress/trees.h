// Trees to send, and the comparison of what arrived, byte for byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace longhaul::stress {

/// A directory of its own, removed at the end.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

std::vector<std::byte> content_for(std::size_t bytes, std::uint64_t seed);
std::vector<std::byte> content_of(const std::filesystem::path& path);

/// What a tree is made of: small files travel in bundles, middle ones land whole in one chunk, large ones (over 8 MiB)
/// have a journal.
struct Shape {
  unsigned small = 40;
  unsigned middle = 3;
  unsigned large = 0;
};
void make_tree(const std::filesystem::path& at, const Shape& shape, std::uint64_t seed);

/// Both hold the same names with the same bytes. Words about the first difference, or nothing.
std::string difference(const std::filesystem::path& source, const std::filesystem::path& target);

/// Law 1 in the middle of a transfer: what is at its final name is whole. Words about the first file that is not.
/// `files`: how many there are.
std::string broken_promise(const std::filesystem::path& source, const std::filesystem::path& target, unsigned* files);

/// What a receiver left in its landing zone although everything has arrived: names, or nothing.
std::string left_in_landing_zone(const std::filesystem::path& target);

}  // namespace longhaul::stress
