#include "engine/session_core.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "base/usage.h"
#include "protocol/bounds.h"
#include "protocol/path_terms.h"

namespace longhaul::engine {
namespace {

constexpr Time tick = 50 * millisecond;
constexpr Time look_every = 20 * millisecond;
constexpr std::size_t greetings_handful = 16;
constexpr Time flood_look_every = 5 * millisecond;
constexpr Time refused_again = 10 * second;  // where the peer had no room for one more stream
constexpr Time linger = 3 * second;          // for the last words to arrive
constexpr unsigned workers_max = 8;

Time from_seconds(double seconds) {
  return static_cast<Time>(seconds * static_cast<double>(second));
}

}  // namespace

SessionCore::SessionCore(Kit kit, World& world, SessionSetup setup)
    : world_(world),
      kit_(std::move(kit)),
      setup_(std::move(setup)),
      mailbox_(kit_.poller.get()),
      dialler_(setup_.ticket.has_value()),
      next_transfer_(dialler_ ? 1 : 2) {
  now_ = sampled_at_ = world_.clock.now();
  Result<> ready;
  if (const std::string& schedule = setup_.options.schedule; !schedule.empty()) {
    auto table = paths::Timetable::parse(schedule);
    if (table)
      timetable_ = std::move(*table);
    else
      ready = std::unexpected(std::move(table.error()));
  }
  rule_ = rule_of_now();
  if (ready) ready = prepare_identity();
  if (ready) ready = prepare_fabrics();
  if (ready) ready = dialler_ ? prepare_paths() : listen();
  if (!ready) {
    problem_ = std::move(ready.error());
    finished_ = true;
    return;
  }
  if (dialler_) lost_since_ = now_;
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  const unsigned count = setup_.options.workers != 0 ? setup_.options.workers : std::min(cores, workers_max);
  for (unsigned i = 0; i < count; ++i) {
    workers_.push_back(static_cast<Worker*>(&world_.runner.start([&, i](Kit its) {
      return std::make_unique<Worker>(std::move(its), i + 1, static_cast<StreamEvents&>(*this),
                                      WorkerSetup{setup_.touch_memory, setup_.options.compression, &world_.clock});
    })));
  }
}

SessionCore::~SessionCore() = default;

// --- who we are -----------------------------------------------------------------------------------------------------

Result<> SessionCore::prepare_identity() {
  const std::string& pem = setup_.options.identity_pem;
  auto identity = pem.empty() ? security::Identity::make(world_.random) : security::Identity::from_pem(pem);
  if (!identity) return fail(Code::usage, "this endpoint's identity cannot be used: " + identity.error().text);
  identity_ = std::move(*identity);
  guard_ = setup_.make_guard(*identity_);
  return {};
}

Result<> SessionCore::prepare_paths() {
  ticket_id_ = setup_.ticket->id;
  if (setup_.ticket->by_key)
    world_.random.fill(ticket_id_);
  else
    ticket_key_ = security::key_of(*setup_.ticket);
  auto given = setup_.options.paths;
  if (given.empty()) {
    for (const auto& address : setup_.ticket->addresses) {
      PathOptions path;
      path.remote = address;
      given.push_back(path);
    }
  }
  for (std::size_t i = 0; i < given.size(); ++i) {
    auto path = make_path(std::move(given[i]), i);
    if (!path) return std::unexpected(path.error());
    paths_.push_back(std::move(*path));
  }
  const auto permitted = [](const Path& path) { return path.excluded.empty(); };
  if (std::none_of(paths_.begin(), paths_.end(), permitted)) return fail(Code::usage, no_path_left().text);
  return {};
}

/// Dialler. `index`: the how manieth it is, for what it leaves open.
Result<SessionCore::Path> SessionCore::make_path(PathOptions given, std::size_t index) const {
  const auto& addresses = setup_.ticket->addresses;
  const auto first = wire::parse_host_port(addresses.front());
  if (!first) return std::unexpected(first.error());
  if (given.name.empty()) given.name = "path" + std::to_string(index + 1);
  const auto same = [&](const Path& other) { return other.use != Use::removed && other.options.name == given.name; };
  if (std::any_of(paths_.begin(), paths_.end(), same))
    return fail(Code::usage, "two paths are called '" + printable(given.name) + "'; give each its own name");
  if (auto fine = check_path(given); !fine)
    return fail(Code::usage, "path " + printable(given.name) + ": " + fine.error().text);
  if (auto may = may_use_fabric(given); !may) return std::unexpected(may.error());
  auto remote = wire::parse_host_port(given.remote.empty() ? addresses[index % addresses.size()] : given.remote);
  if (!remote) return std::unexpected(remote.error());
  if (remote->port == 0) remote->port = first->port;
  Path path;
  path.excluded = excluded_here(given);
  if (path.excluded.empty()) {
    auto numeric = wire::resolve(remote->host);
    if (!numeric) return std::unexpected(numeric.error());
    remote->host = *numeric;
  }
  path.options = path.given = std::move(given);
  path.options.remote = wire::join_host_port(*remote);
  return path;
}

// --- connections

void SessionCore::step_greetings(Time now) {
  std::list<Greeting> proven;
  std::list<Greeting> failed;
  for (auto at = greetings_.begin(); at != greetings_.end();) {
    const auto it = at++;
    const auto state = it->handshake->step(now);
    if (state == Handshake::State::busy) continue;
    it->handshake->channel().unwatch(*kit_.poller);
    auto& ended = state == Handshake::State::proven ? proven : failed;
    ended.splice(ended.end(), greetings_, it);
  }
  // Taken out first: a new session drops the greetings of the old one.
  for (Greeting& greeting : proven) greeted(greeting, now);
  for (Greeting& greeting : failed) greeting_failed(greeting, now);
}

void SessionCore::greeted(Greeting& greeting, Time now) {
  const auto& hello = greeting.dialled ? greeting.handshake->own() : greeting.handshake->peer();
  if (!greeting.dialled) treat_as_asked(greeting.handshake->channel().connection(), hello);
  if (hello.kind() == protocol::Hello::KIND_STREAM)
    stream_proven(greeting, now);
  else
    control_up(greeting, now);
}

void SessionCore::greeting_failed(Greeting& greeting, Time now) {
  const Error& error = greeting.handshake->error();
  if (!greeting.dialled) {
    log::info("refused " + greeting.handshake->channel().connection().remote_address() + ": " + error.text);
    if (error.code == Code::refused || error.code == Code::protocol)
      note_refusal("refused a connection from " + greeting.handshake->channel().connection().remote_address() + ": " +
                       error.text,
                   now);
    return;
  }
  if (greeting.handshake->path_excluded()) return path_excluded(greeting, now);
  if (!greeting.control) return stream_refused(greeting.path, greeting.slot, error, now);
  if (error.code == Code::refused || error.code == Code::protocol) return fail_all(error, false, now);
  if (last_control_error_ != error.text)
    note(Event::Type::note,
         error.text + "; trying for " + std::to_string(static_cast<long>(setup_.options.retry_for_s)) + " s");
  last_control_error_ = error.text;
  control_backoff_ = next_backoff(control_backoff_);
  control_next_try_ = now + control_backoff_;
}

void SessionCore::control_up(Greeting& greeting, Time now) {
  const protocol::Hello& peer = greeting.handshake->peer();
  const protocol::Hello& own = greeting.handshake->own();
  const std::string& granted = greeting.dialled ? peer.session() : own.session();
  const bool fresh = granted != session_;
  if (fresh) {
    reset_session(now);
    session_ = granted;
    session_secret_ = greeting.handshake->session_secret();
    cipher_ = greeting.handshake->cipher();
    if (!greeting.dialled) session_ticket_ = peer.ticket();
    session_peer_ = greeting.handshake->peer_key();
  }
  control_.unwatch(*kit_.poller);
  control_.attach(greeting.handshake->take_control(), peer.last_sequence(), now);
  if (greeting.dialled) control_on_ = greeting.path;
  if (fresh && !as_usual()) tell_standing();
  if (fresh && greeting.dialled && !setup_.options.discover.empty()) {
    addresses_to_ask_ = true;
    discover_from_ = now + second;
  }
  peer_features_ = peer.features_supported();
  lost_since_ = 0;
  ever_up_ = true;
  control_backoff_ = 0;
  last_control_error_.clear();
  log::info("control is up, session " + to_hex(bytes_of(session_)));
}

void SessionCore::control_lost(const Error& error, Time now) {
  log::info("control is down: " + error.text);
  if (lost_since_ == 0) lost_since_ = now;
  control_next_try_ = now;
  last_control_error_ = error.text;
}

void SessionCore::reset_session(Time now) {
  for (Path& path : paths_) {
    path.flap = {};  // it was the peer that went away
    if (!ever_up_ || !path.excluded_by_peer) continue;
    path.excluded = excluded_here(path.options);
    path.excluded_by_peer = false;
  }
  close_streams();
  session_streams_ = {};
  waiting_opens_.clear();
  control_.reset();
  peer_standing_.Clear();
  peer_rule_ = {};
  addresses_asked_ = 0;
  fail_asked({Code::connection, "the peer started anew; try again", 0});
  restart_outgoing(now);
  for (auto& [transfer, incoming] : incoming_) {
    incoming.of_old_session = true;
    if (incoming.phase != Phase::running) continue;  // one that has failed only lets go of its files
    incoming.again = true;
    close_incoming(transfer);
  }
}

/// Under new numbers: what workers still say of the old ones finds nobody.
void SessionCore::restart_outgoing(Time now) {
  std::map<std::uint32_t, Outgoing> opened;
  for (auto at = outgoing_.begin(); at != outgoing_.end();) {
    const auto next = std::next(at);
    if (at->second.opened) opened.insert(outgoing_.extract(at));
    at = next;
  }
  for (auto& [transfer, outgoing] : opened) {
    Report so_far;
    outgoing.planner->fill(so_far);
    outgoing.before_files += so_far.files;
    outgoing.before_bytes += so_far.bytes;
    outgoing.before_resent += outgoing.planner->resent_bytes() + outgoing.planner->bytes_not_durable();
    outgoing.feeder->stop();
    outgoing.opened = outgoing.accepted = false;
    outgoing.planner.reset();
    const std::uint32_t again = next_transfer_;
    next_transfer_ += 2;
    const bool begun = so_far.bytes > 0 || so_far.files_found > 0;
    const bool lost = begun && !outgoing.feed->rereadable();
    outgoing_[again] = std::move(outgoing);
    if (lost)
      finish_outgoing(again,
                      Error{Code::connection, "the receiver started anew, and this source cannot be read again", 0},
                      nullptr, now);
    else
      note(Event::Type::note, "a new session with the peer: what is durable there is skipped");
  }
}

void SessionCore::close_streams() {
  for (const auto& [id, stream] : streams_)
    post_to_stream(id, [number = id](Worker& worker) { worker.close_stream(number); });
  for (auto at = greetings_.begin(); at != greetings_.end();) {
    const bool stream = at->dialled && !at->control;
    if (!stream) {
      ++at;
      continue;
    }
    at->handshake->channel().unwatch(*kit_.poller);
    paths_[at->path].slots[at->slot].dialling = false;
    at = greetings_.erase(at);
  }
}

/// Listener: the path that the dialler names, with the terms that it tells (answer() has looked at them).
std::size_t SessionCore::path_of(const protocol::Hello& hello) {
  const PathOptions told = protocol::path_of(hello).value_or(PathOptions{.name = hello.path()});
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    if (paths_[i].options.name != told.name) continue;
    paths_[i].options = told;
    return i;
  }
  // A listener that stays hears of many: one that nobody uses any more makes room.
  auto at = paths_.end();
  if (paths_.size() >= protocol::paths_max) {
    const bool rests = outgoing_.empty() && incoming_.empty();  // what a path has carried of one that runs is counted
    if (rests) at = std::find_if(paths_.begin(), paths_.end(), [](const Path& path) { return path.streams_up == 0; });
    if (at == paths_.end()) return 0;
    *at = {};
  } else {
    at = paths_.emplace(paths_.end());
  }
  at->options = told;
  return static_cast<std::size_t>(at - paths_.begin());
}

