#include "cli/live_names.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <iterator>
#include <memory>

#include "cli/printable.h"

namespace longhaul::cli {
namespace {

constexpr std::size_t short_id = 8;
constexpr std::size_t id_max = 32;
constexpr mode_t others = 077;

bool is_hex(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::optional<pid_t> parse_pid(std::string_view text) {
  pid_t pid = 0;
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc() || stopped != text.data() + text.size() || pid <= 0) return std::nullopt;
  return pid;
}

/// It is ours alone. Root may look into those of others.
Result<> check_directory(const std::string& directory, bool only_looks) {
  struct stat found{};
  if (::lstat(directory.c_str(), &found) != 0) return fail_errno(errno, fmt::format("cannot look at '{}'", directory));
  const auto bad = [&](std::string_view why) {
    return fail(Code::refused, fmt::format("the directory of control sockets '{}' {}", directory, why));
  };
  if (!S_ISDIR(found.st_mode)) return bad("is no directory (or a link to one); move it out of the way");
  if (found.st_uid != ::geteuid() && !(only_looks && ::geteuid() == 0))
    return bad("belongs to another user; set XDG_RUNTIME_DIR to a directory of your own");
  if ((found.st_mode & others) != 0) return bad("is open to other users; 'chmod 700' mends that");
  return {};
}

std::string listed(const std::vector<LiveName>& names) {
  std::vector<std::string> words;
  for (const LiveName& name : names) words.push_back(fmt::format("{} (pid {})", name.id, name.pid));
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace

LiveName live_name(const std::string& id, pid_t pid) {
  return {id.substr(0, short_id), pid};
}

std::string file_of(const LiveName& name) {
  return fmt::format("{}-{}", name.id, name.pid);
}

std::optional<LiveName> parse_live_name(std::string_view file) {
  const std::size_t dash = file.find('-');
  if (dash != short_id || !is_hex(file.substr(0, dash))) return std::nullopt;
  const auto pid = parse_pid(file.substr(dash + 1));
  if (!pid) return std::nullopt;
  LiveName name{std::string(file.substr(0, dash)), *pid};
  if (file_of(name) != file) return std::nullopt;
  return name;
}

std::string live_directory() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && *runtime == '/') return fmt::format("{}/longhaul", runtime);
  return fmt::format("/tmp/longhaul-{}", ::geteuid());
}

Result<> make_live_directory(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_errno(errno, fmt::format("cannot make the directory of control sockets '{}'", directory));
  return check_directory(directory, false);
}

Result<std::vector<LiveName>> live_names(const std::string& directory) {
  std::vector<LiveName> names;
  const Result<> checked = check_directory(directory, true);
  if (!checked && checked.error().code == Code::not_found) return names;
  if (!checked) return std::unexpected(checked.error());
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(directory.c_str()), ::closedir);
  if (open == nullptr) return fail_errno(errno, fmt::format("cannot list '{}'", directory));
  while (const dirent* entry = ::readdir(open.get())) {
    if (auto name = parse_live_name(entry->d_name)) names.push_back(*std::move(name));
  }
  std::sort(names.begin(), names.end(), [](const LiveName& a, const LiveName& b) { return a.pid < b.pid; });
  return names;
}

Result<sockaddr_un> socket_address(const std::string& file) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (file.size() >= sizeof address.sun_path)
    return fail(Code::unsupported, fmt::format("'{}' is too long for the name of a socket ({} bytes at most); set "
                                               "XDG_RUNTIME_DIR to a shorter directory",
                                               printable(file), sizeof address.sun_path - 1));
  std::copy(file.begin(), file.end(), std::begin(address.sun_path));
  return address;
}

Result<Descriptor> connect_live(const std::string& directory, const LiveName& name) {
  const std::string file = fmt::format("{}/{}", directory, file_of(name));
  const auto address = socket_address(file);
  if (!address) return std::unexpected(address.error());
  Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(errno, "cannot make a socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0) return fd;
  if (errno != ECONNREFUSED && errno != ENOENT)
    return fail_errno(errno, fmt::format("cannot connect to '{}'", printable(file)));
  // A socket gets its name when it listens already, so nobody is about to listen here.
  ::unlink(file.c_str());
  return fail(Code::connection, fmt::format("the command with pid {} has ended", name.pid));
}

void sweep(const std::string& directory) {
  const auto names = live_names(directory);
  if (!names) return;
  for (const LiveName& name : *names) (void)connect_live(directory, name);
}

Result<LiveName> choose_live(const std::vector<LiveName>& names, std::string_view word) {
  const auto bad = [](std::string text) { return fail(Code::usage, std::move(text)); };
  if (names.empty()) return bad("no transfer of this user runs here");
  if (word == "-") {
    if (names.size() == 1) return names.front();
    return bad(fmt::format("'-' means the only transfer that runs, and there are {}: {}", names.size(), listed(names)));
  }
  const auto pid = parse_pid(word);
  std::vector<LiveName> found;
  for (const LiveName& name : names) {
    if (pid && name.pid == *pid) return name;
    const bool whole = word.size() > short_id && word.size() <= id_max && is_hex(word) && word.starts_with(name.id);
    if (whole || (!word.empty() && name.id.starts_with(word))) found.push_back(name);
  }
  if (found.size() == 1) return found.front();
  if (found.empty())
    return bad(fmt::format("no transfer that runs here is called '{}'; there are: {}", printable(word), listed(names)));
  return bad(fmt::format("'{}' means {} transfers that run here: {}; say which by its pid", printable(word),
                         found.size(), listed(found)));
}

}  // namespace longhaul::cli
