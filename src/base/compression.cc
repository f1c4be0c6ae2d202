#include <charconv>
#include <string>
#include <system_error>

#include "base/bytes.h"
#include "longhaul/options.h"

namespace longhaul {
namespace {

constexpr std::string_view with_level = "zstd:";

}  // namespace

std::string name_of(const Compression& compression) {
  switch (compression.mode) {
    case Compression::Mode::none:
      return "none";
    case Compression::Mode::automatic:
      return "auto";
    case Compression::Mode::always:
      break;
  }
  return std::string(with_level) + std::to_string(compression.level);
}

Result<Compression> parse_compression(std::string_view text) {
  using Mode = Compression::Mode;
  if (text == "none") return Compression{};
  if (text == "auto") return Compression{.mode = Mode::automatic};
  Compression compression{.mode = Mode::always};
  if (text == "zstd") return compression;
  const std::string_view level = text.starts_with(with_level) ? text.substr(with_level.size()) : std::string_view();
  const auto [end, problem] = std::from_chars(level.data(), level.data() + level.size(), compression.level);
  const bool number = problem == std::errc() && end == level.data() + level.size();
  const bool known = compression.level >= Compression::level_min && compression.level <= Compression::level_max;
  if (number && known && compression.level != 0) return compression;
  return fail(Code::usage, "'" + printable(text) +
                               "' is no way to compress; there are none, auto, zstd and zstd:LEVEL, from " +
                               std::to_string(Compression::level_min) + " (fast) to " +
                               std::to_string(Compression::level_max) + " (small)");
}

}  // namespace longhaul
