#include "cli/run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <memory>
#include <utility>

#include "cli/bench_command.h"
#include "cli/control_socket.h"
#include "cli/diff_command.h"
#include "cli/exit_codes.h"
#include "cli/fabric_command.h"
#include "cli/identity_file.h"
#include "cli/json_events.h"
#include "cli/keygen_command.h"
#include "cli/live_commands.h"
#include "cli/live_names.h"
#include "cli/manifest_command.h"
#include "cli/path_values.h"
#include "cli/plan_command.h"
#include "cli/printable.h"
#include "cli/remote_end.h"
#include "cli/remote_place.h"
#include "cli/reporter.h"
#include "cli/signals.h"
#include "cli/sources.h"
#include "cli/summary.h"
#include "cli/trust_command.h"
#include "cli/trust_file.h"
#include "cli/walls.h"
#include "longhaul/fabric.h"
#include "longhaul/plan.h"
#include "longhaul/sink.h"
#include "longhaul/source.h"
#include "longhaul/transfer.h"
#include "longhaul/units.h"
#include "longhaul/verify.h"

namespace longhaul::cli {
namespace {

StopFlag stop_flag{0};  // static: the signal handler may touch it until the process is gone

Outcome failed(Error error) {
  return {.ok = false, .error = std::move(error), .report = {}};
}

std::unique_ptr<Sink> sink_of(const Command& command) {
  return command.to_stdout
             ? stream_sink(STDOUT_FILENO)
             : directory_sink(command.target, command.special, command.allow_delete || command.engine.mirror);
}

/// Nobody who has not asked for a certain key is kept from a transfer by a home that cannot be written.
Result<std::string> identity_of(const Command& command, Reporter& reporter) {
  if (!command.identity_file.empty()) return load_or_make_identity(command.identity_file);
  const std::string file = usual_identity_file();
  auto pem = file.empty() ? Result<std::string>(fail(Code::not_found, "neither HOME nor XDG_CONFIG_HOME is set"))
                          : load_or_make_identity(file);
  if (pem || pem.error().code == Code::refused || pem.error().code == Code::usage) return pem;
  reporter.warn(pem.error().text +
                "; a key for this run only is used, and a ticket that it has used is refused to the "
                "next run (name another place with --identity)");
  return std::string();
}

/// What a peer of others must have before it meets the first, in the order in which it can still be had: its key, its
/// target, its walls. One of these that cannot be put up keeps nobody from a transfer.
Result<> prepare_to_meet(Command& command, Reporter& reporter) {
  auto identity = identity_of(command, reporter);
  if (!identity) return std::unexpected(identity.error());
  command.engine.identity_pem = *std::move(identity);
  const bool lands = command.verb == Verb::receive && !command.to_stdout && !command.engine.dry_run;
  if (Result<> made = lands ? make_target(command.target) : Result<>(); !made) return made;
  if (!command.confine) return {};
  // It may lie where no wall lets us look afterwards (/opt, LD_LIBRARY_PATH). Its providers open devices and start
  // threads when they are first looked at, which is for behind the walls.
  if (!fabrics_asked_for(command.engine).empty()) map_fabrics();
  const Walls walls = put_up_walls(command);
  if (!walls.standing.empty()) reporter.note("confined by " + walls.standing);
  for (const std::string& why : walls.missing) reporter.note("a wall is missing: " + why);
  return {};
}

/// Reads the file whenever somebody comes: one that serves for weeks must know at once whom to trust no more.
Result<std::function<bool(const std::string&)>> trust_in(const Command& command, Reporter& reporter) {
  const std::string file = trust_file_of(command);
  if (file.empty())
    return fail(Code::usage, "--trusted: neither HOME nor XDG_CONFIG_HOME is set: name --trust-file FILE");
  const auto peers = read_trust_file(file);
  if (!peers) return std::unexpected(peers.error());
  if (peers->empty()) reporter.warn(fmt::format("'{}' names nobody yet; 'longhaul trust add' does", printable(file)));
  return [file, &reporter](const std::string& key) {
    const auto known = read_trust_file(file);
    if (!known) reporter.warn(known.error().text + "; nobody is admitted");
    const auto has_it = [&](const TrustedPeer& peer) { return peer.fingerprint == key; };
    return known && std::any_of(known->begin(), known->end(), has_it);
  };
}

/// Dials when there is a ticket; else listens, and hands out the ticket.
Result<std::unique_ptr<Session>> open_session(const Command& command, Reporter& reporter) {
  Options options = command.engine;
  if (command.trusted_only) {
    auto trust = trust_in(command, reporter);
    if (!trust) return std::unexpected(trust.error());
    options.trusts = *std::move(trust);
  }
  if (command.leash) end_with_stdin(stop_flag);
  if (command.leash && options.listen.empty() && !address_of_ssh().empty()) options.listen = {address_of_ssh()};
  if (!command.ticket.empty()) {
    return Session::dial(command.ticket, options, reporter.observer(), &stop_flag);
  }
  const std::string keep_in = command.engine.dry_run ? std::string() : command.target;
  auto session = Session::listen(options, reporter.observer(), &stop_flag, keep_in);
  if (!session) return session;
  if (Result<> shown = reporter.show_ticket((*session)->ticket()); !shown) return std::unexpected(shown.error());
  return session;
}

/// What a running command is about, for `longhaul list`.
std::string what_of(const Command& command) {
  if (command.to_stdout) return "stdout";
  if (!command.stream_name.empty()) return command.stream_name + " (stdin)";
  if (command.sources.empty()) return command.target;
  std::string what = command.sources.front();
  if (command.sources.size() > 1) what += fmt::format(" and {} more", command.sources.size() - 1);
  return command.target.empty() ? what : what + " -> " + command.target;
}

/// A transfer goes on without one.
std::unique_ptr<ControlSocket> open_control(const Command& command, Live& live, Reporter& reporter) {
  if (!command.control) return nullptr;
  LiveAbout about{live.id(), ::getpid(), text_of(command.verb).name, what_of(command)};
  auto socket = ControlSocket::open(live, std::move(about), live_directory());
  if (socket) return *std::move(socket);
  reporter.warn(socket.error().text + " (the transfer goes on; 'longhaul list' will not show it)");
  return nullptr;
}

/// A deadline asks how much there is before all of it has been found: the sources are walked twice.
Result<> count_sources(Command& command, Reporter& reporter) {
  if (command.engine.deadline_unix_s <= 0 || !command.stream_name.empty()) return {};
  auto source = source_of(command);
  if (!source) return std::unexpected(source.error());
  const auto found = [&](const TransferPlan& so_far) {
    reporter.warn(fmt::format("counting: {} in {} files so far", format_bytes(so_far.bytes), so_far.files));
  };
  const auto counted = plan(*std::move(source), {}, {}, found, &stop_flag);
  if (!counted) return std::unexpected(counted.error());
  command.engine.expected_bytes = counted->bytes;
  return {};
}

Outcome send(Command command, Reporter& reporter) {
  if (const Result<> counted = count_sources(command, reporter); !counted) return failed(counted.error());
  auto source = source_of(command);
  if (!source) return failed(source.error());
  auto session = open_session(command, reporter);
  if (!session) return failed(session.error());
  const auto control = open_control(command, **session, reporter);
  return (*session)->send(*std::move(source));
}

Outcome receive(const Command& command, Reporter& reporter) {
  auto session = open_session(command, reporter);
  if (!session) return failed(session.error());
  const auto control = open_control(command, **session, reporter);
  return (*session)->receive(sink_of(command));
}

Outcome copy_here(Command command, Reporter& reporter) {
  if (const Result<> counted = count_sources(command, reporter); !counted) return failed(counted.error());
  auto source = source_of(command);
  if (!source) return failed(source.error());
  std::unique_ptr<ControlSocket> control;
  const auto live = [&](Live* it) { control = it == nullptr ? nullptr : open_control(command, *it, reporter); };
  return copy(*std::move(source), sink_of(command), command.engine, reporter.observer(), &stop_flag, live);
}

/// Whether a receiver that stays may wait for the next transfer after this end. What is wrong here (target, machine)
/// stays wrong: waiting again would only print tickets that cannot work.
bool may_serve_on(const Outcome& outcome) {
  if (stop_flag.load() != 0) return false;
  if (outcome.ok) return true;
  switch (outcome.error.code) {
    case Code::source_changed:
    case Code::corrupt:
    case Code::protocol:
    case Code::connection:
    case Code::refused:
    case Code::stalled:
      return true;
    case Code::usage:
    case Code::io:
    case Code::not_found:
    case Code::permission:
    case Code::read_only:
    case Code::no_space:
    case Code::busy:
    case Code::interrupted:
    case Code::unsupported:
    case Code::internal:
      return false;
  }
  return false;
}

/// Asked before the work; says why not.
bool report_can_be_written(const Reporter& reporter) {
  const Result<> writable = reporter.check_report_file();
  if (!writable) write_all(STDERR_FILENO, error_line(writable.error()));
  return writable.has_value();
}

/// The other end is started by ssh; this one dials it.
ExitCode run_remote_copy(const Command& command) {
  Command local = local_side(command);
  Reporter reporter(local, stop_flag);
  if (!report_can_be_written(reporter)) return ExitCode::usage;
  auto remote = RemoteEnd::start(command.ssh, command.remote->host, remote_command(command), stop_flag);
  if (!remote) return reporter.finish(failed(remote.error()));
  const Result<> handed = command.names && command.remote->sends ? (*remote)->hand_over(*command.names) : Result<>();
  if (!handed) return reporter.finish(failed(handed.error()));
  auto ticket = (*remote)->ticket();
  if (!ticket) return reporter.finish(failed(ticket.error()));
  local.ticket = *std::move(ticket);
  if (Result<> prepared = prepare_to_meet(local, reporter); !prepared) return reporter.finish(failed(prepared.error()));
  Outcome outcome = local.verb == Verb::send ? send(local, reporter) : receive(local, reporter);
  (*remote)->finish(outcome);
  return reporter.finish(outcome);
}

ExitCode run_send(Command command, Reporter& reporter) {
  if (Result<> prepared = prepare_to_meet(command, reporter); !prepared)
    return reporter.finish(failed(prepared.error()));
  return reporter.finish(send(std::move(command), reporter));
}

ExitCode run_receive(Command command, Reporter& reporter) {
  if (Result<> prepared = prepare_to_meet(command, reporter); !prepared)
    return reporter.finish(failed(prepared.error()));
  for (;;) {
    const Outcome outcome = receive(command, reporter);
    const ExitCode exit_code = reporter.finish(outcome);
    // Who has looked what would become of it comes again, with the ticket that is good for one transfer.
    const bool was_dry = outcome.report.dry_run && command.ticket.empty() && !command.leash;
    if (!(command.engine.keep || was_dry) || !may_serve_on(outcome)) return exit_code;
  }
}

ExitCode run_verify(const Command& command, Reporter& reporter) {
  reporter.start_verify();
  VerifyReport last;
  const auto progress = [&](const VerifyReport& report) {
    last = report;
    reporter.show(report);
  };
  const VerifyOptions options{.manifest = command.manifest.file,
                              .signer = command.manifest.signer,
                              .exact = command.manifest.exact,
                              .threads = command.engine.workers,
                              .spool_directory = spool_directory()};
  const Result<VerifyReport> report = verify(command.target, options, progress, &stop_flag);
  return report ? reporter.finish(*report, nullptr) : reporter.finish(last, &report.error());
}

ExitCode run_version(const Command& command) {
  const std::string text = version_text();
  const std::string shown = command.verbose ? text + fabrics_text(probe_fabrics()) : text.substr(0, text.find('\n'));
  const bool ended = shown.ends_with('\n');
  const bool written = write_all(STDOUT_FILENO, command.json ? version_json(shown) : shown + (ended ? "" : "\n"));
  return written ? ExitCode::complete : ExitCode::failed;
}

ExitCode run_command(Command command) {
  if (const Result<> read = read_names(command, stop_flag); !read) {
    write_all(STDERR_FILENO, error_line(read.error()));
    return exit_code_of(read.error().code);
  }
  if (command.verb == Verb::version) return run_version(command);
  if (command.probe) return run_probe(command);
  if (command.verb == Verb::keygen) return run_keygen(command);
  if (command.verb == Verb::trust) return run_trust(command);
  if (command.verb == Verb::plan) return run_plan(command, stop_flag);
  if (command.verb == Verb::manifest) return run_manifest(command, stop_flag);
  if (command.verb == Verb::diff) return run_diff(command, stop_flag);
  if (command.verb == Verb::bench) return run_bench(command, stop_flag);
  constexpr unsigned lives = static_cast<unsigned>(Verb::list) | static_cast<unsigned>(Verb::path) |
                             static_cast<unsigned>(Verb::pause) | static_cast<unsigned>(Verb::resume) |
                             static_cast<unsigned>(Verb::rate);
  if ((static_cast<unsigned>(command.verb) & lives) != 0) return run_live(command);
  if (command.remote) return run_remote_copy(command);
  Reporter reporter(command, stop_flag);
  if (!report_can_be_written(reporter)) return ExitCode::usage;
  switch (command.verb) {
    case Verb::receive:
      return run_receive(command, reporter);
    case Verb::send:
      return run_send(command, reporter);
    case Verb::copy:
      return reporter.finish(copy_here(command, reporter));
    case Verb::verify:
      return run_verify(command, reporter);
    case Verb::keygen:
    case Verb::trust:
    case Verb::plan:
    case Verb::manifest:
    case Verb::diff:
    case Verb::bench:
    case Verb::version:
    case Verb::list:
    case Verb::path:
    case Verb::pause:
    case Verb::resume:
    case Verb::rate:
      break;
  }
  return ExitCode::complete;
}

/// A closed stdin, stdout or stderr would give its number to the next file or socket, and words would land in there.
void hold_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    // The lowest free number is taken, which is `fd`: those below it are open by now.
    if (::fcntl(fd, F_GETFD) == -1 && ::open("/dev/null", O_RDWR) == -1) return;
  }
}

