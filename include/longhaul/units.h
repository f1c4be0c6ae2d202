// Sizes, rates and durations as people write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "longhaul/status.h"

namespace longhaul {

/// "64", "8M", "8MB" (decimal), "8MiB", "1.5GiB", "4K" -> bytes. A bare K/M/G/T letter is binary, as in dd, rsync,
/// rclone.
Result<std::uint64_t> parse_bytes(std::string_view text);
/// "2Gbps", "400Mb/s", "1.5GB/s", "10MiB/s" -> bits per second. A bare number is refused.
Result<std::uint64_t> parse_rate(std::string_view text);
/// "30", "30s", "5m", "5min", "2h", "1d" -> seconds. A bare number is seconds.
Result<double> parse_seconds(std::string_view text);

/// "1.50 GiB"; "412 B".
std::string format_bytes(std::uint64_t bytes);
/// Bytes per second -> "1.23 GB/s".
std::string format_rate(double bytes_per_s);
/// "1:02:03", "4:05", "0:07"; "--:--" when negative.
std::string format_duration(double seconds);

}  // namespace longhaul
