#include "cli/live_requests.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/json_events.h"
#include "cli/path_values.h"
#include "cli/printable.h"

namespace longhaul::cli {
namespace {

using Json = nlohmann::ordered_json;
using Kind = Adjustment::Kind;

constexpr std::array<std::string_view, 9> kinds = {
    "add_path", "drain_path", "cap_path", "disable_path", "enable_path", "remove_path", "pause", "resume", "rate"};

std::unexpected<Error> bad(std::string text) {
  return fail(Code::usage, std::move(text));
}

std::string line_of(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

bool names_a_path(Kind kind) {
  return kind != Kind::add_path && kind <= Kind::remove_path;
}

bool has_rate(Kind kind) {
  return kind == Kind::cap_path || kind == Kind::rate;
}

Result<std::string> text_in(const Json& object, const char* key) {
  const auto at = object.find(key);
  if (at == object.end() || !at->is_string()) return bad(fmt::format("\"{}\" is missing, or no text", key));
  return at->get<std::string>();
}

Result<> read_change(const Json& object, Kind kind, LiveRequest& request) {
  Adjustment& change = request.change.emplace();
  change.kind = kind;
  if (kind == Kind::add_path) {
    auto text = text_in(object, "path");
    if (!text) return std::unexpected(text.error());
    auto path = parse_path(*text);
    if (!path) return std::unexpected(path.error());
    request.path_text = *std::move(text);
    change.path = *std::move(path);
  }
  if (names_a_path(kind)) {
    auto name = text_in(object, "name");
    if (!name) return std::unexpected(name.error());
    change.path.name = *std::move(name);
  }
  if (!has_rate(kind)) return {};
  const auto rate = object.find("bits_per_s");
  if (rate == object.end() || !rate->is_number_unsigned())
    return bad("\"bits_per_s\" is missing, or no whole number (0: no limit)");
  change.cap_bits_per_s = rate->get<std::uint64_t>();
  return {};
}

}  // namespace

std::string_view name_of(Kind kind) {
  return kinds.at(static_cast<std::size_t>(kind));
}

std::string request_line(const LiveRequest& request) {
  if (!request.change) return line_of({{"ask", "status"}});
  const Adjustment& change = *request.change;
  Json object = {{"ask", name_of(change.kind)}};
  if (change.kind == Kind::add_path) object["path"] = request.path_text;
  if (names_a_path(change.kind)) object["name"] = change.path.name;
  if (has_rate(change.kind)) object["bits_per_s"] = change.cap_bits_per_s;
  return line_of(object);
}

Result<LiveRequest> parse_request(std::string_view line) {
  const Json object = Json::parse(line, nullptr, false);
  if (!object.is_object()) return bad("a request is one JSON object on one line, such as {\"ask\":\"status\"}");
  auto ask = text_in(object, "ask");
  if (!ask) return std::unexpected(ask.error());
  LiveRequest request;
  if (*ask == "status") return request;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (kinds.at(i) != *ask) continue;
    if (Result<> read = read_change(object, static_cast<Kind>(i), request); !read) return std::unexpected(read.error());
    return request;
  }
  return bad(fmt::format("\"ask\" may be status, {}; not '{}'", fmt::join(kinds, ", "), printable(*ask)));
}

std::string status_answer(const LiveAbout& about, const Report& report) {
  Json object = {{"ok", true}, {"id", about.id}, {"pid", about.pid}, {"command", about.command}};
  object["what"] = is_utf8(about.what) ? about.what : escaped_utf8(about.what);
  object.update(Json::parse(report_json(report)));
  return line_of(object);
}

std::string done_answer(const std::string& text) {
  return line_of({{"ok", true}, {"text", is_utf8(text) ? text : escaped_utf8(text)}});
}

std::string error_answer(const Error& error) {
  const std::string text = is_utf8(error.text) ? error.text : escaped_utf8(error.text);
  return line_of({{"ok", false}, {"code", longhaul::name_of(error.code)}, {"text", text}});
}

}  // namespace longhaul::cli
