#include "cli/printable.h"

#include <fmt/format.h>

#include <cstddef>

namespace longhaul::cli {
namespace {

struct Character {
  char32_t point = 0;
  std::size_t bytes = 0;  ///< 0: not UTF-8 at this place
};

/// Decodes one character by RFC 3629: shortest form only, no surrogates, nothing above U+10FFFF.
Character decode(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return {};
  char32_t point = first & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {};
    point = (point << 6U) | (byte(i) & 0x3FU);
  }
  const char32_t least = length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80;
  if (point < least || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return {};
  return {point, length};
}

bool is_control(char32_t point) {
  const bool c0_or_c1 = point < 0x20 || (point >= 0x7F && point < 0xA0);
  const bool turns_text = (point >= 0x202A && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
  return c0_or_c1 || turns_text || point == 0x2028 || point == 0x2029;
}

template <class Escape>
std::string rewrite(std::string_view bytes, const Escape& must_escape) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const Character character = decode(bytes);
    const std::size_t taken = character.bytes == 0 ? 1 : character.bytes;
    if (character.bytes == 0 || must_escape(character.point)) {
      for (const char byte : bytes.substr(0, taken)) {
        out += fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(byte)));
      }
    } else {
      out += bytes.substr(0, taken);
    }
    bytes.remove_prefix(taken);
  }
  return out;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t taken = decode(bytes).bytes;
    if (taken == 0) return false;
    bytes.remove_prefix(taken);
  }
  return true;
}

std::string printable(std::string_view bytes) {
  return rewrite(bytes, is_control);
}

std::string escaped_utf8(std::string_view bytes) {
  return rewrite(bytes, [](char32_t point) { return point == U'\\'; });
}

std::string hex_of(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char byte : bytes) out += fmt::format("{:02x}", static_cast<unsigned>(static_cast<unsigned char>(byte)));
  return out;
}

std::string cut_to(std::string_view line, unsigned columns) {
  std::size_t end = 0;
  for (unsigned column = 0; column < columns && end < line.size(); ++column) {
    const std::size_t taken = decode(line.substr(end)).bytes;
    end += taken == 0 ? 1 : taken;
  }
  return std::string(line.substr(0, end));
}

unsigned columns_of(std::string_view line) {
  unsigned columns = 0;
  while (!line.empty()) {
    const std::size_t taken = decode(line).bytes;
    line.remove_prefix(taken == 0 ? 1 : taken);
    ++columns;
  }
  return columns;
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string counted(std::uint64_t number, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", grouped(number), number == 1 ? one : many);
}

}  // namespace longhaul::cli
