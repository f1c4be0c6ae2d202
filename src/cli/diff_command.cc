#include "cli/diff_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include "cli/manifest_lines.h"
#include "cli/printable.h"
#include "cli/reporter.h"
#include "cli/summary.h"
#include "longhaul/manifest.h"

namespace longhaul::cli {
namespace {

std::string words_of(const Command& command, const ManifestComparison& found) {
  const std::string first = printable(command.manifest.file);
  const std::string second = printable(command.manifest.other);
  std::string out = found.same()
                        ? fmt::format("longhaul: no difference: {}\n", counted(found.equal, "file", "files"))
                        : fmt::format("longhaul: they differ: {} equal\n", counted(found.equal, "file", "files"));
  const auto line = [&](std::uint64_t number, const std::string& what) {
    if (number > 0) out += fmt::format("  {}: {}\n", what, grouped(number));
  };
  line(found.only_in_first, fmt::format("- only in {}", first));
  line(found.only_in_second, fmt::format("+ only in {}", second));
  line(found.content, "~ of other content");
  line(found.time, "t of the same content, with another time");
  const bool alike = found.first.root == found.second.root;
  if (alike) return out + fmt::format("  root of both: {}\n", found.first.root);
  return out + fmt::format("  root of {}: {}\n  root of {}: {}\n", first, found.first.root, second, found.second.root);
}

}  // namespace

ExitCode run_diff(const Command& command, StopFlag& stop) {
  Lines lines;
  const auto visit = [&](ManifestDifference how, const ManifestFile* first, const ManifestFile* second) {
    if (command.json) return lines.add(difference_json(how, first, second));
    return command.quiet || lines.add(difference_line(how, first != nullptr ? *first : *second));
  };
  const auto comparison = compare_manifests(command.manifest.file, command.manifest.other, visit, &stop);
  const ExitCode code = exit_code_of_diff(comparison);
  if (command.json && !lines.lost()) lines.add(diff_done_json(comparison, code, wall_s()));
  if (!lines.flush()) return ExitCode::usage;  // 2: nobody may take it for an answer
  if (!comparison) write_all(STDERR_FILENO, error_line(comparison.error()));
  if (comparison && !command.quiet && !command.json) write_all(STDERR_FILENO, words_of(command, *comparison));
  return code;
}

}  // namespace longhaul::cli
