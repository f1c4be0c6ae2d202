#include "security/keys.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace longhaul::security {
namespace {

std::string unhex(std::string_view hex) {
  return from_hex(hex).value();
}

TEST(Keys, HkdfAsInRfc5869) {  // its test cases 1 and 2
  const Secret first = extract(bytes_of(unhex("000102030405060708090a0b0c")), bytes_of(std::string(22, '\x0b')));
  EXPECT_EQ(to_hex(first), "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
  std::vector<std::byte> out(42);
  expand(first, unhex("f0f1f2f3f4f5f6f7f8f9"), out);
  EXPECT_EQ(to_hex(out), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");

  std::string material, salt, info;
  for (int i = 0; i < 0x50; ++i) material.push_back(static_cast<char>(i));
  for (int i = 0x60; i < 0xb0; ++i) salt.push_back(static_cast<char>(i));
  for (int i = 0xb0; i < 0x100; ++i) info.push_back(static_cast<char>(i));
  out.resize(82);
  expand(extract(bytes_of(salt), bytes_of(material)), info, out);
  EXPECT_EQ(to_hex(out),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
            "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
}

TEST(Keys, HmacAsInRfc4231) {  // its test case 2
  EXPECT_EQ(to_hex(hmac_sha256(bytes_of("Jefe"), bytes_of("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Keys, EachPurposeHasItsOwn) {
  Secret secret{};
  EXPECT_NE(derive(secret, "a"), derive(secret, "b"));
  Secret other{};
  other[0] = std::byte{1};
  EXPECT_NE(derive(secret, "a"), derive(other, "a"));
}

TEST(Keys, WhatIsForgottenIsGone) {
  Secret secret;
  secret.fill(std::byte{7});
  forget(secret);
  EXPECT_EQ(secret, Secret{});
}

}  // namespace
}  // namespace longhaul::security
