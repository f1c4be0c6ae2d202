// Everything a running command says, and where: ticket and JSON on stdout, words for people on stderr.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "cli/exit_codes.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "longhaul/transfer.h"
#include "longhaul/verify.h"

namespace longhaul::cli {

/// Thread-safe. `command` and `stop` must outlive it.
class Reporter {
 public:
  Reporter(const Command& command, const StopFlag& stop);

  /// Whether the --report file can be written; asked before the work, not after it.
  [[nodiscard]] Result<> check_report_file() const;
  /// Hands the ticket to whoever started us: stdout (stderr with --stdout, an event with --json), and --ticket-file.
  [[nodiscard]] Result<> show_ticket(const std::string& ticket);
  /// Something that works less well than it could. Not when quiet.
  void warn(const std::string& text);
  /// For those who look closely: --verbose, --json.
  void note(const std::string& text);
  /// For Session and copy.
  [[nodiscard]] Observer observer();
  void show(const VerifyReport& report);
  void start_verify();

  /// The last words, the `done` event and the --report file. Returns what the process should exit with.
  [[nodiscard]] ExitCode finish(const Outcome& outcome);
  /// `failure`: why the report is not whole, or nullptr.
  [[nodiscard]] ExitCode finish(const VerifyReport& report, const Error* failure);

 private:
  void on_event(const Event& event);
  void say_that_we_stop();
  [[nodiscard]] ExitCode write_report(const std::string& document, ExitCode exit_code);

  const Command& command_;
  const StopFlag& stop_;
  std::mutex mutex_;  ///< over everything below and the order of what is printed
  ProgressView view_;
  bool said_stopping_ = false;
};

/// Seconds since the epoch, for events.
[[nodiscard]] double wall_s();

/// Writes all of `text`; false when that failed (a closed pipe, a full disk).
bool write_all(int fd, std::string_view text);

}  // namespace longhaul::cli
