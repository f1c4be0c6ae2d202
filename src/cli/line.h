// One command's arguments, split into options and positionals.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cli/printable.h"
#include "cli/selection_values.h"
#include "cli/suggest.h"
#include "cli/usage_text.h"
#include "longhaul/status.h"

namespace longhaul::cli {

using Arguments = std::vector<std::string>;

inline std::unexpected<Error> bad(std::string text) {
  return fail(Code::usage, std::move(text));
}

class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(const VerbText& text) : text_(text) { column_width(30); }
  std::string make_usage(const CLI::App* /*app*/, std::string /*name*/) const override {
    return fmt::format("usage: longhaul {}\n", text_.usage);
  }

 private:
  const VerbText& text_;
};

/// One command's arguments, split into options and positionals by CLI11. The positionals are CLI11's "extras", because
/// its own positional lists take a file called "[a,b]" apart.
class Line {
 public:
  explicit Line(const VerbText& text) : text_(text), app_(text.purpose, "longhaul") {
    app_.allow_extras();
    app_.formatter(std::make_shared<HelpFormatter>(text));
    app_.footer(text.examples);
    app_.get_help_ptr()->description("print this help");
    for (const OptionText& option : option_texts()) {
      if (takes(text.verb, option)) add(option);
    }
  }

  std::string help() const { return app_.help(); }

  /// Throws CLI::CallForHelp.
  Result<> parse(Arguments arguments) {
    // CLI11 takes "++" for the end of a command, and drops what follows.
    std::replace(arguments.begin(), arguments.end(), std::string("++"), std::string("./++"));
    std::reverse(arguments.begin(), arguments.end());
    try {
      app_.parse(arguments);
    } catch (const CLI::CallForHelp&) {
      throw;
    } catch (const CLI::ArgumentMismatch& error) {
      const std::string what = error.what();
      const std::string option = what.substr(0, what.find(':'));
      const bool twice = what.find("At Most") != std::string::npos;
      return bad(fmt::format("option '{}' {}", option, twice ? "stands more than once" : "needs a value"));
    } catch (const CLI::Error& error) {
      return bad(error.what());
    }
    if (Result<> checked = check_values(); !checked) return checked;
    return sort_extras();
  }

  const std::string* value(const char* name) const {
    const CLI::Option* option = app_.get_option_no_throw(name);
    return option == nullptr || option->count() == 0 ? nullptr : &option->results().back();
  }
  Arguments values(const char* name) const {
    const CLI::Option* option = app_.get_option_no_throw(name);
    return option == nullptr ? Arguments() : option->results();
  }
  /// Of several options together, in the order of the command line.
  std::vector<RuleOption> values_in_order(std::span<const char* const> names) const {
    std::vector<RuleOption> found;
    std::map<const CLI::Option*, std::size_t> taken;
    for (const CLI::Option* option : app_.parse_order()) {
      const std::string name = option->get_name();
      if (std::find(names.begin(), names.end(), name) == names.end()) continue;
      if (const std::size_t at = taken[option]++; at < option->results().size())
        found.emplace_back(name, option->results()[at]);
    }
    return found;
  }
  bool flag(const char* name) const {
    const std::string* text = value(name);
    return text != nullptr && *text != "false";
  }
  const Arguments& positionals() const { return positionals_; }

 private:
  void add(const OptionText& text) {
    const std::string help = text.help;
    if (text.value_name == nullptr) {
      app_.add_flag(text.names, help);
      return;
    }
    CLI::Option* option = app_.add_option(text.names, help)->type_name(text.value_name);
    if (text.repeatable) option->take_all();
  }

  Result<> check_values() const {
    for (const OptionText& option : option_texts()) {
      if (option.value_name == nullptr || !takes(text_.verb, option)) continue;
      for (const std::string& given : values(long_name(option).c_str())) {
        if (!given.empty() && !given.starts_with("--")) continue;
        return bad(fmt::format("option '{}' needs a value ({}){}", long_name(option), option.value_name,
                               given.empty() ? "" : fmt::format(", and '{}' is an option", printable(given))));
      }
    }
    return {};
  }

  Result<> sort_extras() {
    bool only_positionals = false;
    for (const std::string& extra : app_.remaining()) {
      if (!only_positionals && extra == "--") {
        only_positionals = true;
      } else if (!only_positionals && extra.size() > 1 && extra[0] == '-') {
        return unknown_option(extra.substr(0, extra.find('=')));
      } else {
        positionals_.push_back(extra);
      }
    }
    return {};
  }

  std::unexpected<Error> unknown_option(const std::string& given) const {
    Arguments known = {"--help"};
    for (const OptionText& option : option_texts()) {
      if (takes(text_.verb, option)) known.push_back(long_name(option));
      if (takes(text_.verb, option) || long_name(option) != given) continue;
      const auto texts = verb_texts();
      const auto owner =
          std::find_if(texts.begin(), texts.end(), [&](const VerbText& t) { return takes(t.verb, option); });
      return bad(
          fmt::format("'{}' is an option of 'longhaul {}', not of 'longhaul {}'", given, owner->name, text_.name));
    }
    return bad(fmt::format("unknown option '{}'{} (a file of that name: write './{}')", printable(given),
                           did_you_mean(given, known), printable(given)));
  }

  const VerbText& text_;
  CLI::App app_;
  Arguments positionals_;
};

}  // namespace longhaul::cli
