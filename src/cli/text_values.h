// Words taken apart and looked at, for all options.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace longhaul::cli {

/// The parts between the signs of `separators`: always at least one, empty ones included.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, std::string_view separators);

/// A whole number from `least` to `most`, and nothing behind it.
[[nodiscard]] bool parse_number(std::string_view text, unsigned least, unsigned most, unsigned& number);
/// A finite decimal number from 0 to `most`, and nothing behind it.
[[nodiscard]] bool parse_decimal(std::string_view text, double most, double& number);

/// A numeric IPv4 or IPv6 address, without a port.
[[nodiscard]] bool is_address(const std::string& text);
/// A host name or numeric address, with a port of `port_least` or more, or without.
[[nodiscard]] bool is_host_and_port(std::string_view text, unsigned port_least);
/// Whether such a text has a port.
[[nodiscard]] bool names_port(std::string_view host_and_port);

}  // namespace longhaul::cli
