#include "cli/remote_end.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "cli/printable.h"

namespace longhaul::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds look_every{50};
constexpr int not_found_status = 127;
constexpr int ssh_failed_status = 255;
constexpr std::size_t ticket_bytes_max = 65536;

Result<std::vector<std::string>> words_of(const std::string& text) {
  wordexp_t split{};
  const int failed = ::wordexp(text.c_str(), &split, WRDE_NOCMD | WRDE_UNDEF);
  std::vector<std::string> words;
  if (failed == 0) {
    words.assign(split.we_wordv, split.we_wordv + split.we_wordc);
    ::wordfree(&split);
  }
  if (!words.empty()) return words;
  return fail(Code::usage,
              fmt::format("--ssh: '{}' is no command (words, with quotes where they have blanks)", printable(text)));
}

struct Pipe {
  Descriptor read;
  Descriptor write;
};

/// Neither end survives an exec that does not ask for it.
Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "cannot make a pipe to ssh");
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

Result<pid_t> spawn(std::vector<std::string> words, int standard_in, int standard_out) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_adddup2(&actions, standard_in, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, standard_out, STDOUT_FILENO);
  sigset_t defaults;
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);  // which we ignore, and a child would inherit that
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t pid = 0;
  const int failed = ::posix_spawnp(&pid, arguments[0], &actions, &attributes, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (failed != 0)
    return fail_errno(failed, fmt::format("cannot run '{}' (another command: --ssh)", printable(words[0])));
  return pid;
}

/// Unless it stops already, more urgently perhaps.
void ask_to_stop(StopFlag& stop) {
  int running = 0;
  stop.compare_exchange_strong(running, 1);
}

}  // namespace

Result<std::unique_ptr<RemoteEnd>> RemoteEnd::start(const std::string& ssh, const std::string& host,
                                                    const std::string& command, StopFlag& stop) {
  auto words = words_of(ssh);
  if (!words) return std::unexpected(words.error());
  words->insert(words->end(), {"--", host, command});
  auto leash = make_pipe();
  auto out = make_pipe();
  if (!leash || !out) return std::unexpected(leash ? out.error() : leash.error());
  const auto pid = spawn(*std::move(words), leash->read.get(), out->write.get());
  if (!pid) return std::unexpected(pid.error());
  return std::unique_ptr<RemoteEnd>(new RemoteEnd(host, *pid, std::move(leash->write), std::move(out->read), stop));
}

RemoteEnd::RemoteEnd(std::string host, pid_t pid, Descriptor leash, Descriptor words, StopFlag& stop)
    : host_(std::move(host)), pid_(pid), leash_(std::move(leash)), words_(std::move(words)), stop_(stop) {
  watcher_ = std::thread([this] { watch(); });
}

RemoteEnd::~RemoteEnd() {
  awaited_ = true;
  leash_.reset();
  words_.reset();
  if (!ended_within(2)) ::kill(pid_, SIGTERM);
  if (!ended_within(2)) ::kill(pid_, SIGKILL);
  watcher_.join();
}

void RemoteEnd::watch() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  status_ = status;
  ended_ = true;
  // The last words of the other side may still be on their way to the session, which then knows better.
  constexpr int looks = 60;
  for (int look = 0; look < looks && !awaited_; ++look) std::this_thread::sleep_for(look_every);
  if (awaited_) return;
  surprised_ = true;
  ask_to_stop(stop_);
}

bool RemoteEnd::ended_within(int seconds) {
  for (milliseconds waited{0}; waited < std::chrono::seconds(seconds) && !ended_; waited += look_every)
    std::this_thread::sleep_for(look_every);
  return ended_;
}

Error RemoteEnd::why_ended() const {
  const std::string host = printable(host_);
  const int code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 0;
  if (code == not_found_status)
    return {
        Code::not_found,
        fmt::format("longhaul was not found on {}: install it there, or say where it is with --remote-longhaul", host),
        0};
  if (code == ssh_failed_status)
    return {Code::connection, fmt::format("ssh cannot reach {}, or was cut off; what it said stands above", host), 0};
  if (WIFSIGNALED(status_))
    return {Code::connection, fmt::format("ssh to {} was ended by signal {}", host, WTERMSIG(status_)), 0};
  return {Code::connection, fmt::format("the other end on {} ended (status {}); what it said stands above", host, code),
          0};
}

Result<> RemoteEnd::hand_over(const NameList& names) {
  const Result<> written = names.write(leash_.get(), &stop_);
  if (written || written.error().code == Code::connection || surprised_) return {};
  return written;
}

Result<std::string> RemoteEnd::ticket() {
  std::string line;
  constexpr int look_ms = 100;
  while (line.find('\n') == std::string::npos && line.size() < ticket_bytes_max) {
    if (stop_ != 0 && !surprised_) return fail(Code::interrupted, "stopped before the other end was there");
    pollfd wanted{words_.get(), POLLIN, 0};
    if (::poll(&wanted, 1, look_ms) <= 0) continue;
    char some[4096];
    const ssize_t got = ::read(words_.get(), some, sizeof some);
    if (got < 0 && errno == EINTR) continue;
    if (got > 0) {
      line.append(some, static_cast<std::size_t>(got));
      continue;
    }
    awaited_ = true;
    if (ended_within(2)) return std::unexpected(why_ended());
    break;
  }
  const std::size_t begin = line.rfind("longhaul://");  // behind what a login shell may print
  const std::size_t end = line.find_first_of("\r\n", begin == std::string::npos ? 0 : begin);
  if (begin != std::string::npos && end != std::string::npos) return line.substr(begin, end - begin);
  return fail(Code::protocol,
              fmt::format("the other end on {} printed no ticket: is the longhaul there as new as this one?",
                          printable(host_)));
}

void RemoteEnd::finish(Outcome& outcome) {
  constexpr int patience_s = 10;  // a receiver may still finish its directories
  awaited_ = true;
  if (outcome.ok) (void)ended_within(patience_s);
  if (!surprised_ || outcome.ok) return;
  outcome.error = why_ended();
  outcome.error.text += "; the same command again continues";
}

void end_with_stdin(StopFlag& stop) {
  std::thread([&stop] {
    char ignored[256];
    for (;;) {
      const ssize_t got = ::read(STDIN_FILENO, ignored, sizeof ignored);
      if (got > 0 || (got < 0 && errno == EINTR)) continue;
      ask_to_stop(stop);
      return;
    }
  }).detach();
}

std::string address_of_ssh() {
  const char* value = std::getenv("SSH_CONNECTION");  // "client port server port"
  if (value == nullptr) return {};
  std::string text = value;
  std::vector<std::string> words;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words.size() == 4 ? words[2] : std::string();
}

}  // namespace longhaul::cli
