#include "cli/options.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

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
  const Command command =
      good({"receive", "--cipher", "none", "--listen", "127.0.0.1", "--listen=[::1]:4711", "--fabric=tcp", "--fabric",
            "shm", "--keep", "--ticket-file", "t", "--ticket-valid", "1d", "/data"});
  EXPECT_EQ(command.verb, Verb::receive);
  EXPECT_EQ(command.target, "/data");
  EXPECT_EQ(command.ticket, "");
  EXPECT_EQ(command.engine.listen, (Arguments{"127.0.0.1", "[::1]:4711"}));
  EXPECT_EQ(command.engine.fabrics, (Arguments{"tcp", "shm"}));
  EXPECT_EQ(command.engine.cipher, Cipher::none);
  EXPECT_TRUE(command.engine.keep);
  EXPECT_EQ(command.ticket_file, "t");
  EXPECT_DOUBLE_EQ(command.engine.ticket_valid_s, 86400);
}

TEST(Options, WhatIsComparedByContent) {
  for (const char* word : {"-c", "--checksum"}) {
    EXPECT_EQ(good({"send", word, "file", ticket}).engine.checksum, Delta::sha256);
    EXPECT_EQ(good({"send", word, "--trust-xxh", "file", ticket}).engine.checksum, Delta::xxh3);
    EXPECT_EQ(good({"send", word, "file", ticket}).engine.delta, Delta::none);
  }
  const Command both = good({"copy", "-c", "--delta", "--trust-xxh", "file", "target"});
  EXPECT_EQ(both.engine.checksum, Delta::xxh3);
  EXPECT_EQ(both.engine.delta, Delta::xxh3);
  EXPECT_EQ(good({"send", "--delta", "file", ticket}).engine.checksum, Delta::none);
  EXPECT_NE(refused({"send", "--trust-xxh", "file", ticket}).err.find("--delta and --checksum"), std::string::npos);
  EXPECT_NE(refused({"send", "-c", "--name", "x", "-", ticket}).err.find("stdin cannot be read again"),
            std::string::npos);
  EXPECT_NE(refused({"receive", "--checksum", "/data"}).err.find("option of 'longhaul send'"), std::string::npos);
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
                                "--path",      "name=b",    "--no-sparse", "dir",       "dir2/",
                                ticket});
  EXPECT_EQ(command.verb, Verb::send);
  EXPECT_EQ(command.sources, (Arguments{"dir", "dir2/"}));
  EXPECT_EQ(command.ticket, ticket);
  EXPECT_EQ(command.engine.streams, 4U);
  EXPECT_EQ(command.engine.workers, 2U);
  EXPECT_EQ(command.engine.chunk_bytes, 64U * 1024 * 1024);
  EXPECT_FALSE(command.engine.direct);
  EXPECT_FALSE(command.engine.sparse);
  EXPECT_EQ(command.report_file, "r.json");
  EXPECT_DOUBLE_EQ(command.engine.retry_for_s, 600);
  EXPECT_DOUBLE_EQ(command.engine.stall_after_s, 30);
  EXPECT_TRUE(command.quiet);
  EXPECT_TRUE(command.json);
  EXPECT_EQ(command.engine.paths.size(), 2U);
}

TEST(Options, WhoWritesMaySyncAllAtOnce) {
  EXPECT_TRUE(good({"receive", "--cipher", "none", "--syncfs", "/data"}).engine.syncfs);
  EXPECT_TRUE(good({"copy", "--syncfs", "dir", "/data"}).engine.syncfs);
  EXPECT_FALSE(good({"copy", "dir", "/data"}).engine.syncfs);
  EXPECT_NE(refused({"send", "--syncfs", "dir", ticket}).err.find("option of 'longhaul"), std::string::npos);
}

