#include "ring/setup.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "ring/ring.h"

namespace longhaul::ring {
namespace {

constexpr unsigned deferred = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                              IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP;  // since 6.1
constexpr unsigned cooperative =
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP;  // since 5.19
constexpr std::array<unsigned, 3> flags_in_falling_order = {deferred, cooperative, IORING_SETUP_CLAMP};

// NODROP: no completion is ever lost. EXT_ARG: a wait can have a deadline without a timeout operation.
constexpr unsigned features_needed = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;

std::string reason_for_eperm() {
  int disabled = 0;
  std::ifstream("/proc/sys/kernel/io_uring_disabled") >> disabled;
  if (disabled == 2)
    return "it is switched off on this machine; `sysctl kernel.io_uring_disabled=0` as root switches it on";
  if (disabled == 1)
    return "it is kept for privileged users and the group in kernel.io_uring_group (kernel.io_uring_disabled is 1); "
           "join that group, or set it to 0 as root";
  return "a seccomp filter forbids it, as containers do by default; allow io_uring_setup, io_uring_enter and "
         "io_uring_register in the container's seccomp profile";
}

std::string reason_for(int error) {
  switch (error) {
    case ENOSYS:
      return "this kernel has none (before 5.11, built without it, or hidden by a sandbox)";
    case EPERM:
    case EACCES:
      return reason_for_eperm();
    case ENOMEM:
      return "there is not enough lockable memory for its queues; raise `ulimit -l`";
    case EMFILE:
    case ENFILE:
      return "too many files are open; raise `ulimit -n`";
    default:
      return fmt::format("the kernel answers: {}", std::strerror(error));
  }
}

std::unexpected<Error> refuse(const std::string& reason, int error) {
  return fail(Code::unsupported, fmt::format("io_uring cannot be used: {}", reason), error);
}

io_uring_restriction may_submit(std::uint8_t operation) {
  io_uring_restriction rule{};
  rule.opcode = IORING_RESTRICTION_SQE_OP;
  rule.sqe_op = operation;
  return rule;
}

io_uring_restriction may_register(std::uint8_t what) {
  io_uring_restriction rule{};
  rule.opcode = IORING_RESTRICTION_REGISTER_OP;
  rule.register_op = what;
  return rule;
}

/// A seccomp filter does not see what a ring does. This one reads, writes, syncs and polls what is open already, and
/// never does anything else: no opening, no connecting, no flags of submissions.
int restrict(io_uring& ring) {
  std::array rules = {may_submit(IORING_OP_READ),
                      may_submit(IORING_OP_READ_FIXED),
                      may_submit(IORING_OP_WRITE),
                      may_submit(IORING_OP_WRITE_FIXED),
                      may_submit(IORING_OP_FSYNC),
                      may_submit(IORING_OP_POLL_ADD),
                      may_submit(IORING_OP_POLL_REMOVE),
                      may_register(IORING_REGISTER_BUFFERS),
                      may_register(IORING_UNREGISTER_BUFFERS),
                      may_register(IORING_REGISTER_RING_FDS),
                      may_register(IORING_UNREGISTER_RING_FDS)};
  // By their numbers: liburing 2.3's shared library does not have the two functions for it that its header has.
  const auto fd = static_cast<unsigned>(ring.ring_fd);
  const int error = io_uring_register(fd, IORING_REGISTER_RESTRICTIONS, rules.data(), rules.size());
  return error != 0 ? error : io_uring_register(fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
}

/// The kernel gives the addresses of queues that one thread has unmapped to the next ring, of another thread perhaps.
/// liburing maps them by system calls of its own, so that ThreadSanitizer would take the two rings for one memory: this
/// says what the kernel guarantees, that a ring's end comes before its successor's beginning.
std::atomic<unsigned> rings_ended{0};

}  // namespace

void take_down(io_uring& ring) {
  rings_ended.fetch_add(1, std::memory_order_release);
  io_uring_queue_exit(&ring);
}

Result<> set_up(io_uring& ring, unsigned entries) {
  const char* forbidden = std::getenv("LONGHAUL_NO_IO_URING");
  if (forbidden != nullptr && std::strcmp(forbidden, "1") == 0)
    return refuse("LONGHAUL_NO_IO_URING=1 is set in the environment", EPERM);
  int error = EINVAL;
  for (const unsigned flags : flags_in_falling_order) {
    io_uring_params params{};
    params.flags = flags | IORING_SETUP_R_DISABLED;
    error = -io_uring_queue_init_params(entries, &ring, &params);
    if (error == EINVAL) continue;
    if (error != 0) return refuse(reason_for(error), error);
    (void)rings_ended.load(std::memory_order_acquire);
    const bool sufficient = (params.features & features_needed) == features_needed;
    error = sufficient ? -restrict(ring) : ENOSYS;
    if (error == 0) return {};
    take_down(ring);
    return refuse(sufficient ? reason_for(error) : "this kernel's is too old (before 5.11)", error);
  }
  return refuse(reason_for(error), error);
}

Capabilities probe() {
  io_uring ring{};
  const Result<> made = set_up(ring, 8);
  if (!made) return {.usable = false, .reason = made.error().text};
  take_down(ring);
  return {.usable = true, .reason = {}};
}

}  // namespace longhaul::ring
