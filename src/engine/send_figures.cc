// What a stream that sends finds out about its connection, and what of it packing depends on.
#include <algorithm>
#include <utility>

#include "base/stages.h"
#include "engine/send_stream.h"

namespace longhaul::engine {
namespace {

constexpr Time look_every = 25 * millisecond;
// A connection that took no more so lately waits for its path: between two such moments up to a send buffer goes out.
constexpr Time refused_for = 250 * millisecond;
// So much on its way, and no chunk left: the stream has to wait for its path before it gets the next one.
constexpr std::uint64_t on_its_way_least = 256 * 1024;
constexpr double peer_held_most = 0.5;
constexpr double peer_held_weight = 0.125;  // of one look: a fifth of a second counts
constexpr std::uint64_t recent_most = 8 * 1024 * 1024;
constexpr std::uint32_t packing_least = 512;  // of a frame: less is one packet either way, and says nothing of the rest

std::uint64_t less(std::uint64_t from, std::uint64_t taken) {
  return from - std::min(from, taken);
}

}  // namespace

Time SendStream::look_at_health(Time now) {
  const bool work = !tasks_.empty() || !frames_.empty() || channel_->wants_to_write();
  if (quiet_ && !work) return time_never;
  if (looked_at_ != 0 && now - looked_at_ < look_every) return looked_at_ + look_every;
  const Time before = std::exchange(looked_at_, now);
  const wire::Health health = channel_->health();
  const bool pressed = !held_ && (channel_->sending() || health.bytes_unsent > 0);
  if (std::exchange(was_pressed_, pressed) && pressed) pressed_ += now - before;
  StreamHealth told;
  told.sample = {.at = now,
                 .rtt = static_cast<Time>(health.rtt_us) * 1000,
                 .acked_bytes = health.bytes_acked,
                 .acks = health.acks,
                 .waiting = health.bytes_in_flight > 0,
                 .handed_bytes = health.bytes_in_flight + health.bytes_unsent,
                 .held = static_cast<Time>(health.held_us) * 1000};
  told.acked_content = told_.acked_content + in_content(less(told.sample.acked_bytes, told_.sample.acked_bytes));
  told.handed_content = in_content(told.sample.handed_bytes);
  told.retransmits = health.retransmits;
  told.sent_bytes = health.bytes_sent;
  told.segment_bytes = health.segment_bytes;
  told.resent_bytes = health.bytes_resent;
  told.pressed = pressed_;
  told.buffer_held = static_cast<Time>(health.buffer_held_us) * 1000;
  told.slots_held = static_cast<Time>(health.slots_held_us) * 1000;
  told.slots = health.slots;
  told.slot_trips = health.slot_trips;
  told.rtt_min = static_cast<Time>(health.rtt_us_min) * 1000;
  counters_->set_health(told);
  if (before != 0 && now > before) {
    const auto held = static_cast<double>(told.sample.held - std::min(told.sample.held, told_.sample.held));
    peer_held_ += (std::min(1.0, held / static_cast<double>(now - before)) - peer_held_) * peer_held_weight;
  }
  told_ = told;
  quiet_ = !work && health.bytes_in_flight + health.bytes_unsent == 0;
  return quiet_ ? time_never : now + look_every;
}

bool SendStream::wire_limits() const {
  return refused_at_ && context_.now - *refused_at_ <= refused_for && peer_held_ < peer_held_most;
}

Stage SendStream::waits_for() const {
  if (channel_->sending()) return Stage::wait_send;
  if (held_) return Stage::wait_resume;
  if (reads_in_flight_ > 0) return Stage::wait_read;
  return told_.sample.handed_bytes >= on_its_way_least ? Stage::wait_send : Stage::wait_chunks;
}

/// How much of files `wire_bytes` of the last frames stand for.
std::uint64_t SendStream::in_content(std::uint64_t wire_bytes) const {
  if (recent_content_ == recent_wire_) return wire_bytes;
  return static_cast<std::uint64_t>(static_cast<double>(wire_bytes) * static_cast<double>(recent_content_) /
                                    static_cast<double>(recent_wire_));
}

void SendStream::note_sent(const protocol::FrameHeader& header) {
  if (header.bare()) return;
  recent_content_ += header.raw_bytes;
  recent_wire_ += header.wire_bytes;
  if (recent_wire_ < recent_most) return;
  recent_content_ /= 2;
  recent_wire_ /= 2;
}

/// Nothing more of it goes out: neither what its kernel still has nor the rest of the frame that it had begun.
void SendStream::settle_figures() {
  const std::uint64_t unsent = channel_->health().bytes_unsent + channel_->frame_bytes_left();
  const auto take_back = [](std::atomic<std::uint64_t>& figure, std::uint64_t bytes) {
    figure.store(less(figure.load(std::memory_order_relaxed), bytes), std::memory_order_relaxed);
  };
  take_back(counters_->content_bytes, in_content(unsent));
  take_back(counters_->wire_bytes, unsent);
}

// --- packing -------------------------------------------------------------------------------------------------------

PackTrials& SendStream::trials_of(ActiveTask& active) {
  if (!active.task.file) return bundle_trials_;
  return active.task.file->one_chunk ? small_file_trials_ : active.task.file->trials;
}

/// The digests in the header stay those of what it unpacks to.
void SendStream::pack(OutFrame& frame, protocol::FrameHeader& header) {
  if (header.raw_bytes < packing_least || !context_.packing.wanted(wire_limits())) return;
  PackTrials& trials = trials_of(*frame.active);
  if (!trials.due()) return;
  const StageScope scope(Stage::pack);
  const std::size_t packed = context_.packing.pack(frame.slot, header.raw_bytes);
  if (packed == 0) {
    trials.did_not();
    counters_->futile_frames.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  trials.shrank();
  header.flags |= protocol::flag_compressed;
  header.wire_bytes = static_cast<std::uint32_t>(packed);
}

}  // namespace longhaul::engine
