#include "cli/summary.h"

#include <gtest/gtest.h>

namespace longhaul::cli {
namespace {

Command sending() {
  Command command;
  command.verb = Verb::send;
  command.sources = {"dir"};
  command.ticket = "longhaul://x#y";
  return command;
}

Outcome complete() {
  Outcome outcome;
  outcome.ok = true;
  outcome.report.files = 5000;
  outcome.report.bytes = 1ULL << 30U;
  outcome.report.seconds = 12;
  outcome.report.bytes_per_s = 89e6;
  outcome.report.durability = "fsync";
  outcome.report.cipher = "aes-256-gcm";
  outcome.report.paths = {
      {.name = "a", .local = "", .remote = "", .streams = 2, .up = true, .bytes = 1ULL << 30U, .bytes_per_s = 89e6}};
  return outcome;
}

bool has(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

TEST(Summary, SaysWhatArrivedAndHowSafeItIs) {
  const std::string text = summary_of(sending(), complete());
  EXPECT_TRUE(has(text, "done: 5,000 files sent")) << text;
  EXPECT_TRUE(has(text, "path a: ")) << text;
  EXPECT_TRUE(has(text, "durable: fsync")) << text;
  EXPECT_TRUE(has(text, "sealed: aes-256-gcm")) << text;
  EXPECT_FALSE(has(text, "in clear")) << text;
  EXPECT_FALSE(has(text, "not kept")) << text;
  EXPECT_FALSE(has(text, "sent again")) << text;
  EXPECT_EQ(troubles_of(sending(), complete()), "");
  Outcome clear = complete();
  clear.report.cipher = "none";
  EXPECT_TRUE(has(summary_of(sending(), clear), "in clear (--cipher none)"));
  Command copy = sending();
  copy.verb = Verb::copy;
  EXPECT_FALSE(has(summary_of(copy, clear), "in clear")) << "nothing left the machine";
}

TEST(Summary, SaysWhatLimitedIt) {
  Outcome outcome = complete();
  EXPECT_FALSE(has(summary_of(sending(), outcome), "limited by")) << "not known";
  outcome.report.verdict = "path \x1b, 71 % of the time";
  outcome.report.limits = {{"path \x1b", 0.71}, {"source read", 0.29}};
  outcome.report.stages = {{"read", 1.5, 0}, {"wait_send", 0.5, 0.25}};
  EXPECT_TRUE(has(summary_of(sending(), outcome), "  limited by: path \\x1b, 71 % of the time\n"));
  EXPECT_FALSE(has(summary_of(sending(), outcome), "thread time")) << "asked for with -v";
  Command command = sending();
  command.verbose = true;
  std::string text = summary_of(command, outcome);
  EXPECT_TRUE(has(text, "     29 %  source read\n")) << text;
  EXPECT_TRUE(has(text, "  read                1.500      1.500           -          -\n")) << text;
  EXPECT_TRUE(has(text, "  all                 2.000      2.000       0.250      0.250\n")) << text;
  outcome.report.bytes = 0;
  text = summary_of(command, outcome);
  EXPECT_TRUE(has(text, "  read                1.500          -           -          -\n"))
      << "nothing was moved: " << text;
  outcome.ok = false;
  EXPECT_FALSE(has(summary_of(sending(), outcome), "limited by"));
}

TEST(Summary, SaysWhatWasNotUsedAndWhatItCost) {
  Outcome outcome = complete();
  EXPECT_FALSE(has(summary_of(sending(), outcome), "cost"));
  outcome.report.paths[0].cost_per_gb = 0.02;
  outcome.report.paths[0].cost = 0.0214748;
  outcome.report.paths.push_back({.name = "b", .excluded = "the tag 'x\x1b' is forbidden"});
  outcome.report.cost = 1234.5;
  const std::string text = summary_of(sending(), outcome);
  EXPECT_TRUE(has(text, "2 streams, cost 0.021\n")) << text;
  EXPECT_TRUE(has(text, "path b: 0 B, not used: the tag 'x\\x1b' is forbidden\n")) << text;
  EXPECT_TRUE(has(text, "  cost: 1234.50\n")) << text;
  EXPECT_FALSE(has(text, "down at the end")) << text;
}

TEST(Summary, SaysWhatCompressionCameTo) {
  Outcome outcome = complete();
  Report& report = outcome.report;
  report.wire_bytes = report.paths[0].wire_bytes = report.paths[0].bytes;
  EXPECT_FALSE(has(summary_of(sending(), outcome), "compressed")) << "nobody asked";
  report.compression = "none";
  EXPECT_FALSE(has(summary_of(sending(), outcome), "compressed"));
  report.compression = "auto";
  EXPECT_TRUE(has(summary_of(sending(), outcome), "  not compressed: the paths took all")) << "never tried";
  report.futile_frames = 3;
  for (const char* asked : {"auto", "zstd:3"}) {
    report.compression = asked;
    EXPECT_TRUE(has(summary_of(sending(), outcome), "  not compressed: what was tried did not shrink")) << asked;
  }
  report.packed_frames = 1000;
  report.wire_bytes = report.paths[0].wire_bytes = (1ULL << 30U) / 100 * 43;
  report.compression.clear();  // as the receiver says it
  EXPECT_TRUE(has(summary_of(sending(), outcome), "  compressed to 43 %: 440.32 MiB crossed for 1.00 GiB\n"))
      << summary_of(sending(), outcome);
}

TEST(Summary, SaysWhatWasDeletedAndWhatWasNot) {
  Outcome outcome = complete();
  EXPECT_FALSE(has(summary_of(sending(), outcome), "deleted"));
  outcome.report.deleted_files = 3;
  outcome.report.deleted_directories = 1;
  outcome.report.deletions_over = 2;
  outcome.report.mounts_kept = 1;
  std::string text = summary_of(sending(), outcome);
  for (const char* part :
       {"deleted at the target: 3 files and links, 1 directory\n", "by --max-delete: 2 names", "1 mount point\n"})
    EXPECT_TRUE(has(text, part)) << part << "\n" << text;
  EXPECT_TRUE(has(troubles_of(sending(), outcome), "--max-delete kept 2 names"));
  outcome.report = {};
  outcome.report.deletions_held = true;
  EXPECT_TRUE(has(summary_of(sending(), outcome), "nothing deleted: not everything"));
  outcome.report = {};
  outcome.report.dry_run = true;
  outcome.report.would_send_files = 2;
  outcome.report.would_send_bytes = 2048;
  outcome.report.would_change = 1;
  outcome.report.deleted_files = 3;
  text = summary_of(sending(), outcome);
  for (const char* part :
       {"nothing was written", "2 files would be sent", "1 name would get other properties", "3 files and links"})
    EXPECT_TRUE(has(text, part)) << part << "\n" << text;
  EXPECT_FALSE(has(text, "deleted at the target")) << text;
  EXPECT_EQ(would_line({.type = Event::Type::would, .text = "new", .path = "a\nb", .error = {}, .report = {}}),
            "new a\\x0ab\n");
}

TEST(Summary, NamesEverythingThatIsNotKept) {
  Outcome outcome = complete();
  outcome.report.hard_links = 1;
  outcome.report.sparse_files = 2;
  outcome.report.xattr_files = 3;
  outcome.report.special_files = 4;
  outcome.report.landing_zones = 5;
  outcome.report.resent_bytes = 4096;
  outcome.report.skipped_files = 7;
  const std::string text = summary_of(sending(), outcome);
  for (const char* part : {"1 file with further hard links", "2 files with holes", "3 entries with extended attributes",
                           "4 special files", "5 landing zones", "sent again: ", "already there: 7 files"}) {
    EXPECT_TRUE(has(text, part)) << part << "\n" << text;
  }
}

TEST(Summary, WhatWasAskedForIsNotAmongWhatWasLost) {
  Outcome outcome = complete();
  outcome.report.hard_links = 1;
  outcome.report.special_files = 1;
  outcome.report.left_out = 3;
  EXPECT_TRUE(has(summary_of(sending(), outcome), "  left out, as asked: 3 files and directories\n  not kept: 1 file"));
  EXPECT_FALSE(has(summary_of(sending(), outcome), "left alone"));
  outcome.report.skipped_files = 7;
  outcome.report.left_alone = 1;
  const std::string text = summary_of(sending(), outcome);
  EXPECT_TRUE(has(text, "  already there, or left alone: 7 files, ")) << text;
  EXPECT_TRUE(has(text, "  left alone at the target, as asked: 1 file, directory or symlink\n")) << text;
}

TEST(Summary, TellsWhatAnOlderVersionHadAndShares) {
  Outcome outcome = complete();
  EXPECT_FALSE(has(summary_of(sending(), outcome), "shared:"));
  outcome.report.matched_bytes = 3 * 1024 * 1024;
  outcome.report.shared_bytes = 2 * 1024 * 1024;
  const std::string text = summary_of(sending(), outcome);
  EXPECT_TRUE(has(text, "  matched: 3.00 MiB were in older versions")) << text;
  EXPECT_TRUE(has(text, "  shared: 2.00 MiB were not written")) << text;
}

TEST(Summary, TellsWhatWasComparedByContent) {
  Outcome outcome = complete();
  EXPECT_FALSE(has(summary_of(sending(), outcome), "compared by content"));
  outcome.report.compared_files = 9;
  outcome.report.compared_bytes = 3 * 1024 * 1024;
  outcome.report.same_files = 8;
  const std::string text = summary_of(sending(), outcome);
  EXPECT_TRUE(has(text, "  compared by content: 9 files, 3.00 MiB; the same: 8\n")) << text;
}

TEST(Summary, NamesTheFirstTwentyFailures) {
  Outcome outcome = complete();
  outcome.report.failed_files = 2000;
  for (int i = 0; i < 1000; ++i) {
    outcome.report.errors.push_back({"f" + std::to_string(i) + "\x1b", {Code::source_changed, "it changed", 0}});
  }
  Command command = sending();
  for (const std::string& text : {summary_of(command, outcome), troubles_of(command, outcome)}) {
    EXPECT_TRUE(has(text, "2,000 sources")) << text;
    EXPECT_TRUE(has(text, "f19\\x1b: it changed")) << text;
    EXPECT_FALSE(has(text, "f20\\x1b")) << text;
    EXPECT_TRUE(has(text, "and 1,980 more; --report FILE lists them")) << text;
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
  }
  command.report_file = "r.json";
  EXPECT_TRUE(has(summary_of(command, outcome), "see r.json"));
}

TEST(Summary, SaysHowToContinue) {
  Outcome outcome = complete();
  outcome.ok = false;
  outcome.error = {Code::interrupted, "interrupted by a signal", 0};
  EXPECT_TRUE(has(summary_of(sending(), outcome), "run the same command again")) << summary_of(sending(), outcome);
  EXPECT_TRUE(has(troubles_of(sending(), outcome), "run the same command again"));
  Command receive = sending();
  receive.verb = Verb::receive;
  receive.ticket.clear();
  EXPECT_TRUE(has(summary_of(receive, outcome), "same ticket"));
  Command stream = sending();
  stream.stream_name = "all.tar";
  EXPECT_TRUE(has(summary_of(stream, outcome), "cannot be continued"));
}

TEST(Summary, ATransferThatNeverBeganCountsNothing) {
  Outcome outcome;
  outcome.error = {Code::refused, "the ticket longhaul://x#SeCrEt is not known there", 0};
  const std::string text = summary_of(sending(), outcome);
  EXPECT_FALSE(has(text, "0 files")) << text;
  EXPECT_FALSE(has(text, "run the same command")) << "the same would be refused again";
  EXPECT_FALSE(has(text, "SeCrEt")) << text;
  EXPECT_TRUE(has(text, "longhaul: the ticket")) << text;
}

TEST(Summary, Verify) {
  Command command;
  command.verb = Verb::verify;
  command.target = "/data";
  VerifyReport report;
  report.files = 10;
  report.without_digest = 3;
  EXPECT_TRUE(has(summary_of(command, report), "verified: 10 files equal"));
  EXPECT_TRUE(has(summary_of(command, report), "without a digest (not from a transfer): 3 files"));
  EXPECT_EQ(troubles_of(command, report), "");
  report.mismatched = 1;
  report.missing = 1;
  report.changed = 1;
  report.unreadable = 1;
  report.errors = {{"a", {Code::corrupt, "leaf 3 differs", 0}}};
  for (const std::string& text : {summary_of(command, report), troubles_of(command, report)}) {
    for (const char* part : {"MISMATCH", "missing: ", "changed after the transfer", "could not be read",
                             "a: leaf 3 differs", "and 3 more"}) {
      EXPECT_TRUE(has(text, part)) << part << "\n" << text;
    }
    EXPECT_TRUE(has(text, "as it was sent")) << text;
  }
}

}  // namespace
}  // namespace longhaul::cli
