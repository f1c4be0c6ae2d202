#include "security/aead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace longhaul::security {
namespace {

std::vector<std::byte> bytes_from(std::string_view hex) {
  const std::string raw = from_hex(hex).value();
  const ConstBytes bytes = bytes_of(raw);
  return {bytes.begin(), bytes.end()};
}

struct Vector {
  const char* source;
  Cipher cipher;
  const char* key;
  const char* nonce;
  const char* aad;
  const char* plain;
  const char* sealed;
  const char* tag;
};

constexpr Vector published[] = {
    {"McGrew and Viega, The Galois/Counter Mode of Operation, test case 4", Cipher::aes_128_gcm,
     "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
     "ba637b39",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac97"
     "3d58e091",
     "5bc94fbc3221a5db94fae95ae7121a47"},
    {"the same, test case 16", Cipher::aes_256_gcm, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
     "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
     "ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0a"
     "bcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
    {"RFC 8439, 2.8.2", Cipher::chacha20_poly1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
     "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a204966204920636f756c64206f6666"
     "657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73637265656e20776f756c642062652069"
     "742e",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b29"
     "05d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b"
     "6116",
     "1ae10b594f09e26a7e902ecbd0600691"},
};

std::vector<std::unique_ptr<Aead>> all_of(Cipher cipher) {
  std::vector<std::unique_ptr<Aead>> made;
  made.push_back(make_openssl_aead(cipher));
  if (auto fast = make_multi_buffer_aead(cipher)) made.push_back(std::move(fast));
  return made;
}

Nonce nonce_from(ConstBytes bytes) {
  Nonce nonce{};
  std::copy_n(bytes.begin(), nonce.size(), nonce.begin());
  return nonce;
}

TEST(Aead, PublishedVectors) {
  for (const Vector& vector : published) {
    for (const auto& aead : all_of(vector.cipher)) {
      SCOPED_TRACE(std::string(vector.source) + " by " + std::string(aead->library()));
      aead->set_key(bytes_from(vector.key));
      auto text = bytes_from(vector.plain);
      std::array<std::byte, tag_bytes> tag{};
      const auto aad = bytes_from(vector.aad);
      const Nonce nonce = nonce_from(bytes_from(vector.nonce));
      aead->seal(nonce, aad, text, {}, tag);
      EXPECT_EQ(to_hex(text), vector.sealed);
      EXPECT_EQ(to_hex(tag), vector.tag);
      EXPECT_TRUE(aead->open(nonce, aad, text, {}, tag));
      EXPECT_EQ(to_hex(text), vector.plain);
    }
  }
}

class EachCipher : public testing::TestWithParam<Cipher> {};

/// Sealed by one library in two pieces, opened by the other in two other pieces.
TEST_P(EachCipher, TheLibrariesAgreeHoweverTheTextIsCut) {
  std::mt19937_64 random(1);
  const auto aeads = all_of(GetParam());
  for (int round = 0; round < 300; ++round) {
    std::vector<std::byte> key(aeads[0]->key_bytes());
    std::ranges::generate(key, [&] { return static_cast<std::byte>(random()); });
    Nonce nonce{};
    std::ranges::generate(nonce, [&] { return static_cast<std::byte>(random()); });
    const std::vector<std::byte> aad(random() % 50, std::byte{9});
    std::vector<std::byte> text(random() % (round % 10 == 0 ? 1'100'000 : 3000));
    std::ranges::generate(text, [&] { return static_cast<std::byte>(random()); });
    const auto plain = text;
    Aead& sealer = *aeads[random() % aeads.size()];
    Aead& opener = *aeads[random() % aeads.size()];
    sealer.set_key(key);
    opener.set_key(key);
    const auto cut = [&] { return text.empty() ? 0 : random() % (text.size() + 1); };
    std::array<std::byte, tag_bytes> tag{};
    const std::size_t sealed_at = cut();
    sealer.seal(nonce, aad, Bytes(text).first(sealed_at), Bytes(text).subspan(sealed_at), tag);
    EXPECT_TRUE(text.size() <= 8 || text != plain);
    const std::size_t opened_at = cut();
    ASSERT_TRUE(opener.open(nonce, aad, Bytes(text).first(opened_at), Bytes(text).subspan(opened_at), tag));
    ASSERT_EQ(text, plain);
  }
}

TEST_P(EachCipher, OneBitAnywhereIsNoticed) {
  for (const auto& aead : all_of(GetParam())) {
    aead->set_key(std::vector<std::byte>(aead->key_bytes(), std::byte{3}));
    const std::vector<std::byte> plain(100, std::byte{5});
    const std::vector<std::byte> aad(24, std::byte{7});
    auto text = plain;
    std::array<std::byte, tag_bytes> tag{};
    aead->seal({}, aad, text, {}, tag);
    for (std::size_t bit = 0; bit < (text.size() + aad.size() + tag.size() + nonce_bytes) * 8; ++bit) {
      auto bent_text = text;
      auto bent_aad = aad;
      auto bent_tag = tag;
      Nonce bent_nonce{};
      const auto flip = [&, at = bit / 8](auto& in, std::size_t begins) {
        if (at >= begins && at < begins + in.size()) in[at - begins] ^= std::byte(1U << bit % 8);
        return begins + in.size();
      };
      flip(bent_nonce, flip(bent_tag, flip(bent_aad, flip(bent_text, 0))));
      ASSERT_FALSE(aead->open(bent_nonce, bent_aad, bent_text, {}, bent_tag)) << aead->library() << " bit " << bit;
    }
    EXPECT_TRUE(aead->open({}, aad, text, {}, tag));
  }
}

INSTANTIATE_TEST_SUITE_P(Ciphers, EachCipher,
                         testing::Values(Cipher::aes_256_gcm, Cipher::aes_128_gcm, Cipher::chacha20_poly1305),
                         [](const auto& cipher) {
                           std::string name(name_of(cipher.param));
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(Aead, TheFastOneIsTakenWhereItIs) {
  for (const Cipher cipher : {Cipher::aes_256_gcm, Cipher::aes_128_gcm, Cipher::chacha20_poly1305}) {
    const auto fast = make_multi_buffer_aead(cipher);
    EXPECT_EQ(make_aead(cipher)->library(), fast ? fast->library() : "OpenSSL");
  }
  EXPECT_NE(ciphers_text().find("aes-256-gcm ("), std::string::npos) << ciphers_text();
}

TEST(AeadDeathTest, WhatDoesNotSealIsNoCipher) {
  EXPECT_DEATH((void)make_openssl_aead(Cipher::none), "does not seal");
  EXPECT_DEATH(make_openssl_aead(Cipher::aes_256_gcm)->set_key(std::vector<std::byte>(16)), "another cipher");
}

}  // namespace
}  // namespace longhaul::security
