// The options that say what is sent.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <limits>

#include "cli/options.h"
#include "cli/remote_place.h"
#include "cli/selection_values.h"
#include "cli/sources.h"

namespace longhaul::cli {
namespace {

using Arguments = std::vector<std::string>;

std::variant<Command, Exit> parse(const Arguments& arguments) {
  Surroundings surroundings;
  surroundings.read_stdin = [] { return Result<std::string>("longhaul://127.0.0.1:4711/00ff?x=9#SeCrEt"); };
  surroundings.now_unix_s = 1'800'000'000;
  return parse_command_line(arguments, surroundings);
}

Command good(const Arguments& arguments) {
  auto parsed = parse(arguments);
  if (auto* command = std::get_if<Command>(&parsed)) return std::move(*command);
  ADD_FAILURE() << testing::PrintToString(arguments) << "\n" << std::get<Exit>(parsed).err;
  return {};
}

std::string refused(const Arguments& arguments) {
  const auto parsed = parse(arguments);
  if (const Exit* exit = std::get_if<Exit>(&parsed)) return exit->err;
  ADD_FAILURE() << "was taken: " << testing::PrintToString(arguments);
  return {};
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(SelectionOptions, AListOfNamesIsOfOneDirectory) {
  const Command command = good({"copy", "--files-from", "list", "-0", "-r", "source", "target"});
  EXPECT_EQ(command.files_from, "list");
  EXPECT_TRUE(command.nul_ended);
  EXPECT_TRUE(command.recursive);
  EXPECT_EQ(good({"plan", "--files-from=-", "source"}).files_from, "-");
  EXPECT_EQ(good({"send", "--listen", "::1", "--files-from", "-", "source"}).sources, Arguments{"source"});
}

TEST(SelectionOptions, WhatDoesNotGoWithAListIsRefused) {
  EXPECT_TRUE(has(refused({"copy", "--files-from", "list", "a", "b", "target"}), "one SOURCE"));
  EXPECT_TRUE(has(refused({"plan", "--files-from", "list", "a", "b"}), "one SOURCE"));
  EXPECT_TRUE(has(refused({"copy", "--files-from", "list", "far:a", "far:b", "target"}), "one SOURCE"));
  EXPECT_TRUE(has(refused({"send", "--files-from", "-", "a", "-"}), "@FILE"));
  EXPECT_TRUE(has(refused({"send", "--files-from", "list", "--name", "n", "-", "--listen", "::1"}), "stdin"));
  EXPECT_TRUE(has(refused({"receive", "--files-from", "list", "target"}), "--files-from"));
  EXPECT_TRUE(has(refused({"plan", "--update", "a"}), "--update"));
}

TEST(SelectionOptions, SayWhatIsLeftAlone) {
  const LeaveAlone none = good({"copy", "a", "b"}).engine.leave_alone;
  EXPECT_FALSE(none);
  const LeaveAlone newer = good({"copy", "-u", "a", "b"}).engine.leave_alone;
  EXPECT_TRUE(newer.newer && !newer.missing && !newer.existing);
  const LeaveAlone both = good({"copy", "--existing", "--ignore-existing", "a", "b"}).engine.leave_alone;
  EXPECT_TRUE(!both.newer && both.missing && both.existing);
}

TEST(SelectionOptions, SayWhenItIsToBeSeen) {
  EXPECT_EQ(good({"copy", "a", "b"}).engine.publish, Publish::file);
  EXPECT_EQ(good({"copy", "--publish", "file", "a/", "b"}).engine.publish, Publish::file);
  EXPECT_EQ(good({"copy", "--publish", "tree", "a", "c", "b"}).engine.publish, Publish::tree);
  EXPECT_EQ(good({"send", "--publish=tree", "a", "-"}).engine.publish, Publish::tree);
  EXPECT_EQ(good({"send", "--publish=tree", "--name", "n", "-", "--listen", "::1"}).engine.publish, Publish::tree);
  const Command compared = good({"copy", "--publish", "tree", "--delta", "--checksum", "a", "b"});
  EXPECT_EQ(compared.engine.publish, Publish::tree);
  EXPECT_EQ(compared.engine.delta, Delta::sha256);
  EXPECT_EQ(compared.engine.checksum, Delta::sha256);
  const Command named = good({"copy", "--publish", "tree", "--name", "n", "a/", "b"});
  EXPECT_EQ(named.source_name, "n");
  EXPECT_EQ(named.engine.publish, Publish::tree);
  EXPECT_EQ(good({"copy", "--publish", "tree", "--name", "n", "--files-from", "list", "a", "b"}).source_name, "n");
  EXPECT_EQ(good({"send", "--name", "n", "a", "-"}).source_name, "n");
}

TEST(SelectionOptions, WhatCannotBePublishedAsAWholeIsRefused) {
  for (const char* source : {"a/", ".", "..", "a/.", "/", "far:", "far:a/", "far:."})
    EXPECT_TRUE(has(refused({"copy", "--publish", "tree", source, "b"}), "--name NAME")) << source;
  EXPECT_TRUE(has(refused({"copy", "--publish", "tree", "--files-from", "list", "a", "b"}), "--name NAME"));
  for (const char* leave : {"-u", "--existing", "--ignore-existing"})
    EXPECT_TRUE(has(refused({"copy", "--publish", "tree", leave, "a", "b"}), "take one of them")) << leave;
  EXPECT_TRUE(has(refused({"copy", "--publish", "tree", "--delete", "a", "b"}), "needs no --delete"));
  EXPECT_TRUE(has(refused({"copy", "--publish", "all", "a", "b"}), "neither file nor tree"));
  EXPECT_TRUE(has(refused({"receive", "--publish", "tree", "b"}), "--publish"));
  EXPECT_TRUE(has(refused({"copy", "--name", "n", "a", "c", "b"}), "several"));
  EXPECT_TRUE(has(refused({"copy", "--name", "x/y", "a", "b"}), "not a file name"));
}

TEST(SelectionOptions, SayWhatIsDeleted) {
  EXPECT_FALSE(good({"copy", "a", "b"}).engine.mirror);
  const Command command = good({"copy", "--delete", "--ignore-errors", "--max-delete", "0", "-v", "a", "b"});
  const Mirror& mirror = command.engine.mirror;
  EXPECT_TRUE(mirror.wanted && mirror.ignore_errors && mirror.tell && !mirror.excluded_too);
  EXPECT_EQ(mirror.at_most, 0U);
  EXPECT_TRUE(good({"copy", "--delete-excluded", "a", "b"}).engine.mirror.wanted);
  EXPECT_TRUE(good({"receive", "--allow-delete", "target"}).allow_delete);
  EXPECT_TRUE(has(refused({"copy", "--max-delete", "3", "a", "b"}), "--delete"));
  EXPECT_TRUE(has(refused({"copy", "--ignore-errors", "a", "b"}), "--delete"));
  EXPECT_TRUE(has(refused({"copy", "--delete", "--max-delete", "3x", "a", "b"}), "whole number"));
  EXPECT_TRUE(has(refused({"receive", "--delete", "target"}), "--delete"));
  EXPECT_TRUE(has(refused({"receive", "--allow-delete", "--stdout"}), "--stdout"));
}

TEST(SelectionOptions, DryRunsAreOfBothEnds) {
  EXPECT_TRUE(good({"copy", "-n", "a", "b"}).engine.dry_run);
  EXPECT_TRUE(good({"receive", "--dry-run", "target"}).engine.dry_run);
  EXPECT_TRUE(has(refused({"receive", "--dry-run", "--stdout"}), "--stdout"));
}

TEST(SelectionOptions, MirrorsAndDryRunsCrossToTheOtherMachine) {
  const Arguments words = {"copy", "-n", "--delete-excluded", "--ignore-errors", "--max-delete=5"};
  const auto with = [&](const char* source, const char* target) {
    Arguments all = words;
    all.insert(all.end(), {source, target});
    return remote_command(good(all));
  };
  const std::string sends = with("far:a", "b");
  for (const char* word : {"'--dry-run'", "'--delete-excluded'", "'--ignore-errors'", "'--max-delete=5'"})
    EXPECT_TRUE(has(sends, word)) << word << " in " << sends;
  EXPECT_FALSE(has(sends, "--allow-delete")) << sends;
  const std::string lands = with("a", "far:b");
  EXPECT_TRUE(has(lands, "'--allow-delete'") && has(lands, "'--dry-run'") && !has(lands, "--delete-excluded")) << lands;
}

TEST(SelectionOptions, CrossToTheMachineThatSends) {
  const std::string line = remote_command(
      good({"copy", "-u", "--existing", "--ignore-existing", "-r", "--files-from", "list", "far:a", "b"}));
  for (const char* word : {"'--update'", "'--existing'", "'--ignore-existing'", "'--recursive'", "'--files-from=-'"})
    EXPECT_TRUE(has(line, word)) << word << " in " << line;
  const std::string whole = remote_command(good({"copy", "--publish", "tree", "--name", "n", "far:a/", "b"}));
  EXPECT_TRUE(has(whole, "'--publish=tree'") && has(whole, "'--name=n'")) << whole;
  EXPECT_FALSE(has(remote_command(good({"copy", "--publish", "tree", "a", "far:b"})), "--publish"));
  const std::string other = remote_command(good({"copy", "-u", "--files-from", "list", "a", "far:b"}));
  EXPECT_FALSE(has(other, "--update") || has(other, "--files-from")) << other;
}

TEST(SelectionOptions, TheListIsReadWhenTheWorkBegins) {
  StopFlag stop{0};
  Command command = good({"copy", "--files-from", "/nowhere/list", "a", "b"});
  const auto missing = read_names(command, stop);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::usage);
  EXPECT_TRUE(has(missing.error().text, "'/nowhere/list'")) << missing.error().text;
  command.files_from.clear();
  EXPECT_TRUE(read_names(command, stop));
  EXPECT_FALSE(command.names);
}

TEST(Rules, EndInNulWhereThatIsSaid) {
  const std::string file = testing::TempDir() + "rules-" + std::to_string(::getpid());
  std::ofstream(file, std::ios::binary) << std::string("a\nb\0#c\0d\r\0", 10);
  const auto rules = read_rules({{"--exclude-from", file}}, '\0');
  ASSERT_TRUE(rules) << rules.error().text;
  EXPECT_EQ(*rules, (Arguments{"- a\nb", "- d\r"}));
  std::remove(file.c_str());
}

TEST(Newer, IsATimeThatFilesCanHave) {
  constexpr std::int64_t now = 1'800'000'000;
  EXPECT_EQ(parse_newer("1d", now), now - 86400);
  EXPECT_EQ(parse_newer("@5", now), 5);
  EXPECT_EQ(parse_newer("@-5", now), -5);
  EXPECT_EQ(parse_newer("@9223372036", now), 9'223'372'036);
  for (const char* far :
       {"@9223372037", "@-9223372037", "@99999999999999999999", "@-9223372036854775808", "9999-01-01"}) {
    const auto refused = parse_newer(far, now);
    ASSERT_FALSE(refused) << far;
    EXPECT_EQ(refused.error().code, Code::usage);
    EXPECT_TRUE(has(refused.error().text, "too far")) << refused.error().text;
  }
  for (const char* no_time : {"@", "@x", "@5x", "yesterday", "", "@ 5"})
    EXPECT_TRUE(has(parse_newer(no_time, now).error().text, "is no time")) << no_time;
}

}  // namespace
}  // namespace longhaul::cli
