#include "disk/name_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "protocol/bounds.h"

namespace longhaul::disk {
namespace {

constexpr std::size_t shown_bytes_max = 200;

std::unexpected<Error> misuse(std::string text) {
  return fail(Code::usage, std::move(text));
}

}  // namespace

Result<ListedName> clean_name(std::string_view raw) {
  if (raw.size() > protocol::path_bytes_max)
    return misuse(fmt::format("it is longer than the {} bytes that can be sent", protocol::path_bytes_max));
  if (raw.find('\0') != std::string_view::npos)
    return misuse("it holds a zero byte (names that end in such: -0, --from0)");
  ListedName name;
  name.content = raw.ends_with('/');
  bool dot = false;
  for (std::size_t begin = 0; begin < raw.size();) {
    const std::size_t end = std::min(raw.find('/', begin), raw.size());
    const std::string_view part = raw.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty()) continue;
    if (part == "..") return misuse("'..' could lead out of the source; write the name without it");
    // rsync would land what follows by a shorter name: whoever means that should not get something else.
    if (dot && !name.path.empty()) return misuse("'/./' within a name is not taken; write the name without it");
    dot = part == ".";
    if (dot) continue;
    if (!name.path.empty()) name.path += '/';
    name.path += part;
  }
  name.content = name.content || dot || name.path.empty();
  return name;
}

NameParser::NameParser(bool nul_ended, bool ends_at_empty_name, std::string called,
                       std::function<Result<>(const ListedName&)> take)
    : nul_ended_(nul_ended),
      ends_at_empty_name_(ends_at_empty_name),
      called_(std::move(called)),
      take_(std::move(take)) {}

std::unexpected<Error> NameParser::bad(std::string_view raw, const std::string& why) const {
  return misuse(fmt::format("{}, {} {}: '{}': {}", called_, nul_ended_ ? "name" : "line", number_,
                            printable(raw.substr(0, shown_bytes_max)), why));
}

Result<> NameParser::take(std::string_view raw) {
  if (raw.empty()) {
    ended_ = ends_at_empty_name_;
    return {};
  }
  if (!nul_ended_ && (raw.front() == '#' || raw.front() == ';')) return {};
  auto name = clean_name(raw);
  if (!name) return bad(raw, name.error().text);
  return take_(*name);
}

Result<> NameParser::feed(std::string_view piece) {
  const std::string_view ends = nul_ended_ ? std::string_view("\0", 1) : std::string_view("\r\n");
  while (!piece.empty() && !ended_) {
    const std::size_t end = piece.find_first_of(ends);
    begun_ += piece.substr(0, end);
    if (begun_.size() > protocol::path_bytes_max && (nul_ended_ || (begun_[0] != '#' && begun_[0] != ';')))
      return bad(begun_, clean_name(begun_).error().text);
    if (end == std::string_view::npos) {
      if (begun_.size() > protocol::path_bytes_max) begun_.resize(1);  // a comment, of which nobody asks for more
      return {};
    }
    if (Result<> taken = take(begun_); !taken) return taken;
    begun_.clear();
    if (piece[end] != '\r') ++number_;
    piece.remove_prefix(end + 1);
  }
  return {};
}

Result<> NameParser::finish() {
  if (ended_) return {};
  if (ends_at_empty_name_) return misuse(fmt::format("{} was cut off: its end has not come", called_));
  if (Result<> taken = take(std::exchange(begun_, {})); !taken) return taken;
  return {};
}

}  // namespace longhaul::disk
