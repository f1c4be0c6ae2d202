#include "engine/network_settings.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "disk/blocking.h"

namespace longhaul::engine {
namespace {

/// The first line of a small file of /proc/sys/net/ipv4; empty: it cannot be read.
std::string setting(disk::Disk& disk, const disk::DirPtr& directory, const char* name) {
  const auto file = disk.open_file(directory, name, disk::Open::read, false);
  std::array<std::byte, 256> text{};
  const auto bytes = file ? disk::read_now(disk, **file, 0, text) : Result<std::size_t>(0);
  if (!bytes) return {};
  const std::string_view all = text_of(ConstBytes(text).first(*bytes));
  return std::string(all.substr(0, all.find('\n')));
}

}  // namespace

WindowSetting parse_window_setting(const std::string& text) {
  std::array<std::uint64_t, 3> numbers{};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::uint64_t& number : numbers) {
    while (at < end && (*at == ' ' || *at == '\t')) ++at;
    const auto [stopped, error] = std::from_chars(at, end, number);
    if (error != std::errc()) return {};
    at = stopped;
  }
  if (at != end) return {};
  return {.least = numbers[0], .usual = numbers[1], .most = numbers[2]};
}

NetworkSettings network_settings(disk::Disk& disk) {
  const auto directory = disk.open_root("/proc/sys/net/ipv4");
  if (!directory) return {};
  return {.congestion = setting(disk, *directory, "tcp_congestion_control"),
          .send = parse_window_setting(setting(disk, *directory, "tcp_wmem")),
          .receive = parse_window_setting(setting(disk, *directory, "tcp_rmem"))};
}

std::string sysctl_line(const char* name, WindowSetting now, std::uint64_t bytes) {
  return fmt::format("sysctl -w net.ipv4.{}='{} {} {}'", name, now.least, now.usual, bytes);
}

}  // namespace longhaul::engine
