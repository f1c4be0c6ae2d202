#include "cli/keygen_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include "cli/identity_file.h"
#include "cli/json_events.h"
#include "cli/printable.h"
#include "cli/reporter.h"
#include "cli/summary.h"
#include "longhaul/identity.h"

namespace longhaul::cli {
namespace {

Result<std::string> fingerprint_in(const std::string& file, bool force) {
  if (file.empty())
    return fail(Code::usage, "neither HOME nor XDG_CONFIG_HOME is set: name a place with --identity FILE");
  const auto pem = force ? replace_identity(file) : load_or_make_identity(file);
  if (!pem) return pem;
  return fingerprint_of_identity(*pem);
}

}  // namespace

ExitCode run_keygen(const Command& command) {
  const std::string file = command.identity_file.empty() ? usual_identity_file() : command.identity_file;
  const auto fingerprint = fingerprint_in(file, command.force);
  if (!fingerprint) {
    write_all(STDERR_FILENO, error_line(fingerprint.error()));
    return exit_code_of(fingerprint.error().code);
  }
  const std::string shown =
      command.json ? identity_json(*fingerprint, file) : fmt::format("{} {}\n", *fingerprint, printable(file));
  return write_all(STDOUT_FILENO, shown) ? ExitCode::complete : ExitCode::failed;
}

}  // namespace longhaul::cli