TEST(Options, DefaultsAreTheLibrarys) {
  const Command command = good({"send", "--cipher", "none", "dir", ticket});
  const Options defaults;
  EXPECT_EQ(command.engine.streams, defaults.streams);
  EXPECT_EQ(command.engine.chunk_bytes, defaults.chunk_bytes);
  EXPECT_EQ(command.engine.direct, defaults.direct);
  EXPECT_EQ(command.engine.sparse, defaults.sparse);
  EXPECT_DOUBLE_EQ(command.engine.retry_for_s, defaults.retry_for_s);
  EXPECT_DOUBLE_EQ(command.engine.stall_after_s, defaults.stall_after_s);
  EXPECT_EQ(good({"send", "--cipher", "none", "--streams", "auto", "dir", ticket}).engine.streams, 0U);
  EXPECT_TRUE(good({"send", "--cipher", "none", "--streams", "auto", "dir", ticket}).engine.try_streams);
  EXPECT_FALSE(good({"send", "--cipher", "none", "dir", ticket}).engine.try_streams);
  EXPECT_FALSE(good({"send", "--cipher", "none", "--streams", "4", "dir", ticket}).engine.try_streams);
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

TEST(Options, PolicyAndCap) {
  const Command command = good({"receive", "--cipher", "none", "--require", "us,fiber", "--require=owned", "--forbid",
                                "metered+guest", "--cap", "2Gbps", "/data"});
  EXPECT_EQ(command.engine.require, (Arguments{"us", "fiber", "owned"}));
  EXPECT_EQ(command.engine.forbid, (Arguments{"metered", "guest"}));
  EXPECT_EQ(command.engine.cap_bits_per_s, 2'000'000'000U);
  EXPECT_EQ(good({"copy", "--cap", "1Gbps", "a", "b"}).engine.cap_bits_per_s, 1'000'000'000U);
}

TEST(Options, ScheduleIsLookedAtBeforeAnythingStarts) {
  const std::string text = "mon-fri 08:00-18:00=10Gbps,22:00-06:00=none";
  EXPECT_EQ(good({"copy", "--schedule", text, "a", "b"}).engine.schedule, text);
  const auto refused = parse_command_line({"copy", "--schedule", "08:00=1Gbps", "a", "b"}, {});
  ASSERT_TRUE(std::holds_alternative<Exit>(refused));
  EXPECT_EQ(std::get<Exit>(refused).code, 2);
  EXPECT_NE(std::get<Exit>(refused).err.find("times are HH:MM-HH:MM"), std::string::npos);
}

TEST(Options, DiscoverTakesAnAllowList) {
  EXPECT_EQ(good({"send", "--cipher", "none", "--discover", "auto", "data", ticket}).engine.discover, "auto");
  EXPECT_EQ(good({"receive", "--cipher", "none", "--discover", "eth1,10.0.0.0/8", "/data"}).engine.discover,
            "eth1,10.0.0.0/8");
  EXPECT_NE(refused({"send", "--cipher", "none", "--discover", "10.0.0.0/99", "data", ticket}).err.find("--discover"),
            std::string::npos);
}

TEST(Options, DeadlineAndMoney) {
  const Command command = good({"send", "--cipher", "none", "--deadline", "+4h", "--max-cost", "400", "--path",
                                "name=a,cost=0.02", "data", ticket});
  EXPECT_EQ(command.engine.deadline_unix_s, 4 * 3600.0);
  EXPECT_EQ(command.engine.max_cost, 400);
  EXPECT_LT(good({"copy", "a", "b"}).engine.max_cost, 0);
  EXPECT_NE(refused({"send", "--cipher", "none", "--max-cost", "400", "--path", "name=a", "data", ticket})
                .err.find("no path has a cost"),
            std::string::npos);
  EXPECT_EQ(good({"send", "--cipher", "none", "--max-cost", "0", "--listen", "127.0.0.1", "data"}).engine.max_cost, 0)
      << "the peer tells what its paths cost";
  for (const char* text : {"", "-1", "4 euro", "nan"})
    EXPECT_EQ(refused({"plan", "--path", "cost=1", "--max-cost", text, "a"}).code, 2) << text;
  EXPECT_EQ(refused({"receive", "--cipher", "none", "--deadline", "+4h", "/data"}).code, 2) << "the sender decides";
  EXPECT_NE(refused({"send", "--cipher", "none", "--deadline", "+4h", "--name", "n", "-", ticket}).err.find("stdin"),
            std::string::npos);
}

TEST(Options, PlanTakesSourcesAndNoTicket) {
  const Command command = good({"plan", "--path", "name=a,cap=1Gbps", "--rates", "r.json", "--json", "x", "y/"});
  EXPECT_EQ(command.verb, Verb::plan);
  EXPECT_EQ(command.sources, (Arguments{"x", "y/"}));
  EXPECT_EQ(command.rates_file, "r.json");
  EXPECT_EQ(command.engine.paths.size(), 1U);
  EXPECT_EQ(refused({"plan"}).code, 2);
  EXPECT_NE(refused({"plan", "x", ticket}).err.find("takes no TICKET"), std::string::npos);
  EXPECT_NE(refused({"plan", "-"}).err.find("stdin"), std::string::npos);
}

class PathsOption : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(::mkdtemp(directory_.data()), nullptr); }
  void TearDown() override { EXPECT_EQ(std::system(("rm -rf " + directory_).c_str()), 0); }
  std::string write(const std::string& text) {
    std::ofstream(directory_ + "/paths.toml") << text;
    return directory_ + "/paths.toml";
  }
  std::string directory_ = testing::TempDir() + "lh-options-XXXXXX";
};

TEST_F(PathsOption, IsJoinedWithTheLine) {
  const std::string file =
      write("require = ['us']\nforbid = ['guest']\ncap = '5Gbps'\nstreams = 3\n[[path]]\nname = 'a'\ntags = ['us']\n");
  Command command = good({"send", "--cipher", "none", "--paths", file, "--path", "name=b,tags=us", "--require", "fiber",
                          "--cap", "2Gbps", "--streams", "auto", "dir", ticket});
  ASSERT_EQ(command.engine.paths.size(), 2U);
  EXPECT_EQ(command.engine.paths[0].name, "a");
  EXPECT_EQ(command.engine.paths[1].name, "b");
  EXPECT_EQ(command.engine.require, (Arguments{"us", "fiber"})) << "policy only gets stricter";
  EXPECT_EQ(command.engine.forbid, (Arguments{"guest"}));
  EXPECT_EQ(command.engine.cap_bits_per_s, 2'000'000'000U) << "the line's holds";
  EXPECT_EQ(command.engine.streams, 0U) << "the line's auto holds";
  command = good({"send", "--cipher", "none", "--paths", file, "dir", ticket});
  EXPECT_EQ(command.engine.cap_bits_per_s, 5'000'000'000U);
  EXPECT_EQ(command.engine.streams, 3U);
}

TEST_F(PathsOption, ServesAListenerWithPolicyOnly) {
  const Command command = good({"receive", "--cipher", "none", "--paths", write("forbid = ['guest']\n"), "/data"});
  EXPECT_EQ(command.engine.forbid, (Arguments{"guest"}));
  const std::string file = write("[[path]]\nname = 'a'\n");
  EXPECT_NE(refused({"receive", "--cipher", "none", "--paths", file, "/data"}).err.find("side that dials"),
            std::string::npos);
}

TEST_F(PathsOption, NamesAreUniqueOverFileAndLine) {
  const std::string file = write("[[path]]\nname = 'a'\n");
  const Exit exit = refused({"send", "--cipher", "none", "--paths", file, "--path", "name=a", "dir", ticket});
  EXPECT_EQ(exit.code, 2);
  EXPECT_NE(exit.err.find("two paths are called 'a'"), std::string::npos) << exit.err;
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
                       {{"copy", "-z", "a", "b"}, "unknown option '-z'"},
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
                       {{"copy", "--cipher", "aes", "a", "b"}, "aes-256-gcm"}});
}

TEST(Options, WrongReceivesAreTold) {
  expect_usage_errors(
      {{{"receive", "--cipher", "none"}, "TARGET_DIR is missing"},
       {{"receive", "--cipher", "none", "a", "b"}, "is not a ticket"},
       {{"receive", "--cipher", "none", ticket}, "TARGET_DIR is missing"},
       {{"receive", "--cipher", "none", ticket, "a", ticket}, "too many"},
       {{"receive", "--cipher", "none", "--listen", "::1", ticket, "a"}, "take one of them"},
       {{"receive", "--cipher", "none", "--listen", "/data"}, "--listen"},
       {{"receive", "--cipher", "none", "--fabric", "a/b", "/data"}, "--fabric"},
       {{"receive", "--cipher", "none", "--fabric", "efa@rdmap0s6", "/data"}, "no provider"},
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
  expect_usage_errors(
      {{{"send", "--cipher", "none"}, "TICKET is missing"},
       {{"send", "--cipher", "none", "dir"}, "TICKET is missing"},
       {{"send", "--cipher", "none", ticket}, "SOURCE is missing"},
       {{"send", "--cipher", "none", ticket, "dir", ticket}, "last argument"},
       {{"send", "--cipher", "none", "-", "-"}, "both a SOURCE and the TICKET"},
       {{"send", "--cipher", "none", "a", "-", "-"}, "both a SOURCE and the TICKET"},
       {{"send", "--cipher", "none", "--name", "n", "-", "-"}, "both a SOURCE and the TICKET"},
       {{"send", "--cipher", "none", "-", ticket}, "--name"},
       {{"send", "--cipher", "none", "--name", "n", "dir", "dir2", ticket}, "there are several"},
       {{"send", "--cipher", "none", "--name", "n", "-", "dir", ticket}, "alone"},
       {{"send", "--cipher", "none", "--name", "../n", "-", ticket}, "not a file name"},
       {{"send", "--cipher", "none", "", ticket}, "empty"},
       {{"send", "--cipher", "none", "--listen", "::1"}, "SOURCE is missing"},
       {{"send", "--cipher", "none", "--listen", "::1", "dir", ticket}, "take one of them"},
       {{"send", "--cipher", "none", "--listen", "::1", "--path", "name=a", "dir"}, "side that dials"},
       {{"send", "--cipher", "none", "--path", "nmae=a", "dir", ticket}, "did you mean 'name'"},
       {{"send", "--cipher", "none", "--path", "name=a", "--path", "name=a", "dir", ticket}, "two paths"},
       {{"send", "--cipher", "none", "--paths", "/nonexistent/p", "dir", ticket}, "/nonexistent/p"},
       {{"send", "--cipher", "none", "--paths", "a", "--paths", "b", "dir", ticket}, "more than once"},
       {{"send", "--cipher", "none", "--require", "a b", "dir", ticket}, "--require: 'a b'"},
       {{"send", "--cipher", "none", "--forbid", "a,", "dir", ticket}, "--forbid: ''"},
       {{"send", "--cipher", "none", "--require", "a", "--forbid", "a", "dir", ticket}, "and forbidden"},
       {{"send", "--cipher", "none", "--cap", "0Gbps", "dir", ticket}, "--cap: "},
       {{"send", "--cipher", "none", "--keep", "dir", ticket}, "option of 'longhaul receive'"},
       {{"send", "--cipher", "none", "--ticket-file", "t", "dir", ticket}, "prints a ticket"}});
}

TEST(Options, ChangesOfARunningTransfer) {
  using Kind = Adjustment::Kind;
  const auto change = [](const Arguments& arguments) {
    const Command command = good(arguments);
    EXPECT_EQ(command.live.transfer, arguments[0] == "path" ? arguments[2] : arguments[1]);
    EXPECT_TRUE(command.live.request.change);
    return command.live.request.change.value_or(Adjustment{});
  };
  EXPECT_EQ(good({"list", "--json"}).verb, Verb::list);
  EXPECT_FALSE(good({"path", "list", "-"}).live.request.change);
  EXPECT_EQ(change({"path", "drain", "3fa9", "a"}).kind, Kind::drain_path);
  EXPECT_EQ(change({"path", "disable", "3fa9", "a"}).kind, Kind::disable_path);
  EXPECT_EQ(change({"path", "enable", "3fa9", "a"}).kind, Kind::enable_path);
  EXPECT_EQ(change({"path", "remove", "3fa9", "a"}).path.name, "a");
  const Adjustment cap = change({"path", "cap", "3fa9", "a", "2Gbps"});
  EXPECT_EQ(cap.kind, Kind::cap_path);
  EXPECT_EQ(cap.path.name, "a");
  EXPECT_EQ(cap.cap_bits_per_s, 2'000'000'000U);
  EXPECT_EQ(change({"path", "cap", "-", "a", "none"}).cap_bits_per_s, 0U);
  EXPECT_EQ(change({"path", "add", "12", "name=c,remote=::1"}).path.remote, "::1");
  EXPECT_EQ(good({"path", "add", "12", "--path", "name=c"}).live.request.path_text, "name=c");
  EXPECT_EQ(change({"pause", "12"}).kind, Kind::pause);
  EXPECT_EQ(change({"resume", "-"}).kind, Kind::resume);
  EXPECT_EQ(change({"rate", "12", "10MB/s"}).cap_bits_per_s, 80'000'000U);
  EXPECT_EQ(change({"rate", "12", "none"}).kind, Kind::rate);
  EXPECT_FALSE(good({"copy", "--no-control", "a", "b"}).control);
  EXPECT_TRUE(good({"copy", "a", "b"}).control);
}

TEST(Options, WrongChangesAreTold) {
  expect_usage_errors({{{"path"}, "drain"},
                       {{"path", "drian", "-"}, "did you mean 'drain'"},
                       {{"path", "list"}, "TRANSFER is missing"},
                       {{"path", "list", "-", "x"}, "too many"},
                       {{"path", "drain", "-"}, "NAME is missing"},
                       {{"path", "drain", "-", "a", "b"}, "too many"},
                       {{"path", "cap", "-", "a"}, "RATE (or none) is missing"},
                       {{"path", "cap", "-", "a", "fast"}, "fast"},
                       {{"path", "cap", "-", "a", "0bps"}, "path disable"},
                       {{"path", "add", "-"}, "KEY=VALUE,... is missing"},
                       {{"path", "add", "-", "colour=red"}, "unknown key"},
                       {{"path", "add", "-", "--path", "name=a", "name=b"}, "too many"},
                       {{"path", "add", "-", "--path", "name=a", "--path", "name=b"}, "one path at a time"},
                       {{"path", "drain", "-", "a", "--path", "name=a"}, "path add"},
                       {{"path", "probe", "no way"}, "'no way' is no provider"},
                       {{"path", "probe", "fabric:"}, "'fabric:' is no provider"},
                       {{"path", "probe", "verbs@mlx5_0", "10.0.0.1"}, "named twice"},
                       {{"path", "probe", "tcp", ""}, "an address or a device is missing"},
                       {{"path", "probe", "tcp", "lo", "x"}, "too many"},
                       {{"path", "probe", "--path", "name=a"}, "path add"},
                       {{"pause"}, "TRANSFER is missing"},
                       {{"resume", "a", "b"}, "too many"},
                       {{"rate", "-"}, "RATE (or none) is missing"},
                       {{"rate", "-", "12"}, "12"},
                       {{"list", "x"}, "too many"},
                       {{"list", "--no-control"}, "option of"}});
}

TEST(Options, PathProbe) {
  EXPECT_FALSE(good({"path", "list", "-"}).probe);
  EXPECT_EQ(good({"path", "probe"}).probe->provider, "");
  EXPECT_EQ(good({"path", "probe", "tcp"}).probe->provider, "tcp");
  EXPECT_EQ(good({"path", "probe", "tcp;ofi_rxm"}).probe->provider, "tcp;ofi_rxm");
  const Command with_device = good({"path", "probe", "fabric:verbs@IB0"});
  EXPECT_EQ(with_device.probe->provider, "verbs");
  EXPECT_EQ(with_device.probe->where, "IB0");
  const Command command = good({"path", "probe", "--json", "fabric:ofi_rxm", "10.0.0.1"});
  EXPECT_TRUE(command.json);
  EXPECT_EQ(command.probe->provider, "ofi_rxm");
  EXPECT_EQ(command.probe->where, "10.0.0.1");
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
