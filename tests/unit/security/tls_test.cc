#include "security/tls.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace longhaul::security {
namespace {

Identity new_key() {
  return Identity::make(system_random());
}

/// Two ends and what lies between them.
class TlsTest : public testing::Test {
 protected:
  /// Hands over what `from` wants to say, record by record; false: the other end refused it.
  static bool carry(Tls& from, Tls& to, std::string& words) {
    std::vector<std::byte> bytes;
    bytes.swap(from.output());
    ConstBytes left = bytes;
    while (!left.empty()) {
      const std::size_t record = Tls::record_bytes(left.first<Tls::record_head_bytes>());
      if (record == 0 || record > left.size()) {
        words = "no whole record";
        return false;
      }
      const auto fed = to.feed(left.first(record));
      if (!fed) {
        words = fed.error().text;
        return false;
      }
      left = left.subspan(record);
    }
    return true;
  }
  /// Until nobody has anything to say.
  void meet() {
    for (int i = 0; i < 10; ++i) {
      if (!carry(dialler_, listener_, listener_words_)) (void)carry(listener_, dialler_, dialler_words_);
      if (!carry(listener_, dialler_, dialler_words_)) (void)carry(dialler_, listener_, listener_words_);
    }
  }
  bool crosses(Tls& from, Tls& to, std::string_view text) {
    EXPECT_EQ(from.write(bytes_of(text)), text.size());
    std::string words;
    if (!carry(from, to, words)) return false;
    std::vector<std::byte> got(text.size() + 1);
    return to.read(got) == text.size() && text_of(ConstBytes(got).first(text.size())) == text;
  }

