// Where running commands can be found: one socket each, in a directory that only its owner can enter.
#pragma once

#include <sys/types.h>
#include <sys/un.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/descriptor.h"
#include "longhaul/status.h"

namespace longhaul::cli {

/// A socket in the directory: "3fa9c1d2-12345", the beginning of a ticket's id and a process id.
struct LiveName {
  std::string id;
  pid_t pid = 0;
  bool operator==(const LiveName&) const = default;
};
[[nodiscard]] LiveName live_name(const std::string& id, pid_t pid);
[[nodiscard]] std::string file_of(const LiveName& name);
/// Empty: a file of another kind.
[[nodiscard]] std::optional<LiveName> parse_live_name(std::string_view file);

/// $XDG_RUNTIME_DIR/longhaul, or /tmp/longhaul-UID where that is not set.
[[nodiscard]] std::string live_directory();
/// Makes it, if need be. Errors: it cannot be made, or somebody else could put sockets there.
[[nodiscard]] Result<> make_live_directory(const std::string& directory);
/// The sockets in there, of dead processes too. Nothing there: none. Errors: somebody else could have put them there.
[[nodiscard]] Result<std::vector<LiveName>> live_names(const std::string& directory);
/// A connection that does not block. Errors: connection - nobody listens any more, and the socket has been taken away.
[[nodiscard]] Result<Descriptor> connect_live(const std::string& directory, const LiveName& name);
/// Takes away what dead processes have left.
void sweep(const std::string& directory);

/// The address of the socket `file`. Errors: its name is too long for the kernel.
[[nodiscard]] Result<sockaddr_un> socket_address(const std::string& file);

/// The one of `names` that `word` means: a process id, the beginning of an id, or "-" for the only one.
/// Errors (Code::usage): none, or several.
[[nodiscard]] Result<LiveName> choose_live(const std::vector<LiveName>& names, std::string_view word);

}  // namespace longhaul::cli