void SessionCore::stream_proven(Greeting& greeting, Time now) {
  const protocol::Hello& hello = greeting.dialled ? greeting.handshake->own() : greeting.handshake->peer();
  // The number on the wire is the dialler's, unique in its session; a listener that outlives sessions has numbers of
  // its own.
  if (hello.session() != session_ || !session_streams_.add(hello.stream())) {
    if (greeting.dialled) paths_[greeting.path].slots[greeting.slot].dialling = false;
    return;
  }
  const PathOptions asked = protocol::path_of(hello).value_or(PathOptions{.name = hello.path()});
  if (!greeting.dialled) {
    // answer() has said so, but for those that were under way together.
    if (const auto room = has_room_for(asked); !room) return note_refusal(room.error().text, now);
  }
  const std::uint32_t id = greeting.dialled ? hello.stream() : next_stream_++;
  Stream stream;
  stream.number = hello.stream();
  stream.path = greeting.dialled ? greeting.path : path_of(hello);
  stream.worker = next_worker_++ % workers_.size();
  stream.sends = hello.dialler_sends() == greeting.dialled;
  stream.counters = std::make_shared<StreamCounters>();
  Path& path = paths_[stream.path];
  auto& before = greeting.handshake->channel().connection();
  const auto fabric = fabric_of(greeting.dialled ? path.options : asked, stream.sends, before.health().rtt_us_min);
  stream.slots = fabric ? fabric->slots : 0;
  auto channel = greeting.handshake->take_stream(cipher_, session_secret_, fabric);
  path.options.local = channel->connection().local_address();
  path.rtt_us = channel->connection().health().rtt_us;
  if (!greeting.dialled) path.options.remote = channel->connection().remote_address();
  if (greeting.dialled) {
    StreamSlot& slot = path.slots[greeting.slot];
    slot.dialling = false;
    slot.stream = id;
    slot.backoff = 0;
    const auto up = [](const StreamSlot& each) { return each.stream != 0 || !each.wanted; };
    if (std::all_of(path.slots.begin(), path.slots.end(), up)) path.flap.works(now);
  }
  path.streams_most = std::max(path.streams_most, path.streams_up + 1);
  if (++path.streams_up == 1) {
    path.last_error.clear();
    path.broken = false;
    note(Event::Type::path_up,
         "path " + path.options.name + " is up (" + path.options.local + " - " +
             channel->connection().remote_address() + ")",
         path.options.name);
  }
  if (stream.sends && path.options.congestion.empty() && path.congestion.name() != paths::CongestionChoice::usual)
    (void)channel->connection().set_congestion(std::string(path.congestion.name()));
  streams_[id] = stream;
  auto setup = std::make_shared<StreamSetup>(StreamSetup{id, stream.sends, std::move(channel), stream.counters});
  workers_[stream.worker]->post([setup](Worker& worker) { worker.join(std::move(*setup)); });
  share_caps();
  budget_due_ = now;
  if (!stream.sends || !path.works()) return;
  for (auto& [transfer, outgoing] : outgoing_)
    if (outgoing.planner) offer_stream(*outgoing.planner, id, stream.path);
}

