#include "cli/text_values.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace longhaul::cli {

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find_first_of(separators);
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

bool parse_decimal(std::string_view text, double most, double& number) {
  const char* begin = text.data();
  const char* end = begin + text.size();
  const auto [stopped, error] = std::from_chars(begin, end, number);
  return error == std::errc() && stopped == end && std::isfinite(number) && !std::signbit(number) && number <= most;
}

bool is_address(const std::string& text) {
  in6_addr scratch{};
  return inet_pton(AF_INET, text.c_str(), &scratch) == 1 || inet_pton(AF_INET6, text.c_str(), &scratch) == 1;
}

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

bool names_port(std::string_view host_and_port) {
  if (host_and_port.starts_with('[')) return host_and_port.find("]:") != std::string_view::npos;
  return std::count(host_and_port.begin(), host_and_port.end(), ':') == 1;  // several: an IPv6 address
}

}  // namespace longhaul::cli
