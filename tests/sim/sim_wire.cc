#include "sim_wire.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace longhaul::sim {
namespace {

constexpr std::size_t segment_bytes_max = 64 * 1024;

/// At a rate of 0, none.
Time time_for(std::size_t bytes, std::uint64_t bytes_per_s) {
  return bytes_per_s == 0 ? 0 : static_cast<Time>(bytes * static_cast<std::uint64_t>(second) / bytes_per_s);
}

}  // namespace

// --- paths ------------------------------------------------------------------------------------------------------

PathState& SimNetwork::between(const std::string& a, const std::string& b) {
  const auto key = a < b ? std::pair(a, b) : std::pair(b, a);
  const auto [at, added] = paths_.try_emplace(key);
  if (added) at->second.path = default_path;
  return at->second;
}

std::vector<EndPtr> SimNetwork::ends_between(const std::string& a, const std::string& b) {
  std::vector<EndPtr> found;
  for (const auto& end : ends_) {
    const bool forth = end->local.host == a && end->remote.host == b;
    const bool back = end->local.host == b && end->remote.host == a;
    if (forth || back) found.push_back(end);
  }
  return found;
}

void SimNetwork::set_path(const std::string& host_a, const std::string& host_b, Path path) {
  between(host_a, host_b).path = path;
}

void SimNetwork::cut(const std::string& host_a, const std::string& host_b) {
  between(host_a, host_b).is_cut = true;
  const Time now = clock_.now();
  for (const auto& end : ends_between(host_a, host_b)) {
    std::erase_if(end->in, [&](const Segment& segment) { return effective(*end, segment.arrives) > now; });
    fail_at(*end, now, ECONNRESET);
  }
  trace_.note("cut");
}

void SimNetwork::silence(const std::string& host_a, const std::string& host_b) {
  auto& path = between(host_a, host_b);
  path.silent_since = std::min(path.silent_since, clock_.now());
  trace_.note("silence");
}

/// What would have arrived during the silence arrives one delay after its end.
void SimNetwork::heal(const std::string& host_a, const std::string& host_b) {
  auto& path = between(host_a, host_b);
  const Time since = path.silent_since;
  const Time again = clock_.now() + path.path.delay;
  const auto late = [&](Time& when) {
    if (when > since && when < again) when = again;
  };
  for (const auto& end : ends_between(host_a, host_b)) {
    const int error = failure(*end);
    if (error != 0) fail_at(*end, clock_.now(), error);
    for (Segment& segment : end->in) late(segment.arrives);
    late(end->answered_at);
    late(end->connected_at);
    late(end->peer_closed_at);
    if (error == 0) late(end->failed_at);
  }
  path.is_cut = false;
  path.silent_since = time_never;
  trace_.note("heal");
}

bool SimNetwork::break_one(const std::string& host_a, const std::string& host_b) {
  std::vector<EndPtr> open;
  for (const auto& end : ends_between(host_a, host_b))
    if (!end->closed && !end->peer.expired()) open.push_back(end);
  if (open.empty()) return false;
  const EndPtr end = open[random_.below(open.size())];
  const EndPtr peer = end->peer.lock();
  const Time now = clock_.now();
  // What each end has sent may have come in part: the rest is lost with the connection.
  for (const EndPtr& each : {end, peer}) {
    std::erase_if(each->in, [&](const Segment& segment) { return effective(*each, segment.arrives) > now; });
    fail_at(*each, each == end ? now : now + end->path->path.delay, ECONNRESET);
  }
  trace_.note("break");
  return true;
}

std::uint64_t SimNetwork::bytes_between(const std::string& host_a, const std::string& host_b) {
  return between(host_a, host_b).bytes;
}

/// When something really comes to pass at `end` that is due at `when`.
Time SimNetwork::effective(const End& end, Time when) const {
  return when > end.path->silent_since ? time_never : when;
}

