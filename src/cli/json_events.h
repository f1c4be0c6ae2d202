// Events and reports as JSON. Every function returns text that is valid UTF-8; lines end with '\n' and hold one object.
// Names of any bytes: UTF-8 stands as it is; else bad bytes are shown as \xNN and `KEY_bytes_hex` holds the truth.
#pragma once

#include <string>

#include "cli/exit_codes.h"
#include "cli/trust_file.h"
#include "longhaul/transfer.h"
#include "longhaul/verify.h"

namespace longhaul::cli {

/// start, progress, path_up, path_down, file_durable, file_error, deleted, would, note. `time_s`: wall clock, seconds
/// since the epoch.
[[nodiscard]] std::string event_json(const Event& event, double time_s);
[[nodiscard]] std::string ticket_json(const std::string& ticket, double time_s);
/// `longhaul keygen`.
[[nodiscard]] std::string identity_json(const std::string& fingerprint, const std::string& file);
/// `longhaul trust list`: one peer.
[[nodiscard]] std::string trusted_json(const TrustedPeer& peer);
/// The fields of `progress` as one object, without line end.
[[nodiscard]] std::string report_json(const Report& report);
[[nodiscard]] std::string done_json(const Outcome& outcome, ExitCode exit_code, double time_s);

[[nodiscard]] std::string verify_start_json(const std::string& directory, double time_s);
[[nodiscard]] std::string verify_progress_json(const VerifyReport& report, double time_s);
[[nodiscard]] std::string verify_error_json(const FileError& error, double time_s);
/// `failure`: why there is no whole report, or nullptr.
[[nodiscard]] std::string verify_done_json(const VerifyReport& report, const Error* failure, ExitCode exit_code,
                                           double time_s);
[[nodiscard]] std::string version_json(const std::string& text);

/// The --report file: the `done` event as an indented document, with `command` and `version`.
[[nodiscard]] std::string report_document(const Outcome& outcome, ExitCode exit_code, const std::string& command,
                                          double time_s);
[[nodiscard]] std::string verify_document(const VerifyReport& report, const Error* failure, ExitCode exit_code,
                                          double time_s);

}  // namespace longhaul::cli
