#include "link.h"

#include <algorithm>
#include <limits>

namespace longhaul::lab {
namespace {

constexpr Nanoseconds lump_max = one_ms;                        // what a bottleneck sends at once, at most
constexpr std::size_t memory_bytes_max = std::size_t{3} << 30;  // of a path's packets, both directions

Nanoseconds sending_time(std::uint64_t bytes, double rate) {
  return static_cast<Nanoseconds>(static_cast<double>(bytes) * 8e9 / rate);
}

std::uint32_t at_most(std::uint32_t count, std::uint64_t limit) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(count, limit));
}

}  // namespace

Link::Link(Pool& pool, std::uint64_t seed) : pool_(pool), random_(seed) {
  restart_chances();
}

/// Runs of good and of lost packets alternate. Independent loss has lost runs of mean length 1 / (1 - loss); bursts
/// stretch both kinds and keep the mean loss.
std::uint64_t Link::loss_run(bool lost) {
  if (settings_.loss <= 0 || settings_.loss >= 1) return never;
  const double mean = std::max(settings_.burst, 1 / (1 - settings_.loss));
  const double good = std::min(1.0, settings_.loss / (mean * (1 - settings_.loss)));
  return 1 + random_.geometric(lost ? 1 / mean : good);
}

void Link::restart_chances() {
  losing_ = settings_.loss >= 1;
  loss_left_ = loss_run(losing_);
  reorder_left_ = random_.geometric(settings_.reorder);
  duplicate_left_ = random_.geometric(settings_.duplicate);
  corrupt_left_ = random_.geometric(settings_.corrupt);
}

void Link::set(const LinkSettings& settings, Nanoseconds now) {
  const LinkSettings old = settings_;
  settings_ = settings;
  if (settings.loss != old.loss || settings.burst != old.burst || settings.reorder != old.reorder ||
      settings.duplicate != old.duplicate || settings.corrupt != old.corrupt)
    restart_chances();
  // A new delay is a new route: later packets may overtake those that are still on the old one.
  if (settings.delay != old.delay) last_due_ = 0;
  // What waits at the bottleneck drains at the new rate.
  if (settings.rate != old.rate && sent_all_ > now)
    sent_all_ = settings.rate > 0 && old.rate > 0
                    ? now + static_cast<Nanoseconds>(static_cast<double>(sent_all_ - now) * old.rate / settings.rate)
                    : now;
  const bool cut = settings.state == LinkState::down || settings.state == LinkState::reset;
  if (cut && old.state != settings.state) {
    drop_all(&stats_.dropped_down);
    sent_all_ = now;
  }
}

void Link::drop_all(std::uint64_t* count) {
  while (!wire_.empty()) {
    Packet packet = wire_.top().packet;
    wire_.pop();
    if (count != nullptr) *count += packet.segments;
    release(pool_, packet);
  }
}

std::uint64_t Link::queued_bytes(Nanoseconds now) const {
  if (settings_.rate <= 0 || sent_all_ <= now) return 0;
  return static_cast<std::uint64_t>(static_cast<double>(sent_all_ - now) * settings_.rate / 8e9);
}

/// Counts the packet when it does not get as far as the queue.
bool Link::refused(const Packet& packet) {
  std::uint64_t* count = nullptr;
  const std::uint32_t largest = std::min(packet.ip_bytes(), packet.header_bytes + packet.segment_bytes);
  if (settings_.state == LinkState::down || settings_.state == LinkState::reset)
    count = &stats_.dropped_down;
  else if (settings_.packet_bytes_max != 0 && largest > settings_.packet_bytes_max)
    count = &stats_.dropped_size;
  else if (pool_.bytes() > memory_bytes_max)
    count = &stats_.dropped_memory;
  if (count != nullptr) *count += packet.segments;
  return count != nullptr;
}

/// Drop-tail for each wire packet: how many of this one the queue has room for.
std::uint32_t Link::fitting_segments(const Packet& packet, Nanoseconds now) const {
  const std::uint64_t queued = queued_bytes(now), limit = settings_.queue_limit_bytes();
  if (settings_.rate <= 0 || queued + packet.wire_bytes() <= limit) return packet.segments;
  const std::uint64_t each = std::max<std::uint64_t>(1, packet.header_bytes + packet.segment_bytes);
  const std::uint32_t fit = at_most(packet.segments, limit > queued ? (limit - queued) / each : 0);
  return packet.cuttable || fit == packet.segments ? fit : 0;
}

void Link::enter(Packet packet, Nanoseconds now) {
  if (!refused(packet)) {
    const std::uint32_t fit = fitting_segments(packet, now);
    stats_.dropped_queue += packet.segments - fit;
    Packet head = packet;  // the same bytes, seen as the first of its segments
    head.segments = fit;
    if (fit != 0) transmit(head, now);
    stats_.queue_bytes_max = std::max(stats_.queue_bytes_max, queued_bytes(now));
  }
  release(pool_, packet);
}

/// A super-packet crosses the bottleneck in even lumps of at most a millisecond.
std::uint32_t Link::segments_of_lump(const Packet& packet) const {
  if (settings_.rate <= 0 || !packet.cuttable) return packet.segments;
  const Nanoseconds each = sending_time(packet.header_bytes + packet.segment_bytes, settings_.rate);
  const auto most =
      static_cast<std::uint32_t>(std::clamp<Nanoseconds>(lump_max / std::max<Nanoseconds>(each, 1), 1, 65536));
  const std::uint32_t lumps = std::max(1U, (packet.segments + most - 1) / most);
  return std::max(1U, (packet.segments + lumps - 1) / lumps);
}

