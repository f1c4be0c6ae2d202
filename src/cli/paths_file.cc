#include "cli/paths_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "cli/option_values.h"
#include "cli/path_values.h"
#include "cli/printable.h"
#include "cli/suggest.h"

namespace longhaul::cli {
namespace {

constexpr std::size_t file_bytes_max = 1024UL * 1024;

std::unexpected<Error> bad(std::string text) {
  return fail(Code::usage, std::move(text));
}

/// The value as --path would have it.
Result<std::string> text_of(const toml::node& value, const std::string& key) {
  if (const auto* text = value.as_string()) return text->get();
  if (const auto* number = value.as_integer()) return fmt::format("{}", number->get());
  if (const auto* number = value.as_floating_point()) return fmt::format("{}", number->get());
  return bad(fmt::format("{}: takes a string in quotes or a number", key));
}

/// Tags: a list of strings, or one string with '+' between them.
Result<std::vector<std::string>> tags_of(const toml::node& value, const std::string& key) {
  if (const auto* text = value.as_string()) return parse_tags(key, text->get(), "+");
  const toml::array* list = value.as_array();
  if (list == nullptr) return bad(fmt::format("{}: takes a list of tags such as [\"us\", \"fiber\"]", key));
  std::vector<std::string> tags;
  for (const toml::node& each : *list) {
    const auto* tag = each.as_string();
    if (tag == nullptr) return bad(fmt::format("{}: every tag stands in quotes, such as [\"us\", \"fiber\"]", key));
    if (const Result<> fine = check_tag(tag->get()); !fine) return bad(fmt::format("{}: {}", key, fine.error().text));
    tags.push_back(tag->get());
  }
  return tags;
}

Result<> set_tags(PathOptions& path, const toml::node& value) {
  Result<std::vector<std::string>> tags = tags_of(value, "tags");
  if (!tags) return std::unexpected(tags.error());
  path.tags = *std::move(tags);
  return check_path({.tags = path.tags});
}

/// Puts where it stands before what is wrong.
class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}

  Result<PathsFile> read(const toml::table& root) {
    for (const auto& [key, value] : root) {
      const std::string name(key.str());
      Result<> set = name == "path" ? set_paths(key.source(), value) : at(key.source(), set_key(name, value));
      if (!set) return std::unexpected(std::move(set.error()));
    }
    return std::move(out_);
  }

  [[nodiscard]] Result<> at(const toml::source_region& where, const Result<>& result) const {
    if (result) return {};
    return bad(fmt::format("--paths '{}', line {}: {}", printable(file_), where.begin.line, result.error().text));
  }

 private:
  template <class T, class U>
  static Result<> take(T& into, Result<U> value) {
    if (!value) return std::unexpected(value.error());
    into = *std::move(value);
    return {};
  }

  Result<> set_key(const std::string& key, const toml::node& value) {
    if (key == "require") return take(out_.require, tags_of(value, key));
    if (key == "forbid") return take(out_.forbid, tags_of(value, key));
    if (key != "cap" && key != "streams") return unknown(key);
    const Result<std::string> text = text_of(value, key);
    if (!text) return std::unexpected(text.error());
    if (key == "cap") return take(out_.cap_bits_per_s, parse_cap(key, *text));
    return take(out_.streams, parse_streams(key, *text));
  }

  static Result<> unknown(const std::string& key) {
    if (std::ranges::find(path_keys(), key) != path_keys().end())
      return bad(fmt::format("'{}' belongs to a path: write it below [[path]]", key));
    const std::vector<std::string> known = {"path", "require", "forbid", "cap", "streams"};
    return bad(
        fmt::format("unknown key '{}'{} (keys: {})", printable(key), did_you_mean(key, known), fmt::join(known, ", ")));
  }

  Result<> set_paths(const toml::source_region& where, const toml::node& value) {
    const toml::array* list = value.as_array();
    if (list == nullptr || list->empty() || !list->is_homogeneous(toml::node_type::table))
      return at(where, bad("path: write [[path]], in double brackets, above the keys of each path"));
    for (const toml::node& each : *list) {
      PathOptions path;
      for (const auto& [key, inner] : *each.as_table()) {
        if (Result<> set = at(key.source(), set_path(path, std::string(key.str()), inner)); !set) return set;
      }
      out_.paths.push_back(std::move(path));
      if (Result<> fine = at(each.source(), check_paths(out_.paths)); !fine) return fine;
    }
    return {};
  }

  static Result<> set_path(PathOptions& path, const std::string& key, const toml::node& value) {
    if (key == "tags") return set_tags(path, value);
    const bool known = std::ranges::find(path_keys(), key) != path_keys().end();
    const Result<std::string> text = text_of(value, key);
    if (known && !text) return std::unexpected(text.error());
    return set_path_key(path, key, text.value_or("?"));  // the key itself is wrong, whatever its value
  }

  std::string file_;
  PathsFile out_;
};

Result<std::string> read_all(const std::string& file) {
  const auto cannot = [&](int system_errno) {
    return bad(fmt::format("--paths: cannot read '{}': {}", printable(file), std::strerror(system_errno)));
  };
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return cannot(errno);
  std::string text;
  std::array<char, 16384> block{};
  for (;;) {
    const ssize_t got = ::read(fd, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    const int problem = errno;
    if (got > 0 && text.size() <= file_bytes_max) {
      text.append(block.data(), static_cast<std::size_t>(got));
      continue;
    }
    ::close(fd);
    if (got < 0) return cannot(problem);
    if (got > 0) return bad(fmt::format("--paths: '{}' is no list of paths: it is over 1 MiB", printable(file)));
    return text;
  }
}

}  // namespace

Result<PathsFile> parse_paths_file(std::string_view text, const std::string& file) {
  Reader reader(file);
  try {
    const toml::table root = toml::parse(text);
    return reader.read(root);
  } catch (const toml::parse_error& error) {
    return std::unexpected(
        reader.at(error.source(), bad(fmt::format("this is no TOML: {}", printable(error.description())))).error());
  }
}

Result<PathsFile> read_paths_file(const std::string& file) {
  const Result<std::string> text = read_all(file);
  if (!text) return std::unexpected(text.error());
  return parse_paths_file(*text, file);
}

}  // namespace longhaul::cli