/// When an end with something unanswered gives up, if its peer stays silent.
Time SimNetwork::gives_up_at(const End& end) const {
  const PathState& path = *end.path;
  if (end.answered_at > path.silent_since) return end.dialled_at + user_timeout;
  const auto peer = end.peer.lock();
  if (peer == nullptr) return time_never;
  for (const Segment& segment : peer->in) {
    const bool lost = peer->host_gone || segment.arrives > path.silent_since;
    if (lost) return std::max(segment.sent, path.silent_since == time_never ? 0 : path.silent_since) + user_timeout;
  }
  return time_never;
}

/// The errno of a connection that has failed by now, or 0.
int SimNetwork::failure(const End& end) const {
  const Time now = clock_.now();
  if (effective(end, end.failed_at) <= now) return end.failed_errno;
  return gives_up_at(end) <= now ? ETIMEDOUT : 0;
}

void SimNetwork::fail_at(End& end, Time when, int error) {
  if (end.failed_at <= when) return;
  end.failed_at = when;
  end.failed_errno = error;
}

Time SimNetwork::next_due(Time now) const {
  Time due = time_never;
  const auto consider = [&](Time when) {
    if (when > now) due = std::min(due, when);
  };
  for (const auto& end : ends_) {
    if (end->closed) continue;
    consider(effective(*end, end->connected_at));
    consider(effective(*end, end->peer_closed_at));
    consider(effective(*end, end->failed_at));
    consider(gives_up_at(*end));
    for (const Segment& segment : end->in) consider(effective(*end, segment.arrives));
  }
  return due;
}

// --- connections ------------------------------------------------------------------------------------------------

EndPtr SimNetwork::dial(const std::string& process, const std::string& local_host, const wire::HostPort& remote) {
  std::erase_if(ends_, [](const EndPtr& end) {
    const auto peer = end->peer.lock();
    return end->closed && (peer == nullptr || peer->closed);
  });
  auto& path = between(local_host, remote.host);
  ++path.dials;
  const Time now = clock_.now();
  const Time answer = now + 2 * path.path.delay;
  auto near = std::make_shared<End>();
  near->path = &path;
  near->process = process;
  near->local = {local_host, next_port_++};
  near->remote = remote;
  near->dialled_at = now;
  near->answered_at = near->connected_at = answer;
  ends_.push_back(near);
  trace_.note("dial", remote.port);
  const auto listener = listening_.find(wire::join_host_port(remote));
  if (path.is_cut || listener == listening_.end()) {
    near->connected_at = time_never;
    fail_at(*near, answer, path.is_cut ? EHOSTUNREACH : ECONNREFUSED);
    return near;
  }
  auto far = std::make_shared<End>();
  far->path = &path;
  far->process = listener->second.process;
  far->local = remote;
  far->remote = near->local;
  far->dialled_at = now;
  far->answered_at = far->connected_at = answer;
  far->peer = near;
  near->peer = far;
  ends_.push_back(far);
  listener->second.waiting.push_back(far);
  return near;
}

EndPtr SimNetwork::accept(const std::string& address) {
  const auto listener = listening_.find(address);
  if (listener == listening_.end()) return nullptr;
  auto& waiting = listener->second.waiting;
  for (auto at = waiting.begin(); at != waiting.end(); ++at) {
    if (effective(**at, (*at)->connected_at) > clock_.now()) continue;
    EndPtr end = *at;
    waiting.erase(at);
    trace_.note("accept", end->remote.port);
    return end;
  }
  return nullptr;
}

/// In order when everything that came has been read, as TCP does; else the peer sees a reset.
void SimNetwork::close(End& end) {
  if (end.closed) return;
  end.closed = true;
  trace_.note("close", end.bytes_in);
  const auto peer = end.peer.lock();
  if (peer == nullptr) return;
  const Time now = clock_.now();
  const Time told = now + end.path->path.delay;
  const bool unread = !end.in.empty() && effective(end, end.in.front().arrives) <= now;
  if (unread) fail_at(*peer, told, ECONNRESET);
  peer->peer_closed_at =
      std::min(peer->peer_closed_at, peer->in.empty() ? told : std::max(told, peer->in.back().arrives));
}

