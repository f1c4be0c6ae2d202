// HOST:PATH on the command line of a copy, and the command that the other end is started with there.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"

namespace longhaul::cli {

struct RemotePlace {
  std::string host;  ///< as ssh takes it: HOST, USER@HOST, an alias
  std::string path;  ///< empty: the home directory
};

/// As scp has it: what stands before a ':' that no '/' precedes is a host ("[::1]:dir" for addresses with colons).
/// None: a path of this machine ("./a:b" names a file with a colon).
[[nodiscard]] std::optional<RemotePlace> remote_place(std::string_view word);

/// Makes of the places of a copy its remote end, when one of both sides is remote. Errors (Code::usage): both are, or
/// sources of several hosts.
[[nodiscard]] Result<> read_remote(Command& command);

/// What this side does of a copy from or to another machine: a send or a receive that dials.
[[nodiscard]] Command local_side(const Command& copy);

/// What the shell at the other side is to run, every word quoted.
[[nodiscard]] std::string remote_command(const Command& copy);

}  // namespace longhaul::cli
