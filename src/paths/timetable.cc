#include "paths/timetable.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bitset>

#include "base/bytes.h"
#include "longhaul/options.h"
#include "longhaul/units.h"
#include "paths/words.h"

namespace longhaul::paths {
namespace {

constexpr unsigned day_minutes = 24 * 60;
constexpr unsigned week_minutes = 7 * day_minutes;
constexpr std::size_t entries_most = 64;
constexpr std::array<std::string_view, 7> day_names = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
constexpr std::array<std::string_view, 7> day_titles = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

std::unexpected<Error> refuse(std::string_view entry, std::string_view why) {
  return fail(Code::usage, fmt::format("schedule: \"{}\": {}", printable(entry), why));
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(trimmed(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<unsigned> parse_day(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  const auto* const at = std::find(day_names.begin(), day_names.end(), lower);
  if (at == day_names.end()) return std::nullopt;
  return static_cast<unsigned>(at - day_names.begin());
}

/// "mon-fri+sun"; nothing when it is none of that.
std::optional<std::bitset<7>> parse_days(std::string_view text) {
  std::bitset<7> days;
  for (const std::string_view part : split(text, '+')) {
    const std::size_t dash = part.find('-');
    const auto first = parse_day(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_day(part.substr(dash + 1));
    if (!first || !last) return std::nullopt;
    for (unsigned day = *first;; day = (day + 1) % 7) {
      days.set(day);
      if (day == *last) break;
    }
  }
  return days;
}

/// Minutes of the day of "8:00", "08:00"; up to 24:00.
std::optional<unsigned> parse_minute(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon < 1 || colon > 2 || text.size() != colon + 3) return std::nullopt;
  const auto number = [](std::string_view digits) -> std::optional<unsigned> {
    unsigned value = 0;
    for (const char c : digits) {
      if (c < '0' || c > '9') return std::nullopt;
      value = value * 10 + static_cast<unsigned>(c - '0');
    }
    return value;
  };
  const auto hour = number(text.substr(0, colon));
  const auto minute = number(text.substr(colon + 1));
  if (!hour || !minute || *minute > 59) return std::nullopt;
  const unsigned minutes = *hour * 60 + *minute;
  return minutes <= day_minutes ? std::optional(minutes) : std::nullopt;
}

unsigned minute_of_week(LocalTime now) {
  return now.weekday % 7 * day_minutes + std::min(now.second_of_day / 60, day_minutes - 1);
}

std::string limit_words(const Limit& limit) {
  switch (limit.kind) {
    case Limit::Kind::usual:
      return "as usual";
    case Limit::Kind::none:
      return "no cap";
    case Limit::Kind::rate:
      return bits_per_s(static_cast<double>(limit.bits_per_s) / 8);
    case Limit::Kind::paused:
      return "paused";
  }
  return {};
}

}  // namespace

struct Timetable::Entry {
  std::bitset<7> days;
  unsigned begin = 0;  ///< minute of the day
  unsigned end = 0;    ///< above `begin`; up to a day later
  Limit limit;
};

Result<Timetable::Entry> Timetable::parse_entry(std::string_view text) {
  if (text.empty()) return refuse(text, "two commas, or one at an end: nothing stands between them");
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return refuse(text, "no '='; write a span and its rate, such as 08:00-18:00=10Gbps");
  }
  std::string_view span = trimmed(text.substr(0, equals));
  const std::string_view value = trimmed(text.substr(equals + 1));
  Entry entry;
  entry.days.set();
  if (const std::size_t space = span.rfind(' '); space != std::string_view::npos) {
    const auto days = parse_days(trimmed(span.substr(0, space)));
    if (!days) return refuse(text, "days are mon, tue, wed, thu, fri, sat, sun, as in mon-fri or sat+sun");
    entry.days = *days;
    span.remove_prefix(space + 1);
  }
  const std::size_t dash = span.find('-');
  const auto begin = parse_minute(trimmed(span.substr(0, dash)));
  const auto end = dash == std::string_view::npos ? std::nullopt : parse_minute(trimmed(span.substr(dash + 1)));
  if (!begin || !end || *begin == day_minutes) {
    return refuse(text, "times are HH:MM-HH:MM, from 00:00 to 24:00, such as 08:00-18:00 or mon-fri 08:00-18:00");
  }
  if (*begin == *end) return refuse(text, "begins when it ends; a whole day is 00:00-24:00");
  entry.begin = *begin;
  entry.end = *end > *begin ? *end : *end + day_minutes;
  if (value == "none") {
    entry.limit.kind = Limit::Kind::none;
  } else if (value == "pause") {
    entry.limit.kind = Limit::Kind::paused;
  } else {
    const auto rate = parse_rate(value);
    if (!rate) return refuse(text, rate.error().text + ", or none (no cap), or pause");
    if (*rate == 0) return refuse(text, "a rate of 0 carries nothing; write pause, or none for no cap");
    entry.limit = {Limit::Kind::rate, *rate};
  }
  return entry;
}

void Timetable::add(const Entry& entry, std::size_t number) {
  for (unsigned day = 0; day < 7; ++day) {
    if (!entry.days.test(day)) continue;
    const unsigned begin = day * day_minutes + entry.begin;
    const unsigned end = day * day_minutes + entry.end;
    spans_.push_back({begin, std::min(end, week_minutes), entry.limit, number});
    if (end > week_minutes) spans_.push_back({0, end - week_minutes, entry.limit, number});
  }
}

Result<Timetable> Timetable::parse(std::string_view text) {
  if (trimmed(text).empty()) {
    return fail(Code::usage, "schedule: it is empty; write spans and their rates, such as 08:00-18:00=10Gbps");
  }
  const auto entries = split(text, ',');
  if (entries.size() > entries_most) {
    return fail(Code::usage, fmt::format("schedule: {} entries; at most {}", entries.size(), entries_most));
  }
  Timetable table;
  for (std::size_t number = 0; number < entries.size(); ++number) {
    const auto entry = parse_entry(entries[number]);
    if (!entry) return std::unexpected(entry.error());
    table.add(*entry, number);
  }
  std::sort(table.spans_.begin(), table.spans_.end(), [](const Span& a, const Span& b) { return a.begin < b.begin; });
  for (std::size_t i = 1; i < table.spans_.size(); ++i) {
    const Span& before = table.spans_[i - 1];
    const Span& span = table.spans_[i];
    if (before.end <= span.begin) continue;
    return refuse(entries[span.entry],
                  fmt::format("overlaps with \"{}\" on {} at {:02}:{:02}", printable(entries[before.entry]),
                              day_titles[span.begin / day_minutes], span.begin % day_minutes / 60, span.begin % 60));
  }
  return table;
}

Limit Timetable::at(LocalTime now) const {
  const unsigned minute = minute_of_week(now);
  auto after = std::upper_bound(spans_.begin(), spans_.end(), minute,
                                [](unsigned value, const Span& span) { return value < span.begin; });
  if (after == spans_.begin()) return {};
  const Span& span = *--after;
  return minute < span.end ? span.limit : Limit{};
}

std::optional<unsigned> Timetable::seconds_to_change(LocalTime now) const {
  const Limit present = at(now);
  const unsigned minute = minute_of_week(now);
  // Things change only where a span begins or ends: the nearest of these at which something else holds.
  unsigned nearest = week_minutes + 1;
  const auto look = [&](unsigned edge) {
    const unsigned ahead = (edge + week_minutes - minute - 1) % week_minutes + 1;
    const unsigned there = edge % week_minutes;
    const LocalTime then{there / day_minutes, there % day_minutes * 60};
    if (ahead < nearest && at(then) != present) nearest = ahead;
  };
  for (const Span& span : spans_) {
    look(span.begin);
    look(span.end);
  }
  if (nearest > week_minutes) return std::nullopt;
  return nearest * 60 - now.second_of_day % 60;
}

std::string Timetable::words(LocalTime now) const {
  const Limit limit = at(now);
  const auto change = seconds_to_change(now);
  if (!change) return limit.kind == Limit::Kind::usual ? "" : limit_words(limit);
  const unsigned minute = (minute_of_week(now) + (*change + now.second_of_day % 60) / 60) % week_minutes;
  const unsigned day = minute / day_minutes;
  const std::string clock = fmt::format("{:02}:{:02}", minute % day_minutes / 60, minute % 60);
  const bool soon = *change < day_minutes * 60U;
  return fmt::format("{} until {}{}", limit_words(limit), soon ? "" : std::string(day_titles[day]) + " ", clock);
}

}  // namespace longhaul::paths

namespace longhaul {

Result<> check_schedule(std::string_view text) {
  const auto table = paths::Timetable::parse(text);
  if (!table) return std::unexpected(table.error());
  return {};
}

}  // namespace longhaul
