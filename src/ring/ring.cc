#include "ring/ring.h"

#include <fmt/format.h>
#include <liburing.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "ring/setup.h"
#include "ring/wake.h"

namespace longhaul::ring {
namespace {

// What a completion belongs to stands in its user data: the lowest two bits tell the kind.
//   data:  the address of its Completion
//   poll:  generation (32 bits) | fd (30 bits) | tag
enum Tag : std::uint64_t { tag_data = 0, tag_poll = 1, tag_wake = 2, tag_ignored = 3 };
constexpr std::uint64_t tag_mask = 3;
static_assert(alignof(Completion) > tag_mask);

std::uint64_t poll_name(int fd, std::uint32_t generation) {
  return std::uint64_t{generation} << 32 | static_cast<std::uint64_t>(fd) << 2 | tag_poll;
}

/// One watched descriptor. The generation makes a late completion of a closed and reused descriptor recognisable.
struct Watch {
  std::uint32_t generation = 0;
  std::uint32_t events = 0;  ///< 0: not armed
};

struct Finished {
  std::uint64_t name = 0;
  std::int32_t result = 0;
};

}  // namespace

struct Ring::State {
  explicit State(Clock& its_clock) : clock(its_clock) {}
  ~State();

  io_uring_sqe& prepare();
  void submit(bool fetch_completions);
  void stash();
  void dispatch();
  void finish(const Finished& finished);
  void arm_wake();
  void disarm(int fd, Watch& watch);
  void sleep(const __kernel_timespec* limit);
  [[nodiscard]] bool is_registered(const std::byte* data, std::size_t bytes) const {
    return data >= arena.data() && data + bytes <= arena.data() + arena.size();
  }

