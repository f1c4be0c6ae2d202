#include "security/ticket.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "security/base64url.h"

namespace longhaul::security {
namespace {

constexpr std::string_view scheme = "longhaul://";
constexpr std::size_t addresses_max = 32;
constexpr std::string_view bad_addresses = "the addresses are not 1 to 32 times ADDR:PORT with commas between";
constexpr std::string_view bad_listener = "the listener's key is not 43 characters of its alphabet";

/// Says which part is wrong and never shows it: in a mangled ticket the secret may stand anywhere.
std::unexpected<Error> refuse(std::string_view why) {
  return fail(Code::usage, fmt::format("this is not a usable ticket: {}; copy the whole line that the listening side "
                                       "printed, in quotes",
                                       why));
}

template <class T>
bool read_number(std::string_view text, T& value) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// "10.0.0.1:4711", "host.example:4711", "[fe80::1%eth0]:4711".
bool is_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  unsigned port = 0;
  if (!read_number(text.substr(colon + 1), port) || port == 0 || port > 65535) return false;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  const std::string_view also = bracketed ? ":.%-_" : ".-_";
  return !host.empty() && std::ranges::all_of(host, [&](char c) {
    return is_alphanumeric(c) || also.find(c) != std::string_view::npos;
  });
}

bool read_addresses(std::string_view text, std::vector<std::string>& addresses) {
  while (addresses.size() < addresses_max) {
    const std::size_t comma = text.find(',');
    const std::string_view address = text.substr(0, comma);
    if (!is_address(address)) return false;
    addresses.emplace_back(address);
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
  return false;
}

void check_addresses(const std::vector<std::string>& addresses) {
  LH_CHECK(!addresses.empty() && addresses.size() <= addresses_max, "a ticket has 1 to 32 addresses");
  LH_CHECK(std::ranges::all_of(addresses, is_address), "a ticket's addresses are ADDR:PORT");
}

/// ADDR:PORT,.../?k=KEY, with "/?k=" at `slash`.
Result<Ticket> parse_open(std::string_view text, std::size_t slash) {
  Ticket ticket{.by_key = true};
  if (!read_addresses(text.substr(0, slash), ticket.addresses)) return refuse(bad_addresses);
  if (!read_base64url(text.substr(slash + 4), ticket.listener)) return refuse(bad_listener);
  return ticket;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view white = " \t\r\n\v\f";
  const std::size_t first = text.find_first_not_of(white);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(white) - first + 1);
}

}  // namespace

Ticket open_ticket(std::vector<std::string> addresses, const Fingerprint& listener) {
  check_addresses(addresses);
  return {.addresses = std::move(addresses), .listener = listener, .by_key = true};
}

Ticket make_ticket(std::vector<std::string> addresses, std::int64_t expires_s, const Fingerprint& listener,
                   Random& random) {
  LH_CHECK(expires_s >= 0, "a ticket that expires before the epoch");
  check_addresses(addresses);
  Ticket ticket{.addresses = std::move(addresses), .expires_s = expires_s, .listener = listener};
  random.fill(ticket.id);
  random.fill(ticket.secret);
  return ticket;
}

std::string format_ticket(const Ticket& ticket) {
  if (ticket.by_key)
    return fmt::format("{}{}/?k={}", scheme, fmt::join(ticket.addresses, ","), base64url(ticket.listener));
  return fmt::format("{}{}/{}?x={},k={}#{}", scheme, fmt::join(ticket.addresses, ","), to_hex(ticket.id),
                     ticket.expires_s, base64url(ticket.listener), base64url(ticket.secret));
}

Result<Ticket> parse_ticket(std::string_view text) {
  text = trimmed(text);
  if (!text.starts_with(scheme)) return refuse("it does not begin with longhaul://");
  text.remove_prefix(scheme.size());
  if (const std::size_t open = text.find("/?k="); open != std::string_view::npos) return parse_open(text, open);
  const std::size_t hash = text.find('#');
  if (hash == std::string_view::npos) return refuse("what belongs behind '#' is missing (the shell may have cut it)");
  const std::string_view secret = text.substr(hash + 1);
  text = text.substr(0, hash);
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return refuse("the id is missing");
  const std::string_view addresses = text.substr(0, slash);
  text.remove_prefix(slash + 1);
  const std::size_t question = text.find("?x=");
  if (question == std::string_view::npos) return refuse("the expiry is missing");

  Ticket ticket;
  if (!read_addresses(addresses, ticket.addresses)) return refuse(bad_addresses);
  const auto id = from_hex(text.substr(0, question));
  if (!id || id->size() != ticket.id.size()) return refuse("the id is not 32 hex digits");
  std::memcpy(ticket.id.data(), id->data(), id->size());
  text.remove_prefix(question + 3);
  const std::size_t comma = text.find(",k=");
  if (comma == std::string_view::npos) return refuse("the listener's key is missing (the shell may have cut it)");
  if (!read_number(text.substr(0, comma), ticket.expires_s)) return refuse("the expiry is not a time");
  if (!read_base64url(text.substr(comma + 3), ticket.listener)) return refuse(bad_listener);
  if (!read_base64url(secret, ticket.secret))
    return refuse("what stands behind '#' is not 43 characters of its alphabet");
  return ticket;
}

}  // namespace longhaul::security
