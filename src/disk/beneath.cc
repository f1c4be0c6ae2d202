#include "disk/beneath.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "base/bytes.h"

namespace longhaul::disk {
namespace {

constexpr std::size_t piece_bytes_max = PATH_MAX - 1;
constexpr int step_flags = O_PATH | O_DIRECTORY;

std::string_view first_component(std::string_view path) {
  return path.substr(0, path.find('/'));
}

Fd open_component(int base, std::string_view name, int flags, mode_t mode) {
  return Fd(::openat(base, std::string(name).c_str(), flags, mode));
}

/// For kernels and sandboxes without openat2: as safe, one call a component.
Fd open_by_components(int base, std::string_view path, int flags, mode_t mode) {
  Fd step;
  for (;;) {
    const std::string_view name = first_component(path);
    const int from = step ? step.get() : base;
    if (name.size() == path.size()) return open_component(from, name, flags, mode);
    step = open_component(from, name, step_flags | O_NOFOLLOW | O_CLOEXEC, 0);
    if (!step) return {};
    path.remove_prefix(name.size() + 1);
  }
}

/// One path of at most PATH_MAX.
Fd open_piece(int base, std::string_view path, int flags, mode_t mode) {
  if (path.find('/') == std::string_view::npos) return open_component(base, path, flags, mode);
  open_how how{};
  how.flags = static_cast<unsigned>(flags);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  Fd opened(static_cast<int>(::syscall(SYS_openat2, base, std::string(path).c_str(), &how, sizeof how)));
  if (!opened && (errno == ENOSYS || errno == EPERM)) return open_by_components(base, path, flags, mode);
  return opened;
}

std::unexpected<Error> refuse(std::string_view path, const char* why) {
  return fail(Code::refused, fmt::format("the name \"{}\" is refused: {}", printable(path), why));
}

}  // namespace

Result<> check_path(std::string_view path) {
  if (path.empty()) return refuse(path, "it is empty");
  if (path.find('\0') != std::string_view::npos) return refuse(path, "it holds a NUL");
  for (std::string_view rest = path;;) {
    const std::string_view name = first_component(rest);
    if (name.empty()) return refuse(path, "it holds an empty component, or begins or ends with a slash");
    if (name == "." || name == "..") return refuse(path, "it holds \".\" or \"..\"");
    if (name.size() == rest.size()) return {};
    rest.remove_prefix(name.size() + 1);
  }
}

Fd open_beneath(int base, std::string_view path, int flags, mode_t mode) {
  flags |= O_NOFOLLOW | O_CLOEXEC;
  Fd step;
  while (path.size() > piece_bytes_max) {
    const std::size_t cut = path.rfind('/', piece_bytes_max);
    if (cut == std::string_view::npos) {
      errno = ENAMETOOLONG;
      return {};
    }
    step = open_piece(step ? step.get() : base, path.substr(0, cut), step_flags | O_NOFOLLOW | O_CLOEXEC, 0);
    if (!step) return {};
    path.remove_prefix(cut + 1);
  }
  return open_piece(step ? step.get() : base, path, flags, mode);
}

Place place_beneath(int base, std::string_view path) {
  const std::size_t cut = path.rfind('/');
  if (cut == std::string_view::npos) return {.directory = base, .name = std::string(path), .owned = {}};
  Fd parent = open_beneath(base, path.substr(0, cut), step_flags);
  const int directory = parent.get();
  return {.directory = directory, .name = std::string(path.substr(cut + 1)), .owned = std::move(parent)};
}

std::string magic_path(int fd) {
  return fmt::format("/proc/self/fd/{}", fd);
}

}  // namespace longhaul::disk