void SimNetwork::stop_listening(const std::string& address) {
  const auto listener = listening_.find(address);
  if (listener == listening_.end()) return;
  for (const auto& end : listener->second.waiting) {
    end->closed = true;
    if (const auto peer = end->peer.lock()) fail_at(*peer, clock_.now() + end->path->path.delay, ECONNRESET);
  }
  listening_.erase(listener);
}

void SimNetwork::kill(const std::string& process, Death death) {
  for (const auto& end : ends_) {
    if (end->process != process || end->closed) continue;
    end->closed = true;
    end->host_gone = death == Death::silence;
    const auto peer = end->peer.lock();
    if (peer == nullptr) continue;
    if (death == Death::reset) {
      fail_at(*peer, clock_.now() + end->path->path.delay, ECONNRESET);
    } else {
      std::erase_if(peer->in, [&](const Segment& segment) { return segment.departs > clock_.now(); });
    }
  }
  std::erase_if(listening_, [&](const auto& entry) { return entry.second.process == process; });
  trace_.note("kill", static_cast<std::uint64_t>(death));
}

wire::Transfer SimNetwork::read(End& end, std::span<std::byte> into) {
  using State = wire::Transfer::State;
  const Time now = clock_.now();
  std::size_t bytes = 0;
  // Sometimes less than there is: nobody may count on more.
  const std::size_t wanted = random_.one_in(4) && into.size() > 1 ? 1 + random_.below(into.size()) : into.size();
  while (bytes < wanted && !end.in.empty()) {
    Segment& segment = end.in.front();
    if (effective(end, segment.arrives) > now || segment.arrives > end.failed_at) break;
    const std::size_t count = std::min(wanted - bytes, segment.bytes.size() - segment.read);
    std::memcpy(into.data() + bytes, segment.bytes.data() + segment.read, count);
    bytes += count;
    segment.read += count;
    if (segment.read == segment.bytes.size()) end.in.pop_front();
  }
  if (bytes > 0) {
    end.bytes_in -= bytes;
    trace_.note("read", bytes);
    return {State::moved, bytes, 0};
  }
  if (const int error = failure(end); error != 0) return {State::failed, 0, error};
  if (end.in.empty() && effective(end, end.peer_closed_at) <= now) return {State::closed, 0, 0};
  return {State::blocked, 0, 0};
}

wire::Transfer SimNetwork::write(End& end, std::span<const std::byte> from) {
  using State = wire::Transfer::State;
  if (const int error = failure(end); error != 0) return {State::failed, 0, error};
  const auto peer = end.peer.lock();
  const Time now = clock_.now();
  if (effective(end, end.connected_at) > now || peer == nullptr) return {State::blocked, 0, 0};
  if (effective(end, end.peer_closed_at) <= now) return {State::failed, 0, EPIPE};
  std::size_t bytes = std::min(from.size(), buffer_bytes - std::min<std::size_t>(buffer_bytes, peer->bytes_in));
  if (bytes == 0) return {State::blocked, 0, 0};
  if (bytes > 1 && random_.one_in(4)) bytes = 1 + random_.below(bytes);
  send(end, *peer, from.first(bytes));
  trace_.note("write", bytes);
  return {State::moved, bytes, 0};
}

bool SimNetwork::readable(const End& end, std::size_t bytes) const {
  const Time now = clock_.now();
  if (failure(end) != 0 || effective(end, end.peer_closed_at) <= now) return true;
  std::size_t there = 0;
  for (const Segment& segment : end.in) {
    if (effective(end, segment.arrives) > now || segment.arrives > end.failed_at) break;
    there += segment.bytes.size() - segment.read;
  }
  // The kernel does not wait for more than half of what its buffer holds.
  return there > 0 && there >= std::min(bytes, buffer_bytes / 2);
}

