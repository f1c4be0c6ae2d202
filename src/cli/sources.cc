#include "cli/sources.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "cli/descriptor.h"
#include "cli/printable.h"

namespace longhaul::cli {

std::string spool_directory() {
  const char* directory = std::getenv("TMPDIR");
  return directory != nullptr && *directory != '\0' ? directory : "/var/tmp";
}

Result<> check_files_from(const Command& command) {
  if (command.files_from.empty()) return {};
  if (!command.stream_name.empty())
    return fail(Code::usage, "--files-from names what is in a directory, and SOURCE is stdin");
  if (command.sources.size() == 1) return {};
  return fail(Code::usage, fmt::format("--files-from: its names are beneath one SOURCE, a directory, and there are {}",
                                       command.sources.size()));
}

Result<> read_names(Command& command, const StopFlag& stop) {
  if (command.files_from.empty()) return {};
  NameListOptions options;
  options.nul_ended = command.nul_ended;
  options.spool_directory = spool_directory();
  const bool from_stdin = command.files_from == "-";
  if (from_stdin && command.leash) options.nul_ended = options.ends_at_empty_name = true;
  const Descriptor file(from_stdin ? -1 : ::open(command.files_from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!from_stdin && !file)
    return fail(
        Code::usage,
        error_of_errno(errno, fmt::format("--files-from: cannot open '{}'", printable(command.files_from))).text);
  const std::string called =
      from_stdin ? "--files-from: stdin" : fmt::format("--files-from: '{}'", printable(command.files_from));
  auto names = NameList::read(from_stdin ? STDIN_FILENO : file.get(), called, options, &stop);
  if (!names) return std::unexpected(names.error());
  command.names = *std::move(names);
  return {};
}

Result<std::unique_ptr<Source>> source_of(const Command& command) {
  if (!command.stream_name.empty()) return stream_source(command.stream_name, STDIN_FILENO);
  if (!command.names) return tree_source(command.sources, command.selection, command.fidelity, command.source_name);
  return listed_source(command.sources.front(), *command.names, command.recursive, command.selection, command.fidelity,
                       command.source_name);
}

}  // namespace longhaul::cli