/// On what terms planners may use it.
paths::PathTerms SessionCore::terms_of(std::size_t path) const {
  const double weight = paths_[path].options.weight;
  return {.weight = weight > 0 ? weight : 1, .spare = weight <= 0, .factor = paths_[path].watch.health.factor()};
}

void SessionCore::offer_stream(Planner& planner, std::uint32_t stream, std::size_t path) const {
  const auto number = static_cast<paths::PathId>(path);
  planner.set_path(number, terms_of(path));
  planner.stream_up(stream, number);
}

void SessionCore::stream_refused(std::size_t path, std::size_t slot, const Error& error, Time now) {
  StreamSlot& it = paths_[path].slots[slot];
  it.dialling = false;
  it.backoff = next_backoff(it.backoff);
  it.next_try = now + it.backoff;
  // The peer takes no more streams than it has: the path is none the worse, and another try is for when one has gone.
  if (error.code == Code::refused && paths_[path].streams_up > 0) {
    it.next_try = now + refused_again;
    if (std::exchange(paths_[path].last_error, error.text) != error.text)
      note(Event::Type::note, error.text, paths_[path].options.name);
    return;
  }
  paths_[path].flap.failed(now);
  if (drop_if_only_found(path, error)) return;
  if (paths_[path].last_error == error.text || paths_[path].streams_up > 0) return;
  paths_[path].last_error = error.text;
  tell_path_down(path, error, now);
}

