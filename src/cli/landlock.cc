#include "cli/landlock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdint>

#include "cli/descriptor.h"
#include "cli/printable.h"

namespace longhaul::cli {
namespace {

// Newer than the headers of some systems that this is built on.
constexpr std::uint64_t may_truncate = 1ULL << 14;   // version 3
constexpr std::uint64_t may_ioctl_dev = 1ULL << 15;  // version 5
constexpr std::uint64_t connect_tcp = 1ULL << 1;     // version 4

constexpr std::uint64_t of_files = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                   LANDLOCK_ACCESS_FS_READ_FILE | may_truncate | may_ioctl_dev;
constexpr std::uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t first_version = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1U) - 1;

struct Rules {
  std::uint64_t files = 0;
  std::uint64_t network = 0;
};

/// Everything that a kernel of that version, 2 at least, can forbid.
std::uint64_t known_of_files(int version) {
  std::uint64_t known = first_version | LANDLOCK_ACCESS_FS_REFER;
  if (version >= 3) known |= may_truncate;
  if (version >= 5) known |= may_ioctl_dev;
  return known;
}

int landlock_version() {
  return static_cast<int>(::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION));
}

Result<Descriptor> make_ruleset(const Rules& rules, int version) {
  // Kernels of the first three versions know the first field only.
  const std::size_t bytes = version >= 4 ? sizeof rules : sizeof rules.files;
  Descriptor made(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rules, bytes, 0)));
  if (!made) return fail_errno(errno, "landlock takes no rules");
  return made;
}

Result<> allow(const Descriptor& ruleset, const std::string& path, std::uint64_t allowed) {
  const Descriptor opened(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat found{};
  if (!opened || ::fstat(opened.get(), &found) != 0)
    return fail_errno(errno, fmt::format("cannot open '{}'", printable(path)));
  landlock_path_beneath_attr rule{};
  rule.allowed_access = S_ISDIR(found.st_mode) ? allowed : allowed & of_files;
  rule.parent_fd = opened.get();
  if (::syscall(SYS_landlock_add_rule, ruleset.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0) return {};
  return fail_errno(errno, fmt::format("landlock takes no rule for '{}'", printable(path)));
}

}  // namespace

Result<> restrict_reach(const Reach& reach) {
  const int version = landlock_version();
  if (version < 1)
    return fail(Code::unsupported, "this kernel has no landlock (before 5.13, or switched off with lsm=)", errno);
  if (version < 2)
    return fail(Code::unsupported, "this kernel's landlock forbids every move between directories (before 5.19)");
  const std::uint64_t known = known_of_files(version);
  const Rules rules{.files = known, .network = version >= 4 && !reach.dials ? connect_tcp : 0};
  const auto ruleset = make_ruleset(rules, version);
  if (!ruleset) return std::unexpected(ruleset.error());
  for (const std::string& path : reach.write)
    if (Result<> done = allow(*ruleset, path, known & ~LANDLOCK_ACCESS_FS_EXECUTE); !done)
      return std::unexpected(done.error());
  for (const std::string& path : reach.read)
    if (Result<> done = allow(*ruleset, path, reading); !done && done.error().code != Code::not_found)
      return std::unexpected(done.error());
  for (const std::string& path : reach.devices)
    if (Result<> done = allow(*ruleset, path, (reading | LANDLOCK_ACCESS_FS_WRITE_FILE | may_ioctl_dev) & known);
        !done && done.error().code != Code::not_found)
      return std::unexpected(done.error());
  if (::syscall(SYS_landlock_restrict_self, ruleset->get(), 0) != 0)
    return fail_errno(errno, "landlock does not hold this process");
  return {};
}

}  // namespace longhaul::cli
