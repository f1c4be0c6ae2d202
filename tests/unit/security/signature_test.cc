#include "security/signature.h"

#include <gtest/gtest.h>

#include <string>

namespace longhaul::security {
namespace {

class CountingRandom final : public Random {
 public:
  explicit CountingRandom(unsigned first) : next_(first) {}
  void fill(std::span<std::byte> out) override {
    for (std::byte& byte : out) byte = std::byte(next_++);
  }

 private:
  unsigned next_;
};

Identity identity_of(unsigned first) {
  CountingRandom random(first);
  return Identity::make(random);
}

// Of the key of the seed 0..31: python3-cryptography, Ed25519PrivateKey.from_private_bytes(bytes(range(32))).
const std::string known_key = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
const std::string known_signature =
    "e1a7fca94a835127885b99e2eba733d6ee5bf5dc463ed8385eb6f1dcaa1117c0"
    "f151750a10f46f5b3796a91203578f702c85c67c334b5689a516284d499f710f";

TEST(Signature, IsEd25519) {
  const Signature made = sign(identity_of(0), bytes_of("hello"));
  EXPECT_EQ(to_hex(made.key), known_key);
  EXPECT_EQ(to_hex(made.signature), known_signature);
  EXPECT_TRUE(holds(made, bytes_of("hello")));
}

TEST(Signature, IsOfTheIdentityThatPeersPin) {
  for (const unsigned first : {0U, 77U}) {
    const Identity identity = identity_of(first);
    EXPECT_EQ(signer_of(sign(identity, bytes_of("x"))), identity.fingerprint());
  }
}

TEST(Signature, HoldsForNothingElse) {
  const Signature made = sign(identity_of(0), bytes_of("hello"));
  EXPECT_FALSE(holds(made, bytes_of("hell")));
  EXPECT_FALSE(holds(made, bytes_of("hello ")));
  EXPECT_FALSE(holds(made, {}));
  Signature other = made;
  other.key = sign(identity_of(1), bytes_of("hello")).key;
  EXPECT_FALSE(holds(other, bytes_of("hello")));
  for (std::size_t at = 0; at < made.signature.size(); ++at) {
    other = made;
    other.signature[at] ^= std::byte{1};
    EXPECT_FALSE(holds(other, bytes_of("hello"))) << at;
  }
  for (const std::byte filled : {std::byte{0}, std::byte{0xff}}) {
    other = made;
    other.key.fill(filled);
    EXPECT_FALSE(holds(other, bytes_of("hello")));
    (void)signer_of(other);
  }
  EXPECT_TRUE(holds(made, bytes_of("hello"))) << "what went wrong before leaves nothing behind";
}

}  // namespace
}  // namespace longhaul::security
