// What is in manifests, a line a file: for people, or JSON.
#pragma once

#include <string>

#include "cli/exit_codes.h"
#include "longhaul/manifest.h"

namespace longhaul::cli {

/// "DIGEST [SHA256] SIZE MTIME PATH": the time in seconds since the epoch, with nine decimals; the path is last,
/// control characters in it made harmless.
[[nodiscard]] std::string file_line(const ManifestFile& file);
/// {"event":"file", ...}.
[[nodiscard]] std::string file_json(const ManifestFile& file);

/// "- path", "+ path", "~ path", "t path".
[[nodiscard]] std::string difference_line(ManifestDifference how, const ManifestFile& file);
/// {"event":"difference", ...}: `first`, `second`: what either has of it, or null.
[[nodiscard]] std::string difference_json(ManifestDifference how, const ManifestFile* first,
                                          const ManifestFile* second);

/// The last line. `failure`: why there is no whole report, or nullptr. `time_s`: seconds since the epoch.
[[nodiscard]] std::string scan_done_json(const ManifestReport& report, const std::string& file, const Error* failure,
                                         ExitCode exit_code, double time_s);
[[nodiscard]] std::string scan_progress_json(const ManifestReport& report, double time_s);
[[nodiscard]] std::string show_done_json(const ManifestSummary& manifest, const Error* failure, ExitCode exit_code,
                                         double time_s);
[[nodiscard]] std::string diff_done_json(const Result<ManifestComparison>& comparison, ExitCode exit_code,
                                         double time_s);

/// Lines that go to stdout in pieces of 64 KiB.
class Lines {
 public:
  /// False: stdout takes no more, for whatever reason.
  bool add(const std::string& line);
  bool flush();
  [[nodiscard]] bool lost() const { return lost_; }

 private:
  std::string text_;
  bool lost_ = false;
};

}  // namespace longhaul::cli
