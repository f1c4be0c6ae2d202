#include "cli/secret_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "cli/descriptor.h"
#include "cli/printable.h"

namespace longhaul::cli {
namespace {

constexpr std::size_t file_bytes_max = 65536;
constexpr mode_t others = 077;

Result<> write_and_sync(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno(errno, "write");
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  if (::fsync(fd) != 0) return fail_errno(errno, "sync");
  return {};
}

Result<> put_in_place(const std::string& fresh, const std::string& file, bool replace) {
  if (replace) return ::rename(fresh.c_str(), file.c_str()) == 0 ? Result<>() : fail_errno(errno, "rename");
  const bool linked = ::link(fresh.c_str(), file.c_str()) == 0;
  const int why = errno;
  ::unlink(fresh.c_str());
  return linked ? Result<>() : fail_errno(why, "link");
}

}  // namespace

Result<> write_secret_file(const std::string& file, const std::string& text, bool replace) {
  std::string fresh = file + ".XXXXXX";
  const Descriptor made(::mkostemp(fresh.data(), O_CLOEXEC));  // mode 0600
  if (!made) return fail_errno(errno, "make a file beside it");
  Result<> written = write_and_sync(made.get(), text);
  if (written) written = put_in_place(fresh, file, replace);
  if (written) {  // the name is durable as well, where the file system can
    const std::string parent = std::filesystem::path(file).parent_path();
    const Descriptor folder(::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder) (void)::fsync(folder.get());
    return {};
  }
  ::unlink(fresh.c_str());
  return written;
}

Result<std::string> read_secret_file(const std::string& file) {
  const std::string shown = printable(file);
  const Descriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a FIFO must not hold us up
  if (!opened) return fail_errno(errno, fmt::format("cannot read '{}'", shown));
  struct stat found{};
  if (::fstat(opened.get(), &found) != 0) return fail_errno(errno, fmt::format("cannot look at '{}'", shown));
  const auto refuse = [&](const std::string& why) { return fail(Code::refused, fmt::format("'{}' {}", shown, why)); };
  if (!S_ISREG(found.st_mode)) return refuse("is no file");
  if (found.st_uid != ::geteuid() && found.st_uid != 0)
    return refuse("belongs to another user, who could read or change it; make one of your own");
  if ((found.st_mode & others) != 0)
    return refuse(
        fmt::format("can be read or changed by other users (mode {:04o}); 'chmod 600' mends that, but if "
                    "somebody may have read it, make a new one",
                    found.st_mode & 07777));
  std::string text(file_bytes_max + 1, '\0');
  std::size_t done = 0;
  for (;;) {
    const ssize_t got = ::read(opened.get(), text.data() + done, text.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, fmt::format("cannot read '{}'", shown));
    done += static_cast<std::size_t>(got);
    if (got == 0 || done == text.size()) break;
  }
  if (done > file_bytes_max) return refuse("is too large to be what it should be");
  text.resize(done);
  return text;
}

}  // namespace longhaul::cli
