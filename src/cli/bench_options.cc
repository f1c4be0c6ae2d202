#include "cli/bench_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "cli/option_values.h"
#include "cli/printable.h"
#include "cli/suggest.h"
#include "cli/ticket_source.h"
#include "longhaul/units.h"

namespace longhaul::cli {
namespace {

using What = Command::BenchAsked::What;

/// One bench, and the options that are about it.
struct About {
  What what;
  std::string word;
  std::vector<std::string_view> options;
};

const std::vector<About>& all_benches() {
  static const std::vector<About> benches = {{What::hash, "hash", {"--json", "--seconds"}},
                                             {What::disk, "disk", {"--json", "--size", "--read", "--no-direct"}},
                                             {What::wire, "wire", {"--json", "--seconds", "--streams", "--cipher"}},
                                             {What::path,
                                              "path",
                                              {"--json", "--seconds", "--streams", "--cipher", "--listen", "--path",
                                               "--paths", "--ticket-file", "--no-confine"}}};
  return benches;
}

bool is_about(const About& bench, const std::string& option) {
  return std::ranges::find(bench.options, option) != bench.options.end();
}

Result<const About*> find_bench(const Arguments& words) {
  if (words.empty()) return bad("which one: hash, disk, wire or path?");
  const auto& benches = all_benches();
  const auto found = std::ranges::find(benches, words[0], &About::word);
  if (found != benches.end()) return &*found;
  Arguments known;
  for (const About& bench : benches) known.push_back(bench.word);
  return bad(fmt::format("there is no bench '{}' (but hash, disk, wire and path){}", printable(words[0]),
                         did_you_mean(words[0], known)));
}

Result<> check_options(const Line& line, const About& bench) {
  for (const OptionText& option : option_texts()) {
    const std::string name = long_name(option);
    if (!takes(Verb::bench, option) || line.value(name.c_str()) == nullptr || is_about(bench, name)) continue;
    std::string others;
    for (const About& other : all_benches())
      if (is_about(other, name)) others += (others.empty() ? "'bench " : " and 'bench ") + other.word + "'";
    return bad(fmt::format("{} is about {}, not about 'bench {}'", name, others, bench.word));
  }
  return {};
}

Result<> read_amounts(const Line& line, Command& command) {
  constexpr double seconds_max = 3600;
  if (const std::string* text = line.value("--seconds")) {
    const auto seconds = parse_duration("--seconds", *text);
    if (!seconds) return std::unexpected(seconds.error());
    if (*seconds > seconds_max) return bad("--seconds: an hour for each figure is the most");
    command.bench.seconds = *seconds;
  }
  if (const std::string* text = line.value("--size")) {
    const auto bytes = parse_bytes(*text);
    if (!bytes) return bad(fmt::format("--size: {}; write 1GiB or 16G", bytes.error().text));
    constexpr std::uint64_t bytes_max = std::uint64_t{1} << 60U;
    if (*bytes == 0 || *bytes > bytes_max)
      return bad(fmt::format("--size: '{}' is nothing that a disk could take", *text));
    command.bench.bytes = *bytes;
  }
  if (const std::string* file = line.value("--read")) command.bench.read_file = *file;
  return {};
}

Result<> read_disk(const Arguments& words, Command& command) {
  if (words.size() > 2) return bad(fmt::format("too many arguments: '{}'", printable(words[2])));
  if (words.size() == 2 && words[1].empty()) return bad("an empty argument where DIR should stand");
  if (words.size() == 2) command.target = words[1];
  if (command.target.empty() && command.bench.read_file.empty())
    return bad("DIR is missing, in which the bench may make a file; or --read FILE, to measure only reading");
  return {};
}

Result<> read_path(const Arguments& words, Command& command, const Surroundings& surroundings) {
  const bool listens = !command.engine.listen.empty();
  if (words.size() > 2) return bad(fmt::format("too many arguments: '{}'", printable(without_secrets(words[2]))));
  if (listens && words.size() > 1) return bad("a TICKET means to dial, --listen to wait: take one of them");
  if (!listens && words.size() < 2)
    return bad(
        "TICKET is missing, which 'longhaul bench path --listen ADDR' prints on the other machine (text, @FILE or -)");
  if (listens && !command.engine.paths.empty())
    return bad("paths (--path) belong to the side that dials; the one that listens names its addresses with --listen");
  if (listens && command.bench.seconds > 0) return bad("--seconds belongs to the side that dials");
  if (!listens && !command.ticket_file.empty()) return bad("--ticket-file belongs to the side that prints a ticket");
  if (listens) return {};
  auto ticket = resolve_ticket(words[1], surroundings);
  if (!ticket) return std::unexpected(ticket.error());
  command.ticket = *std::move(ticket);
  return {};
}

}  // namespace

Result<> read_bench(const Line& line, Command& command, const Surroundings& surroundings) {
  const Arguments& words = line.positionals();
  const auto bench = find_bench(words);
  if (!bench) return std::unexpected(bench.error());
  command.bench.what = (*bench)->what;
  if (Result<> checked = check_options(line, **bench); !checked) return checked;
  if (Result<> read = read_amounts(line, command); !read) return read;
  switch (command.bench.what) {
    case What::disk:
      return read_disk(words, command);
    case What::path:
      return read_path(words, command, surroundings);
    case What::wire:
      if (command.engine.try_streams) return bad("--streams: the wire is measured with a number of streams, not auto");
      break;
    case What::hash:
      break;
  }
  if (words.size() > 1) return bad(fmt::format("too many arguments: '{}'", printable(words[1])));
  return {};
}

}  // namespace longhaul::cli
