#include "cli/option_values.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <utility>

#include "cli/printable.h"
#include "cli/suggest.h"
#include "longhaul/units.h"

namespace longhaul::cli {
namespace {

constexpr std::uint64_t mib = 1024 * 1024;
constexpr std::uint64_t chunk_bytes_step = 8 * mib;
constexpr std::uint64_t chunk_bytes_max = 512 * mib;
constexpr std::size_t path_name_bytes_max = 32;

std::unexpected<Error> bad(std::string text) {
  return fail(Code::usage, std::move(text));
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool parse_number(std::string_view text, unsigned least, unsigned most, unsigned& number) {
  const char* begin = text.data();
  const char* end = begin + text.size();
  const auto [stopped, error] = std::from_chars(begin, end, number);
  return error == std::errc() && stopped == end && number >= least && number <= most;
}

bool is_address(const std::string& text) {
  in6_addr scratch{};
  return inet_pton(AF_INET, text.c_str(), &scratch) == 1 || inet_pton(AF_INET6, text.c_str(), &scratch) == 1;
}

/// A host name or numeric address, with a port of `port_least` or more, or without.
bool is_host_and_port(std::string_view text, unsigned port_least) {
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return false;
    host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest[0] != ':') return false;
    has_port = !rest.empty();
    port = has_port ? rest.substr(1) : rest;
    if (!is_address(std::string(host))) return false;
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    has_port = true;
    host = text.substr(0, text.find(':'));
    port = text.substr(text.find(':') + 1);
  } else if (text.find(':') != std::string_view::npos) {
    return is_address(std::string(text));
  }
  unsigned number = 0;
  if (has_port && !parse_number(port, port_least, 65535, number)) return false;
  const auto fits = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' ||
           c == '_' || c == ':' || c == '%';
  };
  return !host.empty() && std::all_of(host.begin(), host.end(), fits);
}

Result<> set_name(PathOptions& path, std::string_view value) {
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (!plain || value.size() > path_name_bytes_max) {
    return bad(fmt::format("name: up to {} letters, digits and signs without spaces", path_name_bytes_max));
  }
  path.name = value;
  return {};
}

Result<> set_local(PathOptions& path, std::string_view value) {
  if (value.starts_with('[') && value.ends_with(']')) value = value.substr(1, value.size() - 2);
  if (!is_address(std::string(value))) {
    return bad(fmt::format("local: '{}' is not an address of this machine such as 10.0.0.1 or fd00::1 (without a port)",
                           printable(value)));
  }
  path.local = value;
  return {};
}

Result<> set_remote(PathOptions& path, std::string_view value) {
  if (!is_host_and_port(value, 1)) {
    return bad(fmt::format("remote: '{}' is not ADDR or ADDR:PORT, such as 10.0.0.2:4711 or [fd00::2]:4711",
                           printable(value)));
  }
  path.remote = value;
  return {};
}

Result<> set_cap(PathOptions& path, std::string_view value) {
  const Result<std::uint64_t> rate = parse_rate(value);
  if (!rate) return bad("cap: " + rate.error().text);
  if (*rate == 0) return bad("cap: a path that may carry nothing is no path; leave it out");
  path.cap_bits_per_s = *rate;
  return {};
}

Result<> set_streams(PathOptions& path, std::string_view value) {
  const Result<unsigned> streams = parse_streams("streams", value);
  if (!streams) return std::unexpected(streams.error());
  path.streams = *streams;
  return {};
}

Result<> set_congestion(PathOptions& path, std::string_view value) {
  constexpr std::size_t kernel_name_bytes_max = 15;  // TCP_CA_NAME_MAX without its NUL
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  if (!plain || value.size() > kernel_name_bytes_max) {
    return bad(
        fmt::format("cc: '{}' is not the name of a TCP congestion control such as cubic or bbr", printable(value)));
  }
  path.congestion = value;
  return {};
}

struct PathKey {
  const char* name;
  Result<> (*set)(PathOptions&, std::string_view);
};
constexpr PathKey path_keys[] = {{"name", set_name}, {"local", set_local},     {"remote", set_remote},
                                 {"cap", set_cap},   {"streams", set_streams}, {"cc", set_congestion}};

