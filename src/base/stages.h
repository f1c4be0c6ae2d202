// What the time of a thread goes into, by stage: each moment counts for exactly one, so that all of them together are
// the time that the thread has lived.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/clock.h"

namespace longhaul {

/// Work first, then waiting. The numbers cross the wire: new ones go to the end, and none is used again.
enum class Stage : std::uint8_t {
  other,   ///< mail, messages, decisions: whatever is none of the following
  walk,    ///< finding what is in the source
  names,   ///< opening, making, looking at, renaming files, and setting their properties
  read,    ///< calls that read content
  digest,  ///< digests of the side that reads
  pack,
  seal,
  send,     ///< calls that hand bytes to the network
  receive,  ///< calls that take bytes from it
  unseal,
  unpack,
  verify,  ///< digests of what came
  write,   ///< calls that write content, journal, manifest
  sync,    ///< calls that make it durable
  idle,    ///< nothing to do
  // With work to do, and not able to go on with it:
  wait_chunks,   ///< a stream that sends has nothing to send
  wait_resume,   ///< it is paused
  wait_read,     ///< a read is under way
  wait_send,     ///< connections take no more now
  wait_receive,  ///< nothing has come
  wait_write,    ///< writes are under way, and hold all buffers, or as much as the disk is given
  wait_commit,   ///< too much waits to become durable
  wait_sync,     ///< a sync is under way
};
constexpr std::size_t stage_count = static_cast<std::size_t>(Stage::wait_sync) + 1;

/// "read", "wait_read": for programs.
[[nodiscard]] std::string_view name_of(Stage stage);

/// Nanoseconds by stage.
class StageTimes {
 public:
  [[nodiscard]] Time& operator[](Stage stage) { return times_[static_cast<std::size_t>(stage)]; }
  [[nodiscard]] Time operator[](Stage stage) const { return times_[static_cast<std::size_t>(stage)]; }
  StageTimes& operator+=(const StageTimes& other);
  /// Since `earlier`. A stage may have become a little less: its owner read the clock before the one who asked, and
  /// wrote after.
  [[nodiscard]] StageTimes since(const StageTimes& earlier) const;
  [[nodiscard]] Time sum() const;
  [[nodiscard]] const std::array<Time, stage_count>& all() const { return times_; }

 private:
  std::array<Time, stage_count> times_{};
};

/// One thread's (in a simulation: one role's). Written by the thread that runs it, in cache lines of its own; a change
/// of stage reads the clock once and stores a few words.
class alignas(64) StageClock {
 public:
  /// Any thread: all that has been spent up to `now`, the piece that is under way as well.
  [[nodiscard]] StageTimes times(Time now) const;

  /// The owner, in a step: what it will wait for after it. Until it says so: idle.
  void waits_for(Stage why) { wait_ = why; }
  /// The owner: its thread ends; nothing counts any more.
  void end(Time now);

  /// One step of a role: what is between two of them is waiting. Scopes of this thread count here meanwhile.
  class Step {
   public:
    Step(StageClock& stages, Clock& clock, Time now);
    ~Step();
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    StageClock& stages_;
    StageClock* before_;
  };

 private:
  friend class StageScope;
  Stage enter(Stage next, Time now);
  Stage enter(Stage next) { return enter(next, clock_->now()); }

  // Odd while a change is under way: readers look again. Who has read a piece of such a change finds another number
  // afterwards, for all that follows is stored with release and read with acquire.
  std::atomic<std::uint32_t> changes_{0};
  std::atomic<Stage> stage_{Stage::idle};
  std::atomic<Time> since_{0};  ///< 0: not begun, or ended
  std::array<std::atomic<Time>, stage_count> spent_{};
  // The owner's alone.
  Stage wait_ = Stage::idle;
  Clock* clock_ = nullptr;
};

/// Of the step that runs on this thread; null: none, and nothing is counted.
inline constinit thread_local StageClock* stages_of_thread = nullptr;

/// From here to the end of the block the thread's time is this stage's, but for the scopes inside it.
class StageScope {
 public:
  explicit StageScope(Stage stage) : stages_(stages_of_thread) {
    if (stages_ != nullptr) before_ = stages_->enter(stage);
  }
  ~StageScope() {
    if (stages_ != nullptr) stages_->enter(before_);
  }
  StageScope(const StageScope&) = delete;
  StageScope& operator=(const StageScope&) = delete;

 private:
  StageClock* stages_;
  Stage before_ = Stage::other;
};

}  // namespace longhaul
