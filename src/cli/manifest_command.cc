#include "cli/manifest_command.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "cli/identity_file.h"
#include "cli/manifest_lines.h"
#include "cli/printable.h"
#include "cli/progress.h"
#include "cli/reporter.h"
#include "cli/sources.h"
#include "cli/summary.h"
#include "longhaul/manifest.h"
#include "longhaul/units.h"

namespace longhaul::cli {
namespace {

constexpr std::size_t errors_shown = 20;

ExitCode told(const Error& error) {
  write_all(STDERR_FILENO, error_line(error));
  return exit_code_of(error.code);
}

/// As any other file that this user makes.
std::uint32_t mode_of_new_files() {
  const mode_t mask = ::umask(S_IRWXG | S_IRWXO);
  ::umask(mask);
  return 0666U & ~static_cast<std::uint32_t>(mask);
}

Result<ManifestOptions> options_of(const Command& command) {
  ManifestOptions options{.sha256 = command.manifest.sha256,
                          .identity_pem = {},
                          .threads = command.engine.workers,
                          .spool_directory = spool_directory(),
                          .mode = mode_of_new_files()};
  if (!command.manifest.sign) return options;
  const std::string file = command.identity_file.empty() ? usual_identity_file() : command.identity_file;
  if (file.empty())
    return fail(Code::usage, "--sign: neither HOME nor XDG_CONFIG_HOME is set: name the key with --identity FILE");
  auto pem = load_or_make_identity(file);
  if (!pem) return std::unexpected(pem.error());
  options.identity_pem = *std::move(pem);
  return options;
}

void show_progress(const Command& command, const ManifestReport& so_far) {
  if (command.json) {
    write_all(STDOUT_FILENO, scan_progress_json(so_far, wall_s()));
  } else if (!command.quiet && stderr_is_live()) {
    write_all(STDERR_FILENO, fmt::format("longhaul: {}, {} read so far\n",
                                         counted(so_far.manifest.files, "file", "files"), format_bytes(so_far.bytes)));
  }
}

Result<ManifestReport> scan(const Command& command, StopFlag& stop, Lines& lines) {
  auto options = options_of(command);
  if (!options) return std::unexpected(options.error());
  auto source = source_of(command);
  if (!source) return std::unexpected(source.error());
  const auto progress = [&](const ManifestReport& so_far) { show_progress(command, so_far); };
  if (!command.manifest.file.empty())
    return make_manifest(*std::move(source), command.manifest.file, *options, progress, &stop);
  const auto visit = [&](const ManifestFile& file) {
    return lines.add(command.json ? file_json(file) : file_line(file));
  };
  return list_manifest(*std::move(source), visit, *options, progress, &stop);
}

std::string roots_as_comments(const Command& command, const ManifestSummary& manifest) {
  std::string out = fmt::format("# {}, {}\n", counted(manifest.files, "file", "files"), format_bytes(manifest.bytes));
  std::string more = manifest_lines(command, manifest);
  for (std::size_t at = 0; at < more.size(); at = more.find('\n', at) + 1) more[at] = '#';
  return out + more;
}

ExitCode run_show(const Command& command, StopFlag& stop) {
  Lines lines;
  const auto visit = [&](const ManifestFile& file) {
    return command.quiet || lines.add(command.json ? file_json(file) : file_line(file));
  };
  const auto manifest = show_manifest(command.manifest.file, visit, &stop);
  const ExitCode code = manifest ? ExitCode::complete : exit_code_of(manifest.error().code);
  if (command.json)
    lines.add(show_done_json(manifest ? *manifest : ManifestSummary(), manifest ? nullptr : &manifest.error(), code,
                             wall_s()));
  else if (manifest)
    lines.add(roots_as_comments(command, *manifest));
  if (!lines.flush()) return ExitCode::failed;
  return manifest ? code : told(manifest.error());
}

}  // namespace

std::string summary_of(const Command& command, const ManifestReport& report) {
  const double rate = report.seconds > 0 ? static_cast<double>(report.bytes) / report.seconds : 0;
  std::string out =
      fmt::format("longhaul: {}, {} read in {} ({}){}\n", counted(report.manifest.files, "file", "files"),
                  format_bytes(report.bytes), format_duration(report.seconds), format_rate(rate),
                  command.manifest.file.empty() ? "" : fmt::format("; manifest: {}", printable(command.manifest.file)));
  out += manifest_lines(command, report.manifest);
  const auto line = [&](std::uint64_t number, const char* what) {
    if (number > 0) out += fmt::format("  {}: {}\n", what, grouped(number));
  };
  line(report.without_record, "without a record (symlinks, further names, pipes, sockets, devices)");
  line(report.left_out, "left out, as asked");
  line(report.changed, "NOT IN THE MANIFEST, for they changed or vanished while they were read");
  line(report.unreadable, "NOT IN THE MANIFEST, for they could not be read");
  const std::size_t shown = std::min(report.errors.size(), errors_shown);
  for (std::size_t i = 0; i < shown; ++i)
    out += fmt::format("    {}: {}\n", printable(report.errors[i].path), printable(report.errors[i].error.text));
  const std::uint64_t failed = report.changed + report.unreadable;
  if (failed > shown) out += fmt::format("    and {} more\n", grouped(failed - shown));
  return out;
}

ExitCode run_manifest(const Command& command, StopFlag& stop) {
  if (command.manifest.show) return run_show(command, stop);
  Lines lines;
  const auto report = scan(command, stop, lines);
  if (lines.lost()) return ExitCode::failed;
  const Error* failure = report ? nullptr : &report.error();
  const ExitCode code = report ? exit_code_of(*report) : exit_code_of(failure->code);
  if (command.json)
    lines.add(scan_done_json(report ? *report : ManifestReport(), command.manifest.file, failure, code, wall_s()));
  else if (report && command.manifest.file.empty())
    lines.add(roots_as_comments(command, report->manifest));
  if (!lines.flush()) return ExitCode::failed;
  if (!report) return told(report.error());
  const bool brief = command.quiet || command.json;
  if (!brief || code != ExitCode::complete) write_all(STDERR_FILENO, summary_of(command, *report));
  return code;
}

}  // namespace longhaul::cli