void SessionCore::tell_stream_gone(std::uint32_t number) {
  protocol::Message message;
  message.mutable_stream_gone()->set_stream(number);
  control_.send(message);
}

/// Usually both sides see that a connection is gone; behind a proxy the other half of it may look well.
void SessionCore::take_stream_gone(const protocol::StreamGone& gone) {
  for (const auto& [id, stream] : streams_) {
    if (stream.number != gone.stream()) continue;
    post_to_stream(id, [number = id](Worker& worker) {
      worker.close_stream(number, {Code::connection, "the peer has lost this connection", 0});
    });
  }
}

void SessionCore::take_stream_down(std::uint32_t id, const Error& error) {
  const auto at = streams_.find(id);
  if (at == streams_.end()) return;
  const Stream stream = at->second;
  Path& path = paths_[stream.path];
  path.ended += stream.counters->carried();
  streams_.erase(at);
  if (path.streams_up > 0) --path.streams_up;
  // Streams that end with their last transfer are no news.
  const bool running = !outgoing_.empty() || std::any_of(incoming_.begin(), incoming_.end(), [](const auto& each) {
    return each.second.phase == Phase::running;
  });
  const bool lost = running && error.code != Code::interrupted && path.use == Use::in_use;
  if (lost) path.flap.failed(now_);
  path.broken = path.streams_up == 0 && lost;
  if (path.broken) tell_path_down(stream.path, error, now_);
  if (running && error.code != Code::interrupted) tell_stream_gone(stream.number);
  for (StreamSlot& slot : path.slots) {
    if (slot.stream != id) continue;
    slot.stream = 0;
    slot.backoff = next_backoff(slot.backoff);
    slot.next_try = now_ + slot.backoff;
  }
  for (auto& [transfer, outgoing] : outgoing_)
    if (outgoing.planner) outgoing.planner->stream_down(id);
  budget_due_ = now_;
  share_caps();
}

