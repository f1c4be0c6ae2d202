// What the system says of TCP, for people.
#pragma once

#include <cstdint>
#include <string>

#include "disk/disk.h"

namespace longhaul::engine {

/// Of one of net.ipv4.tcp_wmem and tcp_rmem: three numbers of bytes. All 0: not known.
struct WindowSetting {
  std::uint64_t least = 0;
  std::uint64_t usual = 0;
  std::uint64_t most = 0;
};
/// Anything but three numbers: not known.
[[nodiscard]] WindowSetting parse_window_setting(const std::string& text);

struct NetworkSettings {
  std::string congestion;  ///< of sockets that ask for nothing; empty: not known
  WindowSetting send;      ///< net.ipv4.tcp_wmem
  WindowSetting receive;   ///< net.ipv4.tcp_rmem
};
/// Never fails: what cannot be read is not known.
[[nodiscard]] NetworkSettings network_settings(disk::Disk& disk);

/// The line for a shell that lets windows grow to `bytes`, and leaves the other two numbers as they are.
[[nodiscard]] std::string sysctl_line(const char* name, WindowSetting now, std::uint64_t bytes);

}  // namespace longhaul::engine
