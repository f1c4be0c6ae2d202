#include "cli/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "cli/bench_options.h"
#include "cli/deadline.h"
#include "cli/exit_codes.h"
#include "cli/line.h"
#include "cli/live_options.h"
#include "cli/manifest_options.h"
#include "cli/option_values.h"
#include "cli/path_values.h"
#include "cli/paths_file.h"
#include "cli/printable.h"
#include "cli/remote_place.h"
#include "cli/selection_values.h"
#include "cli/sources.h"
#include "cli/suggest.h"
#include "cli/text_values.h"
#include "cli/trust_command.h"
#include "longhaul/identity.h"
#include "longhaul/units.h"

namespace longhaul::cli {
namespace {

/// Sets `into` from the option `name` when it is there.
template <class T, class Parse>
Result<> set(const Line& line, const char* name, T& into, const Parse& parse) {
  const std::string* text = line.value(name);
  if (text == nullptr) return {};
  auto value = parse(*text);
  if (!value) return std::unexpected(value.error());
  into = *std::move(value);
  return {};
}

Result<> read_common(const Line& line, Command& command) {
  command.json = line.flag("--json");
  command.quiet = line.flag("--quiet");
  command.verbose = line.flag("--verbose");
  command.engine.file_events = command.json && command.verbose;
  command.to_stdout = line.flag("--stdout");
  command.engine.keep = line.flag("--keep");
  command.engine.direct = !line.flag("--no-direct");
  command.engine.syncfs = line.flag("--syncfs");
  command.engine.sparse = !line.flag("--no-sparse");
  command.control = !line.flag("--no-control");
  command.confine = !line.flag("--no-confine");
  if (const std::string* file = line.value("--report")) command.report_file = *file;
  if (const std::string* file = line.value("--ticket-file")) command.ticket_file = *file;
  if (const std::string* file = line.value("--rates")) command.rates_file = *file;
  if (const std::string* words = line.value("--ssh")) command.ssh = *words;
  if (const std::string* program = line.value("--remote-longhaul")) command.remote_longhaul = *program;
  command.leash = line.flag("--leash");
  if (const std::string* file = line.value("--identity")) command.identity_file = *file;
  if (const std::string* file = line.value("--trust-file")) command.trust_file = *file;
  command.trusted_only = line.flag("--trusted");
  command.force = line.flag("--force");
  if (command.quiet && command.verbose) return bad("--quiet and --verbose contradict each other");
  for (const std::string& text : line.values("--listen")) {
    Result<std::string> address = parse_listen(text);
    if (!address) return std::unexpected(address.error());
    command.engine.listen.push_back(*std::move(address));
  }
  for (const std::string& provider : line.values("--fabric")) {
    const auto named = parse_transport("fabric:" + provider);
    if (!named || !named->device.empty())
      return bad(fmt::format("--fabric: '{}' is no provider; 'longhaul path probe' lists those of this machine",
                             printable(provider)));
    command.engine.fabrics.push_back(provider);
  }
  return {};
}

/// The file's paths come first, then those of the line. Policy adds up; what the line caps or counts holds.
Result<> read_paths(const Line& line, Options& engine) {
  if (const std::string* file = line.value("--paths")) {
    Result<PathsFile> read = read_paths_file(*file);
    if (!read) return std::unexpected(read.error());
    engine.paths = std::move(read->paths);
    engine.require = std::move(read->require);
    engine.forbid = std::move(read->forbid);
    engine.cap_bits_per_s = read->cap_bits_per_s.value_or(0);
    engine.streams = read->streams.value_or(0);
    engine.try_streams = read->streams == 0U;
  }
  Result<std::vector<PathOptions>> paths = parse_paths(line.values("--path"));
  if (!paths) return std::unexpected(paths.error());
  for (PathOptions& path : *paths) engine.paths.push_back(std::move(path));
  return check_paths(engine.paths);
}

Result<> read_policy(const Line& line, Options& engine) {
  const auto add = [&](const char* name, std::vector<std::string>& into) -> Result<> {
    for (const std::string& text : line.values(name)) {
      Result<std::vector<std::string>> tags = parse_tags(name, text, "+,");
      if (!tags) return std::unexpected(tags.error());
      into.insert(into.end(), tags->begin(), tags->end());
    }
    return {};
  };
  if (Result<> added = add("--require", engine.require); !added) return added;
  if (Result<> added = add("--forbid", engine.forbid); !added) return added;
  for (const std::string& tag : engine.require) {
    if (std::find(engine.forbid.begin(), engine.forbid.end(), tag) == engine.forbid.end()) continue;
    return bad(fmt::format("the tag '{}' is required and forbidden: no path could carry anything", tag));
  }
  return {};
}

/// The money means nothing where no path costs any.
Result<> check_max_cost(const Options& engine) {
  const auto costs = [](const PathOptions& path) { return path.cost_per_gb > 0; };
  if (engine.max_cost < 0 || std::any_of(engine.paths.begin(), engine.paths.end(), costs)) return {};
  return bad("--max-cost limits what paths cost, and no path has a cost: say it with --path name=a,...,cost=0.02");
}

Result<> read_engine(const Line& line, Options& engine, const Surroundings& surroundings) {
  const auto duration = [](const char* name) {
    return [name](const std::string& text) { return parse_duration(name, text); };
  };
  const auto streams = [](const std::string& text) { return parse_streams("--streams", text); };
  const auto cap = [](const std::string& text) { return parse_cap("--cap", text); };
  const auto checked = [](Result<> (*check)(std::string_view)) {
    return [check](const std::string& text) -> Result<std::string> {
      if (Result<> fine = check(text); !fine) return std::unexpected(fine.error());
      return text;
    };
  };
  const auto deadline = [&](const std::string& text) { return parse_deadline(text, surroundings.now_unix_s); };
  if (Result<> read = read_paths(line, engine); !read) return read;
  if (Result<> read = read_policy(line, engine); !read) return read;
  for (Result<> done :
       {set(line, "--cap", engine.cap_bits_per_s, cap),
        set(line, "--schedule", engine.schedule, checked(check_schedule)),
        set(line, "--discover", engine.discover, checked(check_discover)),
        set(line, "--deadline", engine.deadline_unix_s, deadline),
        set(line, "--max-cost", engine.max_cost, parse_money), set(line, "--streams", engine.streams, streams),
        set(line, "--workers", engine.workers, parse_workers), set(line, "--chunk", engine.chunk_bytes, parse_chunk),
        set(line, "--cipher", engine.cipher, parse_cipher_option),
        set(line, "--compress", engine.compression, parse_compression_option),
        set(line, "--retry-for", engine.retry_for_s, duration("--retry-for")),
        set(line, "--stall-timeout", engine.stall_after_s, duration("--stall-timeout")),
        set(line, "--ticket-valid", engine.ticket_valid_s, duration("--ticket-valid"))}) {
    if (!done) return done;
  }
  if (line.value("--streams") != nullptr) engine.try_streams = engine.streams == 0;
  return {};
}

/// Nobody who is to come again should have to be told where, each time anew.
Result<> check_trusted(const Command& command) {
  if (!command.trusted_only) return {};
  if (!command.ticket_file.empty()) return bad("--trusted: there is no ticket that --ticket-file could hold");
  const auto has_port = [](const std::string& address) { return names_port(address) && is_host_and_port(address, 1); };
  const auto& listen = command.engine.listen;
  if (!listen.empty() && std::all_of(listen.begin(), listen.end(), has_port)) return {};
  return bad("--trusted: peers must know where to come: --listen ADDR:PORT");
}

Result<> read_delta(const Line& line, Command& command) {
  const bool trusting = line.flag("--trust-xxh");
  const Delta by = trusting ? Delta::xxh3 : Delta::sha256;
  if (line.flag("--delta")) command.engine.delta = by;
  if (line.flag("--checksum")) command.engine.checksum = by;
  if (trusting && !line.flag("--delta") && !line.flag("--checksum"))
    return bad("--trust-xxh is about --delta and --checksum, which are missing");
  return {};
}

Result<> read_mirror(const Line& line, Command& command) {
  Mirror& mirror = command.engine.mirror;
  mirror.excluded_too = line.flag("--delete-excluded");
  mirror.wanted = line.flag("--delete") || mirror.excluded_too;
  mirror.ignore_errors = line.flag("--ignore-errors");
  mirror.tell = command.verbose && !command.quiet;
  command.allow_delete = line.flag("--allow-delete");
  command.engine.dry_run = line.flag("--dry-run");
  const auto number = [](const std::string& text) { return parse_count("--max-delete", text); };
  if (Result<> done = set(line, "--max-delete", mirror.at_most, number); !done) return done;
  for (const char* name : {"--ignore-errors", "--max-delete"})
    if (line.value(name) != nullptr && !mirror) return bad(fmt::format("{} is about --delete, which is missing", name));
  if (command.engine.dry_run && command.to_stdout)
    return bad("--dry-run compares with a directory, and --stdout has none");
  if (command.allow_delete && command.to_stdout) return bad("--allow-delete: there is nothing to delete at --stdout");
  return {};
}

Result<> read_selection(const Line& line, Command& command, std::int64_t now_unix_s) {
  Selection& selection = command.selection;
  constexpr std::array rule_options = {"--include", "--exclude", "--filter", "--include-from", "--exclude-from"};
  if (Result<> read = read_mirror(line, command); !read) return read;
  if (Result<> read = read_delta(line, command); !read) return read;
  command.nul_ended = line.flag("--from0");
  command.recursive = line.flag("--recursive");
  if (const std::string* file = line.value("--files-from")) command.files_from = *file;
  command.engine.leave_alone = {
      .newer = line.flag("--update"), .missing = line.flag("--existing"), .existing = line.flag("--ignore-existing")};
  auto rules = read_rules(line.values_in_order(rule_options), command.nul_ended ? '\0' : '\n');
  if (!rules) return std::unexpected(rules.error());
  selection.rules = *std::move(rules);
  const auto size = [](const char* name) {
    return [name](const std::string& text) -> Result<std::uint64_t> {
      auto bytes = parse_bytes(text);
      if (!bytes) return bad(fmt::format("{}: {}; write 4096, 100k or 1.5GiB", name, bytes.error().text));
      return bytes;
    };
  };
  const auto newer = [&](const std::string& text) { return parse_newer(text, now_unix_s); };
  std::int64_t newer_s = 0;
  for (Result<> done :
       {set(line, "--min-size", selection.min_bytes, size("--min-size")),
        set(line, "--max-size", selection.max_bytes, size("--max-size")), set(line, "--newer", newer_s, newer)}) {
    if (!done) return done;
  }
  if (line.value("--newer") != nullptr) selection.newer_than_ns = newer_s * 1'000'000'000;
  selection.one_file_system = line.flag("--one-file-system");
  if (selection.min_bytes > selection.max_bytes)
    return bad("--min-size is more than --max-size: nothing would be sent");
  return {};
}

/// What holds only for the side that dials, or only for the one that listens.
Result<> check_side(const Line& line, const Command& command) {
  const bool dials = !command.ticket.empty();
  if (dials && !command.engine.listen.empty())
    return bad("a TICKET or --peer means to dial, --listen to wait: take one of them");
  if (dials && command.trusted_only) return bad("--trusted says who may come; who dials comes to others");
  if (!dials && !command.engine.paths.empty()) {
    return bad(
        "paths (--path, or [[path]] in --paths) belong to the side that dials; the one that listens names its "
        "addresses "
        "with --listen");
  }
  for (const char* name : {"--ticket-file", "--ticket-valid", "--keep"}) {
    if (dials && line.value(name) != nullptr)
      return bad(fmt::format("{} belongs to the side that prints a ticket", name));
  }
  return check_trusted(command);
}

Result<> check_paths_given(const Arguments& paths, const char* what) {
  for (const std::string& path : paths) {
    if (path.empty()) return bad(fmt::format("an empty argument where a {} should stand", what));
  }
  return {};
}

/// What to dial in place of a ticket. Reads the file of trusted peers.
Result<std::string> ticket_of_peer(const std::string& name, const Command& command) {
  const std::string file = trust_file_of(command);
  if (file.empty()) return bad("--peer: neither HOME nor XDG_CONFIG_HOME is set: name a file with --trust-file FILE");
  const auto peers = read_trust_file(file);
  if (!peers) return std::unexpected(peers.error());
  const auto peer = find_peer(*peers, name);
  if (!peer) return std::unexpected(peer.error());
  if (peer->addresses.empty())
    return bad(fmt::format("it is not known where the peer '{0}' listens: longhaul trust add {0} {1} ADDR:PORT",
                           peer->name, peer->fingerprint));
  return ticket_of_trusted(peer->addresses, peer->fingerprint);
}

Result<> read_receive(const Line& line, Command& command, const Surroundings& surroundings) {
  const Arguments& rest = line.positionals();
  const std::size_t directories = command.to_stdout ? 0 : 1;
  if (rest.size() > directories + 1) {
    return bad(fmt::format("too many arguments: '{}'", printable(without_secrets(rest.back()))));
  }
  if (rest.size() < directories) return bad("TARGET_DIR is missing");
  if (const std::string* name = line.value("--peer")) {
    if (rest.size() > directories) return bad("--peer NAME stands in place of a TICKET: take one of them");
    Result<std::string> ticket = ticket_of_peer(*name, command);
    if (!ticket) return std::unexpected(ticket.error());
    command.ticket = *std::move(ticket);
  } else if (rest.size() == directories + 1) {
    if (!looks_like_ticket(rest[0])) {
      return bad(fmt::format("'{}' is not a ticket; only one TARGET_DIR can be named", printable(rest[0])));
    }
    Result<std::string> ticket = resolve_ticket(rest[0], surroundings);
    if (!ticket) return std::unexpected(ticket.error());
    command.ticket = *std::move(ticket);
  }
  if (!command.to_stdout) command.target = rest.back();
  if (command.target.starts_with("longhaul://")) return bad("TARGET_DIR is missing after the ticket");
  if (!command.to_stdout && command.target.empty()) return bad("TARGET_DIR is empty");
  if (command.to_stdout && command.engine.keep) return bad("--stdout takes one transfer; --keep would take many");
  if (command.to_stdout && command.json)
    return bad("--stdout and --json both want stdout; --report FILE writes JSON too");
  return check_side(line, command);
}

/// Takes the ticket off the end of `rest`.
Result<std::string> take_ticket(Arguments& rest, const Surroundings& surroundings, bool stdin_is_sent) {
  // "--name N -": with one argument, "-" is the source and the ticket can only come from the environment.
  const bool named = !rest.empty() && looks_like_ticket(rest.back()) && !(stdin_is_sent && rest.size() == 1);
  if (!named && !surroundings.ticket_variable) {
    return bad("TICKET is missing: the text that 'longhaul receive' prints, @FILE, - (stdin), or set $LONGHAUL_TICKET");
  }
  const std::string word = named ? rest.back() : "$LONGHAUL_TICKET";
  if (named) rest.pop_back();
  if (rest.empty()) return bad("SOURCE is missing");
  if (word == "-" && std::find(rest.begin(), rest.end(), "-") != rest.end()) {
    return bad("stdin cannot be both a SOURCE and the TICKET: give the ticket as @FILE or in $LONGHAUL_TICKET");
  }
  return resolve_ticket(word, surroundings);
}

/// --name of what is not stdin, and --publish, which asks for names.
Result<> read_source_name(const Line& line, Command& command) {
  if (Result<> read = set(line, "--name", command.source_name, parse_stream_name); !read) return read;
  if (!command.source_name.empty() && command.sources.size() > 1)
    return bad("--name says what one SOURCE is called at the target, and there are several");
  if (Result<> read = set(line, "--publish", command.engine.publish, parse_publish); !read) return read;
  return check_publish(command);
}

Result<> check_stdin_source(const Line& line, Command& command) {
  const bool has_stdin = std::find(command.sources.begin(), command.sources.end(), "-") != command.sources.end();
  const std::string* name = line.value("--name");
  if (has_stdin && name == nullptr) return bad("SOURCE - is stdin and needs a name: --name NAME - TICKET");
  if (has_stdin && command.sources.size() > 1) return bad("stdin (-) is sent alone, without other sources");
  if (!has_stdin) return read_source_name(line, command);
  if (command.engine.checksum != Delta::none)
    return bad("--checksum reads a source to compare it, and stdin cannot be read again to be sent: leave it out");
  command.sources.clear();
  if (Result<> read = set(line, "--publish", command.engine.publish, parse_publish); !read) return read;
  return set(line, "--name", command.stream_name, parse_stream_name);
}

Result<> read_send(const Line& line, Command& command, const Surroundings& surroundings) {
  if (const auto scanned = read_manifest_only(line, command); !scanned || *scanned)
    return scanned ? Result<>() : std::unexpected(scanned.error());
  Arguments rest = line.positionals();
  const bool listens = !command.engine.listen.empty() || command.leash;
  const std::string* peer = line.value("--peer");
  if ((listens || peer != nullptr) && !rest.empty() && rest.back().starts_with("longhaul://")) {
    return bad("a TICKET means to dial, --listen to wait, --peer to dial by name: take one of them");
  }
  if (peer != nullptr) {
    Result<std::string> ticket = ticket_of_peer(*peer, command);
    if (!ticket) return std::unexpected(ticket.error());
    command.ticket = *std::move(ticket);
  } else if (!listens) {
    if (command.files_from == "-" && !rest.empty() && rest.back() == "-")
      return bad(
          "stdin cannot be both the list of --files-from and the TICKET: give the ticket as @FILE or in "
          "$LONGHAUL_TICKET");
    Result<std::string> ticket = take_ticket(rest, surroundings, line.value("--name") != nullptr);
    if (!ticket) return std::unexpected(ticket.error());
    command.ticket = *std::move(ticket);
  }
  for (const std::string& source : rest) {
    if (source.starts_with("longhaul://")) return bad("the TICKET must be the last argument, and there is only one");
  }
  if (rest.empty()) return bad("SOURCE is missing");
  command.sources = std::move(rest);
  if (Result<> given = check_paths_given(command.sources, "SOURCE"); !given) return given;
  if (Result<> checked = check_stdin_source(line, command); !checked) return checked;
  if (!command.stream_name.empty() && command.engine.deadline_unix_s > 0)
    return bad("--deadline asks how much is left, and stdin does not tell: leave it out, or send a file");
  if (Result<> checked = check_files_from(command); !checked) return checked;
  if (!listens) {  // else the peer tells what its paths cost
    if (Result<> checked = check_max_cost(command.engine); !checked) return checked;
  }
  return check_side(line, command);
}

Result<> read_copy(const Line& line, Command& command) {
  Arguments rest = line.positionals();
  if (Result<> given = check_paths_given(rest, "path"); !given) return given;
  if (rest.size() < 2) return bad(rest.empty() ? "SOURCE and TARGET_DIR are missing" : "TARGET_DIR is missing");
  command.target = rest.back();
  rest.pop_back();
  command.sources = std::move(rest);
  if (std::find(command.sources.begin(), command.sources.end(), "-") != command.sources.end())
    return bad("copy takes no stdin; a file called - is './-'");
  if (Result<> read = read_source_name(line, command); !read) return read;
  if (Result<> checked = check_files_from(command); !checked) return checked;
  if (Result<> read = read_remote(command); !read) return read;
  if (command.remote) return check_max_cost(command.engine);
  command.engine.cipher = Cipher::none;  // nothing leaves this process
  for (const char* name : {"--path", "--paths", "--discover", "--require", "--forbid", "--max-cost", "--retry-for",
                           "--identity", "--ssh", "--remote-longhaul"}) {
    if (line.value(name) != nullptr) return bad(fmt::format("{} belongs to a copy from or to another machine", name));
  }
  return {};
}

Result<> read_verify(const Line& line, Command& command) {
  const Arguments& rest = line.positionals();
  if (rest.empty() || rest[0].empty()) return bad("TARGET_DIR is missing");
  if (rest.size() > 1) return bad(fmt::format("too many arguments: '{}'", printable(without_secrets(rest[1]))));
  command.target = rest[0];
  return read_manifest_to_verify(line, command);
}

Result<> read_plan(const Line& line, Command& command) {
  command.sources = line.positionals();
  if (command.sources.empty()) return bad("SOURCE is missing");
  if (Result<> given = check_paths_given(command.sources, "SOURCE"); !given) return given;
  for (const std::string& source : command.sources) {
    if (source.starts_with("longhaul://")) return bad("plan dials nobody and takes no TICKET");
    if (source == "-") return bad("nothing can be said of stdin before it is read; a file called - is './-'");
  }
  if (Result<> checked = check_files_from(command); !checked) return checked;
  return check_max_cost(command.engine);
}

void read_fidelity(const Line& line, Command& command) {
  const bool all = line.flag("--archive");
  Fidelity& keep = command.fidelity;
  keep.owners = all || line.flag("--owner");
  keep.numeric_ids = line.flag("--numeric-ids");
  keep.xattrs = all || line.flag("--xattrs");
  keep.acls = all || line.flag("--acls");
  keep.hard_links = all || line.flag("--hard-links");
  keep.special = command.special = all || line.flag("--special");
}

Result<Command> read_command(const Line& line, Verb verb, const Surroundings& surroundings) {
  Command command;
  command.verb = verb;
  if (Result<> read = read_common(line, command); !read) return std::unexpected(read.error());
  if (Result<> read = read_engine(line, command.engine, surroundings); !read) return std::unexpected(read.error());
  read_fidelity(line, command);
  Result<> read = read_selection(line, command, surroundings.now_unix_s);
  if (!read) return std::unexpected(read.error());
  switch (verb) {
    case Verb::receive:
      read = read_receive(line, command, surroundings);
      break;
    case Verb::send:
      read = read_send(line, command, surroundings);
      break;
    case Verb::copy:
      read = read_copy(line, command);
      break;
    case Verb::plan:
      read = read_plan(line, command);
      break;
    case Verb::verify:
      read = read_verify(line, command);
      break;
    case Verb::manifest:
      read = read_manifest(line, command);
      break;
    case Verb::diff:
      read = read_diff(line.positionals(), command);
      break;
    case Verb::bench:
      read = read_bench(line, command, surroundings);
      break;
    case Verb::trust:
      read = read_trust(line.positionals(), command);
      break;
    case Verb::keygen:
    case Verb::version:
      if (!line.positionals().empty()) read = bad("too many arguments");
      break;
    case Verb::list:
    case Verb::path:
    case Verb::pause:
    case Verb::resume:
    case Verb::rate:
      read = read_live(line.positionals(), line.values("--path"), command);
      break;
  }
  if (!read) return std::unexpected(read.error());
  return command;
}

Exit usage_error(const std::string& text, const VerbText* verb) {
  Exit exit{static_cast<int>(ExitCode::usage), {}, {}};
  const std::string words = without_secrets(text);
  if (verb == nullptr) {
    exit.err = fmt::format(
        "longhaul: {}\nusage: longhaul "
        "receive|send|copy|plan|verify|manifest|diff|list|path|pause|resume|rate|keygen|trust|"
        "bench|version ...\n"
        "Try 'longhaul --help'.\n",
        words);
  } else {
    exit.err = fmt::format("longhaul {0}: {1}\nusage: longhaul {2}\nTry 'longhaul {0} --help'.\n", verb->name, words,
                           verb->usage);
  }
  return exit;
}

Exit unknown_verb(const std::string& word) {
  Arguments names = {"help"};
  for (const VerbText& text : verb_texts()) names.emplace_back(text.name);
  if (word.starts_with('-')) {
    return usage_error(fmt::format("'{}' stands before the command; options come after it", printable(word)), nullptr);
  }
  return usage_error(fmt::format("unknown command '{}'{}", printable(word), did_you_mean(word, names)), nullptr);
}

const VerbText* find_verb(const std::string& word) {
  for (const VerbText& text : verb_texts()) {
    if (word == text.name) return &text;
  }
  return nullptr;
}

}  // namespace

std::variant<Command, Exit> parse_command_line(const Arguments& arguments, const Surroundings& surroundings) {
  if (arguments.empty()) return usage_error("a command is missing", nullptr);
  const std::string& first = arguments[0];
  const bool wants_help = first == "--help" || first == "-h" || first == "help";
  if (wants_help && arguments.size() == 1) return Exit{0, general_help(), {}};
  const VerbText* verb = find_verb(wants_help ? arguments[1] : first == "--version" ? "version" : first);
  if (verb == nullptr) return unknown_verb(wants_help ? arguments[1] : first);
  Line line(*verb);
  if (wants_help) return Exit{0, line.help(), {}};
  try {
    const Result<> parsed = line.parse(Arguments(arguments.begin() + 1, arguments.end()));
    if (!parsed) return usage_error(parsed.error().text, verb);
  } catch (const CLI::CallForHelp&) {
    return Exit{0, line.help(), {}};
  }
  Result<Command> command = read_command(line, verb->verb, surroundings);
  if (!command) return usage_error(command.error().text, verb);
  return *std::move(command);
}

}  // namespace longhaul::cli
