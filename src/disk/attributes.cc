#include "disk/attributes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <span>
#include <string_view>

#include "disk/beneath.h"

namespace longhaul::disk {
namespace {

bool belongs_to_machine(std::string_view name) {
  return name == "security.selinux" || (name.starts_with("system.") && !name.starts_with("system.posix_acl_"));
}

/// Whether a list of attribute names holds one that a user would miss: labels that the system puts on everything do not
/// count.
bool holds_own_attribute(std::string_view names) {
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find('\0'));
    if (name != "security.selinux") return true;
    names.remove_prefix(std::min(names.size(), name.size() + 1));
  }
  return false;
}

/// The names of a name's attributes, without opening it.
ssize_t list_names(int dir, const char* name, std::span<char> out) {
  constexpr long listxattrat = 465;  // since 6.13; not in Debian 12's headers
  static std::atomic<bool> missing = false;
  if (!missing.load(std::memory_order_relaxed)) {
    const long bytes = ::syscall(listxattrat, dir, name, AT_SYMLINK_NOFOLLOW, out.data(), out.size());
    if (bytes >= 0 || (errno != ENOSYS && errno != EPERM)) return bytes;
    missing.store(true, std::memory_order_relaxed);
  }
  // This name leads to the same entry and follows no symlink at its end.
  return ::llistxattr(fmt::format("{}/{}", magic_path(dir), name).c_str(), out.data(), out.size());
}

/// What `read(nullptr, 0)` says that there is; it may grow between two calls. Negative: errno.
template <class Read>
ssize_t read_growing(std::string& into, const Read& read) {
  constexpr int tries = 5;
  for (int i = 0; i < tries; ++i) {
    const ssize_t wanted = read(nullptr, 0);
    if (wanted <= 0) return wanted;
    into.resize(static_cast<std::size_t>(wanted));
    const ssize_t got = read(into.data(), into.size());
    if (got >= 0 || errno != ERANGE) return got;
  }
  return -1;
}

/// False when it went away after it was listed.
bool read_value(const char* path, bool follow, Attribute& attribute, int& error) {
  const char* name = attribute.name.c_str();
  const ssize_t got = read_growing(attribute.value, [&](char* at, std::size_t bytes) {
    return follow ? ::getxattr(path, name, at, bytes) : ::lgetxattr(path, name, at, bytes);
  });
  error = got < 0 && errno != ENODATA ? errno : 0;
  attribute.value.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return got >= 0;
}

}  // namespace

int read_attributes(const char* path, bool follow, std::vector<Attribute>& out) {
  std::string names;
  const ssize_t bytes = read_growing(names, [&](char* at, std::size_t room) {
    return follow ? ::listxattr(path, at, room) : ::llistxattr(path, at, room);
  });
  if (bytes < 0) return -1;
  names.resize(static_cast<std::size_t>(bytes));
  for (std::size_t begin = 0; begin < names.size();) {
    const std::size_t end = std::min(names.find('\0', begin), names.size());
    Attribute attribute{.name = names.substr(begin, end - begin), .value = {}};
    begin = end + 1;
    if (belongs_to_machine(attribute.name)) continue;
    int error = 0;
    if (read_value(path, follow, attribute, error)) out.push_back(std::move(attribute));
    errno = error;
    if (error != 0) return -1;
  }
  std::ranges::sort(out, {}, &Attribute::name);
  return 0;
}

int write_attribute(const char* path, bool follow, const Attribute& attribute) {
  const char* name = attribute.name.c_str();
  const std::string& value = attribute.value;
  return follow ? ::setxattr(path, name, value.data(), value.size(), 0)
                : ::lsetxattr(path, name, value.data(), value.size(), 0);
}

int remove_attribute(const char* path, bool follow, const std::string& name) {
  return follow ? ::removexattr(path, name.c_str()) : ::lremovexattr(path, name.c_str());
}

bool has_own_attributes(int dir, const char* name) {
  std::array<char, 4096> names;
  const ssize_t bytes = list_names(dir, name, names);
  if (bytes < 0) return errno == ERANGE;  // more of them than fit
  return holds_own_attribute({names.data(), static_cast<std::size_t>(bytes)});
}

}  // namespace longhaul::disk
