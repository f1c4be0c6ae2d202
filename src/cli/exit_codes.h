// Exit codes: what a script branches on. They are part of the interface (longhaul(1), EXIT STATUS) and never change
// meaning.
#pragma once

#include "longhaul/manifest.h"
#include "longhaul/status.h"
#include "longhaul/transfer.h"
#include "longhaul/verify.h"

namespace longhaul::cli {

enum class ExitCode : int {
  complete = 0,
  failed = 1,  ///< `diff`: the manifests differ
  usage = 2,
  incomplete = 3,     ///< complete but some sources could not be sent whole
  mismatch = 4,       ///< bytes differ from their digest, or a file of the manifest is missing or changed
  refused = 5,        ///< peer or ticket refused, by either side
  full = 6,           ///< target full, or quota used up
  stalled = 7,        ///< a deadline passed without progress
  over_limit = 8,     ///< complete, but the target has more that the sender has not than --max-delete let go
  interrupted = 130,  ///< resumable: the same command continues
};

/// The exit code of a transfer or command that ended with an error of this class.
[[nodiscard]] constexpr ExitCode exit_code_of(Code code) {
  switch (code) {
    case Code::usage:
      return ExitCode::usage;
    case Code::corrupt:
      return ExitCode::mismatch;
    case Code::protocol:
    case Code::refused:
      return ExitCode::refused;
    case Code::no_space:
      return ExitCode::full;
    case Code::stalled:
      return ExitCode::stalled;
    case Code::interrupted:
      return ExitCode::interrupted;
    case Code::io:
    case Code::not_found:
    case Code::permission:
    case Code::read_only:
    case Code::busy:
    case Code::source_changed:
    case Code::connection:
    case Code::unsupported:
    case Code::internal:
      return ExitCode::failed;
  }
  return ExitCode::failed;
}

[[nodiscard]] inline ExitCode exit_code_of(const Outcome& outcome) {
  if (!outcome.ok) return exit_code_of(outcome.error.code);
  if (outcome.report.failed_files > 0) return ExitCode::incomplete;
  return outcome.report.deletions_over > 0 && !outcome.report.dry_run ? ExitCode::over_limit : ExitCode::complete;
}

[[nodiscard]] inline ExitCode exit_code_of(const VerifyReport& report) {
  const std::uint64_t extra = report.exact ? report.without_digest : 0;
  if (report.mismatched + report.missing + report.changed + extra > 0) return ExitCode::mismatch;
  return report.unreadable > 0 ? ExitCode::failed : ExitCode::complete;
}

/// A scan compares nothing: what it could not read whole is missing from the manifest, as from a transfer.
[[nodiscard]] inline ExitCode exit_code_of(const ManifestReport& report) {
  return report.unreadable + report.changed > 0 ? ExitCode::incomplete : ExitCode::complete;
}

/// As diff(1): 0 equal, 1 they differ, 2 and more: trouble. So an error that is 1 elsewhere is 2 here.
[[nodiscard]] inline ExitCode exit_code_of_diff(const Result<ManifestComparison>& comparison) {
  if (comparison) return comparison->same() ? ExitCode::complete : ExitCode::failed;
  const ExitCode code = exit_code_of(comparison.error().code);
  return code == ExitCode::failed ? ExitCode::usage : code;
}

}  // namespace longhaul::cli
