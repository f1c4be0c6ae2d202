#include "protocol/message.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "golden/golden.h"
#include "protocol/frame.h"
#include "samples.h"

namespace longhaul::protocol {
namespace {

constexpr int kinds_end = 64;  // beyond every field number of Message
constexpr std::uint32_t sequence = 0x01020304;

std::span<const std::byte, prefix_bytes> prefix_of(const std::vector<std::byte>& encoded) {
  return ConstBytes(encoded).first<prefix_bytes>();
}

Result<void> decode(const std::vector<std::byte>& encoded, Message& out) {
  return decode_message(prefix_of(encoded), ConstBytes(encoded).subspan(prefix_bytes), out);
}

/// A message whose body is `body`, whatever that is, under a prefix that is right.
std::vector<std::byte> with_body(ConstBytes body) {
  std::vector<std::byte> out = encode_message({});
  store(out.data() + 8, static_cast<std::uint32_t>(body.size()));
  out.insert(out.end(), body.begin(), body.end());
  store(out.data() + 16, check_of(ConstBytes(out).first(16), body));
  return out;
}

TEST(Message, EveryKindIsAsItsGoldenFile) {
  int kinds = 0;
  for (int kind = 0; kind < kinds_end; ++kind) {
    const auto sample = test::sample_of(kind);
    if (!sample) continue;
    ++kinds;
    const std::string golden = "message_" + sample->name;
    longhaul::test::expect_golden(golden, encode_message(sample->message, sequence));

    const auto bytes = longhaul::test::read_golden(golden);
    ASSERT_GE(bytes.size(), prefix_bytes) << golden;
    const auto prefix = decode_prefix(prefix_of(bytes), message_bytes_max);
    ASSERT_TRUE(prefix) << golden << ": " << prefix.error().text;
    EXPECT_EQ(prefix->type, Type::message);
    EXPECT_EQ(prefix->sequence, sequence);
    EXPECT_EQ(prefix->body_bytes, bytes.size() - prefix_bytes);
    Message decoded;
    const auto result = decode(bytes, decoded);
    ASSERT_TRUE(result) << golden << ": " << result.error().text;
    EXPECT_EQ(decoded.body_case(), static_cast<Message::BodyCase>(kind));
    EXPECT_EQ(decoded.SerializeAsString(), sample->message.SerializeAsString());
  }
  EXPECT_EQ(kinds, 32);
}

TEST(Message, GoldenHelloReadsFieldByField) {
  Message message;
  ASSERT_TRUE(decode(longhaul::test::read_golden("message_hello"), message));
  const Hello& hello = message.hello();
  EXPECT_EQ(hello.version_min(), 1U);
  EXPECT_EQ(hello.features_required(), 0x8000000000000001U);
  EXPECT_EQ(hello.ticket().size(), 16U);
  EXPECT_EQ(hello.kind(), Hello::KIND_STREAM);
  EXPECT_EQ(hello.stream(), 70000U);
  EXPECT_EQ(hello.path(), "fiber-a");
  EXPECT_TRUE(hello.dialler_sends());
  EXPECT_EQ(hello.path_remote(), "10.0.2.2:4711");
  EXPECT_EQ(hello.terms().tags_size(), 2);
  EXPECT_EQ(hello.terms().dscp(), 10U);
  EXPECT_DOUBLE_EQ(hello.terms().weight(), 0.5);
}

TEST(Message, AnyFlippedBitIsRefused) {
  const auto good = encode_message(test::sample_of(Message::kHello)->message, sequence);
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      auto bad = good;
      bad[at] ^= std::byte(1U << bit);
      Message out;
      const auto result = decode(bad, out);
      ASSERT_FALSE(result) << "byte " << at << " bit " << bit;
      EXPECT_EQ(result.error().code, Code::protocol);
    }
  }
}

TEST(Message, ABodyOfAnotherLengthIsRefused) {
  const auto good = encode_message(test::sample_of(Message::kStop)->message);
  const ConstBytes body = ConstBytes(good).subspan(prefix_bytes);
  Message out;
  for (std::size_t bytes = 0; bytes < body.size(); ++bytes) {
    EXPECT_FALSE(decode_message(prefix_of(good), body.first(bytes), out)) << bytes;
  }
  EXPECT_TRUE(decode_message(prefix_of(good), body, out));
}

TEST(Message, GarbageUnderARightCheckIsRefused) {
  for (const std::string_view garbage : {"\xff\xff\xff", "\x0a\x7f", "\x0a", "\x0f"}) {
    Message out;
    const auto result = decode(with_body(bytes_of(garbage)), out);
    ASSERT_FALSE(result) << to_hex(bytes_of(garbage));
    EXPECT_EQ(result.error().code, Code::protocol);
    EXPECT_NE(result.error().text.find("cannot be read"), std::string::npos) << result.error().text;
  }
}

