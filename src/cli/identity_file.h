// Where this user's key is kept on this machine, so that peers know it again: made when it is first needed.
#pragma once

#include <string>

#include "longhaul/status.h"

namespace longhaul::cli {

/// $XDG_CONFIG_HOME/longhaul/identity, or ~/.config/longhaul/identity. Empty: neither variable is set.
[[nodiscard]] std::string usual_identity_file();

/// Makes the directory that `file` is in, ours alone, and those above it, where they are missing.
[[nodiscard]] Result<> make_directory_of(const std::string& file);

/// The key in `file`; a new one is put there when there is none, with its directory. Errors: it cannot be read or made,
/// or others can read it.
[[nodiscard]] Result<std::string> load_or_make_identity(const std::string& file);

/// A new key in place of what is there.
[[nodiscard]] Result<std::string> replace_identity(const std::string& file);

}  // namespace longhaul::cli
