// The peers that this user knows by name: whose keys are admitted without a ticket, and where they can be dialled.
//
// File: a line per peer, "NAME FINGERPRINT [ADDR:PORT[,ADDR:PORT...]]"; "#" begins a line that says nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "longhaul/status.h"

namespace longhaul::cli {

struct TrustedPeer {
  std::string name;         ///< 1..64 letters, digits and signs of "._-"
  std::string fingerprint;  ///< "SHA256:..."
  std::vector<std::string> addresses;
  bool operator==(const TrustedPeer&) const = default;
};

/// Errors (Code::usage) say what a name, a fingerprint or an address has to be.
[[nodiscard]] Result<> check_peer(const TrustedPeer& peer);

/// $XDG_CONFIG_HOME/longhaul/trusted, or ~/.config/longhaul/trusted. Empty: neither variable is set.
[[nodiscard]] std::string usual_trust_file();

/// Nothing there: nobody. Errors: usage - a line that makes no sense; refused - another user could have changed it.
[[nodiscard]] Result<std::vector<TrustedPeer>> read_trust_file(const std::string& file);
/// In place of what is there, whole and durable; makes its directory.
[[nodiscard]] Result<> write_trust_file(const std::string& file, const std::vector<TrustedPeer>& peers);

/// The one called `name`. Errors (Code::usage) name those there are.
[[nodiscard]] Result<TrustedPeer> find_peer(const std::vector<TrustedPeer>& peers, std::string_view name);

}  // namespace longhaul::cli
