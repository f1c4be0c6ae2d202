#include "disk/filter.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "longhaul/selection.h"

namespace longhaul::disk {
namespace {

std::unexpected<Error> refuse(std::string_view rule) {
  return fail(Code::usage, fmt::format("{} is no filter rule: '+ PATTERN' takes, '- PATTERN' leaves out, at the sender "
                                       "alone 'S' and 'H', at the receiver alone 'R' and 'P'; '!' forgets the rules "
                                       "before it",
                                       printable(rule)));
}

/// The last `components` of a path; all of it when it has fewer.
std::string_view tail_of(std::string_view path, std::size_t components) {
  std::size_t begin = path.size();
  for (; components > 0 && begin != std::string_view::npos; --components)
    begin = begin == 0 ? std::string_view::npos : path.rfind('/', begin - 1);
  return begin == std::string_view::npos ? path : path.substr(begin + 1);
}

}  // namespace

/// What stands between the sign and the blank.
bool Filter::parse_modifiers(std::string_view modifiers, Rule& rule) {
  bool sender = false;
  bool receiver = false;
  if (modifiers.starts_with(',')) modifiers.remove_prefix(1);
  for (const char modifier : modifiers) {
    bool* const set = modifier == '!'   ? &rule.inverted
                      : modifier == 's' ? &sender
                      : modifier == 'r' ? &receiver
                                        : nullptr;
    if (set == nullptr) return false;
    *set = true;
  }
  if (!sender && !receiver) return true;
  if (rule.sides_named) return false;  // the sign has said so
  rule.sides_named = true;
  rule.for_sender = sender;
  rule.for_receiver = receiver;
  return true;
}

Result<Filter::Rule> Filter::parse(const std::string& text) {
  constexpr std::string_view signs = "+-SHRP";
  const std::size_t blank = text.find_first_of(" _");
  if (blank == std::string::npos || !signs.contains(text[0]) || blank == 0) return refuse(text);
  Rule rule;
  const char sign = text[0];
  rule.takes = sign == '+' || sign == 'S' || sign == 'R';
  rule.for_sender = sign != 'R' && sign != 'P';
  rule.for_receiver = sign != 'S' && sign != 'H';
  rule.sides_named = sign != '+' && sign != '-';
  if (!parse_modifiers(std::string_view(text).substr(1, blank - 1), rule)) return refuse(text);
  std::string_view pattern = std::string_view(text).substr(blank + 1);
  rule.anchored = pattern.starts_with('/');
  if (rule.anchored) pattern.remove_prefix(1);
  rule.with_content = pattern.ends_with("/***");
  if (rule.with_content)
    pattern.remove_suffix(4);
  else if (pattern.ends_with('/')) {
    rule.directories = true;
    pattern.remove_suffix(1);
  }
  if (pattern.empty()) return refuse(text);
  rule.pattern = pattern;
  rule.wild = pattern.find_first_of("*?[") != std::string_view::npos;
  rule.crosses_slashes = pattern.find("**") != std::string_view::npos;
  rule.slashes = static_cast<std::size_t>(std::ranges::count(pattern, '/'));
  return rule;
}

Result<Filter> Filter::make(const std::vector<std::string>& rules, Side side) {
  Filter filter;
  for (const std::string& text : rules) {
    if (text == "!") {
      filter.rules_.clear();
      continue;
    }
    auto rule = parse(text);
    if (!rule) return std::unexpected(rule.error());
    if (side == Side::sender ? rule->for_sender : rule->for_receiver) filter.rules_.push_back(*std::move(rule));
  }
  return filter;
}

/// As rsync: a rule that names no side is then one for the sender, and what was written for the receiver stays.
std::vector<std::string> Filter::without_left_out(const std::vector<std::string>& rules) {
  std::vector<std::string> left;
  for (const std::string& text : rules) {
    const auto rule = parse(text);
    if (!rule) left.clear();  // '!'
    if (rule && rule->for_receiver && rule->sides_named) left.push_back(text);
  }
  return left;
}

bool Filter::matches(const Rule& rule, std::string_view path, bool is_directory) {
  if (rule.directories && !is_directory) return false;
  // "dir/***" is two patterns in one: "dir/" and "dir/**".
  if (rule.with_content) {
    Rule itself = rule;
    itself.with_content = false;
    itself.directories = true;
    if (matches(itself, path, is_directory)) return true;
    itself.directories = false;
    for (std::size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1))
      if (matches(itself, path.substr(0, slash), true)) return true;
    return false;
  }
  const auto fits = [&](std::string_view text) {
    return rule.wild ? matches_wildcards(rule.pattern, text) : rule.pattern == text;
  };
  if (rule.anchored) return fits(path);
  // Without "**" a pattern is as many components as it names, at the end of the path.
  if (!rule.crosses_slashes) return fits(tail_of(path, rule.slashes + 1));
  // "**/x" means x at the top as well; another one with "**" may begin behind any slash.
  if (rule.pattern.starts_with("**")) return fits(path) || fits("/" + std::string(path));
  for (std::size_t begin = 0;;) {
    if (fits(path.substr(begin))) return true;
    begin = path.find('/', begin);
    if (begin++ == std::string_view::npos) return false;
  }
}

bool Filter::takes(std::string_view path, bool is_directory) const {
  const auto at = std::ranges::find_if(rules_, [&](const Rule& rule) { return is_about(rule, path, is_directory); });
  return at == rules_.end() || at->takes;
}

}  // namespace longhaul::disk

namespace longhaul {

Result<> check_rule(const std::string& rule) {
  if (const auto made = disk::Filter::make({rule}, disk::Side::sender); !made) return std::unexpected(made.error());
  return {};
}

}  // namespace longhaul
