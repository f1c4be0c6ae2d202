#include <iterator>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "longhaul/options.h"

namespace longhaul {
namespace {

constexpr std::pair<std::string_view, Cipher> known[] = {{"auto", Cipher::automatic},
                                                         {"aes-256-gcm", Cipher::aes_256_gcm},
                                                         {"aes-128-gcm", Cipher::aes_128_gcm},
                                                         {"chacha20-poly1305", Cipher::chacha20_poly1305},
                                                         {"none", Cipher::none}};

}  // namespace

std::string_view name_of(Cipher cipher) {
  for (const auto& [name, each] : known)
    if (each == cipher) return name;
  return {};
}

Result<Cipher> parse_cipher(std::string_view name) {
  for (const auto& [each, cipher] : known)
    if (each == name) return cipher;
  return fail(Code::usage,
              "'" + printable(name) +
                  "' is not known here; there are auto, aes-256-gcm, aes-128-gcm, chacha20-poly1305 and none "
                  "(data in clear, if both sides say so)");
}

}  // namespace longhaul
