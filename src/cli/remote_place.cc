#include "cli/remote_place.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/path_values.h"
#include "cli/printable.h"

namespace longhaul::cli {
namespace {

std::unexpected<Error> bad(std::string text) {
  return fail(Code::usage, std::move(text));
}

/// For a POSIX shell: nothing in it is read as anything but itself.
std::string quoted(std::string_view word) {
  std::string out = "'";
  for (const char c : word) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

/// A path beneath somebody's home is left to the shell there to find.
std::string quoted_path(std::string_view path) {
  if (path.empty()) return ".";
  if (path == "~") return "~";
  if (path.starts_with("~/")) return "~/" + quoted(path.substr(2));
  return path.starts_with('-') ? quoted("./" + std::string(path)) : quoted(path);
}

std::string seconds_of(double seconds) {
  return fmt::format("{:.0f}s", std::max(1.0, seconds));
}

/// Where the paths of this side lead to.
std::vector<std::string> wanted_addresses(const Options& engine) {
  std::vector<std::string> addresses;
  for (const PathOptions& path : engine.paths) {
    if (!path.remote.empty() && std::find(addresses.begin(), addresses.end(), path.remote) == addresses.end())
      addresses.push_back(path.remote);
  }
  return addresses;
}

Result<> check_host(const RemotePlace& place) {
  if (place.host.empty()) return bad("a host is missing before ':' (a file of that name: write './:...')");
  // ssh would read it as an option of its own.
  if (place.host.starts_with('-')) return bad(fmt::format("'{}' is no host", printable(place.host)));
  return {};
}

}  // namespace

std::optional<RemotePlace> remote_place(std::string_view word) {
  std::size_t colon = word.find(':');
  if (const std::size_t bracket = word.find('['); bracket != std::string_view::npos && bracket < colon) {
    const std::size_t end = word.find("]:", bracket);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string user(word.substr(0, bracket));
    if (user.find('/') != std::string::npos) return std::nullopt;
    return RemotePlace{user + std::string(word.substr(bracket + 1, end - bracket - 1)),
                       std::string(word.substr(end + 2))};
  }
  if (colon == std::string_view::npos || word.substr(0, colon).find('/') != std::string_view::npos) return std::nullopt;
  return RemotePlace{std::string(word.substr(0, colon)), std::string(word.substr(colon + 1))};
}

Result<> read_remote(Command& command) {
  const auto target = remote_place(command.target);
  std::vector<RemotePlace> sources;
  for (const std::string& source : command.sources)
    if (auto place = remote_place(source)) sources.push_back(*std::move(place));
  if (!target && sources.empty()) return {};
  if (target && !sources.empty())
    return bad("one side of a copy must be this machine: start 'longhaul copy' on one of the two");
  if (!target && sources.size() < command.sources.size())
    return bad("sources of this machine and of another one cannot be copied in one go");
  Command::Remote remote;
  remote.host = target ? target->host : sources.front().host;
  remote.sends = !target;
  if (target) remote.paths.push_back(target->path);
  for (const RemotePlace& source : sources) {
    if (source.host != remote.host) return bad("all sources must be of one host");
    remote.paths.push_back(source.path);
  }
  if (Result<> fine = check_host(target ? *target : sources.front()); !fine) return fine;
  command.remote = std::move(remote);
  return {};
}

Command local_side(const Command& copy) {
  Command local = copy;
  local.remote.reset();
  local.verb = copy.remote->sends ? Verb::receive : Verb::send;
  if (copy.remote->sends)
    local.sources.clear();
  else
    local.target.clear();
  return local;
}

std::string remote_command(const Command& copy) {
  const Options& engine = copy.engine;
  std::string line = quoted(copy.remote_longhaul);
  const auto add = [&](std::string_view word) { line += " " + quoted(word); };
  add(copy.remote->sends ? "send" : "receive");
  add("--leash");
  add("--quiet");
  if (engine.cipher != Cipher::automatic) add(fmt::format("--cipher={}", name_of(engine.cipher)));
  add("--retry-for=" + seconds_of(engine.retry_for_s));
  add("--stall-timeout=" + seconds_of(engine.stall_after_s));
  if (engine.compression != Compression{} && copy.remote->sends) add("--compress=" + name_of(engine.compression));
  if (engine.delta != Delta::none && copy.remote->sends) add("--delta");
  if (engine.checksum != Delta::none && copy.remote->sends) add("--checksum");
  if ((engine.delta == Delta::xxh3 || engine.checksum == Delta::xxh3) && copy.remote->sends) add("--trust-xxh");
  if (engine.chunk_bytes != 0 && copy.remote->sends) add(fmt::format("--chunk={}", engine.chunk_bytes));
  if (!engine.direct) add("--no-direct");
  if (engine.syncfs && !copy.remote->sends) add("--syncfs");
  if (!engine.sparse && copy.remote->sends) add("--no-sparse");
  for (const std::string& address : wanted_addresses(engine)) add("--listen=" + address);
  // The other end is asked for what ours go by.
  for (const std::string& provider : fabrics_asked_for(engine)) add("--fabric=" + provider);
  if (copy.special) add("--special");
  if (engine.dry_run) add("--dry-run");
  if (engine.mirror && !copy.remote->sends) add("--allow-delete");  // who gives this command has both ends
  if (copy.remote->sends) {
    const Fidelity& keep = copy.fidelity;
    for (const auto& [wanted, option] :
         std::initializer_list<std::pair<bool, const char*>>{{keep.owners, "--owner"},
                                                             {keep.numeric_ids, "--numeric-ids"},
                                                             {keep.xattrs, "--xattrs"},
                                                             {keep.acls, "--acls"},
                                                             {keep.hard_links, "--hard-links"}})
      if (wanted) add(option);
    const Selection& selection = copy.selection;
    const Selection all;
    for (const std::string& rule : selection.rules) add("--filter=" + rule);
    if (selection.min_bytes != all.min_bytes) add(fmt::format("--min-size={}", selection.min_bytes));
    if (selection.max_bytes != all.max_bytes) add(fmt::format("--max-size={}", selection.max_bytes));
    if (selection.newer_than_ns != all.newer_than_ns)
      add(fmt::format("--newer=@{}", selection.newer_than_ns / 1'000'000'000));
    if (selection.one_file_system) add("--one-file-system");
    if (engine.leave_alone.newer) add("--update");
    if (engine.leave_alone.missing) add("--existing");
    if (engine.leave_alone.existing) add("--ignore-existing");
    if (engine.mirror) add(engine.mirror.excluded_too ? "--delete-excluded" : "--delete");
    if (engine.mirror.ignore_errors) add("--ignore-errors");
    if (engine.mirror.at_most != Mirror::no_limit) add(fmt::format("--max-delete={}", engine.mirror.at_most));
    if (!copy.files_from.empty()) add("--files-from=-");  // handed over by the leash, whatever it was read from
    if (copy.recursive) add("--recursive");
    if (engine.publish == Publish::tree) add("--publish=tree");
    if (!copy.source_name.empty()) add("--name=" + copy.source_name);
  }
  line += " --";
  for (const std::string& path : copy.remote->paths) line += " " + quoted_path(path);
  return line;
}

}  // namespace longhaul::cli
