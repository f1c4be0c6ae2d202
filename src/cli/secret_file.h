// Files that only their owner may read: tickets, keys.
#pragma once

#include <string>

#include "longhaul/status.h"

namespace longhaul::cli {

/// Readable by its owner only from the first moment; the file appears whole and durable. `replace` false: one that is
/// there stays, and the error has system_errno EEXIST. Errors do not name `file`.
[[nodiscard]] Result<> write_secret_file(const std::string& file, const std::string& text, bool replace);

/// Errors: not_found; refused, where another user could read or change it, as ssh has it of its keys; too large.
[[nodiscard]] Result<std::string> read_secret_file(const std::string& file);

}  // namespace longhaul::cli
