#include "cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "cli/printable.h"
#include "longhaul/units.h"

namespace longhaul::cli {
namespace {

constexpr double plain_every_s = 10;
constexpr unsigned columns_min = 20;

/// "12.30 GiB of 29.10 GiB", and the percentage once the walk knows the whole. What is there already counts as done.
std::string amount_of(const Report& report) {
  const std::uint64_t there = report.bytes + report.skipped_bytes;
  if (!report.walk_done)
    return fmt::format("{} moved, {} found so far", format_bytes(report.bytes), format_bytes(report.bytes_found));
  if (report.bytes_found == 0) return format_bytes(report.bytes);
  const double share = std::min(1.0, static_cast<double>(there) / static_cast<double>(report.bytes_found));
  return fmt::format("{:3.0f}%  {} of {}", std::floor(share * 100), format_bytes(std::min(there, report.bytes_found)),
                     format_bytes(report.bytes_found));
}

std::string files_of(const Report& report) {
  const std::uint64_t there = report.files + report.skipped_files;
  std::string text = fmt::format("{} of {} files", grouped(there), grouped(std::max(there, report.files_found)));
  if (report.failed_files > 0) text += fmt::format(", {} failed", grouped(report.failed_files));
  return text;
}

std::string total_of(const Report& report) {
  return fmt::format("{}  {}  ETA {}  {}", amount_of(report), format_rate(report.bytes_per_s),
                     format_duration(report.eta_s), files_of(report));
}

/// Why it carries nothing.
std::string state_of(const PathReport& path) {
  return path.state.empty() ? "down" : printable(path.state);
}

std::string path_line(const PathReport& path, std::size_t name_width) {
  std::string line = fmt::format("  {:<{}}  ", printable(path.name), name_width);
  if (!path.excluded.empty()) return line + fmt::format("{:>11}  {}", "not used", printable(path.excluded));
  line += path.up && path.state != "spared"
              ? fmt::format("{:>11}  {:>10}  {}", format_rate(path.bytes_per_s), format_bytes(path.bytes),
                            counted(path.streams, "stream", "streams"))
              : fmt::format("{:>11}  {:>10}", state_of(path), format_bytes(path.bytes));
  if (path.local.empty() && path.remote.empty()) return line;
  return line + fmt::format("  {} -> {}", path.local.empty() ? "any" : printable(path.local), printable(path.remote));
}

}  // namespace

std::vector<std::string> progress_block(const Report& report, TerminalSize size) {
  // The last column stays free: a line that fills it makes some terminals wrap.
  const unsigned columns = std::max(size.columns, columns_min) - 1;
  const std::size_t room = size.rows > 4 ? size.rows - 4 : 1;
  std::vector<std::string> block = {total_of(report)};
  std::size_t name_width = 0;
  for (const PathReport& path : report.paths) name_width = std::max(name_width, path.name.size());
  const std::size_t shown = report.paths.size() > room ? room : report.paths.size();
  for (std::size_t i = 0; i < shown; ++i) block.push_back(path_line(report.paths[i], name_width));
  if (shown < report.paths.size()) block.push_back(fmt::format("  and {} more paths", report.paths.size() - shown));
  if (!report.forecast.empty()) block.push_back("forecast: " + printable(report.forecast));
  if (!report.verdict.empty()) block.push_back("limited by: " + printable(report.verdict));
  for (std::string& line : block) line = cut_to(line, columns);
  return block;
}

std::string progress_line(const Report& report) {
  std::string line = total_of(report);
  line.erase(0, line.find_first_not_of(' '));
  for (const PathReport& path : report.paths) {
    if (!path.excluded.empty()) continue;
    line += fmt::format("  {} {}", printable(path.name), path.up ? format_rate(path.bytes_per_s) : state_of(path));
  }
  if (!report.forecast.empty()) line += "  forecast: " + printable(report.forecast);
  if (!report.verdict.empty()) line += "  limited by: " + printable(report.verdict);
  return line;
}

std::string verify_line(const VerifyReport& report) {
  const double rate = report.seconds > 0 ? static_cast<double>(report.bytes) / report.seconds : 0;
  const std::uint64_t wrong = report.mismatched + report.missing + report.changed + report.unreadable;
  return fmt::format("{} equal  {} read  {}{}", counted(report.files, "file", "files"), format_bytes(report.bytes),
                     format_rate(rate), wrong > 0 ? fmt::format("  {} not equal", grouped(wrong)) : "");
}

void ProgressView::show(const Event& event) {
  if (setup_.loudness == Loudness::quiet) return;
  const bool verbose = setup_.loudness == Loudness::verbose;
  switch (event.type) {
    case Event::Type::progress:
      if (event.report == nullptr) return;
      if (setup_.live) {
        draw(progress_block(*event.report, setup_.size()));
      } else {
        draw_plain(progress_line(*event.report));
      }
      return;
    case Event::Type::start:
      plain_due_s_ = setup_.now_s() + plain_every_s;
      say(event.text.empty() ? "started" : event.text);
      return;
    case Event::Type::note:
      say(event.text);
      return;
    case Event::Type::path_down:
      say(fmt::format("path {} is down: {}", event.path, event.error.text.empty() ? event.text : event.error.text));
      return;
    case Event::Type::path_degraded:
      say(fmt::format("path {} got worse, and is given less: {}", event.path, event.text));
      return;
    case Event::Type::path_recovered:
      say(fmt::format("path {} recovered: {}", event.path, event.text));
      return;
    case Event::Type::path_up:
      if (verbose) say(event.text.empty() ? fmt::format("path {} is up", event.path) : event.text);
      return;
    case Event::Type::file_error:
      if (verbose) say(fmt::format("{}: {}", event.path, event.error.text));
      return;
    case Event::Type::deleted:
      if (verbose) say(fmt::format("deleted {}", event.path));
      return;
    case Event::Type::ticket:
    case Event::Type::would:         // on stdout
    case Event::Type::file_durable:  // asked for by programs only
    case Event::Type::done:
      return;
  }
}

void ProgressView::show(const VerifyReport& report) {
  if (setup_.loudness == Loudness::quiet) return;
  const std::string line = verify_line(report);
  if (setup_.live) {
    draw({cut_to(line, std::max(setup_.size().columns, columns_min) - 1)});
  } else {
    draw_plain(line);
  }
}

void ProgressView::say(std::string_view line) {
  if (setup_.loudness == Loudness::quiet || line.empty()) return;
  clear();
  setup_.print(fmt::format("longhaul: {}\n", printable(line)));
}

void ProgressView::clear() {
  const std::string erase = take_off();
  if (!erase.empty()) setup_.print(erase);
}

std::string ProgressView::take_off() {
  if (drawn_.empty()) return {};
  // A terminal that was made narrower since has wrapped the lines.
  const unsigned columns = std::max(setup_.size().columns, 1U);
  unsigned rows = 0;
  for (const std::string& line : drawn_) rows += std::max(1U, (columns_of(line) + columns - 1) / columns);
  drawn_.clear();
  return fmt::format("\r\x1b[{}A\x1b[J", rows);
}

void ProgressView::draw(const std::vector<std::string>& block) {
  std::string text = take_off();  // in one write with the new block: no flicker
  for (const std::string& line : block) text.append(line).append("\n");
  setup_.print(text);
  drawn_ = block;
}

void ProgressView::draw_plain(const std::string& line) {
  const double now_s = setup_.now_s();
  if (now_s < plain_due_s_) return;
  plain_due_s_ = now_s + plain_every_s;
  setup_.print(fmt::format("longhaul: {}\n", line));
}

bool stderr_is_live() {
  const char* term = std::getenv("TERM");
  if (::isatty(STDERR_FILENO) != 1 || term == nullptr || std::string_view(term) == "dumb") return false;
  return ::tcgetpgrp(STDERR_FILENO) == ::getpgrp();
}

TerminalSize stderr_size() {
  winsize window{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0 || window.ws_row == 0) return {};
  return {window.ws_col, window.ws_row};
}

}  // namespace longhaul::cli
