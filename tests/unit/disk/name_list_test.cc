// Lists of names: how they are taken apart, kept in order, and handed to another process.
#include "longhaul/name_list.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "disk/name_parser.h"
#include "disk/sorted_names.h"
#include "place.h"
#include "protocol/bounds.h"

namespace longhaul::disk {
namespace {

using Names = std::vector<std::string>;

/// As it is written: "dir/" with content.
std::string written(const ListedName& name) {
  return name.path + (name.content ? "/" : "");
}

struct Parsed {
  Names names;
  std::string error;
};

/// Fed in pieces of `piece_bytes`.
Parsed parse(std::string_view text, bool nul_ended = false, std::size_t piece_bytes = 1000,
             bool ends_at_empty = false) {
  Parsed parsed;
  NameParser parser(nul_ended, ends_at_empty, "the list", [&](const ListedName& name) -> Result<> {
    parsed.names.push_back(written(name));
    return {};
  });
  Result<> done;
  for (std::size_t at = 0; at < text.size() && done; at += piece_bytes)
    done = parser.feed(text.substr(at, piece_bytes));
  if (done) done = parser.finish();
  if (!done) {
    EXPECT_EQ(done.error().code, Code::usage);
    parsed.error = done.error().text;
  }
  return parsed;
}

TEST(CleanName, TakesOutWhatMeansNothing) {
  struct Case {
    const char* raw;
    const char* clean;
  };
  for (const Case& each : {Case{"a", "a"},
                           {"./a", "a"},
                           {"././/a", "a"},
                           {"/a", "a"},
                           {"//a//b", "a/b"},
                           {"a/", "a/"},
                           {"a//", "a/"},
                           {"a/.", "a/"},
                           {"a/./", "a/"},
                           {".", "/"},
                           {"./", "/"},
                           {"/", "/"},
                           {"...", "..."},
                           {"a/..b", "a/..b"},
                           {".a", ".a"},
                           {" a ", " a "},
                           {"-a", "-a"},
                           {"./#a", "#a"}}) {
    const auto name = clean_name(each.raw);
    ASSERT_TRUE(name) << each.raw << ": " << name.error().text;
    EXPECT_EQ(written(*name), each.clean) << each.raw;
  }
}

TEST(CleanName, RefusesWhatMayLeadOutOrMeansSomethingElseToRsync) {
  for (const std::string& raw :
       {std::string(".."), std::string("../a"), std::string("a/.."), std::string("a/../b"), std::string("a/./b"),
        std::string("a\0b", 3), std::string(protocol::path_bytes_max + 1, 'a')})
    EXPECT_FALSE(clean_name(raw)) << raw.substr(0, 20);
}

TEST(NameParser, TakesLinesApartWhereverThePiecesEnd) {
  const std::string text = "a\nb/\r\n\n# no name\n; nor this\n c\rd\n\n./#e\nlast";
  for (std::size_t piece = 1; piece < text.size() + 2; ++piece) {
    const Parsed parsed = parse(text, false, piece);
    EXPECT_EQ(parsed.error, "") << piece;
    EXPECT_EQ(parsed.names, (Names{"a", "b/", " c", "d", "#e", "last"})) << piece;
  }
  EXPECT_EQ(parse("").names, Names{});
  EXPECT_EQ(parse("\n\n# nothing\n").names, Names{});
}

TEST(NameParser, WithNulEverythingElseIsPartOfTheName) {
  const std::string text("#a\0b\nc\r\0\0;d\0e", 13);
  for (std::size_t piece = 1; piece < text.size() + 2; ++piece)
    EXPECT_EQ(parse(text, true, piece).names, (Names{"#a", "b\nc\r", ";d", "e"})) << piece;
}

TEST(NameParser, SaysWhichLineIsWrong) {
  EXPECT_NE(parse("a\r\n\n# c\n../b\n").error.find("the list, line 4: '../b': '..'"), std::string::npos)
      << parse("a\r\n\n# c\n../b\n").error;
  EXPECT_NE(parse(std::string_view("a\0b/../c\0", 9), true).error.find("name 2"), std::string::npos);
  EXPECT_NE(parse(std::string_view("a\nb\0c\n", 6)).error.find("line 2"), std::string::npos);
  EXPECT_NE(parse("a\n" + std::string(protocol::path_bytes_max + 1, 'x')).error.find("line 2"), std::string::npos);
  EXPECT_EQ(parse("a\n" + std::string(protocol::path_bytes_max + 9, '#') + "\nb", false, 4096).names,
            (Names{"a", "b"}));
}

TEST(NameParser, AnEmptyNameEndsAListThatIsHandedOver) {
  EXPECT_EQ(parse(std::string_view("a\0b/\0\0what else", 15), true, 3, true).names, (Names{"a", "b/"}));
  EXPECT_NE(parse(std::string_view("a\0b/\0", 5), true, 3, true).error.find("cut off"), std::string::npos);
}

TEST(SortedNames, StandAsAWalkGoes) {
  const Names sorted = {"/", "a/", "a", "a/b", "a/b/c", "a/c", "a!", "a.b", "ab", "b"};
  for (std::size_t i = 0; i < sorted.size(); ++i)
    for (std::size_t j = 0; j < sorted.size(); ++j)
      EXPECT_EQ(stands_before(sorted[i], sorted[j]), i < j) << sorted[i] << " " << sorted[j];
}

Names all_of(const std::shared_ptr<const SortedNames>& names, Disk& disk) {
  SortedNames::Pass pass(names);
  Names all;
  ListedName name;
  for (;;) {
    const auto more = pass.next(disk, name);
    EXPECT_TRUE(more) << more.error().text;
    if (!more || !*more) return all;
    all.push_back(written(name));
  }
}

/// Everything that a random list holds comes once and in order, in memory and from any number of runs, pass after pass.
TEST(SortedNames, AreTheSameFromMemoryAndFromAFile) {
  const ScratchDir scratch(Where::device);
  const auto disk = make_system_disk(nullptr);
  std::mt19937 random(1);
  std::vector<ListedName> given;
  std::set<std::string> paths;
  std::set<std::string> with_content;
  for (int i = 0; i < 3000; ++i) {
    ListedName name{.path = std::string(1, static_cast<char>('a' + random() % 6)), .content = random() % 4 == 0};
    while (random() % 3 != 0) name.path += std::string("/") + static_cast<char>('!' + random() % 90);
    std::ranges::replace(name.path, '.', '_');
    if (name.path.find("//") != std::string::npos || name.path.ends_with('/')) continue;
    if (i % 500 == 0) name.path += std::string(300'000, 'x');
    given.push_back(name);
    paths.insert(name.path);
    if (name.content) with_content.insert(name.path);
  }
  Names before;
  for (const std::size_t memory : {std::size_t{1} << 30U, std::size_t{400'000}, std::size_t{20'000}, std::size_t{1}}) {
    SortedNames::Maker maker(*disk, system_random(), memory, scratch.path());
    for (const ListedName& name : given) ASSERT_TRUE(maker.add(name));
    const auto made = maker.finish();
    ASSERT_TRUE(made) << made.error().text;
    const Names all = all_of(*made, *disk);
    EXPECT_EQ(all, all_of(*made, *disk)) << "a second pass";
    EXPECT_TRUE(std::ranges::is_sorted(all, stands_before));
    ASSERT_EQ(all.size(), paths.size()) << memory;
    for (const std::string& record : all) {
      const bool content = record.ends_with('/');
      const std::string path = record.substr(0, record.size() - (content ? 1 : 0));
      EXPECT_TRUE(paths.contains(path));
      EXPECT_EQ(content, with_content.contains(path)) << path;
    }
    EXPECT_TRUE(before.empty() || all == before) << memory;
    before = all;
    EXPECT_TRUE(std::filesystem::is_empty(scratch.path())) << "the file has no name";
  }
}

TEST(SortedNames, APlaceThatTakesNoFileIsNamed) {
  const auto disk = make_system_disk(nullptr);
  SortedNames::Maker maker(*disk, system_random(), 1, "/nowhere");
  ASSERT_TRUE(maker.add({.path = "a"}));
  const auto second = maker.add({.path = "b"});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::io);
  EXPECT_NE(second.error().text.find("/nowhere"), std::string::npos) << second.error().text;
}

class NameListTest : public testing::Test {
 protected:
  int list(const std::string& text) {
    put_file(scratch_ / "list", text);
    file_ = Fd(::open((scratch_ / "list").c_str(), O_RDONLY | O_CLOEXEC));
    return file_.get();
  }
  ScratchDir scratch_{Where::device};
  Fd file_;
  std::unique_ptr<Disk> disk_ = make_system_disk(nullptr);
};

TEST_F(NameListTest, IsReadFromAFile) {
  const auto read = NameList::read(list("b\na/\n/b\n.\na\n"), "it");
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ(all_of(read->sorted(), *disk_), (Names{"/", "a/", "b"}));
}

TEST_F(NameListTest, WhatCannotBeReadIsSaid) {
  const Fd directory(::open(scratch_.path().c_str(), O_RDONLY | O_CLOEXEC));
  const auto read = NameList::read(directory.get(), "the list 'x'");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::usage);
  EXPECT_NE(read.error().text.find("the list 'x' cannot be read"), std::string::npos) << read.error().text;
  EXPECT_NE(NameList::read(list("a\n..\n"), "it").error().text.find("it, line 2"), std::string::npos);
}

TEST_F(NameListTest, CrossesAPipeWhateverIsInIt) {
  const auto read = NameList::read(list(std::string("b\nc\0#a/\0.\0\0d", 12)), "it", {.nul_ended = true});
  ASSERT_TRUE(read) << read.error().text;
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Fd from(ends[0]);
  Fd to(ends[1]);
  ASSERT_TRUE(read->write(to.get()));
  ASSERT_EQ(::write(to.get(), "more", 4), 4);  // the pipe goes on: the list knows its end
  const auto again = NameList::read(from.get(), "pipe", {.nul_ended = true, .ends_at_empty_name = true});
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(all_of(again->sorted(), *disk_), all_of(read->sorted(), *disk_));
  EXPECT_EQ(all_of(again->sorted(), *disk_), (Names{"/", "#a/", "b\nc", "d"}));
}

TEST_F(NameListTest, AFullPipeIsWaitedForUntilSomebodySaysStop) {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += "name" + std::to_string(i) + "\n";
  const auto read = NameList::read(list(text), "it");
  ASSERT_TRUE(read);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Fd from(ends[0]);
  const Fd to(ends[1]);
  std::atomic<int> stop{0};
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    stop = 1;
  });
  const auto written = read->write(to.get(), &stop);
  later.join();
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::interrupted);
  EXPECT_EQ(NameList::read(from.get(), "it", {}, &stop).error().code, Code::interrupted);
}

}  // namespace
}  // namespace longhaul::disk
