// Who has signed a manifest, by the names that this user knows.
#pragma once

#include <string>

#include "cli/options.h"

namespace longhaul::cli {

/// The fingerprint that `word` stands for: itself, or that of the trusted peer of this name. Errors (Code::usage).
[[nodiscard]] Result<std::string> signer_asked(const Command& command, const std::string& word);

/// "SHA256:... (gpu7)", or the fingerprint alone: then nobody who is known. A file of trusted peers that cannot be read
/// knows nobody.
[[nodiscard]] std::string named_signer(const Command& command, const std::string& fingerprint);

}  // namespace longhaul::cli
