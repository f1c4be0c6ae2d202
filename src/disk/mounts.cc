#include "disk/mounts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "base/fd.h"

namespace longhaul::disk {
namespace {

constexpr unsigned mount_point_field = 4;  // "36 35 98:0 /root /mount/point options ..."

/// Space, tab, line feed and backslash are written as \\040 and the like.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto is_digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '7'; };
    if (text[i] != '\\' || i + 3 >= text.size() || !is_digit(i + 1) || !is_digit(i + 2) || !is_digit(i + 3)) {
      out += text[i];
      continue;
    }
    out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
    i += 3;
  }
  return out;
}

std::string_view field_of(std::string_view line, unsigned number) {
  for (; number > 0; --number) {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return {};
    line.remove_prefix(space + 1);
  }
  return line.substr(0, line.find(' '));
}

Result<std::string> read_mountinfo() {
  const Fd file(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!file) return fail_errno(errno, "cannot read what is mounted, in /proc/self/mountinfo");
  std::string text;
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "cannot read what is mounted, in /proc/self/mountinfo");
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

bool names_mount_beneath(std::string_view mountinfo, std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  while (!mountinfo.empty()) {
    const std::string_view line = mountinfo.substr(0, mountinfo.find('\n'));
    const std::string point = unescaped(field_of(line, mount_point_field));
    const bool beneath =
        point.starts_with(path) && (path == "/" || point.size() == path.size() || point[path.size()] == '/');
    if (!point.empty() && beneath) return true;
    mountinfo.remove_prefix(std::min(mountinfo.size(), line.size() + 1));
  }
  return false;
}

Result<bool> mounts_at_or_beneath(int directory) {
  std::string path(PATH_MAX, '\0');
  const ssize_t bytes = ::readlink(fmt::format("/proc/self/fd/{}", directory).c_str(), path.data(), path.size());
  if (bytes < 0) return fail_errno(errno, "cannot find out where a directory of the target is");
  path.resize(static_cast<std::size_t>(bytes));
  const auto mountinfo = read_mountinfo();
  if (!mountinfo) return std::unexpected(mountinfo.error());
  return names_mount_beneath(*mountinfo, path);
}

}  // namespace longhaul::disk
