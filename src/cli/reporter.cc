#include "cli/reporter.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>

#include "cli/json_events.h"
#include "cli/printable.h"
#include "cli/summary.h"
#include "cli/ticket_source.h"

namespace longhaul::cli {
namespace {

double steady_s() {
  const auto since_start = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since_start).count();
}

ProgressView::Setup view_setup(const Command& command) {
  ProgressView::Setup setup;
  // With --json people read nothing, and stderr is left to errors.
  if (command.quiet || command.json) setup.loudness = ProgressView::Loudness::quiet;
  if (command.verbose && !command.json) setup.loudness = ProgressView::Loudness::verbose;
  setup.live = stderr_is_live();
  setup.size = stderr_size;
  setup.now_s = steady_s;
  setup.print = [](std::string_view text) { write_all(STDERR_FILENO, text); };
  return setup;
}

}  // namespace

double wall_s() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since_epoch).count();
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

Reporter::Reporter(const Command& command, const StopFlag& stop)
    : command_(command), stop_(stop), view_(view_setup(command)) {}

Result<> Reporter::check_report_file() const {
  const std::string& file = command_.report_file;
  if (file.empty()) return {};
  const bool exists = ::access(file.c_str(), F_OK) == 0;
  const std::string parent = std::filesystem::path(file).parent_path();
  const char* folder = parent.empty() ? "." : parent.c_str();
  const int refused = exists ? ::access(file.c_str(), W_OK) : ::access(folder, W_OK | X_OK);
  if (refused != 0) return fail_errno(errno, fmt::format("cannot write the report '{}'", file));
  struct stat status{};
  if (exists && ::stat(file.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    return fail_errno(EISDIR, fmt::format("cannot write the report '{}'", file));
  }
  return {};
}

Result<> Reporter::show_ticket(const std::string& ticket) {
  const std::lock_guard lock(mutex_);
  if (!command_.ticket_file.empty()) {
    if (Result<> written = write_ticket_file(command_.ticket_file, ticket); !written) return written;
  }
  view_.clear();
  const int fd = command_.to_stdout ? STDERR_FILENO : STDOUT_FILENO;
  const bool handed_over = write_all(fd, command_.json ? ticket_json(ticket, wall_s()) : ticket + "\n");
  // Nobody could join without it, unless it stands in a file.
  if (!handed_over && command_.ticket_file.empty()) return fail_errno(errno, "cannot print the ticket");
  view_.say(command_.verb == Verb::receive ? "waiting for the sender: longhaul send SOURCE... TICKET"
            : command_.verb == Verb::bench ? "waiting for the other end: longhaul bench path TICKET"
                                           : "waiting for the receiver: longhaul receive TICKET TARGET_DIR");
  return {};
}

void Reporter::warn(const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (command_.quiet) return;
  view_.clear();
  write_all(STDERR_FILENO, error_line({Code::internal, "warning: " + text, 0}));
}

void Reporter::note(const std::string& text) {
  if (!command_.verbose && !command_.json) return;
  Event event;
  event.text = text;
  on_event(event);
}

Observer Reporter::observer() {
  return [this](const Event& event) { on_event(event); };
}

void Reporter::on_event(const Event& event) {
  // The ticket is shown when it is asked for, and `done` needs the outcome.
  if (event.type == Event::Type::ticket || event.type == Event::Type::done) return;
  const std::lock_guard lock(mutex_);
  say_that_we_stop();
  if (event.type == Event::Type::would && event.text == name_of(Would::nothing) && !command_.verbose) return;
  if (command_.json) write_all(STDOUT_FILENO, event_json(event, wall_s()));
  if (event.type == Event::Type::would && !command_.json && !command_.quiet) {
    view_.clear();
    write_all(STDOUT_FILENO, would_line(event));
  }
  view_.show(event);
}

void Reporter::say_that_we_stop() {
  if (said_stopping_ || stop_.load() == 0) return;
  said_stopping_ = true;
  view_.say("stopping cleanly; a second signal stops at once");
}

void Reporter::start_verify() {
  if (command_.json) write_all(STDOUT_FILENO, verify_start_json(command_.target, wall_s()));
}

void Reporter::show(const VerifyReport& report) {
  const std::lock_guard lock(mutex_);
  say_that_we_stop();
  if (command_.json) write_all(STDOUT_FILENO, verify_progress_json(report, wall_s()));
  view_.show(report);
}

ExitCode Reporter::finish(const Outcome& outcome) {
  const std::lock_guard lock(mutex_);
  view_.clear();
  const ExitCode exit_code = exit_code_of(outcome);
  const ExitCode final_code =
      write_report(report_document(outcome, exit_code, text_of(command_.verb).name, wall_s()), exit_code);
  if (command_.json) write_all(STDOUT_FILENO, done_json(outcome, final_code, wall_s()));
  const bool brief = command_.quiet || command_.json;
  write_all(STDERR_FILENO, brief ? troubles_of(command_, outcome) : summary_of(command_, outcome));
  return final_code;
}

ExitCode Reporter::finish(const VerifyReport& report, const Error* failure) {
  const std::lock_guard lock(mutex_);
  view_.clear();
  const ExitCode exit_code = failure == nullptr ? exit_code_of(report) : exit_code_of(failure->code);
  const ExitCode final_code = write_report(verify_document(report, failure, exit_code, wall_s()), exit_code);
  if (command_.json) {
    for (const FileError& error : report.errors) write_all(STDOUT_FILENO, verify_error_json(error, wall_s()));
    write_all(STDOUT_FILENO, verify_done_json(report, failure, final_code, wall_s()));
  }
  if (failure != nullptr) {
    write_all(STDERR_FILENO, error_line(*failure));
  } else {
    const bool brief = command_.quiet || command_.json;
    write_all(STDERR_FILENO, brief ? troubles_of(command_, report) : summary_of(command_, report));
  }
  return final_code;
}

ExitCode Reporter::write_report(const std::string& document, ExitCode exit_code) {
  const std::string& file = command_.report_file;
  if (file.empty()) return exit_code;
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const bool written = fd >= 0 && write_all(fd, document);
  const int reason = errno;
  const bool closed = fd < 0 || ::close(fd) == 0;
  if (written && closed) return exit_code;
  const Error error = error_of_errno(written ? errno : reason, fmt::format("cannot write the report '{}'", file));
  write_all(STDERR_FILENO, error_line(error));
  return exit_code == ExitCode::complete ? ExitCode::failed : exit_code;
}

}  // namespace longhaul::cli
