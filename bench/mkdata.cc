// Incompressible data from a seed, as fast as memory takes it.
//
//   mkdata FILE BYTES SEED              one file
//   mkdata DIRECTORY BYTES SEED FILES   FILES files of BYTES each, 1000 to a directory

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace {

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {  // splitmix64
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

bool write_file(const std::string& path, std::uint64_t bytes, Generator& generator) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return false;
  (void)std::setvbuf(file, nullptr, _IONBF, 0);
  std::vector<std::uint64_t> block(256 * 1024 / sizeof(std::uint64_t));
  bool good = true;
  while (good && bytes > 0) {
    const std::size_t piece = std::min<std::uint64_t>(bytes, block.size() * sizeof block[0]);
    std::ranges::generate(block, [&] { return generator.next(); });
    good = std::fwrite(block.data(), 1, piece, file) == piece;
    bytes -= piece;
  }
  return std::fclose(file) == 0 && good;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) {
    std::fputs("usage: mkdata FILE BYTES SEED | mkdata DIRECTORY BYTES SEED FILES\n", stderr);
    return 2;
  }
  const std::string target = argv[1];
  const std::uint64_t bytes = std::strtoull(argv[2], nullptr, 10);
  Generator generator(std::strtoull(argv[3], nullptr, 10));
  bool good = true;
  if (argc == 4) {
    good = write_file(target, bytes, generator);
  } else {
    const std::uint64_t files = std::strtoull(argv[4], nullptr, 10);
    for (std::uint64_t i = 0; good && i < files; ++i) {
      const std::string directory = fmt::format("{}/{:04}", target, i / 1000);
      if (i % 1000 == 0) std::filesystem::create_directories(directory);
      good = write_file(fmt::format("{}/{:07}.bin", directory, i), bytes, generator);
    }
  }
  if (!good) std::perror(target.c_str());
  return good ? 0 : 1;
}
