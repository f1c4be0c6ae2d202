#include "security/ticket.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace longhaul::security {
namespace {

/// 0, 1, 2, ...: so that secrets are known.
class CountingRandom final : public Random {
 public:
  explicit CountingRandom(unsigned first) : next_(first) {}
  void fill(std::span<std::byte> out) override {
    for (std::byte& byte : out) byte = std::byte(next_++);
  }

 private:
  unsigned next_;
};

const std::string secret_text =
    "4OHi4-Tl5ufo6err7O3u7_Dx8vP09fb3-Pn6-_z9_v8";  // python3: urlsafe_b64encode(bytes(224..255))
const std::string id_text = "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf";
const std::string key_text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";  // python3: urlsafe_b64encode(bytes(0..31))
const std::string good_text =
    "longhaul://10.0.0.1:4711,[::1]:4712/" + id_text + "?x=1800000000,k=" + key_text + "#" + secret_text;

Fingerprint good_key() {
  Fingerprint key;
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = std::byte(i);
  return key;
}

Ticket good_ticket() {
  CountingRandom random(0xd0);
  return make_ticket({"10.0.0.1:4711", "[::1]:4712"}, 1800000000, good_key(), random);
}

TEST(Ticket, IsWrittenAsDocumented) {
  EXPECT_EQ(format_ticket(good_ticket()), good_text);
}

TEST(Ticket, IsReadAsWritten) {
  for (const std::string& text : {good_text, "  " + good_text + "\n", "\t" + good_text + "\r\n"}) {
    const auto ticket = parse_ticket(text);
    ASSERT_TRUE(ticket) << ticket.error().text;
    EXPECT_EQ(ticket->addresses, (std::vector<std::string>{"10.0.0.1:4711", "[::1]:4712"}));
    EXPECT_EQ(to_hex(ticket->id), id_text);
    EXPECT_EQ(ticket->expires_s, 1800000000);
    EXPECT_EQ(ticket->listener, good_key());
    EXPECT_EQ(to_hex(ticket->secret), "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
  }
}

TEST(Ticket, OfAListenerThatKnowsKeysHasNoSecret) {
  const std::string text = "longhaul://10.0.0.1:4711,[::1]:4712/?k=" + key_text;
  EXPECT_EQ(format_ticket(open_ticket({"10.0.0.1:4711", "[::1]:4712"}, good_key())), text);
  const auto read = parse_ticket(" " + text + "\n");
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_TRUE(read->by_key);
  EXPECT_EQ(read->addresses, (std::vector<std::string>{"10.0.0.1:4711", "[::1]:4712"}));
  EXPECT_EQ(read->listener, good_key());
  EXPECT_FALSE(parse_ticket(good_text)->by_key);
  const std::vector<std::string> unusable = {text + "A", text + "#" + secret_text, "longhaul:///?k=" + key_text,
                                             "longhaul://10.0.0.1/?k=" + key_text, "longhaul://10.0.0.1:4711/?k="};
  for (const std::string& bad : unusable) EXPECT_FALSE(parse_ticket(bad)) << bad;
}

TEST(Ticket, GoesBothWaysWithRealRandomness) {
  const std::vector<std::vector<std::string>> addresses = {
      {"127.0.0.1:1"},
      {"host-7.example.org:65535"},
      {"[fe80::1%eth0.100]:4711"},
      std::vector<std::string>(32, "192.168.100.200:40000"),
  };
  for (const auto& list : addresses) {
    for (const std::int64_t expires_s : {std::int64_t{0}, std::numeric_limits<std::int64_t>::max()}) {
      for (int i = 0; i < 50; ++i) {
        const Ticket made = make_ticket(list, expires_s, good_key(), system_random());
        const auto read = parse_ticket(format_ticket(made));
        ASSERT_TRUE(read) << read.error().text;
        EXPECT_EQ(read->addresses, made.addresses);
        EXPECT_EQ(read->id, made.id);
        EXPECT_EQ(read->expires_s, made.expires_s);
        EXPECT_EQ(read->secret, made.secret);
      }
    }
  }
}

TEST(Ticket, TwoAreNeverTheSame) {
  const Ticket a = make_ticket({"127.0.0.1:1"}, 1, good_key(), system_random());
  const Ticket b = make_ticket({"127.0.0.1:1"}, 1, good_key(), system_random());
  EXPECT_NE(a.id, b.id);
  EXPECT_NE(a.secret, b.secret);
  EXPECT_NE(key_of(a), key_of(b));
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::vector<std::string> bad_tickets() {
  std::string many;
  for (int i = 0; i < 33; ++i) many += (i == 0 ? "" : ",") + std::string("10.0.0.1:1");
  std::vector<std::string> bad = {
      "",
      "longhaul://",
      secret_text,
      "longhaul://" + secret_text,
      "longhaul://" + secret_text + "/" + secret_text + "?x=" + secret_text + "#" + secret_text,
      good_text.substr(0, good_text.find('#')),
      replaced(good_text, "#", " "),
      replaced(good_text, "longhaul", "http"),
      replaced(good_text, "longhaul", "Longhaul"),
      replaced(good_text, "/" + id_text, ""),
      replaced(good_text, id_text, id_text.substr(2)),
      replaced(good_text, id_text, id_text + "00"),
      replaced(good_text, id_text, replaced(id_text, "d0", "g0")),
      replaced(good_text, id_text, ""),
      replaced(good_text, id_text, secret_text),
      replaced(good_text, "?x=1800000000", ""),
      replaced(good_text, "1800000000", ""),
      replaced(good_text, "1800000000", "-1"),
      replaced(good_text, "1800000000", "+1"),
      replaced(good_text, "1800000000", "12h"),
      replaced(good_text, "1800000000", "9223372036854775808"),
      replaced(good_text, "1800000000", "1&y=2"),
      replaced(good_text, "1800000000", secret_text),
      replaced(good_text, ",k=" + key_text, ""),
      replaced(good_text, key_text, ""),
      replaced(good_text, key_text, key_text.substr(1)),
      replaced(good_text, key_text, key_text + "A"),
      replaced(good_text, ",k=", "&k="),
      replaced(good_text, secret_text, ""),
      replaced(good_text, secret_text, secret_text.substr(1)),
      good_text + "A",
      good_text + "=",
      good_text.substr(0, good_text.size() - 1) + "9",  // the two bits beyond 32 bytes are not zero
      replaced(good_text, "4OHi", "4OH+"),
      replaced(good_text, "4OHi", "4O i"),
      replaced(good_text, "10.0.0.1:4711,[::1]:4712", ""),
      replaced(good_text, "10.0.0.1:4711,[::1]:4712", many),
  };
  for (const char* address : {"10.0.0.1", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:-1", ":4711", "[]:1",
                              "::1:4711", "[::1:4711", "a b:1", "a\n:1", "user@host:1", "10.0.0.1:4711x", ""}) {
    bad.push_back(replaced(good_text, "10.0.0.1:4711", address));
    bad.push_back(replaced(good_text, "[::1]:4712", address));
  }
  return bad;
}

TEST(Ticket, BadOnesAreRefusedWithoutTheSecret) {
  for (const std::string& text : bad_tickets()) {
    const auto ticket = parse_ticket(text);
    ASSERT_FALSE(ticket) << text;
    EXPECT_EQ(ticket.error().code, Code::usage) << text;
    // No eight characters of it, wherever it stood.
    for (std::size_t at = 0; at + 8 <= secret_text.size(); ++at) {
      EXPECT_EQ(ticket.error().text.find(secret_text.substr(at, 8)), std::string::npos) << ticket.error().text;
    }
  }
}

TEST(Ticket, RefusalsSayWhichPart) {
  const auto says = [](const std::string& text, const char* words) {
    const auto ticket = parse_ticket(text);
    ASSERT_FALSE(ticket);
    EXPECT_NE(ticket.error().text.find(words), std::string::npos) << ticket.error().text;
  };
  says("hello", "does not begin with longhaul://");
  says(good_text.substr(0, good_text.find('#')), "behind '#' is missing");
  says(replaced(good_text, "4711", "0"), "addresses");
  says(replaced(good_text, id_text, "12"), "the id");
  says(replaced(good_text, "1800000000", "soon"), "the expiry");
  says(replaced(good_text, key_text, "abc"), "listener's key");
  says(good_text + "A", "43 characters");
}

TEST(TicketDeathTest, ItsMakerGivesGoodAddresses) {
  EXPECT_DEATH((void)make_ticket({}, 1, good_key(), system_random()), "1 to 32 addresses");
  EXPECT_DEATH((void)make_ticket({"10.0.0.1"}, 1, good_key(), system_random()), "ADDR:PORT");
}

}  // namespace
}  // namespace longhaul::security