/// `packet` may be limited to the first of its segments.
void Link::transmit(const Packet& packet, Nanoseconds now) {
  const std::uint32_t lump = segments_of_lump(packet);
  Nanoseconds sent = std::max(now, sent_all_);
  for (std::uint32_t from = 0; from < packet.segments; from += lump) {
    const std::uint32_t count = std::min(lump, packet.segments - from);
    if (settings_.rate > 0) {
      const std::uint32_t payload = from + count == packet.segments_of_payload()
                                        ? packet.payload_bytes - from * packet.segment_bytes
                                        : count * packet.segment_bytes;
      sent += sending_time(payload + count * packet.header_bytes, settings_.rate);
      sent_all_ = sent;
    }
    decide_fates(packet, {from, count}, sent);
  }
}

/// Cuts the run where one is lost or late and the next is not.
void Link::decide_fates(const Packet& packet, Run run, Nanoseconds sent) {
  const std::uint32_t end = run.from + run.count;
  for (std::uint32_t from = run.from; from < end;) {
    std::uint32_t count = at_most(end - from, loss_left_);
    if (losing_) {
      stats_.lost += count;
    } else {
      Nanoseconds extra = 0;
      if (settings_.reorder > 0 && reorder_left_ == 0) {
        count = 1;
        extra = settings_.reorder_by != 0 ? settings_.reorder_by : std::max(settings_.delay / 4, one_ms);
        reorder_left_ = random_.geometric(settings_.reorder);
        ++stats_.reordered;
      } else if (settings_.reorder > 0) {
        count = at_most(count, reorder_left_);
        reorder_left_ -= count;
      }
      send_run(packet, {from, count}, sent, extra);
    }
    from += count;
    loss_left_ -= count;
    if (loss_left_ == 0) {
      losing_ = !losing_;
      loss_left_ = loss_run(losing_);
    }
  }
}

/// A straight line between random points, one each period: the delay drifts as on a satellite's pass.
Nanoseconds Link::jitter_at(Nanoseconds time) {
  const std::int64_t slot = time / settings_.jitter_period;
  if (slot != jitter_slot_) {
    jitter_from_ = slot == jitter_slot_ + 1 ? jitter_to_ : random_.uniform();
    jitter_to_ = random_.uniform();
    jitter_slot_ = slot;
  }
  const double part =
      static_cast<double>(time % settings_.jitter_period) / static_cast<double>(settings_.jitter_period);
  const double share = jitter_from_ + (jitter_to_ - jitter_from_) * part;
  return static_cast<Nanoseconds>(share * static_cast<double>(settings_.jitter));
}

/// Each hit flips one bit in one wire packet's payload. Sums are left as they are, and the receiver's kernel is told
/// not to look: only a check from end to end notices.
void Link::corrupt_some(Packet& packet, std::uint32_t count) {
  std::uint64_t at = corrupt_left_;
  for (; at < count; at += 1 + random_.geometric(settings_.corrupt)) {
    const std::span payload = payload_of(packet);
    const std::size_t begin = at * packet.segment_bytes;
    const std::size_t end = std::min<std::size_t>(payload.size(), begin + packet.segment_bytes);
    if (begin >= end) continue;
    const std::size_t place = begin + random_.next() % (end - begin);
    payload[place] ^= static_cast<std::uint8_t>(1U << (random_.next() & 7));
    ++stats_.corrupted;
  }
  corrupt_left_ = at - count;
}

void Link::send_run(const Packet& packet, Run run, Nanoseconds sent, Nanoseconds extra) {
  const bool all = run.count == (packet.cuttable ? packet.segments_of_payload() : 1);
  Packet piece = all ? share(packet) : cut(pool_, packet, run.from, run.count);
  piece.segments = run.count;
  if (settings_.corrupt > 0) corrupt_some(piece, run.count);
  Nanoseconds due = sent + settings_.delay + (settings_.jitter != 0 ? jitter_at(sent) : 0);
  if (settings_.gap_for != 0) due += std::max<Nanoseconds>(0, settings_.gap_for - due % settings_.gap_every);
  if (extra != 0)
    due += extra;
  else
    last_due_ = due = std::max(due, last_due_);
  if (settings_.duplicate > 0) {
    if (duplicate_left_ < run.count) {
      push(share(piece), due);  // the whole run once more
      stats_.duplicated += run.count;
      duplicate_left_ = random_.geometric(settings_.duplicate);
    } else {
      duplicate_left_ -= run.count;
    }
  }
  push(piece, due);
}

void Link::push(const Packet& packet, Nanoseconds due) {
  wire_.push({due, order_++, packet});
}

Nanoseconds Link::next_due() const {
  if (wire_.empty() || settings_.state == LinkState::hold) return std::numeric_limits<Nanoseconds>::max();
  return wire_.top().due;
}

int Link::leave(Nanoseconds now, int count, const std::function<bool(const Packet&)>& out) {
  int left = 0;
  for (; left < count && next_due() <= now; ++left) {
    Packet packet = wire_.top().packet;
    const Nanoseconds late = now - wire_.top().due;
    wire_.pop();
    ++stats_.late_samples;
    stats_.late_sum += late;
    stats_.late_max = std::max(stats_.late_max, late);
    stats_.late_over_1ms += late > one_ms ? 1 : 0;
    if (out(packet)) {
      ++stats_.super_packets;
      stats_.packets += packet.segments;
      stats_.bytes += packet.wire_bytes();
    } else {
      stats_.dropped_write += packet.segments;
    }
    release(pool_, packet);
  }
  return left;
}

}  // namespace longhaul::lab
