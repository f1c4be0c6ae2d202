#include "paths/scheduler.h"

#include <algorithm>

namespace longhaul::paths {
namespace {

constexpr unsigned chunks_min = 2;  // always so many assigned: one on its way, one behind it
constexpr double queue_s = 0.25;    // and as much as the stream carries in this time (an RTT of small chunks)
constexpr unsigned chunks_max = 64;
constexpr double rate_unknown = 1e9;  // optimistic: a new stream is tried soon
constexpr double smoothing = 0.3;

}  // namespace

void Scheduler::add(StreamId stream, Time now) {
  streams_[stream] = {0, 0, 0, now};
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
  const double busy_s = static_cast<double>(std::max<Time>(now - s.busy_since, 10'000)) / static_cast<double>(second);
  const double sample = static_cast<double>(bytes) / busy_s;
  // Answers come in lists: several at one instant say nothing one by one, so short gaps weigh less.
  const double weight = s.rate <= 0 ? 1.0 : smoothing * std::min(1.0, busy_s / 0.001);
  s.rate += weight * (sample - s.rate);
  s.busy_since = now;
}

bool Scheduler::has_room(const Stream& stream, std::uint64_t bytes) const {
  if (stream.chunks_in_flight < chunks_min) return true;
  if (stream.chunks_in_flight >= chunks_max) return false;
  return static_cast<double>(stream.bytes_in_flight + bytes) <= stream.rate * queue_s;
}

double Scheduler::arrival_s(const Stream& stream, std::uint64_t bytes) const {
  return static_cast<double>(stream.bytes_in_flight + bytes) / (stream.rate > 0 ? stream.rate : rate_unknown);
}

std::optional<Scheduler::StreamId> Scheduler::choose(std::uint64_t bytes, std::uint64_t remaining_bytes) const {
  std::optional<StreamId> best;
  double best_s = 0;
  double others_rate = 0;
  std::uint64_t others_in_flight = 0;
  for (const auto& [id, stream] : streams_) {
    others_rate += stream.rate;
    others_in_flight += stream.bytes_in_flight;
    if (!has_room(stream, bytes)) continue;
    const double s = arrival_s(stream, bytes);
    if (!best || s < best_s) {
      best = id;
      best_s = s;
    }
  }
  if (!best) return best;
  const Stream& chosen = streams_.at(*best);
  others_rate -= chosen.rate;
  others_in_flight -= chosen.bytes_in_flight;
  if (chosen.rate > 0 && others_rate > 0 && chosen.chunks_in_flight > 0) {
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
  return at == streams_.end() ? 0 : at->second.rate;
}

}  // namespace longhaul::paths
