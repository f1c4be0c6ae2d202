#include "cli/printable.h"

#include <gtest/gtest.h>

#include "cli/suggest.h"

namespace longhaul::cli {
namespace {

TEST(Printable, KnowsUtf8ByTheStandard) {
  for (const char* good : {"", "abc", "d\xc3\xa9j\xc3\xa0", "\xe6\xbc\xa2", "\xf0\x9f\x9a\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const char* wrong : {"\xff", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                            "\xf0\x9f\x9a", "a\x80", "\xc3\x28"}) {
    EXPECT_FALSE(is_utf8(wrong)) << hex_of(wrong);
  }
}

TEST(Printable, MakesTerminalsSafe) {
  EXPECT_EQ(printable("plain \xc3\xa9 name"), "plain \xc3\xa9 name");
  EXPECT_EQ(printable("a\x1b[2Jb\n\x7f"), "a\\x1b[2Jb\\x0a\\x7f");
  EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b") << "an 8-bit escape sequence";
  EXPECT_EQ(printable("\xe2\x80\xae"), "\\xe2\\x80\\xae") << "right-to-left override";
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(Printable, EscapesForJsonWithoutAmbiguity) {
  EXPECT_EQ(escaped_utf8("a\\xff\xff"), "a\\x5cxff\\xff");
  EXPECT_EQ(hex_of("\x01\xff"), "01ff");
}

TEST(Printable, CutsByCharacters) {
  EXPECT_EQ(cut_to("abc", 5), "abc");
  EXPECT_EQ(cut_to("\xc3\xa9\xc3\xa9\xc3\xa9", 2), "\xc3\xa9\xc3\xa9");
  EXPECT_EQ(columns_of("\xc3\xa9"
                       "a"),
            2U);
}

TEST(Printable, GroupsAndCounts) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(18446744073709551615ULL), "18,446,744,073,709,551,615");
  EXPECT_EQ(counted(1, "file", "files"), "1 file");
  EXPECT_EQ(counted(2000, "file", "files"), "2,000 files");
}

TEST(Suggest, FindsWhatWasMeant) {
  const std::vector<std::string> words = {"receive", "send", "copy", "verify", "version", "--streams", "--stdout"};
  EXPECT_EQ(nearest("recieve", words), "receive");
  EXPECT_EQ(nearest("sned", words), "send");
  EXPECT_EQ(nearest("recv", words), "");
  EXPECT_EQ(nearest("--strems", words), "--streams");
  EXPECT_EQ(nearest("--stream", words), "--streams");
  EXPECT_EQ(nearest("vers", words), "version");
  EXPECT_EQ(nearest("banana", words), "");
  EXPECT_EQ(nearest("", words), "");
  EXPECT_EQ(nearest(std::string(100000, 'x'), words), "");
  EXPECT_EQ(did_you_mean("sned", words), "; did you mean 'send'?");
}

}  // namespace
}  // namespace longhaul::cli