// --- life

void SessionCore::stream_down(std::uint32_t stream, Error error) {
  post([stream, error = std::move(error)](SessionCore& self) { self.take_stream_down(stream, error); });
}

void SessionCore::stream_message(std::uint32_t stream, protocol::Message message) {
  post([stream, message = std::move(message)](SessionCore& self) { self.take_stream_message(stream, message); });
}

void SessionCore::source_failed(std::uint32_t transfer, std::uint64_t file, FileError error) {
  post([transfer, file, error = std::move(error)](SessionCore& self) {
    if (Planner* planner = self.planner_of(transfer)) planner->source_failed(file, error);
  });
}

void SessionCore::task_dropped(std::uint32_t stream, std::uint32_t transfer, paths::Load copy) {
  post([stream, transfer, copy](SessionCore& self) {
    if (Planner* planner = self.planner_of(transfer)) planner->task_dropped(stream, copy);
  });
}

void SessionCore::note(Event::Type type, std::string text, std::string path, Error error) {
  if (!setup_.observer) return;
  Event event;
  event.type = type;
  event.text = std::move(text);
  event.path = std::move(path);
  event.error = std::move(error);
  setup_.observer(event);
}

void SessionCore::shut_down() {
  post([](SessionCore& self) {
    self.fail_all({Code::interrupted, "the session was closed", 0}, true, self.now_);
    self.shutting_down_ = true;
    self.shut_down_by_ = self.now_ + linger;
  });
}