  Clock& clock;
  io_uring uring{};
  bool made = false;
  WakeFlag wake;
  std::vector<Watch> watches;     ///< by descriptor
  std::vector<Finished> stashed;  ///< taken from the kernel, not yet dispatched
  std::vector<Finished> dispatching;
  std::span<std::byte> arena;
  unsigned data_in_flight = 0;
  bool noticed = false;    ///< a wake or readiness was met that no `wait` has reported
  bool completed = false;  ///< a data operation completed during this `wait`
};

Ring::State::~State() {
  if (!made) return;
  LH_CHECK(data_in_flight == 0, "every data operation has completed before its ring goes");
  take_down(uring);
}

/// A submission entry; when the queue is full, what is prepared goes first.
io_uring_sqe& Ring::State::prepare() {
  io_uring_sqe* entry = io_uring_get_sqe(&uring);
  while (entry == nullptr) {
    submit(false);
    stash();  // a full completion queue would refuse submissions
    entry = io_uring_get_sqe(&uring);
  }
  return *entry;
}

void Ring::State::submit(bool fetch_completions) {
  const int submitted = fetch_completions ? io_uring_submit_and_get_events(&uring) : io_uring_submit(&uring);
  // EBUSY, EAGAIN, ENOMEM: the kernel wants completions to be taken first, or has no memory now; all is tried again by
  // the next call.
  LH_CHECK(submitted >= 0 || submitted == -EINTR || submitted == -EBUSY || submitted == -EAGAIN || submitted == -ENOMEM,
           fmt::format("io_uring takes submissions (only from the thread that made the ring): {}",
                       std::strerror(-submitted)));
}

/// Takes everything that the kernel has finished.
void Ring::State::stash() {
  unsigned head = 0;
  unsigned taken = 0;
  io_uring_cqe* entry = nullptr;
  io_uring_for_each_cqe(&uring, head, entry) {
    stashed.push_back({.name = entry->user_data, .result = entry->res});
    ++taken;
  }
  io_uring_cq_advance(&uring, taken);
}

void Ring::State::dispatch() {
  stash();
  while (!stashed.empty()) {
    dispatching.clear();
    std::swap(stashed, dispatching);  // `complete` may prepare operations, and that may stash
    for (const Finished& finished : dispatching) finish(finished);
    stash();
  }
}

void Ring::State::finish(const Finished& finished) {
  switch (static_cast<Tag>(finished.name & tag_mask)) {
    case tag_data:
      --data_in_flight;
      completed = true;
      reinterpret_cast<Completion*>(finished.name)->complete(finished.result);
      return;
    case tag_poll: {
      const auto fd = static_cast<std::size_t>(finished.name >> 2 & 0x3fffffff);
      Watch& watch = watches[fd];
      if (watch.events == 0 || watch.generation != finished.name >> 32) return;
      watch.events = 0;
      noticed = true;
      return;
    }
    case tag_wake:
      wake.drain();
      arm_wake();
      noticed = true;
      return;
    case tag_ignored:
      return;
  }
}

void Ring::State::arm_wake() {
  io_uring_sqe& entry = prepare();
  io_uring_prep_poll_add(&entry, wake.fd(), POLLIN);
  entry.user_data = tag_wake;
}

void Ring::State::disarm(int fd, Watch& watch) {
  io_uring_sqe& entry = prepare();
  io_uring_prep_poll_remove(&entry, poll_name(fd, watch.generation));
  entry.user_data = tag_ignored;
  watch.events = 0;
}

/// Submits, and waits for a first completion or `limit` (null: for ever).
void Ring::State::sleep(const __kernel_timespec* limit) {
  __kernel_timespec copy{};
  if (limit != nullptr) copy = *limit;
  io_uring_cqe* first = nullptr;
  const int got = io_uring_submit_and_wait_timeout(&uring, &first, 1, limit != nullptr ? &copy : nullptr, nullptr);
  LH_CHECK(got >= 0 || got == -ETIME || got == -EINTR || got == -EBUSY || got == -EAGAIN || got == -ENOMEM,
           fmt::format("io_uring can wait (only in the thread that made the ring): {}", std::strerror(-got)));
}

Ring::Ring(std::unique_ptr<State> state) : state_(std::move(state)) {}
Ring::~Ring() = default;

Result<std::unique_ptr<Ring>> Ring::make(Clock& clock, unsigned entries) {
  auto state = std::make_unique<State>(clock);
  if (!state->wake.valid()) return fail_errno(errno, "cannot make an eventfd");
  if (auto made = set_up(state->uring, entries); !made) return std::unexpected(made.error());
  state->made = true;
  io_uring_register_ring_fd(&state->uring);  // a little faster where the kernel has it; nothing depends on it
  state->stashed.reserve(entries * 4);
  state->dispatching.reserve(entries * 4);
  state->arm_wake();
  return std::unique_ptr<Ring>(new Ring(std::move(state)));
}

void Ring::read(int fd, std::span<std::byte> into, std::uint64_t offset, Completion& completion) {
  io_uring_sqe& entry = state_->prepare();
  const auto bytes = static_cast<unsigned>(into.size());
  if (state_->is_registered(into.data(), into.size()))
    io_uring_prep_read_fixed(&entry, fd, into.data(), bytes, offset, 0);
  else
    io_uring_prep_read(&entry, fd, into.data(), bytes, offset);
  entry.user_data = reinterpret_cast<std::uint64_t>(&completion);
  ++state_->data_in_flight;
}

void Ring::write(int fd, std::span<const std::byte> from, std::uint64_t offset, Completion& completion) {
  io_uring_sqe& entry = state_->prepare();
  const auto bytes = static_cast<unsigned>(from.size());
  if (state_->is_registered(from.data(), from.size()))
    io_uring_prep_write_fixed(&entry, fd, from.data(), bytes, offset, 0);
  else
    io_uring_prep_write(&entry, fd, from.data(), bytes, offset);
  entry.user_data = reinterpret_cast<std::uint64_t>(&completion);
  ++state_->data_in_flight;
}

void Ring::sync(int fd, bool data_only, Completion& completion) {
  io_uring_sqe& entry = state_->prepare();
  io_uring_prep_fsync(&entry, fd, data_only ? IORING_FSYNC_DATASYNC : 0);
  entry.user_data = reinterpret_cast<std::uint64_t>(&completion);
  ++state_->data_in_flight;
}

bool Ring::register_memory(std::span<std::byte> arena) {
  LH_CHECK(state_->arena.empty(), "one arena is registered per ring");
  const iovec whole{.iov_base = arena.data(), .iov_len = arena.size()};
  const int error = -io_uring_register_buffers(&state_->uring, &whole, 1);
  if (error == 0) {
    state_->arena = arena;
    return true;
  }
  log::warn(
      fmt::format("buffers cannot be registered with io_uring ({}); direct disk I/O costs a little more CPU. "
                  "Raise the limit of locked memory (`ulimit -l`) above {} KiB a worker",
                  std::strerror(error), arena.size() / 1024));
  return false;
}

void Ring::collect() {
  const bool unsubmitted = io_uring_sq_ready(&state_->uring) > 0;
  const bool deferred =
      (IO_URING_READ_ONCE(*state_->uring.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
  if (unsubmitted || deferred) state_->submit(true);
  state_->dispatch();
}

void Ring::wait_for_data() {
  const unsigned before = state_->data_in_flight;
  collect();
  while (state_->data_in_flight != 0 && state_->data_in_flight == before) {
    state_->sleep(nullptr);
    state_->dispatch();
  }
}

void Ring::watch(int fd, bool readable, bool writable) {
  LH_CHECK(fd >= 0 && fd <= 0x3fffffff, "an open descriptor is watched");
  const unsigned events = (readable ? unsigned{POLLIN} : 0U) | (writable ? unsigned{POLLOUT} : 0U);
  if (events == 0) return forget(fd);
  const auto index = static_cast<std::size_t>(fd);
  if (index >= state_->watches.size()) state_->watches.resize(std::max(index + 1, state_->watches.size() * 2));
  Watch& watch = state_->watches[index];
  if (watch.events == events) return;
  if (watch.events != 0) state_->disarm(fd, watch);
  ++watch.generation;
  io_uring_sqe& entry = state_->prepare();
  io_uring_prep_poll_add(&entry, fd, events);
  entry.user_data = poll_name(fd, watch.generation);
  watch.events = events;
}

void Ring::forget(int fd) {
  const auto index = static_cast<std::size_t>(fd);
  if (fd < 0 || index >= state_->watches.size() || state_->watches[index].events == 0) return;
  state_->disarm(fd, state_->watches[index]);
  // At once: until the kernel has dropped its reference, closing the descriptor would not close the connection.
  state_->submit(true);
}

void Ring::wait(Time, Time until) {
  const bool may_sleep = state_->wake.fall_asleep();
  state_->completed = false;
  collect();
  if (may_sleep && !state_->noticed && !state_->completed) {
    const Time left = until == time_never ? 0 : std::max<Time>(0, until - state_->clock.now());
    const __kernel_timespec limit{.tv_sec = left / second, .tv_nsec = left % second};
    if (until == time_never || left > 0) state_->sleep(until == time_never ? nullptr : &limit);
    state_->dispatch();
  }
  state_->noticed = false;
  if (may_sleep) state_->wake.rise();
}

void Ring::wake() {
  state_->wake.wake();
}

}  // namespace longhaul::ring
