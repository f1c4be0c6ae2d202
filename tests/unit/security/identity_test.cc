#include "security/identity.h"

#include <gtest/gtest.h>

#include <string>

namespace longhaul::security {
namespace {

class CountingRandom final : public Random {
 public:
  void fill(std::span<std::byte> out) override {
    for (std::byte& byte : out) byte = std::byte(next_++);
  }

 private:
  unsigned next_ = 0;
};

// The key of the seed 0..31, and its fingerprint: openssl pkey -pubout -outform DER | openssl dgst -sha256 -binary
// | base64.
const std::string known_pem =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
    "-----END PRIVATE KEY-----\n";
const std::string known_fingerprint = "SHA256:oFCDfYUHBYLM9zlLCYiEfMMSy4glm4lImfbyOc8XkaU";

TEST(Identity, IsAnEd25519KeyAndKnownByItsFingerprint) {
  CountingRandom random;
  const Identity made = Identity::make(random);
  EXPECT_EQ(made.to_pem(), known_pem);
  EXPECT_EQ(format_fingerprint(made.fingerprint()), known_fingerprint);
  const auto shown = fingerprint_of(made.certificate());
  ASSERT_TRUE(shown);
  EXPECT_EQ(*shown, made.fingerprint());
}

TEST(Identity, GoesThroughPem) {
  const auto read = Identity::from_pem(known_pem);
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ(format_fingerprint(read->fingerprint()), known_fingerprint);
  EXPECT_EQ(read->to_pem(), known_pem);
}

TEST(Identity, EachIsAnother) {
  EXPECT_NE(Identity::make(system_random()).fingerprint(), Identity::make(system_random()).fingerprint());
}

TEST(Identity, WhatIsNoKeyIsRefusedAndNotShown) {
  std::string bent = known_pem;
  bent[known_pem.find("MC4")] = '!';
  for (const std::string& text : {std::string(), std::string("hello"), known_pem.substr(0, 60), bent,
                                  std::string("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n")}) {
    const auto read = Identity::from_pem(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, Code::usage);
    EXPECT_EQ(read.error().text.find("MC4"), std::string::npos);
  }
}

TEST(Identity, KeysOfOtherKindsAreRefusedInWords) {  // openssl genpkey -algorithm x25519
  const auto read = Identity::from_pem(
      "-----BEGIN PRIVATE KEY-----\n"
      "MC4CAQAwBQYDK2VuBCIEIDi+ln71W763gklsiJgUNbaQ2wV7HOljTm4qDjU/l15T\n"
      "-----END PRIVATE KEY-----\n");
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().text.find("not an Ed25519 key"), std::string::npos) << read.error().text;
}

TEST(Fingerprint, IsReadAsWritten) {
  const auto read = parse_fingerprint(known_fingerprint);
  ASSERT_TRUE(read);
  EXPECT_EQ(format_fingerprint(*read), known_fingerprint);
  for (const std::string& bad : {std::string(), known_fingerprint.substr(7), known_fingerprint + "A",
                                 known_fingerprint.substr(0, 49), "MD5:" + known_fingerprint.substr(7)}) {
    const auto refused = parse_fingerprint(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_NE(refused.error().text.find("is no fingerprint"), std::string::npos);
  }
}

}  // namespace
}  // namespace longhaul::security
