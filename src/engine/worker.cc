#include "engine/worker.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/receive_stream.h"
#include "engine/send_stream.h"

namespace longhaul::engine {
namespace {

// Slots: 4 to work with, 8 for O_DIRECT in flight, and one for each stream that may stand half-sent or half-received.
// As the free list gives the hottest first, those of streams that never stand so cost no memory.
constexpr unsigned slots_hot = 4 + 8;
constexpr unsigned streams_per_worker_max = 64;
constexpr unsigned slots_per_worker = slots_hot + streams_per_worker_max;
// A paused stream (no slot, commit backlog) is looked at again so soon.
constexpr Time paused_wait = 2 * millisecond;

}  // namespace

Worker::Worker(Kit kit, unsigned number, StreamEvents& events, const WorkerSetup& setup)
    : mailbox_(kit.poller.get()),
      context_{number,
               std::move(kit),
               SlotPool({.count = slots_per_worker, .hot = slots_hot, .touch = setup.touch_memory}),
               FramePacking(setup.compression, *setup.clock),
               events,
               {},
               0,
               [this] { reap(); },
               {}},
      comparer_(*context_.kit.disk, context_.reap) {
  context_.kit.disk->register_memory(context_.slots.arena());
}

Worker::~Worker() = default;

void WorkerContext::note_landed(const IncomingTransfer& transfer, LandedFile file) {
  constexpr std::size_t landed_max = 64;  // storage may begin with them
  transfer.files->backlog.fetch_add(1, std::memory_order_relaxed);
  if (landed_for != transfer.events) tell_landed();
  landed_for = transfer.events;
  landed.push_back(std::move(file));
  if (landed.size() >= landed_max) tell_landed();
}

void WorkerContext::tell_landed() {
  if (!landed.empty()) landed_for->landed(std::exchange(landed, {}));
}

void Worker::join(StreamSetup setup) {
  const std::uint32_t id = setup.id;
  if (setup.sends)
    senders_[id] = std::make_unique<SendStream>(std::move(setup), context_);
  else
    receivers_[id] = std::make_unique<ReceiveStream>(std::move(setup), context_);
}

void Worker::assign(std::uint32_t stream, ChunkTask task) {
  if (const auto at = senders_.find(stream); at != senders_.end()) at->second->assign(std::move(task));
}

void Worker::cancel(std::uint32_t stream, std::uint32_t transfer, const paths::Load& copy) {
  const auto at = senders_.find(stream);
  if (at == senders_.end()) return;
  if (const auto sent = at->second->cancel(transfer, copy))
    context_.events.task_dropped(stream, transfer, {copy.file, copy.chunk, copy.attempt, *sent});
}

void Worker::call_back(std::uint32_t stream, std::uint32_t transfer, const paths::Load& copy) {
  const auto at = senders_.find(stream);
  if (at != senders_.end() && at->second->call_back(transfer, copy))
    context_.events.task_dropped(stream, transfer, {copy.file, copy.chunk, copy.attempt, 0});
}

void Worker::close_stream(std::uint32_t stream, Error why) {
  end_stream(stream, std::move(why));
}

void Worker::set_pace(std::uint32_t stream, std::uint64_t bytes_per_s, bool held) {
  if (const auto at = senders_.find(stream); at != senders_.end()) at->second->set_pace(bytes_per_s, held);
}

void Worker::set_congestion(std::uint32_t stream, const std::string& name) {
  if (const auto at = senders_.find(stream); at != senders_.end()) at->second->set_congestion(name);
}

void Worker::send_message(std::uint32_t stream, const protocol::Message& message) {
  if (const auto at = senders_.find(stream); at != senders_.end()) at->second->channel().queue(message);
  if (const auto at = receivers_.find(stream); at != receivers_.end()) at->second->queue(message);
}

void Worker::close_incoming(std::uint32_t transfer, std::function<void()> done) {
  context_.incoming.erase(transfer);
  for (const auto& [id, stream] : receivers_) stream->forget(transfer);
  for (const auto& stream : ended_receivers_) stream->forget(transfer);
  closing_.emplace_back(transfer, std::move(done));
}

void Worker::drop_outgoing(std::uint32_t transfer) {
  for (auto& [id, stream] : senders_) stream->drop_transfer(transfer);
}

void Worker::compare(ContentJob job) {
  comparer_.count(job);
  auto shared = std::make_shared<ContentJob>(std::move(job));
  post([shared](Worker& self) { self.comparer_.add(std::move(*shared)); });
}

/// Nothing moves: whoever waits for the wire leaves time in which frames can be packed.
void Worker::note_wait(Time now) {
  const bool for_wire =
      std::any_of(senders_.begin(), senders_.end(), [](const auto& each) { return each.second->wire_limits(); });
  waits_since_ = for_wire ? now : 0;
}

/// Of several streams, that which could go on soonest: one that waits for its path does not hold up one that has
/// nothing to send because a disk is slow.
Stage Worker::waits_for() const {
  constexpr std::array most_telling = {Stage::wait_read,   Stage::wait_send,    Stage::wait_commit, Stage::wait_write,
                                       Stage::wait_resume, Stage::wait_receive, Stage::wait_chunks};
  std::array<bool, stage_count> waits{};
  for (const auto& [id, stream] : senders_) waits[static_cast<std::size_t>(stream->waits_for())] = true;
  for (const auto& [id, stream] : receivers_) waits[static_cast<std::size_t>(stream->waits_for())] = true;
  if (comparer_.reads()) waits[static_cast<std::size_t>(Stage::wait_read)] = true;
  const auto* const found =
      std::ranges::find_if(most_telling, [&](Stage each) { return waits[static_cast<std::size_t>(each)]; });
  return found == most_telling.end() ? Stage::idle : *found;
}

Time Worker::step(Time now) {
  context_.now = now;
  if (const Time since = std::exchange(waits_since_, 0); since != 0) context_.packing.idled(now - since);
  for (auto& mail : mailbox_.take()) mail(*this);
  // Streams reap too, and what they reap may be another's, which has had its turn: whatever was reaped, all go on.
  reaped_ = false;
  reap();
  const bool streams_moved = step_streams(now);
  const bool moved = comparer_.step() || streams_moved;
  reap();
  context_.tell_landed();
  finish_closing();
  if (stopping_) {
    while (!senders_.empty()) end_stream(senders_.begin()->first, {Code::interrupted, "stopped", 0});
    while (!receivers_.empty()) end_stream(receivers_.begin()->first, {Code::interrupted, "stopped", 0});
  }
  Time again = time_never;
  for (auto& [id, stream] : senders_) again = std::min(again, stream->look_at_health(now));
  if (moved || reaped_) return now;
  note_wait(now);
  stages.waits_for(waits_for());
  bool paused = false;
  Time look = time_never;
  for (auto& [id, stream] : senders_) look = std::min(look, stream->watch(now));
  for (auto& [id, stream] : receivers_) {
    look = std::min(look, stream->watch(now));
    paused = paused || stream->paused();
  }
  return std::min(look, paused || context_.kit.disk->in_flight() > 0 ? now + paused_wait : again);
}

bool Worker::step_streams(Time) {
  bool moved = false;
  std::vector<std::pair<std::uint32_t, Error>> down;
  for (auto& [id, stream] : receivers_) {
    moved = stream->step() || moved;
    if (const Error* error = stream->error()) down.emplace_back(id, *error);
  }
  for (auto& [id, stream] : senders_) {
    moved = stream->step() || moved;
    if (const Error* error = stream->error()) down.emplace_back(id, *error);
  }
  for (auto& [id, error] : down) end_stream(id, std::move(error));
  return moved || !down.empty();
}

void Worker::end_stream(std::uint32_t id, Error error) {
  if (const auto at = senders_.find(id); at != senders_.end()) {
    at->second->settle_figures();
    at->second->stop_watching();
    ended_senders_.push_back(std::move(at->second));
    senders_.erase(at);
  } else if (const auto receiver = receivers_.find(id); receiver != receivers_.end()) {
    receiver->second->stop_watching();
    ended_receivers_.push_back(std::move(receiver->second));
    receivers_.erase(receiver);
  } else {
    return;
  }
  context_.events.stream_down(id, std::move(error));
}

/// Operations of the ring are handed to the kernel here.
disk::Operation* Worker::reap_one() {
  const StageScope scope(senders_.empty() ? Stage::write : Stage::read);
  return context_.kit.disk->reap();
}

void Worker::reap() {
  while (disk::Operation* operation = reap_one()) {
    reaped_ = true;
    if (comparer_.take(*operation)) continue;
    if (operation->kind == disk::Operation::Kind::read) {
      auto& read = static_cast<OutRead&>(*operation);
      read.frame->stream->read_done(read);
    } else {
      auto& write = static_cast<InWrite&>(*operation);
      write.stream->write_done(write);
    }
  }
  std::erase_if(ended_senders_, [](const auto& stream) { return stream->idle(); });
  std::erase_if(ended_receivers_, [](const auto& stream) { return stream->idle(); });
}

void Worker::finish_closing() {
  std::erase_if(closing_, [&](auto& each) {
    const auto uses = [&](const auto& stream) { return stream->uses(each.first); };
    for (const auto& [id, stream] : receivers_)
      if (uses(stream)) return false;
    if (std::any_of(ended_receivers_.begin(), ended_receivers_.end(), uses)) return false;
    each.second();
    return true;
  });
}

}  // namespace longhaul::engine
