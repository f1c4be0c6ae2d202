// rsync's filter rules: which names of a tree are taken. Pure; the language is told in longhaul(1), FILTER RULES.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "longhaul/status.h"

namespace longhaul::disk {

/// Whom a rule is for: who sends leaves out what it is about, who receives does not delete that.
enum class Side : std::uint8_t { sender, receiver };

class Filter {
 public:
  Filter() = default;
  /// Of rules as `Selection::rules` has them, those for `side`. Errors (Code::usage) name the rule.
  static Result<Filter> make(const std::vector<std::string>& rules, Side side);
  /// What is left of them, in their order, for a receiver that is to delete what the sender leaves out. Of rules that
  /// `make` takes.
  static std::vector<std::string> without_left_out(const std::vector<std::string>& rules);

  /// `path`: relative to the target root, not empty. Somebody else sees to it that nothing beneath a directory that is
  /// left out is asked for.
  [[nodiscard]] bool takes(std::string_view path, bool is_directory) const;

 private:
  struct Rule {
    bool takes = false;
    bool for_sender = true;
    bool for_receiver = true;
    bool sides_named = false;      ///< whom it is for was written with it
    bool inverted = false;         ///< about everything that the pattern does not match
    std::string pattern;           ///< without the slashes at its ends that mean something else
    bool anchored = false;         ///< began with '/': at the root of the transfer only
    bool directories = false;      ///< ended with '/'
    bool with_content = false;     ///< ended with "/***": the directory, and everything in it
    bool wild = false;             ///< has * ? [
    bool crosses_slashes = false;  ///< has **
    std::size_t slashes = 0;       ///< within the pattern
  };
  static Result<Rule> parse(const std::string& text);
  static bool parse_modifiers(std::string_view modifiers, Rule& rule);
  static bool is_about(const Rule& rule, std::string_view path, bool is_directory) {
    return matches(rule, path, is_directory) != rule.inverted;
  }
  static bool matches(const Rule& rule, std::string_view path, bool is_directory);

  std::vector<Rule> rules_;
};

/// Shell wildcards against all of `text`: '*' and '?' stop at slashes, '**' does not; '[a-z]', '[!a]', '[[:digit:]]'; a
/// backslash takes the next character as it is.
[[nodiscard]] bool matches_wildcards(std::string_view pattern, std::string_view text);

}  // namespace longhaul::disk
