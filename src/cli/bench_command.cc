#include "cli/bench_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include "cli/bench_text.h"
#include "cli/printable.h"
#include "cli/progress.h"
#include "cli/reporter.h"
#include "cli/summary.h"
#include "cli/walls.h"
#include "longhaul/bench.h"

namespace longhaul::cli {
namespace {

BenchProgress progress_of(const Command& command) {
  if (command.json || !stderr_is_live()) return {};
  return [](const std::string& what) { write_all(STDERR_FILENO, fmt::format("longhaul: {}\n", printable(what))); };
}

template <class Bench>
ExitCode told(const Command& command, const Result<Bench>& bench) {
  if (bench) {
    const bool written = write_all(STDOUT_FILENO, command.json ? json_of(*bench, wall_s()) : words_of(*bench));
    return written ? ExitCode::complete : ExitCode::failed;
  }
  write_all(STDERR_FILENO, error_line(bench.error()));
  return exit_code_of(bench.error().code);
}

HashBenchOptions hash_options(const Command& command) {
  HashBenchOptions options;
  if (command.bench.seconds > 0) options.seconds = command.bench.seconds;
  return options;
}

DiskBenchOptions disk_options(const Command& command) {
  DiskBenchOptions options;
  options.directory = command.target;
  options.read_file = command.bench.read_file;
  if (command.bench.bytes > 0) options.bytes = command.bench.bytes;
  options.direct = command.engine.direct;
  return options;
}

WireBenchOptions wire_options(const Command& command) {
  WireBenchOptions options;
  options.streams = command.engine.streams;
  if (command.bench.seconds > 0) options.seconds = command.bench.seconds;
  options.cipher = command.engine.cipher;
  return options;
}

PathBenchOptions path_options(const Command& command) {
  PathBenchOptions options;
  options.engine = command.engine;
  if (command.bench.seconds > 0) options.seconds = command.bench.seconds;
  return options;
}

/// Both ends meet strangers, as those of a transfer do; no file is their business, but for the ticket's.
void confine(Command command) {
  if (!command.confine) return;
  command.verb = command.ticket.empty() ? Verb::receive : Verb::send;
  command.to_stdout = true;
  command.control = false;
  (void)put_up_walls(command);
}

ExitCode run_path(const Command& command, const BenchProgress& progress, StopFlag& stop) {
  confine(command);
  if (!command.ticket.empty()) return told(command, bench_path(command.ticket, path_options(command), progress, &stop));
  Reporter reporter(command, stop);
  const auto show = [&](const std::string& ticket) { return reporter.show_ticket(ticket); };
  return told(command, serve_path_bench(path_options(command), show, &stop));
}

}  // namespace

ExitCode run_bench(const Command& command, StopFlag& stop) {
  using What = Command::BenchAsked::What;
  const BenchProgress progress = progress_of(command);
  switch (command.bench.what) {
    case What::hash:
      return told(command, bench_hash(hash_options(command), progress, &stop));
    case What::disk:
      return told(command, bench_disk(disk_options(command), progress, &stop));
    case What::wire:
      return told(command, bench_wire(wire_options(command), progress, &stop));
    case What::path:
      return run_path(command, progress, stop);
  }
  return ExitCode::failed;
}

}  // namespace longhaul::cli
