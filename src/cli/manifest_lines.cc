#include "cli/manifest_lines.h"

#include <fmt/format.h>
#include <unistd.h>

#include "cli/json_text.h"
#include "cli/printable.h"
#include "cli/reporter.h"

namespace longhaul::cli {
namespace {

constexpr std::size_t piece_bytes = std::size_t{64} * 1024;

std::string seconds_of(std::int64_t ns) {
  constexpr std::int64_t ns_per_s = 1'000'000'000;
  const bool before = ns < 0;
  // The lowest number has no positive counterpart.
  const std::uint64_t size =
      before ? std::uint64_t{0} - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
  return fmt::format("{}{}.{:09}", before ? "-" : "", size / ns_per_s, size % ns_per_s);
}

const char* word_of(ManifestDifference how) {
  switch (how) {
    case ManifestDifference::only_in_first:
      return "only_in_first";
    case ManifestDifference::only_in_second:
      return "only_in_second";
    case ManifestDifference::content:
      return "content";
    case ManifestDifference::time:
      return "time";
  }
  return "content";
}

char sign_of(ManifestDifference how) {
  switch (how) {
    case ManifestDifference::only_in_first:
      return '-';
    case ManifestDifference::only_in_second:
      return '+';
    case ManifestDifference::content:
      return '~';
    case ManifestDifference::time:
      return 't';
  }
  return '~';
}

void put_file(Json& object, const ManifestFile& file) {
  object["size"] = file.size;
  object["mtime_ns"] = file.mtime_ns;
  object["digest"] = file.digest;
  object["sha256"] = words_or_null(file.sha256);
}

Json file_or_null(const ManifestFile* file) {
  if (file == nullptr) return nullptr;
  Json object = Json::object();
  put_file(object, *file);
  return object;
}

Json summary_or_null(const ManifestSummary& manifest) {
  if (manifest.root.empty()) return nullptr;
  Json object = Json::object();
  put_manifest(object, manifest);
  return object;
}

void put_end(Json& object, const Error* failure, bool ok, ExitCode exit_code) {
  object["ok"] = ok;
  object["exit_code"] = static_cast<int>(exit_code);
  if (failure != nullptr) object["error"] = error_of(*failure);
}

void put_counts(Json& object, const ManifestReport& report) {
  object["files"] = report.manifest.files;
  object["bytes"] = report.bytes;
  object["seconds"] = report.seconds;
  object["unreadable"] = report.unreadable;
  object["changed"] = report.changed;
}

}  // namespace

std::string file_line(const ManifestFile& file) {
  return fmt::format("{} {}{}{} {} {}\n", file.digest, file.sha256, file.sha256.empty() ? "" : " ", file.size,
                     seconds_of(file.mtime_ns), printable(file.path));
}

std::string file_json(const ManifestFile& file) {
  Json object = {{"event", "file"}};
  put_name(object, "path", file.path);
  put_file(object, file);
  return line_of(object);
}

std::string difference_line(ManifestDifference how, const ManifestFile& file) {
  return fmt::format("{} {}\n", sign_of(how), printable(file.path));
}

std::string difference_json(ManifestDifference how, const ManifestFile* first, const ManifestFile* second) {
  Json object = {{"event", "difference"}, {"what", word_of(how)}};
  put_name(object, "path", first != nullptr ? first->path : second->path);
  object["first"] = file_or_null(first);
  object["second"] = file_or_null(second);
  return line_of(object);
}

std::string scan_done_json(const ManifestReport& report, const std::string& file, const Error* failure,
                           ExitCode exit_code, double time_s) {
  Json object = head("done", time_s);
  put_end(object, failure, exit_code == ExitCode::complete, exit_code);
  put_counts(object, report);
  object["without_record"] = report.without_record;
  object["left_out"] = report.left_out;
  if (file.empty())
    object["file"] = nullptr;
  else
    put_name(object, "file", file);
  object["manifest"] = summary_or_null(report.manifest);
  object["errors"] = errors_of(report.errors);
  return line_of(object);
}

std::string scan_progress_json(const ManifestReport& report, double time_s) {
  Json object = head("progress", time_s);
  put_counts(object, report);
  return line_of(object);
}

std::string show_done_json(const ManifestSummary& manifest, const Error* failure, ExitCode exit_code, double time_s) {
  Json object = head("done", time_s);
  put_end(object, failure, exit_code == ExitCode::complete, exit_code);
  object["manifest"] = summary_or_null(manifest);
  return line_of(object);
}

std::string diff_done_json(const Result<ManifestComparison>& comparison, ExitCode exit_code, double time_s) {
  const ManifestComparison found = comparison ? *comparison : ManifestComparison();
  Json object = head("done", time_s);
  put_end(object, comparison ? nullptr : &comparison.error(), comparison.has_value(), exit_code);
  object["same"] = comparison && found.same();
  object["equal"] = found.equal;
  object["only_in_first"] = found.only_in_first;
  object["only_in_second"] = found.only_in_second;
  object["content"] = found.content;
  object["mtime"] = found.time;
  object["first"] = summary_or_null(found.first);
  object["second"] = summary_or_null(found.second);
  return line_of(object);
}

bool Lines::add(const std::string& line) {
  text_ += line;
  return text_.size() < piece_bytes ? !lost_ : flush();
}

bool Lines::flush() {
  if (!lost_ && !text_.empty()) lost_ = !write_all(STDOUT_FILENO, text_);
  text_.clear();
  return !lost_;
}

}  // namespace longhaul::cli