Result<> set_pair(PathOptions& path, std::string_view pair, std::vector<std::string>& seen) {
  const std::size_t equals = pair.find('=');
  const std::string key(pair.substr(0, equals));
  if (pair.empty()) return bad("two commas, or one at an end: nothing stands between them");
  if (equals == std::string_view::npos) return bad(fmt::format("'{}' is not KEY=VALUE", printable(key)));
  const std::string_view value = pair.substr(equals + 1);
  std::vector<std::string> known;
  for (const PathKey& path_key : path_keys) known.emplace_back(path_key.name);
  const auto* const found = std::find_if(std::begin(path_keys), std::end(path_keys),
                                         [&](const PathKey& path_key) { return key == path_key.name; });
  if (found == std::end(path_keys)) {
    return bad(
        fmt::format("unknown key '{}'{} (keys: {})", printable(key), did_you_mean(key, known), fmt::join(known, ", ")));
  }
  if (std::find(seen.begin(), seen.end(), key) != seen.end()) return bad(fmt::format("'{}' stands twice", key));
  if (value.empty()) return bad(fmt::format("'{}=' has no value", key));
  seen.push_back(key);
  return found->set(path, value);
}

}  // namespace

Result<PathOptions> parse_path(std::string_view text) {
  PathOptions path;
  std::vector<std::string> seen;
  if (text.empty()) return bad("--path needs KEY=VALUE[,KEY=VALUE...], such as name=a,local=10.0.0.1,remote=10.0.0.2");
  for (const std::string_view pair : split(text, ',')) {
    const Result<> set = set_pair(path, pair, seen);
    if (!set) return bad(fmt::format("--path '{}': {}", printable(text), set.error().text));
  }
  return path;
}

Result<std::vector<PathOptions>> parse_paths(const std::vector<std::string>& texts) {
  if (texts.size() > paths_max) return bad(fmt::format("--path stands {} times; at most {}", texts.size(), paths_max));
  std::vector<PathOptions> paths;
  for (const std::string& text : texts) {
    Result<PathOptions> path = parse_path(text);
    if (!path) return std::unexpected(path.error());
    for (const PathOptions& other : paths) {
      if (path->name.empty() || other.name != path->name) continue;
      return bad(fmt::format("two paths are called '{}': give each --path its own name", path->name));
    }
    paths.push_back(*std::move(path));
  }
  return paths;
}

Result<unsigned> parse_streams(std::string_view what, std::string_view text) {
  unsigned number = 0;
  if (text == "auto") return 0;
  if (parse_number(text, 1, streams_max, number)) return number;
  return bad(fmt::format("{}: '{}' is not a number from 1 to {}, or auto", what, printable(text), streams_max));
}

Result<unsigned> parse_workers(std::string_view text) {
  unsigned number = 0;
  if (text == "auto") return 0;
  if (parse_number(text, 1, workers_max, number)) return number;
  return bad(fmt::format("--workers: '{}' is not a number from 1 to {}, or auto", printable(text), workers_max));
}

Result<std::uint64_t> parse_chunk(std::string_view text) {
  const Result<std::uint64_t> bytes = parse_bytes(text);
  if (!bytes) return bad("--chunk: " + bytes.error().text);
  if (*bytes != 0 && *bytes % chunk_bytes_step == 0 && *bytes <= chunk_bytes_max) return *bytes;
  return bad(
      fmt::format("--chunk: '{}' is not a multiple of 8 MiB up to 512 MiB (such as 8MiB, 64MiB)", printable(text)));
}

Result<Cipher> parse_cipher(std::string_view text) {
  if (text == "none") return Cipher::none;
  return bad(fmt::format("--cipher: '{}' is not known here: this version seals nothing yet and has only 'none'",
                         printable(text)));
}

Result<double> parse_duration(std::string_view what, std::string_view text) {
  const Result<double> seconds = parse_seconds(text);
  if (!seconds) return bad(fmt::format("{}: {}", what, seconds.error().text));
  if (*seconds > 0) return *seconds;
  return bad(fmt::format("{}: '{}' must be above zero (such as 30s, 5m, 2h)", what, printable(text)));
}

Result<std::string> parse_listen(std::string_view text) {
  if (is_host_and_port(text, 0)) return std::string(text);
  return bad(fmt::format("--listen: '{}' is not ADDR or ADDR:PORT, such as 10.0.0.2, 10.0.0.2:4711 or [fd00::2]:4711",
                         printable(text)));
}

Result<std::string> parse_stream_name(std::string_view text) {
  if (text.empty() || text == "." || text == ".." || text.size() > 255 || text.find('/') != std::string_view::npos) {
    return bad(
        fmt::format("--name: '{}' is not a file name: 1 to 255 bytes, no '/', not '.' or '..'", printable(text)));
  }
  return std::string(text);
}

}  // namespace longhaul::cli