bool SimNetwork::writable(const End& end) const {
  const Time now = clock_.now();
  if (failure(end) != 0 || effective(end, end.peer_closed_at) <= now) return true;
  const auto peer = end.peer.lock();
  return peer != nullptr && effective(end, end.connected_at) <= now && peer->bytes_in < buffer_bytes / 3 * 2;
}

bool SimNetwork::somebody_waits(const std::string& address) const {
  const auto listener = listening_.find(address);
  return listener != listening_.end() && std::ranges::any_of(listener->second.waiting, [&](const EndPtr& end) {
           return effective(*end, end->connected_at) <= clock_.now();
         });
}

void SimNetwork::send(End& end, End& peer, std::span<const std::byte> bytes) {
  PathState& path = *end.path;
  path.bytes += bytes.size();
  end.bytes_sent += bytes.size();
  peer.bytes_in += bytes.size();
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(bytes.size(), segment_bytes_max));
    Time& free_at = path.free_at[end.local.host];
    Segment segment;
    segment.sent = clock_.now();
    free_at = std::max(free_at, clock_.now());
    // One that is paced leaves the path to others meanwhile.
    segment.departs = std::max(free_at, end.paced_until);
    const Time takes = time_for(piece.size(), path.path.bytes_per_s);
    free_at += takes;
    end.paced_until = segment.departs + time_for(piece.size(), end.pace);
    segment.arrives = segment.departs + takes + path.path.delay;
    segment.arrives += jitter_of(path);
    if (!peer.in.empty()) segment.arrives = std::max(segment.arrives, peer.in.back().arrives);
    segment.bytes.assign(piece.begin(), piece.end());
    peer.in.push_back(std::move(segment));
    bytes = bytes.subspan(piece.size());
  }
}

Time SimNetwork::jitter_of(const PathState& path) {
  if (path.path.jitter == 0) return 0;
  return static_cast<Time>(random_.below(static_cast<std::uint64_t>(path.path.jitter)));
}

Time SimNetwork::carry(const std::string& from, const std::string& to, std::size_t bytes) {
  PathState& path = between(from, to);
  path.bytes += bytes;
  Time& free_at = path.free_at[from];
  free_at = std::max(free_at, clock_.now()) + time_for(bytes, path.path.bytes_per_s);
  return free_at + path.path.delay + jitter_of(path);
}

wire::Health SimNetwork::health(End& end) {
  wire::Health health;
  const PathState& path = *end.path;
  const Time now = clock_.now();
  Time rtt = 2 * path.path.delay + path.path.jitter;
  // A segment and its acknowledgement; where the path is slow, that of those before it.
  if (path.path.bytes_per_s != 0)
    rtt += static_cast<Time>(2 * segment_bytes_max * static_cast<std::uint64_t>(second) / path.path.bytes_per_s);
  health.rtt_us = static_cast<std::uint64_t>(rtt / 1000);
  health.bytes_acked = end.bytes_sent;
  const auto peer = end.peer.lock();
  if (peer == nullptr) return health;
  for (const Segment& segment : peer->in) {
    const bool arrived = !peer->host_gone && effective(*peer, segment.arrives) <= now;
    const bool departed = segment.departs <= now;
    if (!arrived) health.bytes_acked -= segment.bytes.size();
    if (!departed) health.bytes_unsent += segment.bytes.size();
    if (departed && !arrived) health.bytes_in_flight += segment.bytes.size();
  }
  // Everything has arrived and is not read: the peer's window is full.
  const bool full = health.bytes_in_flight + health.bytes_unsent == 0 && peer->bytes_in >= buffer_bytes / 3;
  if (full) end.held += now - end.looked_at;
  end.looked_at = now;
  health.bytes_sent = end.bytes_sent - health.bytes_unsent;
  health.held_us = static_cast<std::uint64_t>(end.held / 1000);
  return health;
}

}  // namespace longhaul::sim
