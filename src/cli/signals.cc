#include "cli/signals.h"

#include <unistd.h>

#include <csignal>
#include <string_view>

#include "cli/exit_codes.h"

namespace longhaul::cli {
namespace {

static_assert(StopFlag::is_always_lock_free, "a signal handler may touch it only then");

std::atomic<StopFlag*> stop_flag{nullptr};

void say(std::string_view text) {
  // Nothing can be done about a failure here.
  [[maybe_unused]] const ssize_t put = ::write(STDERR_FILENO, text.data(), text.size());
}

void on_signal(int /*number*/) {
  StopFlag* stop = stop_flag.load();
  if (stop->fetch_add(1) == 0) return;
  stop->store(2);
  say("\nlonghaul: stopped at once; what has landed is kept\n");
  ::_exit(static_cast<int>(ExitCode::interrupted));
}

bool is_ignored(int number) {
  struct sigaction now{};
  return ::sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

}  // namespace

void install_signal_handlers(StopFlag& stop) {
  stop_flag.store(&stop);
  struct sigaction action{};
  action.sa_handler = on_signal;  // no SA_RESTART: a blocked read of stdin must come back
  ::sigemptyset(&action.sa_mask);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    if (number == SIGHUP && is_ignored(number)) continue;
    ::sigaction(number, &action, nullptr);
  }
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, nullptr);
}

}  // namespace longhaul::cli
