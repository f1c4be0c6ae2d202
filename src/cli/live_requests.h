// What goes over a control socket: requests and answers, one JSON object a line. longhaul(1), CONTROL SOCKET.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "longhaul/live.h"
#include "longhaul/transfer.h"

namespace longhaul::cli {

/// What is asked of a running command.
struct LiveRequest {
  std::optional<Adjustment> change;  ///< empty: tell how things stand
  std::string path_text;             ///< add_path: as after --path
};
[[nodiscard]] std::string request_line(const LiveRequest& request);
/// Errors (Code::usage): no JSON object, unknown, incomplete, of a wrong type. They may be told to whoever asked.
[[nodiscard]] Result<LiveRequest> parse_request(std::string_view line);

/// "add_path", ... The words of requests, and with a blank of the command line.
[[nodiscard]] std::string_view name_of(Adjustment::Kind kind);

/// What stays the same of a running command.
struct LiveAbout {
  std::string id;
  pid_t pid = 0;
  std::string command;  ///< "send", "receive", "copy"
  std::string what;     ///< source or target
};
[[nodiscard]] std::string status_answer(const LiveAbout& about, const Report& report);
[[nodiscard]] std::string done_answer(const std::string& text);
[[nodiscard]] std::string error_answer(const Error& error);

}  // namespace longhaul::cli
