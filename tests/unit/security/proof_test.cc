#include <gtest/gtest.h>

#include <string_view>

#include "security/sha256.h"
#include "security/ticket.h"

namespace longhaul::security {
namespace {

constexpr std::string_view dialler_hello = "dialler says hello";
constexpr std::string_view listener_hello = "listener says hello";

Ticket known_ticket() {
  Ticket ticket;
  for (std::size_t i = 0; i < ticket.secret.size(); ++i) ticket.secret[i] = std::byte(i);
  return ticket;
}

Mac proof(Side side, std::string_view dialler, std::string_view listener) {
  return proof_of(key_of(known_ticket()), side, bytes_of(dialler), bytes_of(listener));
}

TEST(Sha256, KnownAnswers) {  // FIPS 180-4 examples
  EXPECT_EQ(to_hex(sha256_of({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256_of({bytes_of("a"), {}, bytes_of("bc")})),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Proof, KnownAnswers) {  // computed by python3's hashlib and hmac
  EXPECT_EQ(to_hex(key_of(known_ticket())), "e84d07d5f9ab50596d83648c6a066fc574512c18e186fae96f4c9871046d1fea");
  EXPECT_EQ(to_hex(proof(Side::dialler, dialler_hello, listener_hello)),
            "7f98fd327ab2c5c1e934934479d2afd188b23116a07eece3540de03ac95acf48");
  EXPECT_EQ(to_hex(proof(Side::listener, dialler_hello, listener_hello)),
            "3ff5cccc1dd0721facf0e72f35c7e8390c03c5ba139810c1cf233f753b4739dd");
}

TEST(Proof, CannotBeReflected) {
  const Mac mine = proof(Side::dialler, dialler_hello, listener_hello);
  EXPECT_FALSE(same_mac(mine, proof(Side::listener, dialler_hello, listener_hello)));
  EXPECT_FALSE(same_mac(mine, proof(Side::listener, listener_hello, dialler_hello)));
  EXPECT_FALSE(same_mac(proof(Side::dialler, "same", "same"), proof(Side::listener, "same", "same")));
}

TEST(Proof, BindsBothHellosAndTheBorderBetweenThem) {
  const Mac good = proof(Side::dialler, "abcd", "efgh");
  EXPECT_TRUE(same_mac(good, proof(Side::dialler, "abcd", "efgh")));
  EXPECT_FALSE(same_mac(good, proof(Side::dialler, "abcX", "efgh")));
  EXPECT_FALSE(same_mac(good, proof(Side::dialler, "abcd", "efgX")));
  EXPECT_FALSE(same_mac(good, proof(Side::dialler, "abcde", "fgh"))) << "bytes moved from one Hello into the other";
  EXPECT_FALSE(same_mac(good, proof(Side::dialler, "abcdefgh", "")));
}

TEST(Proof, NeedsTheSecret) {
  Ticket other = known_ticket();
  other.secret[31] ^= std::byte{1};
  EXPECT_FALSE(same_mac(proof_of(key_of(other), Side::dialler, bytes_of(dialler_hello), bytes_of(listener_hello)),
                        proof(Side::dialler, dialler_hello, listener_hello)));
}

TEST(Proof, TheKeyDependsOnTheSecretOnly) {
  Ticket moved = known_ticket();
  moved.addresses = {"10.9.8.7:1"};
  moved.expires_s = 5;
  EXPECT_EQ(key_of(moved), key_of(known_ticket()));
}

TEST(SameMac, ComparesLengthAndEveryByte) {
  const Mac mac = proof(Side::dialler, dialler_hello, listener_hello);
  EXPECT_FALSE(same_mac(mac, ConstBytes(mac).first(31)));
  EXPECT_FALSE(same_mac({}, mac));
  for (std::size_t i = 0; i < mac.size(); ++i) {
    Mac other = mac;
    other[i] ^= std::byte{0x80};
    EXPECT_FALSE(same_mac(mac, other)) << i;
  }
}

TEST(LocalIdentity, StaysForATicketAndDiffersBetweenTickets) {
  TicketId id{};
  const auto mine = local_identity(id);
  EXPECT_EQ(local_identity(id), mine);
  id[15] = std::byte{1};
  EXPECT_NE(local_identity(id), mine);
}

}  // namespace
}  // namespace longhaul::security
