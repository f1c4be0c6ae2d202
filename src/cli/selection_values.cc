#include "cli/selection_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <limits>
#include <string_view>
#include <system_error>
#include <utility>

#include "cli/deadline.h"
#include "cli/option_values.h"
#include "cli/printable.h"

namespace longhaul::cli {
namespace {

using namespace std::string_view_literals;

constexpr unsigned merge_depth_max = 10;
constexpr std::array<std::pair<std::string_view, char>, 6> signs{
    {{"include", '+'}, {"exclude", '-'}, {"show", 'S'}, {"hide", 'H'}, {"risk", 'R'}, {"protect", 'P'}}};

std::unexpected<Error> bad(std::string text) {
  return fail(Code::usage, std::move(text));
}

class Rules {
 public:
  explicit Rules(char line_end) : line_end_(line_end) {}
  Result<> add_option(const std::string& option, const std::string& value) {
    if (option == "--filter") return in(option, add_filter(value, 0));
    const char sign = option.starts_with("--include") ? '+' : '-';
    if (!option.ends_with("-from")) return in(option, add_pattern(sign, value));
    return add_file(value, [&](const std::string& line) { return add_pattern(sign, line); });
  }
  [[nodiscard]] std::vector<std::string> take() { return std::move(rules_); }

 private:
  static Result<> in(const std::string& where, Result<> done) {
    if (done) return done;
    return bad(fmt::format("{}: {}", where, done.error().text));
  }
  Result<> add(std::string rule) {
    if (Result<> fine = check_rule(rule); !fine) return fine;
    rules_.push_back(std::move(rule));
    return {};
  }
  /// As rsync: a pattern may bring its own sign.
  Result<> add_pattern(char sign, const std::string& pattern) {
    const bool signed_already = pattern.starts_with("+ ") || pattern.starts_with("- ") || pattern == "!";
    return add(signed_already ? pattern : fmt::format("{} {}", sign, pattern));
  }
  Result<> add_filter(const std::string& rule, unsigned depth) {
    const std::size_t blank = rule.find_first_of(" _");
    const std::string word = rule.substr(0, blank);
    const std::string rest = blank == std::string::npos ? "" : rule.substr(blank + 1);
    if (word == "clear" || word == "!") return add("!");
    if (word == "merge" || word == ".") return merge(rest, depth);
    const std::size_t comma = std::min(word.find(','), word.size());
    for (const auto& [name, sign] : signs)
      if (word.substr(0, comma) == name) return add(fmt::format("{}{} {}", sign, word.substr(comma), rest));
    if (!word.empty() && "+-SHRP"sv.contains(word.front())) return add(fmt::format("{} {}", word, rest));
    return bad(fmt::format(
        "'{}' is no filter rule: + or include, - or exclude, S or show, H or hide, R or risk, P or protect, each "
        "perhaps with ! (all but what matches), s (for the sender alone), r (for the receiver alone); . or merge, ! or "
        "clear",
        printable(rule)));
  }
  Result<> merge(const std::string& file, unsigned depth) {
    if (depth == merge_depth_max) return bad(fmt::format("files are merged more than {} deep", merge_depth_max));
    return add_file(file, [&](const std::string& line) { return add_filter(line, depth + 1); });
  }
  template <class AddLine>
  Result<> add_file(const std::string& file, const AddLine& add_line) {
    std::ifstream lines(file, std::ios::binary);
    if (!lines) return fail_errno(errno, fmt::format("cannot read the rules in '{}'", printable(file)));
    std::string line;
    for (unsigned number = 1; std::getline(lines, line, line_end_); ++number) {
      if (line_end_ == '\n' && line.ends_with('\r')) line.pop_back();
      if (line.empty() || line.front() == '#' || line.front() == ';') continue;
      if (Result<> done = add_line(line); !done)
        return bad(fmt::format("'{}', line {}: {}", printable(file), number, done.error().text));
    }
    if (lines.bad()) return fail_errno(errno, fmt::format("cannot read the rules in '{}'", printable(file)));
    return {};
  }

  char line_end_;
  std::vector<std::string> rules_;
};

}  // namespace

Result<std::vector<std::string>> read_rules(const std::vector<RuleOption>& given, char line_end) {
  Rules rules(line_end);
  for (const auto& [option, value] : given)
    if (Result<> added = rules.add_option(option, value); !added) return std::unexpected(added.error());
  return rules.take();
}

Result<Publish> parse_publish(std::string_view text) {
  if (text == "file") return Publish::file;
  if (text == "tree") return Publish::tree;
  return bad(fmt::format("--publish: '{}' is neither file nor tree", printable(text)));
}

Result<> check_publish(const Command& command) {
  if (command.engine.publish != Publish::tree) return {};
  if (command.engine.mirror)
    return bad(
        "--publish tree shows what is sent in place of all that was there: it needs no --delete; leave that out");
  if (command.engine.leave_alone)
    return bad(
        "--update, --existing and --ignore-existing look at what is at the target, and --publish tree makes a new tree "
        "beside it: take one of them");
  if (!command.source_name.empty()) return {};
  for (const std::string& source : command.sources) {
    const std::string last = source.substr(source.find_last_of("/:") + 1);
    if (command.files_from.empty() && !last.empty() && last != "." && last != "..") continue;
    return bad(fmt::format(
        "--publish tree: '{}' stands for the content of a directory, and what is published as a whole needs "
        "a name at the target: --name NAME",
        printable(source)));
  }
  return {};
}

Result<std::int64_t> parse_newer(std::string_view text, std::int64_t now_unix_s) {
  // Times of files are nanoseconds in 64 bits.
  constexpr std::int64_t unix_s_max = std::numeric_limits<std::int64_t>::max() / 1'000'000'000;
  const auto within = [&](std::int64_t unix_s) -> Result<std::int64_t> {
    if (unix_s >= -unix_s_max && unix_s <= unix_s_max) return unix_s;
    return bad(
        fmt::format("--newer: '{}' is too far away: times of files end {} s from 1970", printable(text), unix_s_max));
  };
  if (const auto moment = parse_moment(text)) return within(*moment);
  if (text.starts_with('@') && text.size() > 1) {
    std::int64_t unix_s = 0;
    const auto [stopped, error] = std::from_chars(text.data() + 1, text.data() + text.size(), unix_s);
    const bool all = stopped == text.data() + text.size();
    if (all && error == std::errc::result_out_of_range) return within(std::numeric_limits<std::int64_t>::max());
    if (all && error == std::errc()) return within(unix_s);
  }
  if (const auto ago_s = parse_duration("--newer", text)) return now_unix_s - static_cast<std::int64_t>(*ago_s);
  return bad(
      fmt::format("--newer: '{}' is no time; write 24h (changed within the last day), 2026-12-01 or "
                  "2026-12-01T06:00 (local time)",
                  printable(text)));
}

}  // namespace longhaul::cli
