// Where a ticket comes from (argument, @FILE, $LONGHAUL_TICKET, stdin) and where it is written. A ticket is a secret:
// it leaves the process list at once and never stands in an error message.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "longhaul/status.h"

namespace longhaul::cli {

/// What the command line may look at besides its arguments.
struct Surroundings {
  std::optional<std::string> ticket_variable;       ///< $LONGHAUL_TICKET
  std::function<Result<std::string>()> read_stdin;  ///< the ticket's line on stdin
  std::int64_t now_unix_s = 0;                      ///< for deadlines
};
[[nodiscard]] Surroundings real_surroundings();

/// Copies the arguments after the program's name, and overwrites every ticket in the originals with blanks.
[[nodiscard]] std::vector<std::string> take_arguments(int argc, char** argv);

/// True for "longhaul://...", "@FILE", "-" and the literal word "$LONGHAUL_TICKET".
[[nodiscard]] bool looks_like_ticket(std::string_view word);

/// The ticket that `word` names. Errors (Code::usage): nothing there, not a ticket.
[[nodiscard]] Result<std::string> resolve_ticket(const std::string& word, const Surroundings& surroundings);

/// `text` with the secret of every ticket in it replaced by "...".
[[nodiscard]] std::string without_secrets(std::string_view text);

/// Writes `ticket` and a newline to `file`, readable by its owner only; the file appears whole, by rename.
[[nodiscard]] Result<> write_ticket_file(const std::string& file, const std::string& ticket);

}  // namespace longhaul::cli
