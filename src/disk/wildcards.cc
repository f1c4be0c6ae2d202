// Shell wildcards, as rsync has them. Bytes, not characters: names are of any bytes.
#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string_view>

#include "disk/filter.h"

namespace longhaul::disk {
namespace {

struct CharacterClass {
  std::string_view name;
  int (*holds)(int);
};
constexpr std::array classes = {CharacterClass{"alnum", std::isalnum}, CharacterClass{"alpha", std::isalpha},
                                CharacterClass{"blank", std::isblank}, CharacterClass{"cntrl", std::iscntrl},
                                CharacterClass{"digit", std::isdigit}, CharacterClass{"graph", std::isgraph},
                                CharacterClass{"lower", std::islower}, CharacterClass{"print", std::isprint},
                                CharacterClass{"punct", std::ispunct}, CharacterClass{"space", std::isspace},
                                CharacterClass{"upper", std::isupper}, CharacterClass{"xdigit", std::isxdigit}};

struct Bracket {
  bool holds = false;
  std::size_t end = 0;  ///< behind its ']'
};

/// One "[:name:]" at the beginning of `text`. None: it is not that.
std::optional<Bracket> named_class(std::string_view text, unsigned char byte) {
  if (!text.starts_with("[:")) return std::nullopt;
  const std::size_t end = text.find(":]");
  if (end == std::string_view::npos) return std::nullopt;
  for (const CharacterClass& each : classes)
    if (each.name == text.substr(2, end - 2)) return Bracket{each.holds(byte) != 0, end + 2};
  return std::nullopt;
}

/// The set that begins with `pattern`'s '['. None: it has no end, and matches nothing.
std::optional<Bracket> match_bracket(std::string_view pattern, unsigned char byte) {
  std::size_t at = 1;
  const bool negated = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
  if (negated) ++at;
  bool found = false;
  for (bool first = true; at < pattern.size(); first = false) {
    if (pattern[at] == ']' && !first) return Bracket{found != negated, at + 1};
    if (const auto named = named_class(pattern.substr(at), byte)) {
      found = found || named->holds;
      at += named->end;
      continue;
    }
    if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
    const auto low = static_cast<unsigned char>(pattern[at++]);
    auto high = low;
    if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
      ++at;
      if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
      high = static_cast<unsigned char>(pattern[at++]);
    }
    found = found || (low <= byte && byte <= high);
  }
  return std::nullopt;
}

/// One step of the pattern that is no star against one byte. None: it does not match; else how long the step is.
std::optional<std::size_t> match_one(std::string_view pattern, char byte) {
  switch (pattern[0]) {
    case '?':
      return byte == '/' ? std::nullopt : std::optional<std::size_t>(1);
    case '[': {
      const auto bracket = match_bracket(pattern, static_cast<unsigned char>(byte));
      return bracket && bracket->holds && byte != '/' ? std::optional(bracket->end) : std::nullopt;
    }
    case '\\':
      if (pattern.size() > 1) return pattern[1] == byte ? std::optional<std::size_t>(2) : std::nullopt;
      [[fallthrough]];
    default:
      return pattern[0] == byte ? std::optional<std::size_t>(1) : std::nullopt;
  }
}

/// Where to go on when what follows a star does not match: that star takes one byte more.
struct Retreat {
  std::size_t pattern = 0;  ///< behind the star
  std::size_t text = 0;     ///< behind what it has taken
};

/// The star takes one byte more, if it may. False: it may not.
bool take_more(std::optional<Retreat>& star, std::string_view text, bool crosses) {
  if (!star || star->text == text.size() || (!crosses && text[star->text] == '/')) return false;
  ++star->text;
  return true;
}

}  // namespace

bool matches_wildcards(std::string_view pattern, std::string_view text) {
  // A later star of the same kind can take what an earlier one would: of each kind only the last is ever gone back to.
  std::optional<Retreat> one;  // *
  std::optional<Retreat> two;  // **
  std::size_t p = 0;
  std::size_t t = 0;
  for (;;) {
    if (p < pattern.size() && pattern[p] == '*') {
      const std::size_t stars = std::min(pattern.find_first_not_of('*', p), pattern.size()) - p;
      p += stars;
      if (stars > 1) {
        two = Retreat{p, t};
        one.reset();
      } else {
        one = Retreat{p, t};
      }
      continue;
    }
    if (p == pattern.size() && t == text.size()) return true;
    const auto step = p < pattern.size() && t < text.size() ? match_one(pattern.substr(p), text[t]) : std::nullopt;
    if (step) {
      p += *step;
      ++t;
    } else if (take_more(one, text, false)) {
      p = one->pattern;
      t = one->text;
    } else if (take_more(two, text, true)) {
      one.reset();
      p = two->pattern;
      t = two->text;
    } else {
      return false;
    }
  }
}

}  // namespace longhaul::disk
