#include "paths/scheduler.h"

#include <algorithm>
#include <cmath>

namespace longhaul::paths {
namespace {

constexpr unsigned chunks_min = 2;  // always so many assigned: one on its way, one behind it
constexpr double queue_s = 0.25;    // and as much as the stream carries in this time (an RTT of small chunks)
constexpr unsigned chunks_max = 64;
constexpr double rate_unknown = 1e9;   // optimistic: a new stream is tried soon
constexpr double fade_s = 1.0;         // what was measured so long (busy) ago counts a third
constexpr double trusted_s = 0.05;     // a first small chunk only fills a socket buffer: it says nothing of the path
constexpr double instant_s = 0.00001;  // answers come in lists

}  // namespace

double Scheduler::Stream::rate() const {
  return bytes / std::max(busy_s, instant_s);
}

bool Scheduler::Stream::trusted() const {
  return busy_s >= trusted_s;
}

void Scheduler::add(StreamId stream, Time now) {
  streams_[stream] = {.busy_since = now};
}

void Scheduler::remove(StreamId stream) {
  streams_.erase(stream);
}

void Scheduler::assigned(StreamId stream, std::uint64_t bytes, Time now) {
  auto& s = streams_.at(stream);
  if (s.chunks_in_flight == 0) s.busy_since = now;
  s.bytes_in_flight += bytes;
  ++s.chunks_in_flight;
}

void Scheduler::answered(StreamId stream, std::uint64_t bytes, Time now) {
  const auto at = streams_.find(stream);
  if (at == streams_.end()) return;
  auto& s = at->second;
  s.bytes_in_flight -= std::min(bytes, s.bytes_in_flight);
  if (s.chunks_in_flight > 0) --s.chunks_in_flight;
  // Bytes over time, both fading: a long chunk corrects at once what a short one pretended.
  const double busy_s = static_cast<double>(now - s.busy_since) / static_cast<double>(second);
  const double fade = std::exp(-busy_s / fade_s);
  s.bytes = s.bytes * fade + static_cast<double>(bytes);
  s.busy_s = s.busy_s * fade + busy_s;
  s.busy_since = now;
}

bool Scheduler::has_room(const Stream& stream, std::uint64_t bytes) const {
  if (stream.chunks_in_flight < chunks_min) return true;
  if (stream.chunks_in_flight >= chunks_max) return false;
  return static_cast<double>(stream.bytes_in_flight + bytes) <= stream.rate() * queue_s;
}

double Scheduler::arrival_s(const Stream& stream, std::uint64_t bytes) const {
  return static_cast<double>(stream.bytes_in_flight + bytes) / (stream.bytes > 0 ? stream.rate() : rate_unknown);
}

std::optional<Scheduler::StreamId> Scheduler::choose(std::uint64_t bytes, std::uint64_t remaining_bytes) const {
  std::optional<StreamId> best;
  double best_s = 0;
  double others_rate = 0;
  std::uint64_t others_in_flight = 0;
  for (const auto& [id, stream] : streams_) {
    if (stream.trusted()) {
      others_rate += stream.rate();
      others_in_flight += stream.bytes_in_flight;
    }
    if (!has_room(stream, bytes)) continue;
    const double s = arrival_s(stream, bytes);
    if (!best || s < best_s) {
      best = id;
      best_s = s;
    }
  }
  if (!best) return best;
  const Stream& chosen = streams_.at(*best);
  if (chosen.trusted() && chosen.chunks_in_flight > 0) {
    others_rate -= chosen.rate();
    others_in_flight -= chosen.bytes_in_flight;
    if (others_rate <= 0) return best;
    const double others_s = static_cast<double>(others_in_flight + remaining_bytes) / others_rate;
    if (best_s > 2 * others_s + 0.05) return std::nullopt;
  }
  return best;
}

std::uint64_t Scheduler::bytes_in_flight() const {
  std::uint64_t bytes = 0;
  for (const auto& [id, stream] : streams_) bytes += stream.bytes_in_flight;
  return bytes;
}

double Scheduler::rate(StreamId stream) const {
  const auto at = streams_.find(stream);
  return at == streams_.end() ? 0 : at->second.rate();
}

}  // namespace longhaul::paths