  Identity dialling_ = new_key();
  Identity listening_ = new_key();
  TlsContext dialling_context_{dialling_};
  TlsContext listening_context_{listening_};
  Tls dialler_ = Tls::dialler(dialling_context_, listening_.fingerprint(), std::nullopt);
  Tls listener_ = Tls::listener(listening_context_, nullptr);
  std::string dialler_words_;
  std::string listener_words_;
};

Secret key_of(unsigned fill) {
  Secret key;
  key.fill(std::byte(fill));
  return key;
}

Tls::FindSession finds(std::string session, unsigned fill) {
  return [session = std::move(session), fill](std::string_view asked) {
    return asked == session ? std::optional(key_of(fill)) : std::nullopt;
  };
}

TEST_F(TlsTest, BothShowTheirKeys) {
  EXPECT_FALSE(dialler_.established());
  meet();
  ASSERT_TRUE(dialler_.established()) << dialler_words_;
  ASSERT_TRUE(listener_.established()) << listener_words_;
  EXPECT_EQ(*dialler_.peer(), listening_.fingerprint());
  EXPECT_EQ(*listener_.peer(), dialling_.fingerprint());
  EXPECT_EQ(dialler_.session(), "");
  EXPECT_EQ(listener_.session(), "");
  EXPECT_TRUE(crosses(dialler_, listener_, "there"));
  EXPECT_TRUE(crosses(listener_, dialler_, "and back"));
}

TEST_F(TlsTest, WhatIsExportedIsOfThisConnectionAndThisPurpose) {
  meet();
  EXPECT_EQ(dialler_.exported("a"), listener_.exported("a"));
  EXPECT_NE(dialler_.exported("a"), dialler_.exported("b"));
  const Secret before = dialler_.exported("a");
  dialler_ = Tls::dialler(dialling_context_, listening_.fingerprint(), std::nullopt);
  listener_ = Tls::listener(listening_context_, nullptr);
  meet();
  EXPECT_NE(dialler_.exported("a"), before);
}

/// Somebody in between has a certificate, but not that of the ticket.
TEST_F(TlsTest, AnotherListenerThanTheTicketNamesIsRefused) {
  dialler_ = Tls::dialler(dialling_context_, new_key().fingerprint(), std::nullopt);
  meet();
  EXPECT_FALSE(dialler_.established());
  EXPECT_FALSE(listener_.established());
  EXPECT_NE(dialler_words_.find("not who the ticket names"), std::string::npos) << dialler_words_;
  EXPECT_NE(dialler_words_.find(format_fingerprint(listening_.fingerprint())), std::string::npos);
  EXPECT_NE(listener_words_.find("alert"), std::string::npos) << listener_words_;
}

TEST_F(TlsTest, ASessionIsJoinedByItsKey) {
  dialler_ = Tls::dialler(dialling_context_, listening_.fingerprint(), SessionKey{"session 1", key_of(5)});
  listener_ = Tls::listener(listening_context_, finds("session 1", 5));
  meet();
  ASSERT_TRUE(dialler_.established()) << dialler_words_;
  ASSERT_TRUE(listener_.established()) << listener_words_;
  EXPECT_EQ(dialler_.session(), "session 1");
  EXPECT_EQ(listener_.session(), "session 1");
  EXPECT_FALSE(listener_.peer());
  EXPECT_TRUE(crosses(dialler_, listener_, "there"));
}

TEST_F(TlsTest, AWrongKeyJoinsNothing) {
  dialler_ = Tls::dialler(dialling_context_, listening_.fingerprint(), SessionKey{"session 1", key_of(6)});
  listener_ = Tls::listener(listening_context_, finds("session 1", 5));
  meet();
  EXPECT_FALSE(dialler_.established());
  EXPECT_FALSE(listener_.established());
  EXPECT_NE(listener_words_, "");
}

/// The listener has begun anew: keys are shown instead, and its words can be heard.
TEST_F(TlsTest, AnUnknownSessionIsNotJoined) {
  dialler_ = Tls::dialler(dialling_context_, listening_.fingerprint(), SessionKey{"session 1", key_of(5)});
  listener_ = Tls::listener(listening_context_, finds("session 2", 5));
  meet();
  ASSERT_TRUE(dialler_.established()) << dialler_words_;
  ASSERT_TRUE(listener_.established()) << listener_words_;
  EXPECT_EQ(listener_.session(), "");
  EXPECT_EQ(dialler_.session(), "");
  EXPECT_EQ(*listener_.peer(), dialling_.fingerprint());
}

TEST_F(TlsTest, AStrangerCannotPretendThatTheSessionIsUnknown) {
  dialler_ = Tls::dialler(dialling_context_, new_key().fingerprint(), SessionKey{"session 1", key_of(5)});
  meet();
  EXPECT_FALSE(dialler_.established());
  EXPECT_NE(dialler_words_.find("not who the ticket names"), std::string::npos) << dialler_words_;
}

TEST_F(TlsTest, ABentRecordIsRefused) {
  meet();
  ASSERT_EQ(dialler_.write(bytes_of("text")), 4U);
  dialler_.output().back() ^= std::byte{1};
  std::string words;
  EXPECT_FALSE(carry(dialler_, listener_, words));
  EXPECT_NE(words.find("refused"), std::string::npos) << words;
}

TEST_F(TlsTest, AReplayedRecordIsRefused) {
  meet();
  ASSERT_EQ(dialler_.write(bytes_of("text")), 4U);
  const auto record = dialler_.output();
  EXPECT_TRUE(listener_.feed(record));
  std::vector<std::byte> got(10);
  EXPECT_EQ(listener_.read(got), 4U);
  EXPECT_FALSE(listener_.feed(record));
}

TEST_F(TlsTest, NothingIsReadableOnTheWay) {
  meet();
  const std::string text = "a secret of forty bytes, said only once!";
  ASSERT_EQ(dialler_.write(bytes_of(text)), text.size());
  EXPECT_EQ(text_of(dialler_.output()).find("secret"), std::string_view::npos);
}

TEST_F(TlsTest, LargeContentTakesSeveralRecords) {
  meet();
  const std::string large(3 * Tls::content_bytes_max + 7, 'x');
  std::string arrived;
  for (std::size_t done = 0; done < large.size();) {
    done += dialler_.write(bytes_of(large).subspan(done));
    std::string words;
    ASSERT_TRUE(carry(dialler_, listener_, words)) << words;
    std::vector<std::byte> some(1000);
    for (std::size_t got = 0; (got = listener_.read(some)) > 0;) arrived += text_of(ConstBytes(some).first(got));
  }
  EXPECT_EQ(arrived, large);
}

TEST(TlsRecord, HeadsThatAreNone) {
  const auto head = [](unsigned kind, unsigned major, unsigned minor, unsigned bytes) {
    return std::array{std::byte(kind), std::byte(major), std::byte(minor), std::byte(bytes >> 8U), std::byte(bytes)};
  };
  EXPECT_EQ(Tls::record_bytes(head(22, 3, 1, 300)), 305U);
  EXPECT_EQ(Tls::record_bytes(head(23, 3, 3, 16384 + 256)), Tls::record_bytes_max);
  for (const auto& bad : {head(22, 3, 1, 0), head(22, 3, 3, 16384 + 257), head(22, 2, 1, 5), head(22, 3, 4, 5),
                          head(22, 3, 0, 5), head(19, 3, 3, 5), head(24, 3, 3, 5), head('G', 'E', 'T', 5)})
    EXPECT_EQ(Tls::record_bytes(bad), 0U);
}

}  // namespace
}  // namespace longhaul::security
