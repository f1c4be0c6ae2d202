// What each command is called, which options it takes, and what its help says.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace longhaul::cli {

enum class Verb : unsigned {
  receive = 1,
  send = 2,
  copy = 4,
  verify = 8,
  version = 16,
  list = 32,
  path = 64,
  pause = 128,
  resume = 256,
  rate = 512,
  plan = 1024,
  keygen = 2048,
  trust = 4096,
  manifest = 8192,
  diff = 16384,
  bench = 32768
};

struct VerbText {
  Verb verb;
  const char* name;
  const char* usage;     ///< after "longhaul "
  const char* purpose;   ///< one line
  const char* examples;  ///< and what a first user should know
};

struct OptionText {
  const char* names;       ///< "-q,--quiet"
  const char* value_name;  ///< nullptr: a flag
  bool repeatable;
  unsigned verbs;  ///< the commands that take it
  const char* help;
};

[[nodiscard]] std::span<const VerbText> verb_texts();
[[nodiscard]] const VerbText& text_of(Verb verb);
[[nodiscard]] std::span<const OptionText> option_texts();

/// "--quiet" of "-q,--quiet".
[[nodiscard]] std::string long_name(const OptionText& option);
[[nodiscard]] inline bool takes(Verb verb, const OptionText& option) {
  return (option.verbs & static_cast<unsigned>(verb)) != 0;
}

/// The help of the program as a whole.
[[nodiscard]] std::string general_help();

}  // namespace longhaul::cli
