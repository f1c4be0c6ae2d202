#include "units.h"

#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <ctime>
#include <utility>

namespace longhaul::lab {
namespace {

/// "12.5ms" as 12.5 and "ms".
std::pair<double, std::string> number_and_unit(std::string_view text, const char* kind) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || !std::isfinite(value) || value < 0)
    throw LabError(std::string("bad ") + kind + " '" + std::string(text) + "'");
  return {value, std::string(rest, end)};
}

struct Unit {
  const char* name;
  double factor;
};

double with_unit(std::string_view text, const char* kind, std::initializer_list<Unit> units) {
  const auto [value, name] = number_and_unit(text, kind);
  for (const Unit& unit : units)
    if (name == unit.name) return value * unit.factor;
  throw LabError(std::string("bad unit in ") + kind + " '" + std::string(text) + "'");
}

std::uint64_t rotated(std::uint64_t value, int bits) {
  return (value << bits) | (value >> (64 - bits));
}

}  // namespace

void throw_errno(const std::string& what) {
  throw LabError(what + ": " + std::strerror(errno));
}

Nanoseconds now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * one_s + time.tv_nsec;
}

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words(1);
  for (const char letter : line.substr(0, line.find('#'))) {
    if (std::isspace(static_cast<unsigned char>(letter)) == 0)
      words.back() += letter;
    else if (!words.back().empty())
      words.emplace_back();
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

Nanoseconds parse_time(std::string_view text) {
  const double value = with_unit(text, "time", {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}});
  if (value > 3.6e12) throw LabError("time '" + std::string(text) + "' is over an hour");
  return std::llround(value);
}

double parse_rate(std::string_view text) {
  if (text == "max") return 0;
  const double value = with_unit(text, "rate", {{"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}});
  if (value < 1000) throw LabError("rate '" + std::string(text) + "' is under 1kbit");
  return value;
}

std::uint64_t parse_bytes(std::string_view text) {
  const double value = with_unit(text, "size", {{"", 1}, {"k", 1024}, {"m", 1048576}});
  if (value > 1e12) throw LabError("size '" + std::string(text) + "' is over 1 TB");
  return static_cast<std::uint64_t>(value);
}

double parse_probability(std::string_view text) {
  const double value = with_unit(text, "probability", {{"%", 0.01}, {"", 1}});
  if (value > 1) throw LabError("probability '" + std::string(text) + "' is over 100%");
  return value;
}

Random::Random(std::uint64_t seed) {
  for (std::uint64_t& word : state_) {  // splitmix64
    seed += 0x9e3779b97f4a7c15;
    std::uint64_t mixed = seed;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    word = mixed ^ (mixed >> 31);
  }
}

std::uint64_t Random::next() {
  const std::uint64_t result = rotated(state_[1] * 5, 7) * 9, shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = rotated(state_[3], 45);
  return result;
}

double Random::uniform() {
  return static_cast<double>(next() >> 11) * 0x1.0p-53;
}

std::uint64_t Random::geometric(double p) {
  if (p >= 1) return 0;
  if (p <= 0) return never;
  const double trials = std::floor(std::log1p(-uniform()) / std::log1p(-p));
  return trials > 9e18 ? never : static_cast<std::uint64_t>(trials);
}

}  // namespace longhaul::lab
