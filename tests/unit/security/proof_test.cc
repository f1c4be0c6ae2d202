#include <gtest/gtest.h>

#include "security/sha256.h"
#include "security/ticket.h"

namespace longhaul::security {
namespace {

Ticket known_ticket() {
  Ticket ticket;
  for (std::size_t i = 0; i < ticket.secret.size(); ++i) ticket.secret[i] = std::byte(i);
  return ticket;
}

Secret connection(unsigned fill) {
  Secret secret;
  secret.fill(std::byte(fill));
  return secret;
}

TEST(Sha256, BitByBitIsTheSame) {
  const std::string text(100'000, 'x');
  for (const std::size_t piece : {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{100'000}}) {
    Sha256Stream stream;
    for (std::size_t at = 0; at < text.size(); at += piece) stream.add(bytes_of(text.substr(at, piece)));
    EXPECT_EQ(stream.finish(), sha256_of({bytes_of(text)})) << piece;
  }
}

TEST(Sha256, KnownAnswers) {  // FIPS 180-4 examples
  EXPECT_EQ(to_hex(sha256_of({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256_of({bytes_of("a"), {}, bytes_of("bc")})),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Proof, KnownAnswers) {  // computed by python3's hashlib and hmac
  EXPECT_EQ(to_hex(key_of(known_ticket())), "e84d07d5f9ab50596d83648c6a066fc574512c18e186fae96f4c9871046d1fea");
  EXPECT_EQ(to_hex(proof_of(key_of(known_ticket()), connection(7))),
            "9d3d931e46ae96963f621e7dedc6380a283484a71087dffc3f3429c15737e8d1");
}

TEST(Proof, IsOfOneConnectionAndOneSecret) {
  const Mac mine = proof_of(key_of(known_ticket()), connection(7));
  EXPECT_TRUE(same_secret(mine, proof_of(key_of(known_ticket()), connection(7))));
  EXPECT_FALSE(same_secret(mine, proof_of(key_of(known_ticket()), connection(8)))) << "passed on to another connection";
  Ticket other = known_ticket();
  other.secret[31] ^= std::byte{1};
  EXPECT_FALSE(same_secret(mine, proof_of(key_of(other), connection(7))));
}

TEST(Proof, TheKeyDependsOnTheSecretOnly) {
  Ticket moved = known_ticket();
  moved.addresses = {"10.9.8.7:1"};
  moved.expires_s = 5;
  moved.listener[0] = std::byte{1};
  EXPECT_EQ(key_of(moved), key_of(known_ticket()));
}

TEST(SameSecret, ComparesLengthAndEveryByte) {
  const Mac mac = proof_of(key_of(known_ticket()), connection(7));
  EXPECT_FALSE(same_secret(mac, ConstBytes(mac).first(31)));
  EXPECT_FALSE(same_secret({}, mac));
  for (std::size_t i = 0; i < mac.size(); ++i) {
    Mac other = mac;
    other[i] ^= std::byte{0x80};
    EXPECT_FALSE(same_secret(mac, other)) << i;
  }
}

}  // namespace
}  // namespace longhaul::security