void SessionCore::check_stop(Time now) {
  if (stopped_ || setup_.stop == nullptr || setup_.stop->load(std::memory_order_relaxed) == 0) return;
  stopped_ = true;
  fail_all({Code::interrupted, "stopped; the same command again continues", 0}, true, now);
}

void SessionCore::check_deadlines(Time now) {
  if (lost_since_ == 0 || stopped_ || now - lost_since_ < from_seconds(setup_.options.retry_for_s)) return;
  if (outgoing_.empty() && incoming_.empty() && waiting_receives_.empty()) return;
  std::string text = ever_up_ ? "the peer did not come back for " : "the peer could not be reached for ";
  text += std::to_string(static_cast<long>(setup_.options.retry_for_s)) + " s";
  if (!last_control_error_.empty()) text += " (" + last_control_error_ + ")";
  fail_all({Code::stalled, text + "; the same command again continues", 0}, false, now);
}

Time SessionCore::finish_shut_down(Time now) {
  const bool late = now >= shut_down_by_;
  if (late) end_what_is_left(now);
  if (!late && (!outgoing_.empty() || !incoming_.empty())) return now + tick;
  if (!late && control_.up() && !control_.drained()) return now + tick;
  fail_asked({Code::interrupted, "the session was closed", 0});
  for (auto& greeting : greetings_) greeting.handshake->channel().unwatch(*kit_.poller);
  greetings_.clear();
  for (auto& listener : listeners_) listener->unwatch(*kit_.poller);
  listeners_.clear();
  control_.unwatch(*kit_.poller);
  control_.detach();
  for (Worker* worker : workers_) worker->post([](Worker& each) { each.stop(); });
  finished_ = true;
  return now;
}

Time SessionCore::step(Time now) {
  now_ = now;
  if (finished_) return now;
  for (auto& mail : mailbox_.take()) mail(*this);
  check_stop(now);
  accept_connections(now);
  // A handful at once; a flood of them together every few milliseconds, or all would be looked at for each new one.
  const bool greet = greetings_.size() <= greetings_handful || now >= greetings_due_;
  if (greet) {
    greetings_due_ = now + flood_look_every;
    step_greetings(now);
  }
  take_control_messages(now);
  if (!shutting_down_) open_outgoing(now);
  dial(now);
  Time again = greet ? now + tick : std::min(now + tick, greetings_due_);
  const bool look = now - looked_at_ >= look_every;
  if (look) looked_at_ = now;
  for (auto at = outgoing_.begin(); at != outgoing_.end();) {
    auto& [transfer, outgoing] = *at++;
    if (!outgoing.planner) continue;
    if (look)
      for (const auto& [id, stream] : streams_)
        if (stream.sends) outgoing.planner->sampled(id, stream.counters->health().sample_in_content());
    if (lost_since_ != 0) outgoing.planner->alive(now);  // the session's own deadline runs
    again = std::min(again, outgoing.planner->step(now));
    if (outgoing.planner->failure()) {
      const Error error = *outgoing.planner->failure();
      tell_stop(transfer, error);
      finish_outgoing(transfer, error, nullptr, now);
    }
  }
  watch_health(now);
  decide_streams(now);
  keep_budget(now);
  discover(now);
  finish_incoming(now);
  step_live(now);
  look_at_timetable(now);
  again = std::min(again, step_rates(now));
  if (auto lost = control_.step(now)) control_lost(*lost, now);
  if (std::exchange(tickets_unsaved_, false)) (void)tickets_.save(*kit_.plain_disk);
  check_deadlines(now);
  report_progress(now);
  if (shutting_down_) again = std::min(again, finish_shut_down(now));
  if (finished_) return now;
  for (auto& listener : listeners_) listener->watch(*kit_.poller);
  if (greet)
    for (auto& greeting : greetings_) greeting.handshake->watch(*kit_.poller);
  control_.watch(*kit_.poller);
  return again;
}

}  // namespace longhaul::engine
