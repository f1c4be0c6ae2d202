// Rates by time of day: --schedule 'mon-fri 08:00-18:00=10Gbps,22:00-06:00=none'. Pure decisions, no I/O, no time zone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "longhaul/status.h"

namespace longhaul::paths {

/// Local wall time within a week.
struct LocalTime {
  unsigned weekday = 0;        ///< 0 Monday .. 6 Sunday
  unsigned second_of_day = 0;  ///< below 86400
};

/// What a timetable says of a moment.
struct Limit {
  enum class Kind : std::uint8_t {
    usual,   ///< nothing: what holds without a timetable
    none,    ///< no cap
    rate,    ///< `bits_per_s`
    paused,  ///< nothing may be sent
  };
  Kind kind = Kind::usual;
  std::uint64_t bits_per_s = 0;
  bool operator==(const Limit&) const = default;
};

/// Immutable once parsed.
class Timetable {
 public:
  /// Entries, separated by commas: `[DAYS ]HH:MM-HH:MM=RATE|none|pause`. DAYS: mon..sun, one (`sat`), a span
  /// (`mon-fri`, `fri-mon`) or several (`mon+wed+fri`); without them: each day. An entry may pass midnight
  /// (`22:00-06:00`); DAYS are those on which it begins. The end is not part of it; 24:00 is the end of a day. Two that
  /// overlap are refused, as is what makes no sense: the error names the entry and says what to write instead.
  [[nodiscard]] static Result<Timetable> parse(std::string_view text);

  [[nodiscard]] Limit at(LocalTime now) const;
  /// Seconds until `at` says something else, by the wall clock: at most a week; nothing: it never does. Where clocks
  /// are put forward or back in between, ask again on the way (each minute does).
  [[nodiscard]] std::optional<unsigned> seconds_to_change(LocalTime now) const;
  /// "10 Gb/s until 18:00", "no cap until Mon 08:00", "paused", or "" when the usual holds for ever.
  [[nodiscard]] std::string words(LocalTime now) const;

 private:
  /// Minutes of the week, Monday 00:00 being 0.
  struct Span {
    unsigned begin = 0;
    unsigned end = 0;
    Limit limit;
    std::size_t entry = 0;  ///< its place in the text
  };
  struct Entry;
  [[nodiscard]] static Result<Entry> parse_entry(std::string_view text);
  void add(const Entry& entry, std::size_t number);

  std::vector<Span> spans_;  ///< by begin; they do not overlap
};

}  // namespace longhaul::paths
