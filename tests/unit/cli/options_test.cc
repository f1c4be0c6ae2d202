#include "cli/options.h"

#include <gtest/gtest.h>

namespace longhaul::cli {
namespace {

using Arguments = std::vector<std::string>;
const std::string ticket = "longhaul://127.0.0.1:4711/00ff?x=9#SeCrEt";

Surroundings around(bool with_variable = false) {
  Surroundings surroundings;
  if (with_variable) surroundings.ticket_variable = ticket + "env";
  surroundings.read_stdin = [] { return Result<std::string>(ticket + "stdin"); };
  return surroundings;
}

Command good(const Arguments& arguments, bool with_variable = false) {
  const auto parsed = parse_command_line(arguments, around(with_variable));
  const Exit* exit = std::get_if<Exit>(&parsed);
  if (exit == nullptr) return std::get<Command>(parsed);
  ADD_FAILURE() << testing::PrintToString(arguments) << "\n" << exit->err;
  return {};
}

Exit refused(const Arguments& arguments, bool with_variable = false) {
  const auto parsed = parse_command_line(arguments, around(with_variable));
  const Exit* exit = std::get_if<Exit>(&parsed);
  if (exit != nullptr) return *exit;
  ADD_FAILURE() << "was taken: " << testing::PrintToString(arguments);
  return {};
}

TEST(Options, ReceiveListens) {
  const Command command = good({"receive", "--cipher", "none", "--listen", "127.0.0.1", "--listen=[::1]:4711", "--keep",
                                "--ticket-file", "t", "--ticket-valid", "1d", "/data"});
  EXPECT_EQ(command.verb, Verb::receive);
  EXPECT_EQ(command.target, "/data");
  EXPECT_EQ(command.ticket, "");
  EXPECT_EQ(command.engine.listen, (Arguments{"127.0.0.1", "[::1]:4711"}));
  EXPECT_EQ(command.engine.cipher, Cipher::none);
  EXPECT_TRUE(command.engine.keep);
  EXPECT_EQ(command.ticket_file, "t");
  EXPECT_DOUBLE_EQ(command.engine.ticket_valid_s, 86400);
}

TEST(Options, ReceiveIgnoresTheVariableUnlessNamed) {
  EXPECT_EQ(good({"receive", "--cipher=none", "/data"}, true).ticket, "");
  EXPECT_EQ(good({"receive", "--cipher=none", "$LONGHAUL_TICKET", "/data"}, true).ticket, ticket + "env");
}

TEST(Options, ReceiveDials) {
  const Command command = good({"receive", "--cipher", "none", "--path", "name=a,remote=::1", ticket, "/data"});
  EXPECT_EQ(command.ticket, ticket);
  EXPECT_EQ(command.target, "/data");
  ASSERT_EQ(command.engine.paths.size(), 1U);
  EXPECT_EQ(command.engine.paths[0].name, "a");
}

TEST(Options, ReceiveToStdout) {
  EXPECT_TRUE(good({"receive", "--cipher", "none", "--stdout"}).to_stdout);
  EXPECT_EQ(good({"receive", "--cipher", "none", "--stdout", "-"}).ticket, ticket + "stdin");
}

TEST(Options, SendWithEveryOption) {
  const Command command = good({"send",        "--cipher",  "none",        "--streams", "4",
                                "--chunk",     "64MiB",     "--no-direct", "--report",  "r.json",
                                "--retry-for", "10m",       "-q",          "--json",    "--stall-timeout",
                                "30s",         "--workers", "2",           "--path",    "name=a,local=127.0.0.1",
                                "--path",      "name=b",    "dir",         "dir2/",     ticket});
  EXPECT_EQ(command.verb, Verb::send);
  EXPECT_EQ(command.sources, (Arguments{"dir", "dir2/"}));
  EXPECT_EQ(command.ticket, ticket);
  EXPECT_EQ(command.engine.streams, 4U);
  EXPECT_EQ(command.engine.workers, 2U);
  EXPECT_EQ(command.engine.chunk_bytes, 64U * 1024 * 1024);
  EXPECT_FALSE(command.engine.direct);
  EXPECT_EQ(command.report_file, "r.json");
  EXPECT_DOUBLE_EQ(command.engine.retry_for_s, 600);
  EXPECT_DOUBLE_EQ(command.engine.stall_after_s, 30);
  EXPECT_TRUE(command.quiet);
  EXPECT_TRUE(command.json);
  EXPECT_EQ(command.engine.paths.size(), 2U);
}

TEST(Options, DefaultsAreTheLibrarys) {
  const Command command = good({"send", "--cipher", "none", "dir", ticket});
  const Options defaults;
  EXPECT_EQ(command.engine.streams, defaults.streams);
  EXPECT_EQ(command.engine.chunk_bytes, defaults.chunk_bytes);
  EXPECT_EQ(command.engine.direct, defaults.direct);
  EXPECT_DOUBLE_EQ(command.engine.retry_for_s, defaults.retry_for_s);
  EXPECT_DOUBLE_EQ(command.engine.stall_after_s, defaults.stall_after_s);
  EXPECT_EQ(good({"send", "--cipher", "none", "--streams", "auto", "dir", ticket}).engine.streams, 0U);
}

TEST(Options, SendTakesTheTicketFromWhereItIs) {
  EXPECT_EQ(good({"send", "--cipher", "none", "dir", "-"}).ticket, ticket + "stdin");
  const Command variable = good({"send", "--cipher", "none", "dir", "dir2"}, true);
  EXPECT_EQ(variable.ticket, ticket + "env");
  EXPECT_EQ(variable.sources, (Arguments{"dir", "dir2"}));
  EXPECT_EQ(good({"send", "--cipher", "none", "dir", ticket}, true).ticket, ticket) << "an argument wins";
}

TEST(Options, SendStdinUnderAName) {
  const Command command = good({"send", "--cipher", "none", "--name", "all.tar", "-", ticket});
  EXPECT_EQ(command.stream_name, "all.tar");
  EXPECT_TRUE(command.sources.empty());
  const Command variable = good({"send", "--cipher", "none", "--name", "all.tar", "-"}, true);
  EXPECT_EQ(variable.stream_name, "all.tar");
  EXPECT_EQ(variable.ticket, ticket + "env");
  EXPECT_EQ(good({"send", "--cipher", "none", "--listen", "127.0.0.1", "--name", "n", "-"}).stream_name, "n");
}

TEST(Options, SendListens) {
  const Command command = good({"send", "--cipher", "none", "--listen", "127.0.0.1:0", "dir"}, true);
  EXPECT_EQ(command.ticket, "");
  EXPECT_EQ(command.sources, (Arguments{"dir"}));
}

TEST(Options, SourcesMayHaveAnyName) {
  const Command command = good(
      {"send", "--cipher", "none", "[a,b]", "{}", "version", "receive", "%%", "++", "a=b", "@x", "\xff\n", ticket});
  EXPECT_EQ(command.sources, (Arguments{"[a,b]", "{}", "version", "receive", "%%", "./++", "a=b", "@x", "\xff\n"}));
  EXPECT_EQ(good({"copy", "--", "--odd", "--", "-x", "t"}).sources, (Arguments{"--odd", "--", "-x"}));
  EXPECT_EQ(good({"copy", "a", "--json", "b", "--chunk", "8M", "t"}).sources, (Arguments{"a", "b"}));
}

TEST(Options, CopyNeedsNoCipher) {
  const Command command = good({"copy", "a", "b", "t"});
  EXPECT_EQ(command.sources, (Arguments{"a", "b"}));
  EXPECT_EQ(command.target, "t");
  EXPECT_EQ(command.engine.cipher, Cipher::none);
  EXPECT_EQ(good({"copy", "--cipher", "none", "a", "t"}).engine.cipher, Cipher::none);
}

TEST(Options, EventsOfSingleFilesAreForProgramsThatAskForThem) {
  EXPECT_TRUE(good({"copy", "--json", "--verbose", "a", "t"}).engine.file_events);
  EXPECT_FALSE(good({"copy", "--json", "a", "t"}).engine.file_events);
  EXPECT_FALSE(good({"copy", "--verbose", "a", "t"}).engine.file_events);
}

TEST(Options, VerifyAndVersion) {
  EXPECT_EQ(good({"verify", "--report", "r", "t"}).target, "t");
  EXPECT_TRUE(good({"version", "--verbose"}).verbose);
  EXPECT_EQ(good({"--version"}).verb, Verb::version);
}

struct BadLine {
  Arguments arguments;
  const char* hint;
};

void expect_usage_errors(const std::vector<BadLine>& table) {
  for (const BadLine& line : table) {
    const Exit exit = refused(line.arguments);
    const std::string shown = testing::PrintToString(line.arguments) + "\n" + exit.err;
    EXPECT_EQ(exit.code, 2) << shown;
    EXPECT_EQ(exit.out, "") << shown;
    EXPECT_NE(exit.err.find(line.hint), std::string::npos) << line.hint << " is not in " << shown;
    EXPECT_NE(exit.err.find("usage: longhaul"), std::string::npos) << shown;
    EXPECT_NE(exit.err.find("--help"), std::string::npos) << shown;
    EXPECT_EQ(exit.err.find("SeCrEt"), std::string::npos) << shown;
  }
}

TEST(Options, WrongCommandsAreTold) {
  expect_usage_errors({{{}, "a command is missing"},
                       {{""}, "unknown command"},
                       {{"recieve", "d"}, "did you mean 'receive'"},
                       {{"--json", "send"}, "options come after"},
                       {{"help", "sned"}, "did you mean 'send'"},
                       {{ticket}, "unknown command"},
                       {{"version", "x"}, "too many"},
                       {{"verify"}, "TARGET_DIR"},
                       {{"verify", ""}, "TARGET_DIR"},
                       {{"verify", "a", ticket}, "too many"},
                       {{"copy"}, "missing"},
                       {{"copy", "a"}, "TARGET_DIR"},
                       {{"copy", "a", ""}, "empty"},
                       {{"copy", "-", "t"}, "stdin"}});
}

TEST(Options, WrongOptionsAreTold) {
  expect_usage_errors({{{"copy", "--strems", "4", "a", "b"}, "did you mean '--streams'"},
                       {{"copy", "-x", "a", "b"}, "unknown option '-x'"},
                       {{"copy", "--keep", "a", "b"}, "option of 'longhaul receive'"},
                       {{"verify", "--streams=4", "t"}, "option of 'longhaul receive'"},
                       {{"copy", "--chunk", "1", "a", "b"}, "multiple of 8 MiB"},
                       {{"copy", "--streams", "0", "a", "b"}, "--streams"},
                       {{"copy", "--workers", "x", "a", "b"}, "--workers"},
                       {{"copy", "--stall-timeout", "0", "a", "b"}, "above zero"},
                       {{"copy", "a", "b", "--chunk"}, "needs a value"},
                       {{"copy", "--report", "--json", "a", "b"}, "'--json' is an option"},
                       {{"copy", "--streams", "1", "--streams", "2", "a", "b"}, "more than once"},
                       {{"copy", "--quiet", "--verbose", "a", "b"}, "contradict"},
                       {{"copy", "--cipher", "aes", "a", "b"}, "only 'none'"}});
}

TEST(Options, WrongReceivesAreTold) {
  expect_usage_errors(
      {{{"receive", "--cipher", "none"}, "TARGET_DIR is missing"},
       {{"receive", "/data"}, "say --cipher none to allow it"},
       {{"receive", "--cipher", "none", "a", "b"}, "is not a ticket"},
       {{"receive", "--cipher", "none", ticket}, "TARGET_DIR is missing"},
       {{"receive", "--cipher", "none", ticket, "a", ticket}, "too many"},
       {{"receive", "--cipher", "none", "--listen", "::1", ticket, "a"}, "take one of them"},
       {{"receive", "--cipher", "none", "--listen", "/data"}, "--listen"},
       {{"receive", "--cipher", "none", "--path", "name=a", "/data"}, "side that dials"},
       {{"receive", "--cipher", "none", "--keep", ticket, "/data"}, "side that prints a ticket"},
       {{"receive", "--cipher", "none", "--ticket-file", "t", ticket, "/data"}, "side that prints a ticket"},
       {{"receive", "--cipher", "none", "--stdout", "--keep"}, "--keep"},
       {{"receive", "--cipher", "none", "--stdout", "--json"}, "both want stdout"},
       {{"receive", "--cipher", "none", "--stdout", "/data"}, "not a ticket"},
       {{"receive", "--cipher", "none", "$LONGHAUL_TICKET", "/data"}, "not set"},
       {{"receive", "--cipher", "none", "@/nonexistent/ticket", "/data"}, "/nonexistent/ticket"},
       {{"receive", "--cipher", "none", "longhaul://127.0.0.1:1/00", "/data"}, "cut off"}});
}

TEST(Options, WrongSendsAreTold) {
  expect_usage_errors({{{"send", "--cipher", "none"}, "TICKET is missing"},
                       {{"send", "--cipher", "none", "dir"}, "TICKET is missing"},
                       {{"send", "--cipher", "none", ticket}, "SOURCE is missing"},
                       {{"send", "dir", ticket}, "travel in clear"},
                       {{"send", "--cipher", "none", ticket, "dir", ticket}, "last argument"},
                       {{"send", "--cipher", "none", "-", "-"}, "both a SOURCE and the TICKET"},
                       {{"send", "--cipher", "none", "a", "-", "-"}, "both a SOURCE and the TICKET"},
                       {{"send", "--cipher", "none", "--name", "n", "-", "-"}, "both a SOURCE and the TICKET"},
                       {{"send", "--cipher", "none", "-", ticket}, "--name"},
                       {{"send", "--cipher", "none", "--name", "n", "dir", ticket}, "--name names stdin"},
                       {{"send", "--cipher", "none", "--name", "n", "-", "dir", ticket}, "alone"},
                       {{"send", "--cipher", "none", "--name", "../n", "-", ticket}, "not a file name"},
                       {{"send", "--cipher", "none", "", ticket}, "empty"},
                       {{"send", "--cipher", "none", "--listen", "::1"}, "SOURCE is missing"},
                       {{"send", "--cipher", "none", "--listen", "::1", "dir", ticket}, "take one of them"},
                       {{"send", "--cipher", "none", "--listen", "::1", "--path", "name=a", "dir"}, "side that dials"},
                       {{"send", "--cipher", "none", "--path", "nmae=a", "dir", ticket}, "did you mean 'name'"},
                       {{"send", "--cipher", "none", "--keep", "dir", ticket}, "option of 'longhaul receive'"},
                       {{"send", "--cipher", "none", "--ticket-file", "t", "dir", ticket}, "prints a ticket"}});
}

TEST(Options, HelpIsTextOnStdout) {
  const Arguments lines[] = {{"--help"},
                             {"-h"},
                             {"help"},
                             {"send", "--help"},
                             {"receive", "-h"},
                             {"help", "copy"},
                             {"verify", "--help"},
                             {"version", "--help"}};
  for (const Arguments& line : lines) {
    const Exit exit = refused(line);
    EXPECT_EQ(exit.code, 0) << exit.err;
    EXPECT_EQ(exit.err, "");
    EXPECT_NE(exit.out.find("usage:"), std::string::npos) << exit.out;
  }
  EXPECT_NE(refused({"send", "--help"}).out.find("Examples:"), std::string::npos);
  EXPECT_NE(refused({"send", "--help"}).out.find("--retry-for"), std::string::npos);
  EXPECT_EQ(refused({"copy", "--help"}).out.find("--keep"), std::string::npos) << "not an option of copy";
}

}  // namespace
}  // namespace longhaul::cli
