#include "cli/ticket_source.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "folder.h"

namespace longhaul::cli {
namespace {

constexpr const char* ticket = "longhaul://127.0.0.1:4711/00ff?x=9#SeCrEt-_9";

Surroundings nothing_around() {
  return {std::nullopt, [] { return Result<std::string>(fail(Code::usage, "stdin was read")); }};
}

TEST(TicketSource, ArgumentsAreBlanked) {
  std::string program = "longhaul";
  std::string verb = "send";
  std::string source = "a longhaul dir";
  std::string plain = ticket;
  std::string quoted = std::string(" ") + ticket;
  char* argv[] = {program.data(), verb.data(), source.data(), plain.data(), quoted.data(), nullptr};
  const auto arguments = take_arguments(5, argv);
  EXPECT_EQ(arguments, (std::vector<std::string>{"send", "a longhaul dir", ticket, std::string(" ") + ticket}));
  EXPECT_EQ(std::string(argv[3]), std::string(std::strlen(ticket), ' '));
  EXPECT_EQ(std::string(argv[4]).find_first_not_of(' '), std::string::npos);
  EXPECT_STREQ(argv[2], "a longhaul dir");
  EXPECT_STREQ(argv[1], "send");
}

TEST(TicketSource, KnowsATicketByItsLook) {
  for (const char* yes : {"longhaul://x", "@file", "-", "$LONGHAUL_TICKET"}) EXPECT_TRUE(looks_like_ticket(yes)) << yes;
  for (const char* no : {"", "@", "dir", "./-", "./@file", "$HOME", "--"}) EXPECT_FALSE(looks_like_ticket(no)) << no;
}

TEST(TicketSource, ReadsEverySource) {
  const Folder folder;
  Surroundings around = nothing_around();
  EXPECT_EQ(resolve_ticket(ticket, around).value(), ticket);
  EXPECT_EQ(resolve_ticket("@" + folder.with("t", std::string("\n  ") + ticket + " \r\nmore\n"), around).value(),
            ticket);
  EXPECT_EQ(resolve_ticket("@" + folder.with("no-end", ticket), around).value(), ticket);
  around.ticket_variable = std::string(ticket) + "\n";
  EXPECT_EQ(resolve_ticket("$LONGHAUL_TICKET", around).value(), ticket);
  around.read_stdin = [] { return Result<std::string>(ticket); };
  EXPECT_EQ(resolve_ticket("-", around).value(), ticket);
}

TEST(TicketSource, SaysWhatIsMissingAndNeverTheSecret) {
  const Folder folder;
  const Surroundings around = nothing_around();
  const std::string no_file = "@" + folder.file("none");
  const std::string words = "@" + folder.with("words", "hello\n");
  const std::string empty = "@" + folder.with("empty", "");
  const std::string endless = "@" + folder.with("endless", std::string(100000, 'x'));
  for (const std::string& word :
       {no_file, words, empty, endless, std::string("$LONGHAUL_TICKET"), std::string("-"),
        std::string("longhaul://127.0.0.1:1/00"), std::string("longhaul://127.0.0.1:1/00#")}) {
    const auto result = resolve_ticket(word, around);
    ASSERT_FALSE(result) << word;
    EXPECT_EQ(result.error().code, Code::usage);
    EXPECT_FALSE(result.error().text.empty());
  }
  const auto leading = resolve_ticket("@" + folder.with("odd", std::string("x ") + ticket), around);
  ASSERT_FALSE(leading);
  EXPECT_EQ(leading.error().text.find("SeCrEt"), std::string::npos);
}

TEST(TicketSource, SecretsAreCutOutOfWords) {
  EXPECT_EQ(without_secrets("no ticket # here"), "no ticket # here");
  EXPECT_EQ(without_secrets(std::string("a '") + ticket + "' b " + ticket),
            "a 'longhaul://127.0.0.1:4711/00ff?x=9#...' b longhaul://127.0.0.1:4711/00ff?x=9#...");
}

TEST(TicketSource, TheFileIsForItsOwnerOnly) {
  const Folder folder;
  const std::string file = folder.with("t", "old and open to all");
  ASSERT_EQ(::chmod(file.c_str(), 0666), 0);
  ASSERT_TRUE(write_ticket_file(file, ticket));
  struct stat status{};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_EQ(resolve_ticket("@" + file, nothing_around()).value(), ticket);
  const auto entries = std::filesystem::directory_iterator(std::filesystem::path(file).parent_path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1) << "a temporary file was left";
}

TEST(TicketSource, AFileThatCannotBeWrittenIsNamed) {
  const Folder folder;
  const auto written = write_ticket_file(folder.file("none/t"), ticket);
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().text.find("none/t"), std::string::npos);
}

}  // namespace
}  // namespace longhaul::cli