TEST(Message, UnknownKindsAndFieldsPass) {
  Message out;
  // Field 100 of Message, length-delimited, empty: a kind from the future.
  ASSERT_TRUE(decode(with_body(bytes_of(std::string_view("\xa2\x06\x00", 3))), out));
  EXPECT_EQ(out.body_case(), Message::BODY_NOT_SET);
  // Stop {transfer = 1, field 15 = 9}.
  ASSERT_TRUE(decode(with_body(bytes_of("\xb2\x01\x04\x08\x01\x78\x09")), out));
  ASSERT_EQ(out.body_case(), Message::kStop);
  EXPECT_EQ(out.stop().transfer(), 1U);
  ASSERT_TRUE(decode(with_body({}), out));
  EXPECT_EQ(out.body_case(), Message::BODY_NOT_SET);
}

TEST(Message, LargeMessagesGoThrough) {
  Message message;
  for (int i = 0; i < 1024; ++i) message.mutable_announce()->add_entries()->set_path(std::string(3000, 'x'));
  const auto encoded = encode_message(message, 1);
  Message out;
  const auto result = decode(encoded, out);
  ASSERT_TRUE(result) << result.error().text;
  EXPECT_EQ(out.announce().entries_size(), 1024);
}

TEST(MessageDeathTest, OverTheLimitIsABugHere) {
  Message message;
  message.mutable_busy()->set_text(std::string(message_bytes_max, 'x'));
  EXPECT_DEATH((void)encode_message(message), "message_bytes_max");
}

// --- the prefix ---------------------------------------------------------------------------------------------------

std::string refusal_of(std::string_view greeting) {
  std::array<std::byte, prefix_bytes> bytes{};
  std::memcpy(bytes.data(), greeting.data(), std::min(greeting.size(), bytes.size()));
  const auto prefix = decode_prefix(bytes, message_bytes_max);
  EXPECT_FALSE(prefix) << greeting;
  if (prefix) return {};
  EXPECT_EQ(prefix.error().code, Code::protocol);
  EXPECT_NE(prefix.error().text.find("does not speak Longhaul"), std::string::npos) << prefix.error().text;
  return prefix.error().text;
}

TEST(Prefix, StrangersAreCalledByTheirName) {
  EXPECT_NE(refusal_of("HTTP/1.1 400 Bad Request").find("looks like HTTP"), std::string::npos);
  EXPECT_NE(refusal_of("GET / HTTP/1.1\r\nHost: a").find("looks like HTTP"), std::string::npos);
  EXPECT_NE(refusal_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").find("looks like HTTP"), std::string::npos);
  EXPECT_NE(refusal_of("SSH-2.0-OpenSSH_9.2p1 De").find("looks like SSH"), std::string::npos);
  EXPECT_NE(refusal_of(std::string_view("\x15\x03\x03\x00\x02\x02\x28", 7)).find("looks like TLS"), std::string::npos);
  EXPECT_NE(refusal_of(std::string_view("\x16\x03\x01\x02\x00\x01", 6)).find("looks like TLS"), std::string::npos);
  EXPECT_EQ(refusal_of("220 mail.example ESMTP  ").find("looks like"), std::string::npos);
  EXPECT_EQ(refusal_of("\x17 something else entirely").find("looks like"), std::string::npos);
}

TEST(Prefix, ShowsPrintablyWhatCame) {
  EXPECT_NE(refusal_of("GET / HTTP/1.1\r\nHost: a").find("\"GET / HTTP/1.1\\x0d\\x0aHost: a"), std::string::npos);
  EXPECT_NE(refusal_of("\x1b[2J").find("\\x1b[2J"), std::string::npos);
}

TEST(Prefix, RefusesWhatThisVersionDoesNotKnow) {
  const auto good = encode_message({});
  const auto refused = [&](std::size_t at, auto value, const char* words) {
    auto bad = good;
    store(bad.data() + at, value);
    const auto prefix = decode_prefix(prefix_of(bad), message_bytes_max);
    ASSERT_FALSE(prefix) << words;
    EXPECT_EQ(prefix.error().code, Code::protocol);
    EXPECT_NE(prefix.error().text.find(words), std::string::npos) << prefix.error().text;
  };
  ASSERT_TRUE(decode_prefix(prefix_of(good), 0));
  refused(4, std::uint8_t{0}, "version 0");
  refused(4, std::uint8_t{2}, "version 2");
  refused(5, std::uint8_t{0}, "type 0");
  refused(5, std::uint8_t{3}, "type 3");
  refused(6, std::uint16_t{1}, "flags 0x1");
  refused(8, static_cast<std::uint32_t>(message_bytes_max + 1), "at most");
  refused(8, ~std::uint32_t{0}, "at most");
}

TEST(Prefix, HoldsMessagesToTheLimitOfTheMoment) {
  auto bytes = encode_message({});
  store(bytes.data() + 8, static_cast<std::uint32_t>(hello_bytes_max));
  EXPECT_TRUE(decode_prefix(prefix_of(bytes), hello_bytes_max));
  store(bytes.data() + 8, static_cast<std::uint32_t>(hello_bytes_max + 1));
  EXPECT_FALSE(decode_prefix(prefix_of(bytes), hello_bytes_max));
}

}  // namespace
}  // namespace longhaul::protocol
