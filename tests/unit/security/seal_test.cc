#include "security/seal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace longhaul::security {
namespace {

Secret secret_of(unsigned fill) {
  Secret secret;
  secret.fill(std::byte(fill));
  return secret;
}

/// What crosses: associated data in clear, text and tag sealed.
struct Record {
  std::string aad;
  std::vector<std::byte> text;
  std::array<std::byte, tag_bytes> tag{};
};

Record sealed_by(Seal& seal, std::string_view plain) {
  Record record;
  record.aad = "record " + std::to_string(seal.next());
  const ConstBytes bytes = bytes_of(plain);
  record.text.assign(bytes.begin(), bytes.end());
  seal.seal(bytes_of(record.aad), record.text, {}, record.tag);
  return record;
}

bool opens(Seal& seal, Record record, std::string_view plain) {
  return seal.open(bytes_of(record.aad), record.text, {}, record.tag) && text_of(record.text) == plain;
}

class SealTest : public testing::Test {
 protected:
  Seals dialler_ = make_seals(Cipher::aes_256_gcm, secret_of(1), true);
  Seals listener_ = make_seals(Cipher::aes_256_gcm, secret_of(1), false);
};

TEST_F(SealTest, OpensInOrderBothWays) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(opens(*listener_.in, sealed_by(*dialler_.out, "there"), "there")) << i;
    EXPECT_TRUE(opens(*dialler_.in, sealed_by(*listener_.out, "and back"), "and back")) << i;
  }
}

TEST_F(SealTest, AReplayDoesNotOpen) {
  const Record record = sealed_by(*dialler_.out, "once");
  EXPECT_TRUE(opens(*listener_.in, record, "once"));
  EXPECT_FALSE(opens(*listener_.in, record, "once"));
}

TEST_F(SealTest, WhatOvertookDoesNotOpen) {
  (void)sealed_by(*dialler_.out, "first");
  EXPECT_FALSE(opens(*listener_.in, sealed_by(*dialler_.out, "second"), "second"));
}

TEST_F(SealTest, AReflectionDoesNotOpen) {
  EXPECT_FALSE(opens(*dialler_.in, sealed_by(*dialler_.out, "mine"), "mine"));
}

TEST_F(SealTest, NothingOfAnotherStreamOpens) {
  Seals other = make_seals(Cipher::aes_256_gcm, secret_of(2), true);
  EXPECT_FALSE(opens(*listener_.in, sealed_by(*other.out, "spliced"), "spliced"));
}

TEST_F(SealTest, NothingOfAnotherCipherOpens) {
  Seals other = make_seals(Cipher::chacha20_poly1305, secret_of(1), true);
  EXPECT_FALSE(opens(*listener_.in, sealed_by(*other.out, "downgraded"), "downgraded"));
}

TEST_F(SealTest, AssociatedDataIsHeldTo) {
  Record record = sealed_by(*dialler_.out, "text");
  record.aad += "!";
  EXPECT_FALSE(opens(*listener_.in, record, "text"));
}

TEST_F(SealTest, TheSameTextNeverLooksTheSame) {
  EXPECT_NE(sealed_by(*dialler_.out, "the same text").text, sealed_by(*dialler_.out, "the same text").text);
}

/// Over the border: a new key, and no record of the old epoch opens under it.
TEST(Seal, KeysAreRenewedEpochByEpoch) {
  for (const Cipher cipher : {Cipher::aes_256_gcm, Cipher::aes_128_gcm, Cipher::chacha20_poly1305}) {
    Seals out = make_seals(cipher, secret_of(1), true);
    Seals in = make_seals(cipher, secret_of(1), false);
    Record first;
    for (std::uint64_t i = 0; i < 2 * records_per_epoch + 3; ++i) {
      const Record record = sealed_by(*out.out, "text");
      if (i == 0) first = record;
      ASSERT_TRUE(opens(*in.in, record, "text")) << i;
    }
    EXPECT_EQ(in.in->next(), 2 * records_per_epoch + 3);
    EXPECT_FALSE(opens(*in.in, first, "text"));
  }
}

}  // namespace
}  // namespace longhaul::security
