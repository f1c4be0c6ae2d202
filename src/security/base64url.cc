#include "security/base64url.h"

namespace longhaul::security {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::size_t chars = 43;

}  // namespace

std::string base64url(ConstBytes bytes) {
  std::string out;
  unsigned bits = 0;
  unsigned count = 0;
  for (const std::byte byte : bytes) {
    bits = (bits << 8U | std::to_integer<unsigned>(byte)) & 0xffffU;
    for (count += 8; count >= 6; count -= 6) out.push_back(alphabet[bits >> (count - 6) & 63U]);
  }
  if (count > 0) out.push_back(alphabet[bits << (6 - count) & 63U]);
  return out;
}

bool read_base64url(std::string_view text, std::array<std::byte, 32>& out) {
  if (text.size() != chars) return false;
  unsigned bits = 0;
  unsigned count = 0;
  std::size_t done = 0;
  for (const char c : text) {
    const std::size_t value = alphabet.find(c);
    if (value == std::string_view::npos) return false;
    bits = (bits << 6U | static_cast<unsigned>(value)) & 0xffffU;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out[done++] = static_cast<std::byte>(bits >> count & 0xffU);
    }
  }
  return (bits & ((1U << count) - 1)) == 0;  // 43 characters carry 258 bits; the last two must be zero
}

}  // namespace longhaul::security
