#include "cli/live_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "cli/option_values.h"
#include "cli/path_values.h"
#include "cli/printable.h"
#include "cli/suggest.h"
#include "longhaul/options.h"
#include "longhaul/units.h"

namespace longhaul::cli {
namespace {

using Words = std::vector<std::string>;
using Kind = Adjustment::Kind;

std::unexpected<Error> bad(std::string text) {
  return fail(Code::usage, std::move(text));
}

/// "none" is 0.
Result<std::uint64_t> parse_limit(const std::string& text) {
  if (text == "none") return 0;
  auto rate = parse_rate(text);
  if (!rate) return bad(rate.error().text + ", or none");
  if (*rate == 0) return bad("a rate of nothing: 'longhaul pause' stops a transfer, 'path disable' a path");
  return rate;
}

Result<> expect(const Words& words, std::size_t number, const char* what) {
  if (words.size() < number) return bad(fmt::format("{} is missing", what));
  if (words.size() > number) return bad(fmt::format("too many arguments: '{}'", printable(words[number])));
  return {};
}

struct Sub {
  const char* name;
  std::optional<Kind> kind;
};
constexpr Sub subs[] = {{"list", std::nullopt},       {"add", Kind::add_path},         {"drain", Kind::drain_path},
                        {"cap", Kind::cap_path},      {"disable", Kind::disable_path}, {"enable", Kind::enable_path},
                        {"remove", Kind::remove_path}};

Result<> read_added(const Words& words, const Words& path_texts, Command& command) {
  const bool as_option = !path_texts.empty();
  if (path_texts.size() > 1) return bad("one path at a time");
  if (Result<> expected = expect(words, as_option ? 2 : 3, words.size() < 2 ? "TRANSFER" : "KEY=VALUE,..."); !expected)
    return expected;
  LiveRequest& request = command.live.request;
  request.path_text = as_option ? path_texts.front() : words[2];
  auto path = parse_path(request.path_text);
  if (!path) return std::unexpected(path.error());
  request.change->path = *std::move(path);
  return {};
}

/// "tcp" and "fabric:tcp", as a path says it, are the same, and so are "verbs@mlx5_0" and "verbs mlx5_0".
Result<> read_probe(const Words& words, const Words& path_texts, Command& command) {
  if (!path_texts.empty()) return bad("--path belongs to 'longhaul path add'");
  if (words.size() > 3) return bad(fmt::format("too many arguments: '{}'", printable(words[3])));
  FabricWish& wish = command.probe.emplace();
  if (words.size() > 1) {
    const auto named = parse_transport(words[1].starts_with("fabric:") ? words[1] : "fabric:" + words[1]);
    if (!named)
      return bad(fmt::format("'{}' is no provider with or without a device: tcp, verbs, efa@rdmap0s6 ...",
                             printable(words[1])));
    wish = {.provider = named->provider, .where = named->device};
  }
  if (words.size() > 2 && !wish.where.empty()) return bad("a place is named twice");
  if (words.size() > 2) wish.where = words[2];
  if (words.size() > 2 && wish.where.empty()) return bad("an address or a device is missing");
  return {};
}

Result<> read_path(const Words& words, const Words& path_texts, Command& command) {
  Words known = {"probe"};
  if (!words.empty() && words[0] == known[0]) return read_probe(words, path_texts, command);
  for (const Sub& sub : subs) known.emplace_back(sub.name);
  if (words.empty()) return bad(fmt::format("what about the paths? {}", fmt::join(known, ", ")));
  const auto* const sub =
      std::find_if(std::begin(subs), std::end(subs), [&](const Sub& it) { return words[0] == it.name; });
  if (sub == std::end(subs))
    return bad(fmt::format("'path {}' is not known{} ({})", printable(words[0]), did_you_mean(words[0], known),
                           fmt::join(known, ", ")));
  if (words.size() > 1) command.live.transfer = words[1];
  if (!path_texts.empty() && sub->kind != Kind::add_path) return bad("--path belongs to 'longhaul path add'");
  if (!sub->kind) return expect(words, 2, "TRANSFER");
  Adjustment& change = command.live.request.change.emplace();
  change.kind = *sub->kind;
  if (change.kind == Kind::add_path) return read_added(words, path_texts, command);
  const bool caps = change.kind == Kind::cap_path;
  const char* missing = words.size() < 2 ? "TRANSFER" : words.size() < 3 ? "the path's NAME" : "RATE (or none)";
  if (Result<> expected = expect(words, caps ? 4 : 3, missing); !expected) return expected;
  change.path.name = words[2];
  if (!caps) return {};
  const auto limit = parse_limit(words[3]);
  if (!limit) return std::unexpected(limit.error());
  change.cap_bits_per_s = *limit;
  return {};
}

Result<> read_rate(const Words& words, Command& command) {
  if (Result<> expected = expect(words, 2, words.empty() ? "TRANSFER" : "RATE (or none)"); !expected) return expected;
  const auto limit = parse_limit(words[1]);
  if (!limit) return std::unexpected(limit.error());
  command.live.transfer = words[0];
  command.live.request.change.emplace();
  command.live.request.change->kind = Kind::rate;
  command.live.request.change->cap_bits_per_s = *limit;
  return {};
}

}  // namespace

Result<> read_live(const Words& words, const Words& path_texts, Command& command) {
  if (command.verb == Verb::list) return expect(words, 0, "");
  if (command.verb == Verb::path) return read_path(words, path_texts, command);
  if (command.verb == Verb::rate) return read_rate(words, command);
  if (Result<> expected = expect(words, 1, "TRANSFER"); !expected) return expected;
  command.live.transfer = words[0];
  command.live.request.change.emplace();
  command.live.request.change->kind = command.verb == Verb::pause ? Kind::pause : Kind::resume;
  return {};
}

}  // namespace longhaul::cli
