// The session's transfers: opening, messages, good endings.
#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "base/usage.h"
#include "engine/session_core.h"
#include "protocol/bounds.h"

namespace longhaul::engine {
namespace {

constexpr Time goodbye_time = 10 * second;
constexpr Time come_back_time = 40 * second;  // until a dead control connection shows, and some dials
constexpr unsigned sink_window_chunks = 8;    // memory of a receiver that writes in order: 8 chunks of 8 MiB

std::string new_id(Random& random) {
  std::array<std::byte, 16> id{};
  random.fill(id);
  return std::string(text_of(id));
}

}  // namespace

void SessionCore::send(std::shared_ptr<Feed> feed, std::function<void(Outcome)> done) {
  post([feed = std::move(feed), done = std::move(done)](SessionCore& self) {
    Outgoing outgoing;
    outgoing.feed = feed;
    outgoing.done = done;
    outgoing.id = new_id(self.world_.random);
    outgoing.began = self.now_;
    outgoing.cpu_began = process_cpu_seconds();
    self.begin_evidence(outgoing, self.now_);
    self.outgoing_[self.next_transfer_] = std::move(outgoing);
    self.next_transfer_ += 2;
    self.stopped_ = false;  // a flag that is still set stops it at once
  });
}

void SessionCore::receive(std::shared_ptr<Sink> sink, std::function<void(Outcome)> done) {
  post([sink = std::move(sink), done = std::move(done)](SessionCore& self) {
    Incoming incoming;
    incoming.sink = sink;
    incoming.done = done;
    incoming.began = self.now_;
    incoming.cpu_began = process_cpu_seconds();
    incoming.times_began = self.own_times(self.now_);
    self.waiting_receives_.push_back(std::move(incoming));
    self.stopped_ = false;
  });
}

/// Nobody is told of a stream that is gone.
void SessionCore::post_to_stream(std::uint32_t stream, std::function<void(Worker&)> mail) {
  if (const auto at = streams_.find(stream); at != streams_.end()) workers_[at->second.worker]->post(std::move(mail));
}

void SessionCore::assign(std::uint32_t stream, ChunkTask task) {
  post_to_stream(stream, [stream, task = std::move(task)](Worker& worker) { worker.assign(stream, task); });
}

void SessionCore::cancel(std::uint32_t stream, std::uint32_t transfer, const paths::Load& copy) {
  post_to_stream(stream, [stream, transfer, copy](Worker& worker) { worker.cancel(stream, transfer, copy); });
}

void SessionCore::call_back(std::uint32_t stream, std::uint32_t transfer, const paths::Load& copy) {
  post_to_stream(stream, [stream, transfer, copy](Worker& worker) { worker.call_back(stream, transfer, copy); });
}

/// The kernel would go on trying for 30 s, ever more rarely: a new connection finds a path that has healed at once.
/// What has arrived by rail is told by the peer's worker, and not by its kernel: one that hangs in a disk is no silent
/// path.
void SessionCore::give_up_stream(std::uint32_t stream) {
  constexpr Time busy_lasts = 3 * second;  // it is said again each second
  const auto at = streams_.find(stream);
  const bool by_rail = at != streams_.end() && at->second.slots > 0;
  if (by_rail && peer_busy_at_ != 0 && now_ - peer_busy_at_ < busy_lasts) return;
  post_to_stream(stream, [stream](Worker& worker) {
    worker.close_stream(stream,
                        {Code::connection, "the peer acknowledged nothing for too long: the path is silent", 0});
  });
}

void SessionCore::file_durable(std::uint32_t, const std::string& path) {
  if (setup_.options.file_events) note(Event::Type::file_durable, {}, path);
}

void SessionCore::file_error(std::uint32_t, FileError error) {
  note(Event::Type::file_error, error.error.text, error.path, error.error);
}

Planner* SessionCore::planner_of(std::uint32_t transfer) {
  const auto at = outgoing_.find(transfer);
  return at == outgoing_.end() ? nullptr : at->second.planner.get();
}

Storage* SessionCore::storage_of(std::uint32_t transfer) {
  const auto at = incoming_.find(transfer);
  return at == incoming_.end() || at->second.phase != Phase::running ? nullptr : at->second.storage;
}

// --- messages
// -----------------------------------------------------------------------------------------------------------

void SessionCore::take_control_messages(Time now) {
  while (control_.up()) {
    auto received = control_.receive(now);
    if (received.lost) control_lost(*received.lost, now);
    if (!received.message) return;
    take_message(*std::move(received.message), now);
  }
}

void SessionCore::take_message(protocol::Message message, Time now) {
  using Body = protocol::Message::BodyCase;
  const auto to_storage = [&](std::uint32_t transfer, auto deliver) {
    if (Storage* storage = storage_of(transfer)) storage->post(std::move(deliver));
  };
  switch (message.body_case()) {
    case Body::kOpenTransfer:
      return open_incoming(message.open_transfer());
    case Body::kAcceptTransfer:
      if (const auto at = outgoing_.find(message.accept_transfer().transfer());
          at != outgoing_.end() && at->second.planner) {
        at->second.planner->accepted(message.accept_transfer());
        at->second.accepted = true;
      }
      return;
    case Body::kAnnounce: {
      const std::uint32_t transfer = message.announce().transfer();  // a thousand entries may be behind it: moved
      return to_storage(transfer, [batch = std::move(*message.mutable_announce())](Storage& storage) mutable {
        storage.announce(std::move(batch));
      });
    }
    case Body::kFileEnd:
      if (message.file_end().state() == protocol::FileEnd::FAILED)
        note_failure(
            message.file_end().transfer(),
            {message.file_end().path(), {static_cast<Code>(message.file_end().code()), message.file_end().text(), 0}});
      return to_storage(message.file_end().transfer(),
                        [end = message.file_end()](Storage& storage) { storage.file_end(end); });
    case Body::kEndOfEntries:
      if (const auto at = incoming_.find(message.end_of_entries().transfer()); at != incoming_.end())
        at->second.entries_known = true;
      return to_storage(message.end_of_entries().transfer(),
                        [end = message.end_of_entries()](Storage& storage) { storage.end_of_entries(end); });
    case Body::kVerdicts:
      if (Planner* planner = planner_of(message.verdicts().transfer())) planner->verdicts(message.verdicts());
      return;
    case Body::kDurable:
      if (Planner* planner = planner_of(message.durable().transfer())) planner->durable(message.durable());
      return;
    case Body::kOldChunk:
      if (Planner* planner = planner_of(message.old_chunk().transfer())) planner->old_chunk(message.old_chunk());
      return;
    case Body::kCompared:
      return take_compared(message.compared());
    case Body::kChunkFailed:
      if (Planner* planner = planner_of(message.chunk_failed().transfer()))
        planner->chunk_failed(message.chunk_failed());
      return;
    case Body::kFileFailed:
      if (Planner* planner = planner_of(message.file_failed().transfer())) planner->file_failed(message.file_failed());
      return;
    case Body::kTransferEnd:
      return transfer_end(message.transfer_end(), now);
    case Body::kGoodbye:
      return goodbye(message.goodbye());
    case Body::kStages:
      return take_stages(message.stages());
    case Body::kAdjust:
      return take_adjust(message.adjust());
    case Body::kAdjusted:
      return take_adjusted(message.adjusted());
    case Body::kAskAddresses:
      return tell_addresses();
    case Body::kAddresses:
      return take_addresses(message.addresses());
    case Body::kStreamGone:
      return take_stream_gone(message.stream_gone());
    case Body::kStanding:
      return take_standing(message.standing());
    case Body::kDeleted:
      return take_deleted(message.deleted());
    case Body::kStop:
      return peer_stopped(message.stop(), now);
    case Body::kBusy:
      return take_busy(message.busy(), now);
    default:
      log::warn("the peer sent a message that has no place on the control connection");
  }
}

void SessionCore::take_busy(const protocol::Busy& busy, Time now) {
  peer_busy_at_ = now;
  for (auto& [transfer, outgoing] : outgoing_)
    if (outgoing.planner) outgoing.planner->alive(now);
  note(Event::Type::note, "the peer is busy: " + printable(busy.text()));
}

void SessionCore::take_stream_message(std::uint32_t stream, const protocol::Message& message) {
  if (!message.has_received()) return;
  if (Planner* planner = planner_of(message.received().transfer())) planner->received(stream, message.received());
}

// --- outgoing
// -------------------------------------------------------------------------------------------------------------

void SessionCore::start_planner(std::uint32_t transfer, Outgoing& outgoing, Time now) {
  // The planner may be gone when the feeder speaks: mail finds it by number and by the feeder that it belongs to.
  auto feeder_is = std::make_shared<Feeder*>(nullptr);
  auto deliver = [this, transfer, feeder_is](FeedBatch batch) {
    auto shared = std::make_shared<FeedBatch>(std::move(batch));
    post([transfer, feeder_is, shared](SessionCore& self) {
      const auto at = self.outgoing_.find(transfer);
      if (at != self.outgoing_.end() && at->second.planner && at->second.feeder == *feeder_is)
        at->second.planner->fed(std::move(*shared));
    });
  };
  auto grew = [this] { post([](SessionCore&) {}); };
  outgoing.feeder = static_cast<Feeder*>(&world_.runner.start([&](Kit kit) {
    auto feeder = std::make_unique<Feeder>(std::move(kit), outgoing.feed, deliver, grew);
    *feeder_is = feeder.get();
    return feeder;
  }));
  file_roles_.push_back(outgoing.feeder);
  Planner::Setup setup;
  setup.transfer = transfer;
  setup.feed = outgoing.feed;
  setup.feeder = outgoing.feeder;
  // What can be read once only is kept in memory in pieces of one node.
  const bool chosen = setup_.options.chunk_bytes != 0 && outgoing.feed->rereadable();
  setup.chunk_bytes = chosen ? setup_.options.chunk_bytes : protocol::node_bytes;
  setup.direct = setup_.options.direct;
  setup.rails = !fabrics_.empty();
  setup.sparse = setup_.options.sparse;
  setup.leave_alone = setup_.options.leave_alone;
  setup.publish = setup_.options.publish;
  setup.mirror = setup_.options.mirror;
  setup.delta = delta_used(setup_.options);
  setup.checksum = setup_.options.checksum;
  setup.dry_run = setup_.options.dry_run;
  setup.peer_features = peer_features_;
  setup.stall_after = static_cast<Time>(setup_.options.stall_after_s * static_cast<double>(second));
  outgoing.planner =
      std::make_unique<Planner>(*kit_.plain_disk, static_cast<PlannerHost&>(*this), std::move(setup), now);
  outgoing.planner->pause(is_held());
  budget_due_ = now;
  for (const auto& [id, stream] : streams_)
    if (stream.sends && !stream.released && paths_[stream.path].works())
      offer_stream(*outgoing.planner, id, stream.path);
}

void SessionCore::open_outgoing(Time now) {
  if (!control_.up()) return;
  for (auto& [transfer, outgoing] : outgoing_) {
    if (outgoing.opened) continue;
    if (outgoing.feeder != nullptr && !outgoing.feeder->gone())
      continue;  // of a session before: it still walks the source
    outgoing.opened = true;
    start_planner(transfer, outgoing, now);
    control_.send(outgoing.planner->opening(outgoing.id));
    if (setup_.observer) {
      Event event;
      event.type = Event::Type::start;
      const std::string schedule = schedule_words();
      event.text = schedule.empty() ? "sending" : "sending; the timetable says: " + schedule;
      event.report = std::make_shared<Report>(report_of(outgoing, now));
      setup_.observer(event);
    }
  }
}

void SessionCore::transfer_end(const protocol::TransferEnd& end, Time now) {
  const auto at = outgoing_.find(end.transfer());
  if (at == outgoing_.end() || !at->second.planner) return;
  at->second.planner->failed_late(end);
  at->second.limits = final_limits(at->second, now);
  const Report report = report_of(at->second, now);
  tell_stages(end.transfer(), own_times(now).since(at->second.evidence_began.sender), report.limits);
  protocol::Message message;
  auto& last = *message.mutable_goodbye();
  last.set_transfer(end.transfer());
  last.set_cpu_seconds(report.cpu_seconds_sender);
  last.set_failed_files(report.failed_files);
  last.set_resent_bytes(report.resent_bytes);
  control_.send(message);
  std::optional<Error> error;
  if (!end.ok()) error = Error{static_cast<Code>(end.code()), "the receiver: " + printable(end.text()), 0};
  finish_outgoing(end.transfer(), std::move(error), &end, now);
}

void SessionCore::finish_outgoing(std::uint32_t transfer, std::optional<Error> error, const protocol::TransferEnd* end,
                                  Time now) {
  const auto at = outgoing_.find(transfer);
  if (at == outgoing_.end()) return;
  Outgoing outgoing = std::move(at->second);
  outgoing_.erase(at);
  if (outgoing.feeder != nullptr) outgoing.feeder->stop();
  for (Worker* worker : workers_) worker->post([transfer](Worker& each) { each.drop_outgoing(transfer); });
  Outcome outcome;
  outcome.ok = !error;
  if (error) outcome.error = std::move(*error);
  outcome.report = report_of(outgoing, now);
  if (outcome.ok && !outgoing.limits.empty()) outcome.report.verdict = verdict_of(outgoing.limits);
  if (end != nullptr) {
    outcome.report.cpu_seconds_receiver = end->cpu_seconds();
    outcome.report.files = outgoing.before_files + end->files();
    outcome.report.durability = end->durability();
    outcome.report.owners_not_kept = end->owners_not_kept();
    outcome.report.attributes_not_kept = end->attributes_not_kept();
    outcome.report.modes_not_kept = end->modes_not_kept();
    outcome.report.deleted_files = end->deleted_files();
    outcome.report.deleted_directories = end->deleted_directories();
    outcome.report.deletions_over = end->deletions_over();
    outcome.report.mounts_kept = end->mounts_kept();
    outcome.report.deletions_held = end->deletions_held();
  }
  close_report(outcome.report);
  if (!outcome.ok) outcome.report.forecast.clear();
  if (outcome.ok && !outcome.report.dry_run) ticket_used();
  outgoing.done(std::move(outcome));
}

/// Saved when the last words have gone out: it waits for the disk.
void SessionCore::ticket_used() {
  if (dialler_) return;
  if (TicketRecord* record = tickets_.find(bytes_of(session_ticket_))) record->used = true;
  tickets_unsaved_ = true;
}

// --- incoming
// -------------------------------------------------------------------------------------------------------------

void SessionCore::open_incoming(const protocol::OpenTransfer& open) {
  const bool closing =
      std::any_of(incoming_.begin(), incoming_.end(), [](const auto& each) { return each.second.again; });
  if (closing || waiting_receives_.empty()) {  // an earlier try still lets go of its files, or nobody has asked yet
    constexpr std::size_t waiting_opens_max = 16;
    if (waiting_opens_.size() < waiting_opens_max) waiting_opens_.push_back(open);
    return;
  }
  const std::uint64_t chunk = open.chunk_bytes();
  constexpr std::size_t id_bytes = 16;
  if (open.id().size() != id_bytes || chunk == 0 || chunk % protocol::node_bytes != 0 ||
      chunk > protocol::chunk_bytes_max || incoming_.contains(open.transfer()))
    return tell_stop(open.transfer(), {Code::protocol, "a transfer was opened in a way that makes no sense", 0});
  if (setup_.options.dry_run && !open.dry_run())
    return tell_stop(open.transfer(), {Code::refused, "this receiver was started for a dry run: it writes nothing", 0});
  Incoming incoming = std::move(waiting_receives_.front());
  waiting_receives_.pop_front();
  incoming.dry_run = open.dry_run();
  incoming.id = to_hex(bytes_of(open.id()));
  incoming.phase = Phase::running;
  const std::uint32_t transfer = open.transfer();
  Storage::Setup setup;
  setup.transfer = transfer;
  setup.id = incoming.id;
  setup.sink = incoming.sink;
  setup.chunk_bytes = chunk;
  setup.frame_bytes = protocol::frame_bytes_usual;
  const bool large = fabrics_.empty() && open.frame_bytes() >= protocol::frame_bytes_direct;
  if (large) setup.frame_bytes_direct = protocol::frame_bytes_direct;
  setup.direct = setup_.options.direct;
  setup.syncfs = setup_.options.syncfs;
  ask_for_mirror(open, setup);
  setup.leave_alone = {.newer = open.update(), .missing = open.existing(), .existing = open.ignore_existing()};
  setup.publish_trees = open.publish_tree();
  setup.delta = delta_of(open.delta());
  setup.checksum = delta_of(open.checksum());
  setup.compare = [this](ContentJob job) { give_to_worker(std::move(job)); };
  setup.dry_run = open.dry_run();
  setup.ready = [this, transfer] { post([transfer](SessionCore& self) { self.storage_ready(transfer, self.now_); }); };
  setup.tell = [this, transfer](protocol::Message message) {
    post([transfer, message = std::move(message)](SessionCore& self) {
      const auto at = self.incoming_.find(transfer);
      if (at != self.incoming_.end() && at->second.of_old_session) return;
      if (message.has_file_failed() && !message.file_failed().restart() && !message.file_failed().left_alone())
        self.note_failure(transfer,
                          {message.file_failed().path(),
                           {static_cast<Code>(message.file_failed().code()), message.file_failed().text(), 0}});
      self.control_.send(message);
    });
  };
  setup.failed = [this, transfer](Error error) {
    post([transfer, error = std::move(error)](SessionCore& self) { self.fail_incoming(transfer, error); });
  };
  setup.complete = [this, transfer] {
    post([transfer](SessionCore& self) { self.incoming_complete(transfer, self.now_); });
  };
  setup.closed = [this, transfer] { post([transfer](SessionCore& self) { self.incoming_closed(transfer); }); };
  incoming.storage = static_cast<Storage*>(&world_.runner.start(
      [&](Kit kit) { return std::make_unique<Storage>(std::move(kit), world_, std::move(setup)); }));
  file_roles_.push_back(incoming.storage);
  incoming_[transfer] = std::move(incoming);
}

void SessionCore::storage_ready(std::uint32_t transfer, Time now) {
  const auto at = incoming_.find(transfer);
  if (at == incoming_.end() || at->second.phase != Phase::running) return;
  Incoming& incoming = at->second;
  const IncomingTransfer landing{incoming.storage->files(), incoming.storage->zone(), incoming.storage};
  for (Worker* worker : workers_) worker->post([landing](Worker& each) { each.open_incoming(landing); });
  const bool directory = incoming.storage->zone() != nullptr;
  if (directory && setup_.options.syncfs && !incoming.storage->syncs_together())
    note(Event::Type::note,
         "--syncfs: the target's file system is none of ext4, XFS and Btrfs (Linux 5.8 or later), which are known to "
         "sync everything when they are asked to: each file is synced by itself");
  const auto report = std::make_shared<Report>(report_of(incoming, now));
  protocol::Message message;
  auto& accept = *message.mutable_accept_transfer();
  accept.set_transfer(transfer);
  accept.set_frame_bytes(incoming.storage->files()->frame_bytes());
  accept.set_window_chunks(directory ? 0 : sink_window_chunks);
  accept.set_durability(report->durability);
  accept.set_holes(true);
  control_.send(message);
  if (!setup_.observer) return;
  Event event;
  event.type = Event::Type::start;
  event.text = "receiving";
  event.report = report;
  setup_.observer(event);
}

void SessionCore::incoming_complete(std::uint32_t transfer, Time now) {
  const auto at = incoming_.find(transfer);
  if (at == incoming_.end() || at->second.phase != Phase::running) return;
  Incoming& incoming = at->second;
  const Report report = report_of(incoming, now);
  tell_stages(transfer, own_times(now).since(incoming.times_began), {});
  protocol::Message message;
  auto& end = *message.mutable_transfer_end();
  end.set_transfer(transfer);
  end.set_ok(true);
  end.set_files(incoming.storage->counters().files.load());
  end.set_bytes(incoming.storage->counters().bytes.load());
  end.set_skipped_files(report.skipped_files);
  end.set_cpu_seconds(report.cpu_seconds_receiver);
  end.set_durability(report.durability);
  end.set_owners_not_kept(report.owners_not_kept);
  end.set_attributes_not_kept(report.attributes_not_kept);
  end.set_modes_not_kept(report.modes_not_kept);
  end.set_deleted_files(report.deleted_files);
  end.set_deleted_directories(report.deleted_directories);
  end.set_deletions_over(report.deletions_over);
  end.set_mounts_kept(report.mounts_kept);
  end.set_deletions_held(report.deletions_held);
  const LateFailures& late = incoming.storage->late_failures();
  end.set_late_failures(late.count);
  for (const FileError& failed : late.first) {
    constexpr std::size_t path_told_max = 4096;
    note_failure(transfer, failed);
    auto& told = *end.add_late();
    told.set_path(failed.path.substr(0, path_told_max));
    told.set_code(static_cast<std::uint32_t>(failed.error.code));
    told.set_text(failed.error.text.substr(0, protocol::text_bytes_max));
  }
  control_.send(message);
  incoming.phase = Phase::ending;
  incoming.ended_at = now;
  if (!incoming.dry_run) ticket_used();
  close_incoming(transfer);
}

/// Workers let go first, then storage commits what has landed and closes its files.
void SessionCore::close_incoming(std::uint32_t transfer) {
  Incoming& incoming = incoming_.at(transfer);
  if (incoming.phase == Phase::running) incoming.phase = Phase::ending;
  Storage* storage = incoming.storage;
  storage->files()->ended = true;
  auto left = std::make_shared<std::atomic<std::size_t>>(workers_.size());
  for (Worker* worker : workers_) {
    worker->post([transfer, left, storage](Worker& each) {
      each.close_incoming(transfer, [left, storage] {
        if (left->fetch_sub(1) == 1) storage->post([](Storage& it) { it.close(); });
      });
    });
  }
}

void SessionCore::incoming_closed(std::uint32_t transfer) {
  if (const auto at = incoming_.find(transfer); at != incoming_.end()) at->second.storage_closed = true;
}

/// A receiver's own list of what could not be landed whole: from the sender's words and from its own.
void SessionCore::note_failure(std::uint32_t transfer, FileError failed) {
  constexpr std::size_t errors_kept_max = 1000;
  const auto at = incoming_.find(transfer);
  if (at == incoming_.end()) return;
  file_error(transfer, failed);
  if (at->second.errors.size() < errors_kept_max) at->second.errors.push_back(std::move(failed));
}

void SessionCore::goodbye(const protocol::Goodbye& goodbye) {
  const auto at = incoming_.find(goodbye.transfer());
  if (at == incoming_.end()) return;
  at->second.goodbye = true;
  at->second.cpu_sender = goodbye.cpu_seconds();
  at->second.failed_files = goodbye.failed_files();
  at->second.resent_bytes = goodbye.resent_bytes();
}

void SessionCore::finish_incoming(Time now) {
  for (auto at = incoming_.begin(); at != incoming_.end();) {
    Incoming& incoming = at->second;
    // Without control the peer may not have heard of the end yet: it gets time to come back and hear it.
    const Time patience = control_.up() ? goodbye_time : come_back_time;
    const bool told = incoming.goodbye || incoming.error || incoming.again || now - incoming.ended_at > patience;
    if (incoming.phase != Phase::ending || !incoming.storage_closed || !told) {
      ++at;
      continue;
    }
    if (incoming.again && !incoming.error) {
      Incoming next;
      next.sink = incoming.sink;
      next.done = incoming.done;
      next.began = incoming.began;
      next.cpu_began = incoming.cpu_began;
      next.times_began = incoming.times_began;
      next.before_files = incoming.before_files + incoming.storage->counters().files.load();
      next.before_bytes = incoming.before_bytes + incoming.storage->counters().bytes.load();
      waiting_receives_.push_front(std::move(next));
      at = incoming_.erase(at);
      continue;
    }
    Incoming ended = std::move(incoming);
    at = incoming_.erase(at);
    Outcome outcome;
    outcome.ok = !ended.error;
    outcome.report = report_of(ended, now);
    if (outcome.ok && !ended.limits.empty()) outcome.report.verdict = verdict_of(ended.limits);
    close_report(outcome.report);
    if (ended.error) outcome.error = std::move(*ended.error);
    ended.done(std::move(outcome));
  }
  if (!waiting_opens_.empty() && !waiting_receives_.empty()) {
    const auto open = waiting_opens_.front();
    waiting_opens_.pop_front();
    open_incoming(open);
  }
}

}  // namespace longhaul::engine
