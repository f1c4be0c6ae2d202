// The commands about manifests: their arguments, lines and exit codes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <variant>

#include "cli/exit_codes.h"
#include "cli/manifest_command.h"
#include "cli/manifest_lines.h"
#include "cli/options.h"
#include "cli/signer.h"
#include "cli/summary.h"
#include "folder.h"

namespace longhaul::cli {
namespace {

using Words = std::vector<std::string>;
const std::string key_a = "SHA256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

Command good(const Words& words) {
  const auto parsed = parse_command_line(words, {});
  const Exit* exit = std::get_if<Exit>(&parsed);
  if (exit == nullptr) return std::get<Command>(parsed);
  ADD_FAILURE() << testing::PrintToString(words) << "\n" << exit->err;
  return {};
}

void refused(const Words& words, const std::string& because) {
  const auto parsed = parse_command_line(words, {});
  const Exit* exit = std::get_if<Exit>(&parsed);
  ASSERT_NE(exit, nullptr) << "was taken: " << testing::PrintToString(words);
  EXPECT_EQ(exit->code, 2);
  EXPECT_NE(exit->err.find(because), std::string::npos) << exit->err;
}

TEST(ManifestOptions, AScanIsOfTheContentOfOneDirectory) {
  const Command command =
      good({"manifest", "/data", "-o", "m", "--sha256", "--exclude", "*.o", "--workers", "3", "-H"});
  EXPECT_EQ(command.verb, Verb::manifest);
  EXPECT_EQ(command.sources, Words{"/data/"});
  EXPECT_EQ(command.manifest.file, "m");
  EXPECT_TRUE(command.manifest.sha256);
  EXPECT_FALSE(command.manifest.sign);
  EXPECT_EQ(command.selection.rules, Words{"- *.o"});
  EXPECT_EQ(command.engine.workers, 3U);
  EXPECT_TRUE(command.fidelity.hard_links);
  EXPECT_EQ(good({"manifest", "."}).sources, Words{"./"});
  EXPECT_EQ(good({"manifest", "/"}).sources, Words{"/"});
  EXPECT_TRUE(good({"manifest", "--sign", "-o", "m", "d"}).manifest.sha256);
  refused({"manifest"}, "DIR is missing");
  refused({"manifest", "a", "b"}, "too many");
  refused({"manifest", "--sign", "a"}, "-o FILE is missing");
  refused({"manifest", "--files-from", "-", "a", "b"}, "too many");
}

TEST(ManifestOptions, ShowLooksAtOneManifest) {
  const Command command = good({"manifest", "--show", "m"});
  EXPECT_TRUE(command.manifest.show);
  EXPECT_EQ(command.manifest.file, "m");
  refused({"manifest", "--show", "m", "d"}, "one too many");
  refused({"manifest", "--show", "m", "--sign"}, "--sign");
  refused({"manifest", "--show", "m", "-o", "n"}, "--output");
}

TEST(ManifestOptions, DiffTakesTwo) {
  const Command command = good({"diff", "a", "b"});
  EXPECT_EQ(command.verb, Verb::diff);
  EXPECT_EQ(command.manifest.file, "a");
  EXPECT_EQ(command.manifest.other, "b");
  refused({"diff", "a"}, "two manifests");
  refused({"diff", "a", "b", "c"}, "too many");
  refused({"diff", "a", ""}, "empty");
}

TEST(ManifestOptions, SendMakesTheManifestOfWhatWouldLand) {
  const Command command = good({"send", "--manifest-only", "m", "--sign", "-a", "dir", "dir2/"});
  EXPECT_EQ(command.verb, Verb::manifest);
  EXPECT_EQ(command.sources, (Words{"dir", "dir2/"}));
  EXPECT_EQ(command.manifest.file, "m");
  EXPECT_TRUE(command.manifest.sign);
  EXPECT_TRUE(command.fidelity.hard_links);
  EXPECT_EQ(good({"send", "--manifest-only", "m", "--name", "n", "dir"}).source_name, "n");
  refused({"send", "--manifest-only", "m"}, "SOURCE is missing");
  refused({"send", "--manifest-only", "m", "dir", "longhaul://x"}, "no TICKET");
  refused({"send", "--manifest-only", "m", "--name", "n", "-"}, "stdin");
  refused({"send", "--manifest-only", "m", "--name", "n", "a", "b"}, "several");
  const std::vector<Words> about_transfers = {
      {"--path", "name=a"}, {"--listen", "::1"}, {"--delete"}, {"-n"}, {"--publish", "tree"}};
  for (const Words& more : about_transfers) {
    Words words = {"send", "--manifest-only", "m", "dir"};
    words.insert(words.end(), more.begin(), more.end());
    refused(words, "is about a transfer");
  }
  refused({"send", "--sha256", "dir", "t"}, "--manifest-only FILE is missing");
}

TEST(ManifestOptions, VerifyAgainstAManifest) {
  const Folder folder;
  const std::string trust = "--trust-file=" + folder.file("trusted");
  Command command = good({"verify", "/data", "--manifest", "m", "--signer", key_a, "--exact", trust});
  EXPECT_EQ(command.target, "/data");
  EXPECT_EQ(command.manifest.file, "m");
  EXPECT_EQ(command.manifest.signer, key_a);
  EXPECT_TRUE(command.manifest.exact);
  EXPECT_EQ(named_signer(command, key_a), key_a);
  refused({"verify", "/data", "--signer", key_a}, "--manifest FILE, which is missing");
  refused({"verify", "/data", "--exact"}, "--manifest FILE, which is missing");
  refused({"verify", "/data", "--manifest", "m", "--signer", "gpu7", trust}, "no peer called 'gpu7'");
  refused({"verify", "/data", "--manifest", "m", "--signer", "SHA256:short", trust}, "no fingerprint");
  ASSERT_TRUE(write_trust_file(folder.file("trusted"), {{.name = "gpu7", .fingerprint = key_a, .addresses = {}}}));
  command = good({"verify", "/data", "--manifest", "m", "--signer", "gpu7", trust});
  EXPECT_EQ(command.manifest.signer, key_a);
  EXPECT_EQ(named_signer(command, key_a), key_a + " (gpu7)");
}

ManifestFile some_file(const std::string& path = "a") {
  return {.path = path, .size = 5, .mtime_ns = 1'500'000'001, .digest = std::string(32, 'd'), .sha256 = {}};
}

TEST(ManifestLines, AFileIsALine) {
  EXPECT_EQ(file_line(some_file()), std::string(32, 'd') + " 5 1.500000001 a\n");
  ManifestFile file = some_file("\x1b[31m\n\xff");
  file.sha256 = std::string(64, 's');
  file.mtime_ns = -1;
  EXPECT_EQ(file_line(file), fmt::format("{} {} 5 -0.000000001 \\x1b[31m\\x0a\\xff\n", file.digest, file.sha256));
  file.mtime_ns = std::numeric_limits<std::int64_t>::min();
  EXPECT_NE(file_line(file).find(" -9223372036.854775808 "), std::string::npos);
  const auto json = nlohmann::json::parse(file_json(file));
  EXPECT_EQ(json["path_bytes_hex"], "1b5b33316d0aff");
  EXPECT_EQ(json["sha256"], file.sha256);
  EXPECT_EQ(json["mtime_ns"], std::numeric_limits<std::int64_t>::min());
  EXPECT_TRUE(nlohmann::json::parse(file_json(some_file()))["sha256"].is_null());
}

TEST(ManifestLines, ADifferenceHasASign) {
  const ManifestFile file = some_file();
  EXPECT_EQ(difference_line(ManifestDifference::only_in_first, file), "- a\n");
  EXPECT_EQ(difference_line(ManifestDifference::only_in_second, file), "+ a\n");
  EXPECT_EQ(difference_line(ManifestDifference::content, file), "~ a\n");
  EXPECT_EQ(difference_line(ManifestDifference::time, some_file("\n")), "t \\x0a\n");
  const auto json = nlohmann::json::parse(difference_json(ManifestDifference::only_in_second, nullptr, &file));
  EXPECT_EQ(json["what"], "only_in_second");
  EXPECT_EQ(json["path"], "a");
  EXPECT_TRUE(json["first"].is_null());
  EXPECT_EQ(json["second"]["size"], 5);
}

TEST(ManifestLines, TheLastEvents) {
  ManifestReport report;
  report.manifest = {.files = 3, .bytes = 9, .root = "r", .sha256_root = "s", .signer = key_a};
  report.changed = 1;
  report.errors = {{"x", {Code::source_changed, "it changed", 0}}};
  auto json = nlohmann::json::parse(scan_done_json(report, "m\xff", nullptr, exit_code_of(report), 1));
  EXPECT_EQ(json["exit_code"], 3);
  EXPECT_EQ(json["ok"], false);
  EXPECT_EQ(json["file_bytes_hex"], "6dff");
  EXPECT_EQ(json["manifest"]["signer"], key_a);
  EXPECT_EQ(json["errors"][0]["path"], "x");
  const Error failure{Code::corrupt, "damaged", 0};
  json = nlohmann::json::parse(show_done_json({}, &failure, ExitCode::mismatch, 1));
  EXPECT_TRUE(json["manifest"].is_null());
  EXPECT_EQ(json["error"]["code"], "corrupt");
  ManifestComparison found;
  found.time = 1;
  json = nlohmann::json::parse(diff_done_json(found, ExitCode::failed, 1));
  EXPECT_EQ(json["same"], false);
  EXPECT_EQ(json["ok"], true);
  EXPECT_EQ(json["mtime"], 1);
  json = nlohmann::json::parse(diff_done_json(std::unexpected(failure), ExitCode::mismatch, 1));
  EXPECT_EQ(json["ok"], false);
  EXPECT_EQ(json["same"], false);
}

TEST(ManifestExitCodes, AScanSaysWhatIsMissingAndDiffIsAsDiff) {
  ManifestReport report;
  EXPECT_EQ(static_cast<int>(exit_code_of(report)), 0);
  report.unreadable = 1;
  EXPECT_EQ(static_cast<int>(exit_code_of(report)), 3);
  Result<ManifestComparison> comparison = ManifestComparison();
  EXPECT_EQ(static_cast<int>(exit_code_of_diff(comparison)), 0);
  for (std::uint64_t ManifestComparison::* count :
       {&ManifestComparison::only_in_first, &ManifestComparison::only_in_second, &ManifestComparison::content,
        &ManifestComparison::time}) {
    ManifestComparison one;
    one.*count = 1;
    EXPECT_EQ(static_cast<int>(exit_code_of_diff(one)), 1);
  }
  comparison = fail(Code::not_found, "none");
  EXPECT_EQ(static_cast<int>(exit_code_of_diff(comparison)), 2) << "1 would say that they differ";
  comparison = fail(Code::corrupt, "damaged");
  EXPECT_EQ(static_cast<int>(exit_code_of_diff(comparison)), 4);
  comparison = fail(Code::interrupted, "stopped");
  EXPECT_EQ(static_cast<int>(exit_code_of_diff(comparison)), 130);
  VerifyReport verified;
  verified.without_digest = 1;
  EXPECT_EQ(exit_code_of(verified), ExitCode::complete);
  verified.exact = true;
  EXPECT_EQ(exit_code_of(verified), ExitCode::mismatch);
}

TEST(ManifestSummary, SaysWhatIsNotInTheManifest) {
  const Folder folder;
  Command command;
  command.trust_file = folder.file("none");
  command.manifest.file = "m";
  ManifestReport report;
  report.manifest = {.files = 3, .bytes = 9, .root = "abc", .sha256_root = "def", .signer = key_a};
  report.unreadable = 2;
  report.left_out = 4;
  report.errors = {{"x\n", {Code::permission, "no", 0}}};
  const std::string text = summary_of(command, report);
  for (const std::string part : {"3 files", "manifest: m", "root: abc", "SHA-256 root: def", "signed by SHA256:",
                                 "could not be read: 2", "left out, as asked: 4", "x\\x0a: no", "and 1 more"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  VerifyReport verified;
  verified.files = 1;
  verified.without_digest = 1;
  verified.extra = {"e\n"};
  EXPECT_NE(summary_of(command, verified).find("+ e\\x0a"), std::string::npos);
  EXPECT_EQ(troubles_of(command, verified), "");
  verified.exact = true;
  EXPECT_NE(summary_of(command, verified).find("NOT as the manifest says"), std::string::npos);
  EXPECT_NE(troubles_of(command, verified), "");
}

}  // namespace
}  // namespace longhaul::cli
