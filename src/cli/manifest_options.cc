#include "cli/manifest_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/option_values.h"
#include "cli/printable.h"
#include "cli/signer.h"
#include "cli/sources.h"
#include "cli/ticket_source.h"

namespace longhaul::cli {
namespace {

std::unexpected<Error> too_many(const Arguments& words, std::size_t most) {
  return bad(fmt::format("too many arguments: '{}'", printable(without_secrets(words[most]))));
}

void read_digests(const Line& line, Command& command) {
  command.manifest.sign = line.flag("--sign");
  command.manifest.sha256 = line.flag("--sha256") || command.manifest.sign;
}

Result<> read_show(const Line& line, Command& command) {
  constexpr std::array about_scans = {
      "--output",       "--sha256",       "--sign",     "--exclude",    "--include",         "--filter",
      "--exclude-from", "--include-from", "--min-size", "--max-size",   "--newer",           "--files-from",
      "--from0",        "--recursive",    "--workers",  "--hard-links", "--one-file-system", "--identity"};
  for (const char* name : about_scans)
    if (line.value(name) != nullptr) return bad(fmt::format("{} is about making a manifest, not about --show", name));
  if (!line.positionals().empty())
    return bad(fmt::format("--show shows one manifest; '{}' is one too many", printable(line.positionals().front())));
  command.manifest.show = true;
  command.manifest.file = *line.value("--show");
  return {};
}

/// What `send` takes and a scan has no use for, but that does no harm: how files are kept at the target.
constexpr std::array harmless = {"--manifest-only", "--name",   "--sha256", "--sign",    "--archive",   "--owner",
                                 "--numeric-ids",   "--xattrs", "--acls",   "--special", "--no-sparse", "--verbose"};

}  // namespace

Result<> read_manifest(const Line& line, Command& command) {
  if (line.value("--show") != nullptr) return read_show(line, command);
  const Arguments& words = line.positionals();
  if (words.empty() || words[0].empty()) return bad("DIR is missing");
  if (words.size() > 1) return too_many(words, 1);
  if (const std::string* file = line.value("--output")) command.manifest.file = *file;
  read_digests(line, command);
  if (command.manifest.sign && command.manifest.file.empty())
    return bad("--sign puts a signature into the file that -o names: -o FILE is missing");
  // Its content, whatever it is called.
  command.sources = {words[0].ends_with('/') ? words[0] : words[0] + "/"};
  return check_files_from(command);
}

Result<> read_diff(const Arguments& words, Command& command) {
  if (words.size() < 2) return bad("two manifests are compared: A and B, each a file or a directory of a target");
  if (words.size() > 2) return too_many(words, 2);
  for (const std::string& word : words)
    if (word.empty()) return bad("an empty argument where a manifest should stand");
  command.manifest.file = words[0];
  command.manifest.other = words[1];
  return {};
}

Result<> read_manifest_to_verify(const Line& line, Command& command) {
  const std::string* file = line.value("--manifest");
  if (file != nullptr) command.manifest.file = *file;
  command.manifest.exact = line.flag("--exact");
  if (command.manifest.exact && file == nullptr)
    return bad("--exact is about --manifest FILE, which is missing: a target may hold what no transfer brought");
  const std::string* signer = line.value("--signer");
  if (signer == nullptr) return {};
  if (file == nullptr) return bad("--signer is about --manifest FILE, which is missing: transfers sign nothing");
  auto fingerprint = signer_asked(command, *signer);
  if (!fingerprint) return std::unexpected(fingerprint.error());
  command.manifest.signer = *std::move(fingerprint);
  return {};
}

Result<bool> read_manifest_only(const Line& line, Command& command) {
  const std::string* file = line.value("--manifest-only");
  if (file == nullptr) {
    for (const char* name : {"--sha256", "--sign"})
      if (line.value(name) != nullptr)
        return bad(fmt::format("{} is about a manifest: --manifest-only FILE is missing", name));
    return false;
  }
  for (const OptionText& option : option_texts()) {
    const std::string name = long_name(option);
    if (!takes(Verb::send, option) || takes(Verb::manifest, option) || line.value(name.c_str()) == nullptr) continue;
    if (std::ranges::find(harmless, name) == harmless.end())
      return bad(fmt::format("{} is about a transfer, and --manifest-only makes none", name));
  }
  const Arguments& words = line.positionals();
  if (words.empty()) return bad("SOURCE is missing");
  for (const std::string& word : words) {
    if (word.empty()) return bad("an empty argument where a SOURCE should stand");
    if (word.starts_with("longhaul://")) return bad("--manifest-only dials nobody and takes no TICKET");
    if (word == "-") return bad("--manifest-only reads files, not stdin; a file called - is './-'");
  }
  command.sources = words;
  if (const std::string* name = line.value("--name")) {
    if (words.size() > 1) return bad("--name says what one SOURCE is called at the target, and there are several");
    auto called = parse_stream_name(*name);
    if (!called) return std::unexpected(called.error());
    command.source_name = *std::move(called);
  }
  if (Result<> checked = check_files_from(command); !checked) return std::unexpected(checked.error());
  command.verb = Verb::manifest;
  command.manifest.file = *file;
  read_digests(line, command);
  return true;
}

}  // namespace longhaul::cli
