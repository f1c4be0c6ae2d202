#include "cli/ticket_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "cli/printable.h"
#include "cli/secret_file.h"

namespace longhaul::cli {
namespace {

constexpr char scheme[] = "longhaul://";
constexpr std::string_view variable = "$LONGHAUL_TICKET";
constexpr std::size_t ticket_bytes_max = 8192;

std::unexpected<Error> bad(std::string text) {
  return fail(Code::usage, std::move(text));
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view white = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(white);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(white) - begin + 1);
}

/// The first line of `fd` that is not blank, read no further than its end.
Result<std::string> read_line(int fd, const std::string& from) {
  std::string line;
  for (char byte = 0; line.size() <= ticket_bytes_max;) {
    const ssize_t got = ::read(fd, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return bad(fmt::format("cannot read a ticket from {}: {}", from, std::strerror(errno)));
    if (got == 0 || byte == '\n') {
      if (got == 0 || !trimmed(line).empty()) return std::string(trimmed(line));
      line.clear();
      continue;
    }
    line += byte;
  }
  return bad(fmt::format("{} does not hold a ticket: its first line is too long", from));
}

Result<std::string> read_file(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return bad(fmt::format("cannot open the ticket file '{}': {}", printable(file), std::strerror(errno)));
  Result<std::string> line = read_line(fd, fmt::format("'{}'", printable(file)));
  ::close(fd);
  return line;
}

/// A quick look, so that a cut-off ticket is told before anything is dialled; the engine checks the rest.
Result<std::string> checked(Result<std::string> ticket, const std::string& from) {
  if (!ticket) return ticket;
  if (!ticket->starts_with(scheme)) {
    return bad(fmt::format("{} does not hold a ticket (longhaul://...#..., as 'longhaul receive' prints it)", from));
  }
  if (ticket->find("/?k=") != std::string::npos) return ticket;  // of a listener that trusts keys: there is no secret
  const std::size_t hash = ticket->find('#');
  if (hash == std::string::npos || hash + 1 == ticket->size()) {
    return bad(
        fmt::format("the ticket from {} is cut off: its secret, the part after '#', is missing; "
                    "copy the whole line and put it in quotes",
                    from));
  }
  return ticket;
}

}  // namespace

Surroundings real_surroundings() {
  Surroundings surroundings;
  const char* value = std::getenv("LONGHAUL_TICKET");
  if (value != nullptr && *value != '\0') surroundings.ticket_variable = value;
  surroundings.read_stdin = [] { return read_line(STDIN_FILENO, "stdin"); };
  surroundings.now_unix_s = std::time(nullptr);
  return surroundings;
}

std::vector<std::string> take_arguments(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    arguments.emplace_back(argv[i]);
    char* ticket = std::strstr(argv[i], scheme);
    if (ticket == nullptr) continue;
    // Volatile: the compiler may not see that the kernel shows these bytes to other processes.
    for (volatile char* byte = ticket; *byte != '\0'; ++byte) *byte = ' ';
  }
  return arguments;
}

bool looks_like_ticket(std::string_view word) {
  return word.starts_with(scheme) || (word.size() > 1 && word[0] == '@') || word == "-" || word == variable;
}

Result<std::string> resolve_ticket(const std::string& word, const Surroundings& surroundings) {
  if (word == "-") return checked(surroundings.read_stdin(), "stdin");
  if (word == variable) {
    if (surroundings.ticket_variable) {
      return checked(std::string(trimmed(*surroundings.ticket_variable)), std::string(variable));
    }
    return bad("$LONGHAUL_TICKET is named, but it is not set in the environment");
  }
  if (word.starts_with('@')) return checked(read_file(word.substr(1)), fmt::format("'{}'", printable(word.substr(1))));
  return checked(std::string(trimmed(word)), "the command line");
}

std::string without_secrets(std::string_view text) {
  std::string out;
  for (;;) {
    const std::size_t begin = text.find(scheme);
    const std::size_t hash = begin == std::string_view::npos ? begin : text.find('#', begin);
    if (hash == std::string_view::npos) return out.append(text);
    out.append(text.substr(0, hash + 1)).append("...");
    const std::size_t end =
        text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", hash + 1);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end);
  }
}

Result<> write_ticket_file(const std::string& file, const std::string& ticket) {
  const Result<> written = write_secret_file(file, ticket + "\n", true);
  if (written) return {};
  return fail(written.error().code,
              fmt::format("cannot write the ticket file '{}': {}", printable(file), written.error().text),
              written.error().system_errno);
}

}  // namespace longhaul::cli
