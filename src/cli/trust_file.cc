#include "cli/trust_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <sstream>

#include "cli/identity_file.h"
#include "cli/printable.h"
#include "cli/secret_file.h"
#include "cli/suggest.h"
#include "cli/text_values.h"
#include "longhaul/identity.h"

namespace longhaul::cli {
namespace {

constexpr std::size_t name_bytes_max = 64;

bool is_name(std::string_view name) {
  const auto fits = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("._-").find(c) != std::string_view::npos;
  };
  return !name.empty() && name.size() <= name_bytes_max && name.front() != '-' && std::ranges::all_of(name, fits);
}

Result<TrustedPeer> read_line(const std::string& line) {
  std::istringstream words(line);
  TrustedPeer peer;
  std::string addresses;
  std::string more;
  words >> peer.name >> peer.fingerprint >> addresses;
  if (words >> more) return fail(Code::usage, fmt::format("'{}' stands behind its end", printable(more)));
  if (!addresses.empty())
    for (const std::string_view address : split(addresses, ",")) peer.addresses.emplace_back(address);
  if (Result<> fine = check_peer(peer); !fine) return std::unexpected(fine.error());
  return peer;
}

}  // namespace

Result<> check_peer(const TrustedPeer& peer) {
  if (!is_name(peer.name))
    return fail(Code::usage, fmt::format("'{}' is no name for a peer: 1 to {} letters, digits and signs of ._-",
                                         printable(peer.name), name_bytes_max));
  if (Result<> fine = check_fingerprint(peer.fingerprint); !fine)
    return fail(Code::usage, fmt::format("'{}' is no fingerprint: it is what 'longhaul keygen' prints on that machine, "
                                         "SHA256: and 43 characters",
                                         printable(peer.fingerprint)));
  for (const std::string& address : peer.addresses)
    if (!is_host_and_port(address, 1) || !ticket_of_trusted({address}, peer.fingerprint))
      return fail(Code::usage, fmt::format("'{}' is no ADDR:PORT", printable(address)));
  return {};
}

std::string usual_trust_file() {
  const std::string identity = usual_identity_file();
  return identity.empty() ? identity : identity.substr(0, identity.rfind('/')) + "/trusted";
}

Result<std::vector<TrustedPeer>> read_trust_file(const std::string& file) {
  const Result<std::string> text = read_secret_file(file);
  if (!text && text.error().code == Code::not_found) return std::vector<TrustedPeer>();
  if (!text) return std::unexpected(text.error());
  std::vector<TrustedPeer> peers;
  std::set<std::string> names;
  std::istringstream lines(*text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos || line.front() == '#') continue;
    auto peer = read_line(line);
    if (peer && !names.insert(peer->name).second)
      peer = fail(Code::usage, fmt::format("a second peer is called '{}'", peer->name));
    if (!peer) return fail(Code::usage, fmt::format("'{}', line {}: {}", printable(file), number, peer.error().text));
    peers.push_back(*std::move(peer));
  }
  return peers;
}

Result<> write_trust_file(const std::string& file, const std::vector<TrustedPeer>& peers) {
  if (Result<> made = make_directory_of(file); !made) return made;
  std::string text = "# Made by 'longhaul trust': NAME FINGERPRINT [ADDR:PORT,...]\n";
  for (const TrustedPeer& peer : peers)
    text += fmt::format("{} {}{}{}\n", peer.name, peer.fingerprint, peer.addresses.empty() ? "" : " ",
                        fmt::join(peer.addresses, ","));
  const Result<> written = write_secret_file(file, text, true);
  if (written) return {};
  return fail(written.error().code, fmt::format("cannot write '{}': {}", printable(file), written.error().text),
              written.error().system_errno);
}

Result<TrustedPeer> find_peer(const std::vector<TrustedPeer>& peers, std::string_view name) {
  const auto at = std::ranges::find(peers, name, &TrustedPeer::name);
  if (at != peers.end()) return *at;
  std::vector<std::string> names;
  for (const TrustedPeer& peer : peers) names.push_back(peer.name);
  const std::string word(name);
  const std::string known = names.empty() ? "nobody is; 'longhaul trust add' makes one known"
                                          : fmt::format("known: {}", fmt::join(names, ", "));
  return fail(Code::usage,
              fmt::format("no peer called '{}' is trusted{} ({})", printable(word), did_you_mean(word, names), known));
}

}  // namespace longhaul::cli
