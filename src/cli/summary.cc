#include "cli/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "cli/printable.h"
#include "cli/signer.h"
#include "longhaul/units.h"

namespace longhaul::cli {
namespace {

constexpr std::size_t names_shown = 20;

/// "  path: reason" for the first of `errors`, then how many more of `total` there are and where they stand.
std::string names_of(const std::vector<FileError>& errors, std::uint64_t total, const Command& command) {
  std::string out;
  const std::size_t shown = std::min(errors.size(), names_shown);
  for (std::size_t i = 0; i < shown; ++i) {
    const std::string& path = errors[i].path;
    out += fmt::format("    {}: {}\n", path.empty() ? "." : printable(path), printable(errors[i].error.text));
  }
  if (total <= shown) return out;
  const std::string where =
      command.report_file.empty() ? "--report FILE lists them" : fmt::format("see {}", printable(command.report_file));
  return out + fmt::format("    and {} more; {}\n", grouped(total - shown), where);
}

std::string deleted_words(const Report& report) {
  return fmt::format("{}, {}", counted(report.deleted_files, "file or link", "files and links"),
                     counted(report.deleted_directories, "directory", "directories"));
}

/// Of a dry run that came to its end.
std::string dry_headline(const Report& report) {
  std::string out =
      fmt::format("longhaul: dry run, nothing was written: {} would be sent ({})",
                  counted(report.would_send_files, "file", "files"), format_bytes(report.would_send_bytes));
  if (report.would_change > 0)
    out += fmt::format("; {} would get other properties", counted(report.would_change, "name", "names"));
  if (report.deleted_files + report.deleted_directories > 0)
    out += fmt::format("; {} would be deleted", deleted_words(report));
  return out + "\n";
}

std::string mirror_lines(const Report& report) {
  std::string out;
  if (report.deleted_files + report.deleted_directories > 0 && !report.dry_run)
    out += fmt::format("  deleted at the target: {}\n", deleted_words(report));
  if (report.deletions_held)
    out += fmt::format(
        "  {} deleted: not everything could be read, sent and landed (--ignore-errors deletes all the "
        "same)\n",
        report.deleted_files + report.deleted_directories > 0 ? "nothing more" : "nothing");
  if (report.deletions_over > 0)
    out += fmt::format("  not deleted, by --max-delete: {}, with all that is in directories among them\n",
                       counted(report.deletions_over, "name", "names"));
  if (report.mounts_kept > 0)
    out += fmt::format("  not looked into for what the source does not have: {}\n",
                       counted(report.mounts_kept, "mount point", "mount points"));
  return out;
}

std::string headline(const Command& command, const Outcome& outcome) {
  const Report& report = outcome.report;
  if (outcome.ok && report.dry_run) return dry_headline(report);
  const char* how = !outcome.ok               ? (outcome.error.code == Code::interrupted ? "interrupted" : "failed")
                    : report.failed_files > 0 ? "done, but not every source could be sent whole"
                                              : "done";
  const char* verb = command.verb == Verb::copy ? "copied" : command.verb == Verb::receive ? "received" : "sent";
  return fmt::format("longhaul: {}: {} {}, {} in {} ({})\n", how, counted(report.files, "file", "files"), verb,
                     format_bytes(report.bytes), format_duration(report.seconds), format_rate(report.bytes_per_s));
}

std::string path_line(const PathReport& path) {
  const std::string moved = fmt::format("  path {}: {}, ", printable(path.name), format_bytes(path.bytes));
  if (!path.excluded.empty()) return moved + fmt::format("not used: {}\n", printable(path.excluded));
  const bool plain = path.transport.empty() || path.transport == transport_tcp;
  const std::string by = plain ? "" : ", by " + printable(path.transport);
  const std::string cost = path.cost_per_gb > 0 ? ", cost " + format_money(path.cost) : "";
  const std::string worse = path.times_degraded == 0
                                ? ""
                                : fmt::format(", got worse {} (last: {})",
                                              counted(path.times_degraded, "time", "times"), printable(path.evidence));
  return moved +
         fmt::format(
             "{}, {}{}{}{}{}\n", format_rate(path.bytes_per_s), counted(path.streams, "stream", "streams"), by, cost,
             worse, path.up ? "" : fmt::format(", {} at the end", path.state.empty() ? "down" : printable(path.state)));
}

std::string also_line(const Report& report) {
  if (report.directories + report.symlinks + report.linked + report.specials == 0) return {};
  std::string line = fmt::format("  also: {}, {}", counted(report.directories, "directory", "directories"),
                                 counted(report.symlinks, "symlink", "symlinks"));
  if (report.linked > 0) line += ", " + counted(report.linked, "hard link", "hard links");
  if (report.specials > 0) line += ", " + counted(report.specials, "special file", "special files");
  return line + "\n";
}

/// What compression came to, on either side; at the sender also why it came to nothing.
std::string compression_line(const Report& report) {
  std::uint64_t content = 0;
  for (const PathReport& path : report.paths) content += path.bytes;
  if (report.packed_frames > 0 && content > 0) {
    const double part = 100 * static_cast<double>(report.wire_bytes) / static_cast<double>(content);
    return fmt::format("  compressed to {:.{}f} %: {} crossed for {}\n", part, part < 10 ? 1 : 0,
                       format_bytes(report.wire_bytes), format_bytes(content));
  }
  if (report.futile_frames > 0) return "  not compressed: what was tried did not shrink by enough\n";
  if (report.compression == "auto" && content > 0)
    return "  not compressed: the paths took all that this machine could send\n";
  return {};
}

std::string moved_lines(const Report& report) {
  std::string out;
  if (report.skipped_files > 0 || report.skipped_bytes > 0) {
    out += fmt::format("  {}: {}, {}\n", report.left_alone > 0 ? "already there, or left alone" : "already there",
                       counted(report.skipped_files, "file", "files"), format_bytes(report.skipped_bytes));
  }
  if (report.compared_files > 0)
    out += fmt::format("  compared by content: {}, {}; the same: {}\n", counted(report.compared_files, "file", "files"),
                       format_bytes(report.compared_bytes), report.same_files);
  out += also_line(report);
  if (report.resent_bytes > 0) out += fmt::format("  sent again: {}\n", format_bytes(report.resent_bytes));
  if (report.matched_bytes > 0)
    out += fmt::format("  matched: {} were in older versions at the target and did not cross\n",
                       format_bytes(report.matched_bytes));
  if (report.shared_bytes > 0)
    out += fmt::format("  shared: {} were not written, the older version has the same blocks\n",
                       format_bytes(report.shared_bytes));
  out += compression_line(report);
  if (!report.schedule.empty()) out += fmt::format("  timetable: {}\n", printable(report.schedule));
  for (const PathReport& path : report.paths) out += path_line(path);
  if (report.cost > 0) out += fmt::format("  cost: {}\n", format_money(report.cost));
  if (!report.forecast.empty()) out += fmt::format("  {}\n", printable(report.forecast));
  return out;
}

/// Law of this summary: what was met and is not at the target as it was is said, never silently dropped.
std::string not_kept_lines(const Report& report) {
  std::string out;
  const auto line = [&](std::uint64_t number, const char* one, const char* many, const char* fate) {
    if (number > 0) out += fmt::format("  not kept: {}: {}\n", counted(number, one, many), fate);
  };
  line(report.hard_links, "file with further hard links", "files with further hard links",
       "sent as separate files (--hard-links keeps them)");
  line(report.sparse_files, "file with holes", "files with holes", "filled with zeros at the target");
  line(report.xattr_files, "entry with extended attributes or ACLs", "entries with extended attributes or ACLs",
       "sent without them (--xattrs, --acls keep them)");
  line(report.special_files, "special file (device, socket, pipe)", "special files (devices, sockets, pipes)",
       "not sent (--special sends them)");
  line(report.landing_zones, "landing zone (.longhaul) of transfers into what was sent",
       "landing zones (.longhaul) of transfers into what was sent", "never sent");
  line(report.owners_not_kept, "owner", "owners", "the receiver may not give files away; it would have to be root");
  line(report.attributes_not_kept, "entry with attributes", "entries with attributes",
       "the target does not take some of them, or they need --special at the receiver");
  line(report.modes_not_kept, "mode", "modes",
       "setuid and setgid bits need --special at the receiver, others that the file there belongs to it");
  return out;
}

/// What did not cross because somebody said so: nothing is lost.
std::string as_asked_lines(const Report& report) {
  std::string out;
  if (report.left_out > 0)
    out += fmt::format("  left out, as asked: {}\n",
                       counted(report.left_out, "file or directory", "files and directories"));
  if (report.left_alone > 0)
    out += fmt::format("  left alone at the target, as asked: {}\n",
                       counted(report.left_alone, "file, directory or symlink", "files, directories and symlinks"));
  return out;
}

std::string safety_lines(const Command& command, const Outcome& outcome) {
  const Report& report = outcome.report;
  std::string out;
  if (!report.durability.empty()) out += fmt::format("  durable: {}\n", printable(report.durability));
  if (report.cipher == "none" && command.verb != Verb::copy) out += "  data went in clear (--cipher none)\n";
  if (report.cipher != "none" && !report.cipher.empty()) out += fmt::format("  sealed: {}\n", printable(report.cipher));
  const bool chosen = command.verbose && !report.streams_chosen.empty();
  if (chosen) out += fmt::format("  streams: {}\n", printable(report.streams_chosen));
  for (const PathReport& path : report.paths) {
    if (command.verbose && !path.streams_why.empty())
      out += fmt::format("  streams of path {}: {}\n", printable(path.name), printable(path.streams_why));
    if (command.verbose && !path.congestion.empty())
      out += fmt::format("  congestion control of path {}: {}\n", printable(path.name), printable(path.congestion));
    if (command.verbose && !path.slots.empty())
      out += fmt::format("  slots of path {}: {}\n", printable(path.name), printable(path.slots));
  }
  return out;
}

/// Where the time of the threads went, of either end: seconds, and seconds for each GiB that was moved.
std::string stage_table(const Report& report) {
  if (report.stages.empty()) return {};
  const double gib = static_cast<double>(report.bytes) / static_cast<double>(std::uint64_t{1} << 30U);
  const auto cells = [&](double seconds) {
    const std::string each = gib > 0 ? fmt::format("{:.3f}", seconds / gib) : "-";
    return seconds > 0 ? fmt::format("{:>10.3f} {:>10}", seconds, each) : fmt::format("{:>10} {:>10}", "-", "-");
  };
  std::string out =
      fmt::format("  {:<14} {:>10} {:>10}  {:>10} {:>10}\n", "thread time", "sender s", "s/GiB", "receiver s", "s/GiB");
  double sender_s = 0;
  double receiver_s = 0;
  for (const StageReport& stage : report.stages) {
    sender_s += stage.sender_s;
    receiver_s += stage.receiver_s;
    out += fmt::format("  {:<14} {}  {}\n", stage.name, cells(stage.sender_s), cells(stage.receiver_s));
  }
  return out + fmt::format("  {:<14} {}  {}\n", "all", cells(sender_s), cells(receiver_s));
}

/// Of a transfer that came to its end: what kept it from being faster.
std::string limit_lines(const Command& command, const Outcome& outcome) {
  const Report& report = outcome.report;
  std::string out;
  if (outcome.ok && !report.limits.empty()) out = fmt::format("  limited by: {}\n", printable(report.verdict));
  if (!command.verbose) return out;
  for (const LimitReport& limit : report.limits)
    out += fmt::format("    {:>3.0f} %  {}\n", 100 * limit.share, printable(limit.what));
  return out + stage_table(report);
}

bool same_command_continues(const Command& command) {
  return command.stream_name.empty() && !command.to_stdout;
}

/// What to do next after a transfer that did not end well.
std::string advice(const Command& command, const Outcome& outcome) {
  if (outcome.ok) {
    return outcome.report.failed_files > 0 && same_command_continues(command)
               ? "  the same command again sends only what is missing\n"
               : "";
  }
  switch (outcome.error.code) {
    case Code::interrupted:
    case Code::connection:
    case Code::stalled:
    case Code::no_space:
    case Code::io:
      break;
    case Code::usage:
    case Code::not_found:
    case Code::permission:
    case Code::read_only:
    case Code::busy:
    case Code::source_changed:
    case Code::corrupt:
    case Code::protocol:
    case Code::refused:
    case Code::unsupported:
    case Code::internal:
      return "";
  }
  if (!same_command_continues(command)) return "  a stream cannot be continued: it starts from its beginning again\n";
  if (command.verb == Verb::receive && command.ticket.empty()) {
    return "  to continue, run the same command again: it answers to the same ticket, and the sender goes on\n";
  }
  return "  to continue, run the same command again: what has landed is not sent again\n";
}

std::string failed_files(const Command& command, const Report& report) {
  if (report.failed_files == 0 && report.errors.empty()) return {};
  const std::uint64_t total = std::max<std::uint64_t>(report.failed_files, report.errors.size());
  return fmt::format("  not sent whole: {}\n", counted(total, "source", "sources")) +
         names_of(report.errors, total, command);
}

std::string verify_lines(const Command& command, const VerifyReport& report) {
  std::string out;
  const auto line = [&](std::uint64_t number, const char* what) {
    if (number > 0) out += fmt::format("  {}: {}\n", counted(number, "file", "files"), what);
  };
  line(report.mismatched, "MISMATCH: the content differs from its digest");
  line(report.missing, "missing: in the manifest, not in the directory");
  const bool given = !command.manifest.file.empty();
  line(report.changed, given ? "changed: size or time differ from the manifest"
                             : "changed after the transfer: size or time differ from the manifest");
  line(report.unreadable, "could not be read");
  if (report.exact) line(report.without_digest, "in the directory, not in the manifest (--exact)");
  const std::uint64_t total = report.mismatched + report.missing + report.changed + report.unreadable;
  return out + names_of(report.errors, std::max<std::uint64_t>(total, report.errors.size()), command);
}

const char* as_it_should_be(const Command& command) {
  return command.manifest.file.empty() ? "as it was sent" : "as the manifest says";
}

/// What a directory has beside the files of a manifest from elsewhere.
std::string extra_lines(const Command& command, const VerifyReport& report) {
  if (command.manifest.file.empty() || report.without_digest == 0) return {};
  std::string out = report.exact ? std::string()
                                 : fmt::format("  beside it, not in the manifest: {}\n",
                                               counted(report.without_digest, "file", "files"));
  const std::size_t shown = std::min(report.extra.size(), names_shown);
  for (std::size_t i = 0; i < shown; ++i) out += fmt::format("    + {}\n", printable(report.extra[i]));
  if (report.without_digest > shown) out += fmt::format("    and {} more\n", grouped(report.without_digest - shown));
  return out;
}

}  // namespace

std::string manifest_lines(const Command& command, const ManifestSummary& manifest) {
  if (manifest.root.empty()) return {};
  std::string out = fmt::format("  root: {}\n", manifest.root);
  if (!manifest.sha256_root.empty()) out += fmt::format("  SHA-256 root: {}\n", manifest.sha256_root);
  if (!manifest.signer.empty()) out += fmt::format("  signed by {}\n", named_signer(command, manifest.signer));
  return out;
}

std::string would_line(const Event& event) {
  return fmt::format("{} {}\n", event.text, printable(event.path));
}

std::string format_money(double cost) {
  return cost >= 1 ? fmt::format("{:.2f}", cost) : fmt::format("{:.2g}", cost);
}

std::string error_line(const Error& error) {
  return fmt::format("longhaul: {}\n", printable(without_secrets(error.text)));
}

std::string troubles_of(const Command& command, const Outcome& outcome) {
  std::string out;
  if (!outcome.ok) out += error_line(outcome.error);
  const std::string files = failed_files(command, outcome.report);
  if (outcome.ok && !files.empty()) out += "longhaul: complete, but not every source could be sent whole\n";
  if (exit_code_of(outcome) == ExitCode::over_limit)
    out += fmt::format("longhaul: complete, but --max-delete kept {} that the source does not have\n",
                       counted(outcome.report.deletions_over, "name", "names"));
  return out + files + advice(command, outcome);
}

std::string summary_of(const Command& command, const Outcome& outcome) {
  std::string out;
  if (!outcome.ok) out += error_line(outcome.error);
  // A transfer that never began has nothing to count.
  const Report& report = outcome.report;
  const bool began = outcome.ok || report.files + report.bytes + report.files_found + report.skipped_files > 0;
  if (!began) return out + failed_files(command, report) + advice(command, outcome);
  return out + headline(command, outcome) + moved_lines(report) + mirror_lines(report) + as_asked_lines(report) +
         not_kept_lines(report) + failed_files(command, report) + safety_lines(command, outcome) +
         limit_lines(command, outcome) + advice(command, outcome);
}

std::string troubles_of(const Command& command, const VerifyReport& report) {
  if (exit_code_of(report) == ExitCode::complete) return {};
  return fmt::format("longhaul: {} is not {}\n", printable(command.target), as_it_should_be(command)) +
         verify_lines(command, report) + (report.exact ? extra_lines(command, report) : std::string());
}

std::string summary_of(const Command& command, const VerifyReport& report) {
  const double rate = report.seconds > 0 ? static_cast<double>(report.bytes) / report.seconds : 0;
  const bool clean = exit_code_of(report) == ExitCode::complete;
  std::string out = fmt::format("longhaul: {}: {} equal to the manifest, {} read in {} ({})\n",
                                clean ? "verified" : fmt::format("NOT {}", as_it_should_be(command)),
                                counted(report.files, "file", "files"), format_bytes(report.bytes),
                                format_duration(report.seconds), format_rate(rate));
  out += verify_lines(command, report);
  if (report.without_digest > 0 && command.manifest.file.empty()) {
    out +=
        fmt::format("  without a digest (not from a transfer): {}\n", counted(report.without_digest, "file", "files"));
  }
  return out + extra_lines(command, report) + manifest_lines(command, report.manifest);
}

}  // namespace longhaul::cli
