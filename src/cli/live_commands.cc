#include "cli/live_commands.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>

#include "cli/live_names.h"
#include "cli/live_requests.h"
#include "cli/printable.h"
#include "cli/reporter.h"
#include "cli/summary.h"
#include "cli/table.h"
#include "longhaul/units.h"

namespace longhaul::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::chrono::seconds answer_time{15};  // longer than the other command takes, which may ask its peer
constexpr std::size_t answer_bytes_max = std::size_t{4} * 1024 * 1024;

Result<> wait_for(int fd, short events, std::chrono::steady_clock::time_point until) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd polled{fd, events, 0};
    const int ready = left.count() <= 0 ? 0 : ::poll(&polled, 1, static_cast<int>(left.count()));
    if (ready > 0) return {};
    if (ready == 0) return fail(Code::stalled, "the command does not answer");
    if (errno != EINTR) return fail_errno(errno, "cannot wait for the answer");
  }
}

/// One request, and the line that answers it.
Result<std::string> exchange(int fd, std::string_view request) {
  const auto until = std::chrono::steady_clock::now() + answer_time;
  const auto gone = [] { return fail(Code::connection, "the command has ended without an answer"); };
  while (!request.empty()) {
    const ssize_t bytes = ::send(fd, request.data(), request.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (bytes > 0) request.remove_prefix(static_cast<std::size_t>(bytes));
    if (bytes < 0 && errno != EAGAIN && errno != EINTR) return gone();
    if (bytes > 0) continue;
    if (Result<> ready = wait_for(fd, POLLOUT, until); !ready) return std::unexpected(ready.error());
  }
  std::string answer;
  while (!answer.ends_with('\n') && answer.size() < answer_bytes_max) {
    if (Result<> ready = wait_for(fd, POLLIN, until); !ready) return std::unexpected(ready.error());
    std::array<char, 16384> piece{};
    const ssize_t bytes = ::recv(fd, piece.data(), piece.size(), MSG_DONTWAIT);
    if (bytes > 0) answer.append(piece.data(), static_cast<std::size_t>(bytes));
    if (bytes == 0 || (bytes < 0 && errno != EAGAIN && errno != EINTR)) return gone();
  }
  return answer;
}

/// The answer as an object that says that all is well; else its words as the error.
Result<Json> ask(const std::string& directory, const LiveName& name, const LiveRequest& request) {
  auto fd = connect_live(directory, name);
  if (!fd) return std::unexpected(fd.error());
  auto line = exchange(fd->get(), request_line(request));
  if (!line) return std::unexpected(line.error());
  Json answer = Json::parse(*line, nullptr, false);
  if (!answer.is_object() || !answer.contains("ok") || !answer["ok"].is_boolean())
    return fail(Code::protocol, "what answers is no command of Longhaul");
  if (answer["ok"].get<bool>()) return answer;
  const Json text = answer.value("text", Json());
  return fail(Code::refused, text.is_string() ? text.get<std::string>() : "refused without words");
}

// --- what people see
// --------------------------------------------------------------------------------------------------

std::string text_of(const Json& object, const char* key) {
  const Json value = object.value(key, Json());
  return value.is_string() ? printable(value.get<std::string>()) : "";
}

double number_of(const Json& object, const char* key) {
  const Json value = object.value(key, Json());
  return value.is_number() ? value.get<double>() : 0;
}

std::uint64_t whole_of(const Json& object, const char* key) {
  const Json value = object.value(key, Json());
  return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
}

bool flag_of(const Json& object, const char* key) {
  const Json value = object.value(key, Json());
  return value.is_boolean() && value.get<bool>();
}

std::vector<Json> paths_of(const Json& status) {
  std::vector<Json> paths;
  const Json all = status.value("paths", Json::array());
  for (const Json& path : all)
    if (path.is_object() && text_of(path, "state") != "removed") paths.push_back(path);
  return paths;
}

Row row_of(const LiveName& name, const Json& status) {
  const auto paths = paths_of(status);
  const auto up = std::count_if(paths.begin(), paths.end(), [](const Json& path) { return flag_of(path, "up"); });
  const std::uint64_t there = whole_of(status, "bytes") + whole_of(status, "skipped_bytes");
  std::string bytes = format_bytes(there);
  if (flag_of(status, "walk_done")) bytes += " of " + format_bytes(std::max(there, whole_of(status, "bytes_found")));
  const bool known = status.value("eta_s", Json()).is_number();
  const std::string rate = flag_of(status, "paused") ? "paused" : format_rate(number_of(status, "rate"));
  return {name.id,
          std::to_string(name.pid),
          text_of(status, "command"),
          bytes,
          rate,
          format_duration(known ? number_of(status, "eta_s") : -1),
          fmt::format("{}/{}", up, paths.size()),
          text_of(status, "what")};
}

Row row_of(const Json& path) {
  const std::uint64_t cap = whole_of(path, "cap_bits_per_s");
  const std::uint64_t rtt = whole_of(path, "rtt_us");
  const auto or_dash = [](const std::string& text) { return text.empty() ? "-" : text; };
  return {text_of(path, "name"),
          text_of(path, "state"),
          or_dash(text_of(path, "local")),
          or_dash(text_of(path, "remote")),
          std::to_string(whole_of(path, "streams")),
          format_rate(number_of(path, "rate")),
          cap == 0 ? "none" : format_rate(static_cast<double>(cap) / 8),
          format_bytes(whole_of(path, "bytes")),
          rtt == 0 ? "-" : fmt::format("{:.1f} ms", static_cast<double>(rtt) / 1000)};
}

std::string line_of(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

ExitCode print(const std::string& text) {
  return write_all(STDOUT_FILENO, text) ? ExitCode::complete : ExitCode::failed;
}

ExitCode complain(const Error& error, ExitCode exit_code) {
  write_all(STDERR_FILENO, error_line(error));
  return exit_code;
}

// --- the commands
// -----------------------------------------------------------------------------------------------------

ExitCode run_list(const Command& command, const std::string& directory, const std::vector<LiveName>& names) {
  std::vector<Row> rows = {{"TRANSFER", "PID", "COMMAND", "BYTES", "RATE", "ETA", "PATHS", "WHAT"}};
  std::string lines;
  ExitCode exit_code = ExitCode::complete;
  for (const LiveName& name : names) {
    const auto status = ask(directory, name, {});
    if (!status && status.error().code == Code::connection) continue;  // it has just ended, or was killed before
    if (!status) {
      const std::string words = fmt::format("{} (pid {}): {}", name.id, name.pid, status.error().text);
      exit_code = complain({status.error().code, words, 0}, ExitCode::failed);
      continue;
    }
    rows.push_back(row_of(name, *status));
    lines += line_of(*status);
  }
  if (command.json) return print(lines) == ExitCode::complete ? exit_code : ExitCode::failed;
  if (rows.size() > 1) return print(table_of(rows)) == ExitCode::complete ? exit_code : ExitCode::failed;
  if (!command.quiet && exit_code == ExitCode::complete)
    write_all(STDERR_FILENO, "longhaul: no transfer of this user runs here\n");
  return exit_code;
}

ExitCode print_paths(const Command& command, const Json& status) {
  const auto paths = paths_of(status);
  std::vector<Row> rows = {{"NAME", "STATE", "LOCAL", "REMOTE", "STREAMS", "RATE", "CAP", "BYTES", "RTT"}};
  std::string lines;
  for (const Json& path : paths) {
    rows.push_back(row_of(path));
    lines += line_of(path);
  }
  return print(command.json ? lines : table_of(rows));
}

ExitCode run_one(const Command& command, const std::string& directory, const std::vector<LiveName>& names) {
  const auto name = choose_live(names, command.live.transfer);
  if (!name) return complain(name.error(), ExitCode::usage);
  const auto answer = ask(directory, *name, command.live.request);
  if (!answer) {
    const bool gone = answer.error().code == Code::connection;
    return complain(answer.error(), gone ? ExitCode::refused : ExitCode::failed);
  }
  if (!command.live.request.change) return print_paths(command, *answer);
  if (command.quiet) return ExitCode::complete;
  return print(command.json ? line_of(*answer) : text_of(*answer, "text") + "\n");
}

}  // namespace

ExitCode run_live(const Command& command) {
  const std::string directory = live_directory();
  sweep(directory);
  const auto names = live_names(directory);
  if (!names) return complain(names.error(), ExitCode::failed);
  return command.verb == Verb::list ? run_list(command, directory, *names) : run_one(command, directory, *names);
}

}  // namespace longhaul::cli
