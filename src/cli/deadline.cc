#include "cli/deadline.h"

#include <fmt/format.h>

#include <ctime>

#include "cli/option_values.h"
#include "cli/printable.h"
#include "cli/text_values.h"

namespace longhaul::cli {
namespace {

constexpr std::string_view clock_form = "HH:MM";
constexpr std::string_view date_form = "YYYY-MM-DD";

std::unexpected<Error> bad(std::string_view text, std::string_view what) {
  return fail(Code::usage, fmt::format("--deadline: '{}' {}; write +4h, 06:00 or 2026-12-01T06:00 (local time)",
                                       printable(text), what));
}

bool set_clock(std::tm& moment, std::string_view text) {
  unsigned hour = 0;
  unsigned minute = 0;
  if (text.size() != clock_form.size() || text[2] != ':') return false;
  if (!parse_number(text.substr(0, 2), 0, 23, hour) || !parse_number(text.substr(3), 0, 59, minute)) return false;
  moment.tm_hour = static_cast<int>(hour);
  moment.tm_min = static_cast<int>(minute);
  moment.tm_sec = 0;
  return true;
}

bool set_date(std::tm& moment, std::string_view text) {
  unsigned year = 0;
  unsigned month = 0;
  unsigned day = 0;
  if (text.size() != date_form.size() || text[4] != '-' || text[7] != '-') return false;
  if (!parse_number(text.substr(0, 4), 1970, 9999, year) || !parse_number(text.substr(5, 2), 1, 12, month) ||
      !parse_number(text.substr(8), 1, 31, day))
    return false;
  moment.tm_year = static_cast<int>(year) - 1900;
  moment.tm_mon = static_cast<int>(month) - 1;
  moment.tm_mday = static_cast<int>(day);
  return true;
}

/// Whether summer time holds is found out from the date. A 32nd of a month becomes a day of the next one.
std::int64_t unix_of(std::tm& moment) {
  moment.tm_isdst = -1;
  return std::mktime(&moment);
}

}  // namespace

Result<double> parse_deadline(std::string_view text, std::int64_t now_unix_s) {
  if (text.starts_with('+')) {
    const Result<double> in_s = parse_duration("--deadline", text.substr(1));
    if (!in_s) return std::unexpected(in_s.error());
    return static_cast<double>(now_unix_s) + *in_s;
  }
  std::tm moment{};
  const std::time_t now = now_unix_s;
  if (localtime_r(&now, &moment) == nullptr) return bad(text, "cannot be compared with this machine's clock");
  if (set_clock(moment, text)) {
    std::tm tomorrow = moment;
    ++tomorrow.tm_mday;
    const std::int64_t today_s = unix_of(moment);
    return static_cast<double>(today_s > now_unix_s ? today_s : unix_of(tomorrow));
  }
  if (text.size() <= date_form.size()) return bad(text, "is no time");
  const auto at_s = parse_moment(text);
  if (!at_s) return bad(text, at_s.error().text);
  if (*at_s <= now_unix_s) return bad(text, "is over already");
  return static_cast<double>(*at_s);
}

Result<std::int64_t> parse_moment(std::string_view text) {
  std::tm moment{};
  const std::string_view date = text.substr(0, date_form.size());
  const std::string_view rest = text.substr(date.size());
  const bool dated = set_date(moment, date);
  const bool timed = rest.empty() || ((rest[0] == 'T' || rest[0] == ' ') && set_clock(moment, rest.substr(1)));
  if (!dated || !timed) return fail(Code::usage, "is no time");
  const int day = moment.tm_mday;
  const std::int64_t at_s = unix_of(moment);
  if (moment.tm_mday != day) return fail(Code::usage, "is a day that its month does not have");
  return at_s;
}

}  // namespace longhaul::cli
