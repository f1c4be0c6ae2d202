// The other end of a copy, started by ssh. It lives on a leash: it ends when its standard input does, and with that
// whatever becomes of this process, of ssh or of the network between them.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cli/descriptor.h"
#include "longhaul/name_list.h"
#include "longhaul/status.h"
#include "longhaul/transfer.h"

namespace longhaul::cli {

class RemoteEnd {
 public:
  /// Runs `SSH -- HOST COMMAND`; `ssh` is split into words as a shell does it, without running anything. What the other
  /// side says on stderr goes to ours. `stop` is raised when ssh ends before `finish`.
  static Result<std::unique_ptr<RemoteEnd>> start(const std::string& ssh, const std::string& host,
                                                  const std::string& command, StopFlag& stop);
  ~RemoteEnd();
  RemoteEnd(const RemoteEnd&) = delete;
  RemoteEnd& operator=(const RemoteEnd&) = delete;

  /// Gives the other end the list of names that it was told to read from the leash. That it has ended is told by
  /// `ticket`. Errors: the list; interrupted.
  [[nodiscard]] Result<> hand_over(const NameList& names);
  /// What the other end prints first. Waits for it as long as ssh lives and nobody says stop.
  [[nodiscard]] Result<std::string> ticket();
  /// The transfer is over at this side: lets the other side come to its end, and ends it if it does not. When ssh ended
  /// before its time, that is why the transfer failed.
  void finish(Outcome& outcome);

 private:
  RemoteEnd(std::string host, pid_t pid, Descriptor leash, Descriptor words, StopFlag& stop);
  void watch();
  [[nodiscard]] bool ended_within(int seconds);
  [[nodiscard]] Error why_ended() const;

  std::string host_;
  pid_t pid_;
  Descriptor leash_;  ///< its standard input
  Descriptor words_;  ///< its standard output
  StopFlag& stop_;
  std::atomic<bool> awaited_{false};  ///< its end is no surprise any more
  std::atomic<bool> ended_{false};
  std::atomic<bool> surprised_{false};
  int status_ = 0;  ///< as waitpid has it; once ended_
  std::thread watcher_;
};

/// For the process at the other side of the leash: raises `stop` when standard input ends.
void end_with_stdin(StopFlag& stop);

/// The address by which ssh came in, from $SSH_CONNECTION; empty: it did not.
[[nodiscard]] std::string address_of_ssh();

}  // namespace longhaul::cli
