#include "base/bytes.h"

#include <gtest/gtest.h>

#include <array>

namespace longhaul {
namespace {

using std::string_view_literals::operator""sv;

TEST(Bytes, StoreAndLoadAreLittleEndianAndNeedNoAlignment) {
  std::array<std::byte, 9> bytes{};
  store(bytes.data() + 1, std::uint64_t{0x0102030405060708});
  EXPECT_EQ(to_hex(bytes), "000807060504030201");
  EXPECT_EQ(load<std::uint32_t>(bytes.data() + 2), 0x04050607U);
}

TEST(Bytes, HexGoesBothWays) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  const std::string hex = to_hex(bytes_of(all));
  EXPECT_EQ(hex.substr(0, 8), "00010203");
  EXPECT_EQ(hex.substr(hex.size() - 8), "fcfdfeff");
  EXPECT_EQ(from_hex(hex), all);
  EXPECT_EQ(from_hex("DEADbeef"), "\xde\xad\xbe\xef");
  EXPECT_EQ(from_hex(""), "");
}

TEST(Bytes, HexRefusesWhatIsNotHex) {
  for (const char* bad : {"0", "abc", "0g", "g0", " 00", "0x00", "/0", ":0", "@0", "`0"}) {
    EXPECT_EQ(from_hex(bad), std::nullopt) << bad;
  }
}

TEST(Bytes, PrintableLeavesWordsAlone) {
  for (const char* name : {"", "plain name.txt", "Grüße/日本語/🚚", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xc2\xa0"}) {
    EXPECT_EQ(printable(name), name);
  }
}

TEST(Bytes, PrintableDisarmsTheRest) {
  struct Case {
    std::string_view name;
    std::string_view shown;
  };
  constexpr std::array cases = {
      Case{"a\nb", "a\\x0ab"},
      Case{"\x1b[2J", "\\x1b[2J"},
      Case{"\x7f", "\\x7f"},
      Case{"nul\0l"sv, "nul\\x00l"},
      Case{"back\\slash", "back\\\\slash"},
      Case{"\xc2\x9b", "\\xc2\\x9b"},           // CSI, as one C1 character
      Case{"\xff", "\\xff"},                    // never in UTF-8
      Case{"\x80z", "\\x80z"},                  // a tail without a lead
      Case{"\xc0\xaf", "\\xc0\\xaf"},           // overlong '/'
      Case{"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},  // overlong '/'
      Case{"\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf"},
      Case{"\xed\xa0\x80", "\\xed\\xa0\\x80"},           // surrogate
      Case{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},  // past U+10FFFF
      Case{"\xe2\x82", "\\xe2\\x82"},                    // cut short
      Case{"\xc3(", "\\xc3("},
  };
  for (const Case& one : cases) EXPECT_EQ(printable(one.name), one.shown);
}

}  // namespace
}  // namespace longhaul
