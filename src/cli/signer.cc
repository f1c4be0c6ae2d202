#include "cli/signer.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/printable.h"
#include "longhaul/identity.h"

namespace longhaul::cli {

Result<std::string> signer_asked(const Command& command, const std::string& word) {
  if (word.starts_with("SHA256:")) {
    if (Result<> fine = check_fingerprint(word); fine) return word;
    return fail(Code::usage,
                fmt::format("--signer: '{}' is no fingerprint: it is what 'longhaul keygen' prints, SHA256: "
                            "and 43 characters",
                            printable(word)));
  }
  const std::string file = trust_file_of(command);
  if (file.empty())
    return fail(Code::usage, "--signer: neither HOME nor XDG_CONFIG_HOME is set: name a file with --trust-file FILE");
  const auto peers = read_trust_file(file);
  if (!peers) return std::unexpected(peers.error());
  const auto peer = find_peer(*peers, word);
  if (!peer) return std::unexpected(peer.error());
  return peer->fingerprint;
}

std::string named_signer(const Command& command, const std::string& fingerprint) {
  const std::string file = trust_file_of(command);
  const auto peers =
      file.empty() ? std::vector<TrustedPeer>() : read_trust_file(file).value_or(std::vector<TrustedPeer>());
  const auto known = std::ranges::find(peers, fingerprint, &TrustedPeer::fingerprint);
  return known == peers.end() ? fingerprint : fmt::format("{} ({})", fingerprint, known->name);
}

}  // namespace longhaul::cli