int run_arguments(int argc, char** argv) {
  const auto parsed = parse_command_line(take_arguments(argc, argv), real_surroundings());
  if (const Exit* exit = std::get_if<Exit>(&parsed)) {
    write_all(STDERR_FILENO, exit->err);
    return write_all(STDOUT_FILENO, exit->out) ? exit->code : static_cast<int>(ExitCode::failed);
  }
  return run(std::get<Command>(parsed));
}

/// Batches of names come and go. By itself the C library gives their memory back after each and takes it again in
/// steps of a page: a call of mprotect for every third small file.
void keep_freed_memory() {
  constexpr int kept_bytes_max = 64 * 1024 * 1024;  // of each thread's heap; what a transfer needs at once is far less
  constexpr int mapped_bytes_min = 4 * 1024 * 1024;
  ::mallopt(M_TRIM_THRESHOLD, kept_bytes_max);
  ::mallopt(M_MMAP_THRESHOLD, mapped_bytes_min);
}

}  // namespace

int run(const Command& command) {
  install_signal_handlers(stop_flag);
  return static_cast<int>(run_command(command));
}

int run_main(int argc, char** argv) noexcept {
  hold_standard_descriptors();
  keep_freed_memory();
  try {
    return run_arguments(argc, argv);
  } catch (const std::exception& error) {
    // Only what the libraries throw (no memory, say) comes here; nothing that was durable is lost by ending.
    write_all(STDERR_FILENO, "longhaul: cannot go on: ");
    write_all(STDERR_FILENO, error.what());
    write_all(STDERR_FILENO, "\n");
    return static_cast<int>(ExitCode::failed);
  }
}

}  // namespace longhaul::cli
