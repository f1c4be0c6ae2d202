#include "cli/trust_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "cli/json_events.h"
#include "cli/printable.h"
#include "cli/reporter.h"
#include "cli/suggest.h"
#include "cli/summary.h"

namespace longhaul::cli {
namespace {

using Words = std::vector<std::string>;
using Action = Command::Trust::Action;

std::unexpected<Error> bad(std::string text) {
  return fail(Code::usage, std::move(text));
}

struct Sub {
  const char* name;
  Action action;
};
constexpr std::array subs = {Sub{"add", Action::add}, Sub{"list", Action::list}, Sub{"remove", Action::remove}};

Result<> add(std::vector<TrustedPeer>& peers, const TrustedPeer& peer, bool force) {
  const auto named = std::ranges::find(peers, peer.name, &TrustedPeer::name);
  if (named == peers.end()) {
    peers.push_back(peer);
    return {};
  }
  if (named->fingerprint != peer.fingerprint && !force)
    return bad(fmt::format("'{}' is known by another key ({}): if it really has a new one, say --force", peer.name,
                           named->fingerprint));
  *named = peer;
  return {};
}

Result<> remove(std::vector<TrustedPeer>& peers, const std::string& name) {
  const auto found = find_peer(peers, name);
  if (!found) return std::unexpected(found.error());
  std::erase(peers, *found);
  return {};
}

std::string listed(const std::vector<TrustedPeer>& peers, bool json) {
  std::string out;
  std::size_t widest = 0;
  for (const TrustedPeer& peer : peers) widest = std::max(widest, peer.name.size());
  for (const TrustedPeer& peer : peers)
    out += json ? trusted_json(peer)
                : fmt::format("{:<{}} {}{}{}\n", peer.name, widest, peer.fingerprint, peer.addresses.empty() ? "" : " ",
                              fmt::join(peer.addresses, ","));
  return out;
}

/// What is to be printed.
Result<std::string> done(const Command& command, const std::string& file) {
  if (file.empty()) return bad("neither HOME nor XDG_CONFIG_HOME is set: name a file with --trust-file FILE");
  auto peers = read_trust_file(file);
  if (!peers) return std::unexpected(peers.error());
  const Command::Trust& trust = command.trust;
  if (trust.action == Action::list) return listed(*peers, command.json);
  Result<> changed =
      trust.action == Action::add ? add(*peers, trust.peer, command.force) : remove(*peers, trust.peer.name);
  if (changed) changed = write_trust_file(file, *peers);
  if (!changed) return std::unexpected(changed.error());
  return std::string();
}

}  // namespace

Result<> read_trust(const Words& words, Command& command) {
  Words known;
  for (const Sub& sub : subs) known.emplace_back(sub.name);
  if (words.empty()) return bad(fmt::format("what about the trusted peers? {}", fmt::join(known, ", ")));
  const auto* const sub = std::ranges::find(subs, words[0], &Sub::name);
  if (sub == subs.end())
    return bad(fmt::format("'trust {}' is not known{} ({})", printable(words[0]), did_you_mean(words[0], known),
                           fmt::join(known, ", ")));
  command.trust.action = sub->action;
  const std::size_t most = sub->action == Action::list ? 1 : sub->action == Action::remove ? 2 : words.size();
  if (words.size() > most) return bad(fmt::format("too many arguments: '{}'", printable(words[most])));
  if (sub->action == Action::list) return {};
  if (words.size() < 2) return bad("the peer's NAME is missing");
  command.trust.peer.name = words[1];
  if (sub->action == Action::remove) return {};
  if (words.size() < 3) return bad("the peer's FINGERPRINT is missing: what 'longhaul keygen' prints on that machine");
  command.trust.peer.fingerprint = words[2];
  command.trust.peer.addresses.assign(words.begin() + 3, words.end());
  return check_peer(command.trust.peer);
}

ExitCode run_trust(const Command& command) {
  const auto text = done(command, trust_file_of(command));
  if (!text) {
    write_all(STDERR_FILENO, error_line(text.error()));
    return exit_code_of(text.error().code);
  }
  return write_all(STDOUT_FILENO, *text) ? ExitCode::complete : ExitCode::failed;
}

}  // namespace longhaul::cli
